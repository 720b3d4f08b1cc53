"""
Whether an answer is fresh from S3, or was stored by a cache: one rule for HEAD, LIST and GET.

Some headers are standards: RFC 9111, 5.1 (Age); RFC 7234, 5.5 (Warning 110 to 113); RFC 9211, 2.1 (Cache-Status). The
others are written by squid, nginx, CloudFront, Cloudflare and Akamai.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_STALE = re.compile(r"(?:^|,)\s*11[0-3]\b")
#: The first word is the cache's; what follows may be the name of a host. A hit that was checked with the origin
#: (``RefreshHit``, ``TCP_REFRESH_HIT``, ``REVALIDATED``) is fresh.
_HIT = re.compile(r"(?:^|,)\s*(?:(?:tcp|mem|disk|ims|inmem|offline)_)*(?:hit|stale|updating)\b", re.IGNORECASE)
_HIT_PARAMETER = re.compile(r";\s*hit\b(?!\s*=\s*\?0)", re.IGNORECASE)
_CACHES_SAY = (
    ("warning", _STALE),
    ("x-cache", _HIT),
    ("x-cache-status", _HIT),
    ("x-cache-remote", _HIT),
    ("x-proxy-cache", _HIT),
    ("cf-cache-status", _HIT),
    ("cache-status", _HIT_PARAMETER),
)


def cached(headers: Mapping[str, str]) -> str:
    """
    Return which header says that a cache answered, with its value; empty if none does.

    :param headers: with names in lower case, or a mapping that ignores the case.
    """
    age = headers.get("age")
    if age is not None and (not age.isascii() or not age.isdigit() or int(age) > 0):
        return f"Age is {age[:40]!r}"
    for name, stored in _CACHES_SAY:
        value = headers.get(name)
        if value is not None and stored.search(value):
            return f"{name} is {value[:80]!r}"
    return ""
