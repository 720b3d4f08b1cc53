"""Unix shell-style patterns of keys, as amazon's ``S3KeySensor`` takes them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase


def literal_prefix(pattern: str) -> str:
    """Return the part of a pattern that S3 can list by."""
    return re.split(r"[\[*?]", pattern, maxsplit=1)[0]


def matches(pattern: str, key: str) -> bool:
    """Return whether a key matches a pattern, case-sensitively, as ``S3KeySensor`` does on Linux."""
    return fnmatchcase(key, pattern)
