"""The part of an entity tag that differs when the content does (RFC 9110, section 8.8.3)."""

from __future__ import annotations


def opaque(etag: str | None) -> str:
    """
    Return an ETag without its quotes, and without the prefix ``W/`` ("weak") that some proxies add.

    :param etag: value of the header or element; None if there is none.
    """
    return (etag or "").removeprefix("W/").strip('"')
