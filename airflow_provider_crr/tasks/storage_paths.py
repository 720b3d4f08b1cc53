"""Airflow's own names of a place in S3, as text: its ``ObjectStoragePath`` and its ``Asset``."""

from __future__ import annotations

import sys
from typing import Any

from airflow_provider_crr.s3.objects import is_s3_uri

#: The modules that define them. A value can be one of theirs only if they are loaded already.
_PATH = ("airflow.sdk.io.path", "ObjectStoragePath")
_ASSET = ("airflow.sdk.definitions.asset", "Asset")
_COLLECTIONS = (list, tuple, set, frozenset)


def is_place(value: object) -> bool:
    """Return whether a value is a path or an asset that is in S3."""
    return _split(value) is not None


def as_text(value: Any) -> tuple[Any, frozenset[str]]:
    """
    Return a value with S3 URIs in the place of paths and assets, and the ids of the connections that the paths name.

    :param value: a key, or a collection of keys. What is neither path nor asset, or not in S3, stays as it is.
    """
    place = _split(value)
    if place is not None:
        uri, conn_id = place
        return uri, frozenset([conn_id] if conn_id else [])
    if type(value) not in _COLLECTIONS or not any(map(is_place, value)):
        return value, frozenset()
    parts = [as_text(element) if is_place(element) else (element, frozenset()) for element in value]
    return type(value)(text for text, _ in parts), frozenset().union(*(ids for _, ids in parts))


def _split(value: object) -> tuple[str, str] | None:
    """Return URI and connection id of a path or an asset; None if it is neither, or not in S3."""
    if isinstance(value, str):
        return None
    if _is(value, *_ASSET):
        uri = str(getattr(value, "uri", ""))
        return (uri, "") if is_s3_uri(uri) else None
    if not _is(value, *_PATH):
        return None
    scheme, mark, rest = str(value).partition("://")
    if not is_s3_uri(f"{scheme}{mark}"):
        return None
    where, slash, key = rest.partition("/")
    conn_id, _, bucket = where.rpartition("@")  # as ObjectStoragePath itself reads it
    return f"{scheme}{mark}{bucket}{slash}{key}", conn_id


def _is(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
