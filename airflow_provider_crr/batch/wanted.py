"""The objects that somebody names for a repair, as they are written down in a DAG or come from another task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import S3Object, is_arn

_VERSION = "?versionId="
#: The statuses of a gate's objects that a repair can change.
REPAIRED = ("FAILED", "NONE")
#: How to write the argument.
HOW_TO_NAME_OBJECTS = (
    'Give "s3://bucket/key?versionId=ID", mappings of bucket, key and version_id, what a gate returned, or a list of'
    " these"
)


def wanted(objects: object) -> tuple[S3Object, ...]:
    """
    Return the objects that are named, each once, in their order.

    :param objects: an S3 URI, also with ``?versionId=`` as in this provider's messages; a mapping of bucket, key and
        version_id; an :class:`.S3Object`; what a gate returned, of which FAILED and NONE are taken; or any collection
        of these.
    :raises InvalidArgument: for anything else; for what a gate returned if it names fewer objects than it counts; for
        objects of several buckets, or of an access point.
    """
    found = tuple(dict.fromkeys(_each(objects)))
    buckets = sorted({obj.bucket for obj in found})
    if len(buckets) > 1:
        raise InvalidArgument(
            f"the objects are in {len(buckets)} buckets: {', '.join(buckets[:5])}",
            uri=str(next(obj for obj in found if obj.bucket != found[0].bucket)),
            remedy="A job repairs one bucket: map the task over buckets",
        )
    if buckets and is_arn(buckets[0]):
        raise InvalidArgument(
            "a job of S3 Batch Replication takes no objects of an access point",
            uri=str(found[0]),
            remedy="Name the bucket",
        )
    return found


def _each(value: object) -> Iterator[S3Object]:
    if isinstance(value, S3Object):
        yield value
    elif isinstance(value, str):
        yield _from_text(value)
    elif isinstance(value, Mapping):
        if "key" in value:
            yield S3Object.parse(value)
        else:
            yield from _from_xcom(value)
    elif isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        for each in value:
            yield from _each(each)
    else:
        raise InvalidArgument(f"objects holds {value!r}", remedy=HOW_TO_NAME_OBJECTS)


def _from_text(text: str) -> S3Object:
    if text.lstrip().startswith(("[", "(", "{")):
        raise InvalidArgument(
            f"objects holds the text of a list: {text[:80]}",
            remedy="Pass objects=task.output, or set render_template_as_native_obj=True on the DAG",
        )
    uri, marker, version_id = text.rpartition(_VERSION)
    return S3Object.parse(uri).in_version(version_id) if marker else S3Object.parse(text)


def _from_xcom(value: Mapping[Any, Any]) -> Iterator[S3Object]:
    """Read what a gate returned. An inventory summary has a manifest instead."""
    manifest = value.get("failed_manifest_uri")
    instead = f"Give manifest_uri={manifest!r} instead" if manifest else "Set failed_manifest_uri there, and give it"
    instead += "" if manifest else " as manifest_uri here"
    statuses, sample = value.get("statuses"), value.get("sample")
    if not isinstance(statuses, Mapping) or not isinstance(sample, list | tuple):
        if "failed_manifest_uri" in value:
            raise InvalidArgument("objects holds the summary of a report, which has a manifest", remedy=instead)
        raise InvalidArgument(
            f"objects holds a mapping of {', '.join(map(repr, value))[:200]}", remedy=HOW_TO_NAME_OBJECTS
        )
    counted = sum(int(statuses.get(status) or 0) for status in REPAIRED)
    named = [entry for entry in sample if isinstance(entry, Mapping) and entry.get("status") in REPAIRED]
    if len(named) < counted:
        raise InvalidArgument(
            f"the gate counted {counted:,} objects that FAILED or have no status, and names {len(named):,} of them",
            remedy=f"{instead}: it has all that FAILED",
        )
    for entry in named:
        yield _from_text(str(entry.get("uri")))
