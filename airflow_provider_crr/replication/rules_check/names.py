"""The keys and prefixes that a check is given, in whatever form their author has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.targets import refuse_text_of_list
from airflow_provider_crr.s3.objects import S3Object, is_arn, is_bucket, is_s3_uri, split


def bucket_of(value: object) -> str:
    """
    Return the name of the bucket whose rules are checked.

    :raises InvalidArgument: if it is none, such as the ARN of an access point: its bucket has the rules.
    """
    if not isinstance(value, str) or not is_bucket(value) or is_arn(value):
        raise InvalidArgument(
            f"bucket_name is {value!r}, which is not the name of a bucket",
            remedy="Give the name of the source bucket, without s3:// and without a key",
        )
    return value


def keys_of(value: object, bucket: str) -> tuple[str, ...]:
    """
    Return keys, without repetition.

    :param value: a key, an S3 URI, a ``{"bucket", "key"}`` mapping, an :class:`~.s3.objects.S3Object`, or any
        collection of these; None for no key. A version is not looked at: rules know of keys only.
    :param bucket: the bucket that all of them must be in.
    :raises InvalidArgument: for whatever does not name a key of this bucket.
    """
    return tuple(dict.fromkeys(_key(each, bucket) for each in _each(value, "keys")))


def prefixes_of(value: object, bucket: str) -> tuple[str, ...]:
    """
    Return prefixes, without repetition.

    :param value: a prefix, an S3 URI, or any collection of these; ``""`` for the whole bucket, None for no prefix.
    :param bucket: the bucket that all of them must be in.
    :raises InvalidArgument: for whatever no key of this bucket can begin with.
    """
    return tuple(dict.fromkeys(_prefix(each, bucket) for each in _each(value, "prefixes")))


def _each(value: Any, name: str) -> Iterable[Any]:
    if value is None:
        return ()
    one = isinstance(value, str | bytes | Mapping | S3Object)
    if not one and not isinstance(value, Iterable):
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give text, or a list of it")
    values = [value] if one else list(value)
    for each in values:
        refuse_text_of_list(each, name)
    return values


def _key(value: Any, bucket: str) -> str:
    has_bucket = (isinstance(value, str) and is_s3_uri(value)) or (isinstance(value, Mapping) and "bucket" in value)
    obj = S3Object.parse(value, None if has_bucket else bucket)
    _refuse_other(obj.bucket, bucket, str(obj))
    return obj.key


def _prefix(value: Any, bucket: str) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"prefixes holds {value!r}", remedy="Give text, such as orders/2026/")
    prefix = value
    if is_s3_uri(value):
        named, prefix = split(value)
        _refuse_other(named, bucket, value)
    return S3Object.parse({"bucket": bucket, "key": prefix}).key if prefix else ""


def _refuse_other(named: str, bucket: str, uri: str) -> None:
    if named != bucket:
        raise InvalidArgument(
            f"this is in another bucket than {bucket}, whose rules are checked",
            uri=uri,
            remedy="Give a task to each bucket",
        )
