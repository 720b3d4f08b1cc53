"""The argument ``bucket_key``, after it was rendered: one key, or any collection of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks.rendered_values import BY_DATA, Unfit, Value, names_nothing, shown
from airflow_provider_crr.tasks.storage_paths import is_place

#: How to write the argument.
HOW_TO_NAME_KEYS = (
    "Give text: a key or s3://bucket/key, mappings of bucket, key and version_id, or a list of these; leave"
    " version_id out for the current version, and skip the task where there is nothing to name"
)


def keys(value: Value) -> Any:
    """Return the argument ``bucket_key`` in its type, or raise a ValueError."""
    now, written = value.now, value.written
    if isinstance(now, str | bytes | Mapping | S3Object) or not isinstance(now, Iterable):
        return _key(value)
    originals: Iterable[Any]
    if isinstance(written, set | frozenset):
        return [_key(value.part(each, each if _is_in(each, written) else BY_DATA)) for each in now]
    elements = list(now)
    alike = isinstance(written, list | tuple) and len(written) == len(elements)
    originals = written if alike else repeat(BY_DATA)
    return [_key(value.part(each, original)) for each, original in zip(elements, originals, strict=False)]


def _key(value: Value) -> Any:
    now = value.now
    if value.is_nothing:
        raise _unfit_keys(f"bucket_key holds {shown(now)}: an S3 object needs a key")
    if isinstance(now, S3Object) or is_place(now):
        return now
    if isinstance(now, str):
        if names_nothing(value):
            raise _unfit_keys(f"bucket_key rendered to {shown(now)}")
        return now
    if not isinstance(now, Mapping):
        return value.text() if value.is_rendered else now  # Targets says what is wrong with it
    written = value.written if isinstance(value.written, Mapping) else {}
    members = {name: value.part(member, written.get(name, BY_DATA)) for name, member in now.items()}
    return {name: _member(name, member) for name, member in members.items() if not _is_left_out(name, member)}


def _is_left_out(name: Any, member: Value) -> bool:
    return name in ("bucket", "version_id") and member.now is None and not member.is_rendered


def _member(name: Any, member: Value) -> Any:
    if not member.is_rendered or name not in ("bucket", "key", "version_id"):
        return member.now
    try:
        if not member.is_nothing:
            return member.text()
    except Unfit:
        pass
    raise _unfit_keys(f"{name} {shown(member.now)} is given in a mapping of bucket_key")


def _unfit_keys(message: str) -> InvalidArgument:
    return InvalidArgument(message, remedy=HOW_TO_NAME_KEYS)


def _is_in(value: Any, written: Any) -> bool:
    try:
        return value in written
    except TypeError:  # of what cannot be in a set
        return False
