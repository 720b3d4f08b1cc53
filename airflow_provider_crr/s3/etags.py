"""What of an entity tag tells one content from another (RFC 9110, section 8.8.3)."""

from __future__ import annotations


def opaque(etag: str | None) -> str:
    """
    Return an ETag without its quotes, and without the mark that some proxies put before it ("weak").

    :param etag: as it came; None for none.
    """
    return (etag or "").removeprefix("W/").strip('"')
