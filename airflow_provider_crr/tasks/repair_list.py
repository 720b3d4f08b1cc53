"""
The manifest of objects that somebody names: written once, below ``work_uri``, and taken as it is by later tries.

So it names the same versions at each try, and is the same request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.batch import manifest_writer
from airflow_provider_crr.batch.repair_manifest import CONTENT_TYPE, NULL_VERSION
from airflow_provider_crr.batch.report_files import etag_of, read_manifest
from airflow_provider_crr.batch.settled import Settled, found
from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import legible

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

#: States of objects that are not there, or that nobody may look at.
_LACKING = frozenset({ObjectState.MISSING, ObjectState.DELETED, ObjectState.FORBIDDEN, ObjectState.UNREADABLE})
_SHOWN = 10


def written_before(client: Any, uri: str, bucket: str, count: int) -> str | None:
    """
    Return the ETag of the manifest that an earlier try has written; None if none has, or it is another one.

    :param client: boto3 S3 client.
    :param uri: S3 URI of the manifest.
    :param bucket: bucket of its objects.
    :param count: how many it has.
    :raises BatchManifestInvalid: if S3 Batch Operations cannot read it.
    """
    if etag_of(client, uri) is None:
        return None
    checked, etag = read_manifest(client, uri)
    return etag if (checked.bucket, checked.objects) == (bucket, count) else None


def write(objects: Sequence[S3Object], uri: str, client: Any, extra_args: Mapping[str, Any] | None) -> str:
    """
    Write a manifest, and return its ETag.

    :param objects: the objects, each with its version.
    :param uri: S3 URI of the manifest.
    :param client: boto3 S3 client.
    :param extra_args: what is sent with it.
    :raises BatchManifestInvalid: if S3 Batch Operations cannot read it, such as one that the bucket encrypts with KMS.
    """
    from airflow_provider_crr.inventory import output
    from airflow_provider_crr.inventory.disk_errors import disk_errors
    from airflow_provider_crr.inventory.workspace import workspace

    with workspace(None) as (directory, _):
        path = directory / "manifest.csv"
        with disk_errors(uri), path.open("wb") as file:
            manifest_writer.write(objects, file)
        output.write(client, uri, path, CONTENT_TYPE, extra_args)
    return read_manifest(client, uri)[1]


def in_versions(objects: Sequence[S3Object], s3: S3ReplicationHook) -> list[S3Object] | Settled:
    """
    Return each object in the version that is current now, unless one was named; or that some are not there.

    :param objects: the objects.
    :param s3: the hook that asks for them.
    :raises LookupFailed: if S3 does not tell of one.
    """
    unnamed = [obj for obj in objects if obj.version_id is None]
    current: dict[S3Object, S3Object] = {}
    lacking: list[str] = []
    for answer in s3.get_replication_statuses(unnamed) if unnamed else ():
        if answer.state is ObjectState.UNKNOWN:
            raise LookupFailed(
                f"its version is not known: {answer.detail}",
                uri=str(answer.object),
                remedy="Name the versions, or ask again",
                passing=True,
            )
        if answer.state in _LACKING:
            lacking.append(
                f"{legible(str(answer.object))} {answer.state.value}{f': {answer.detail}' if answer.detail else ''}"
            )
        else:
            current[answer.object] = answer.object.in_version(answer.version_id or NULL_VERSION)
    if lacking:
        more = [f"and {len(lacking) - _SHOWN:,} more"] if len(lacking) > _SHOWN else []
        lines = [f"no job was created: {len(lacking):,} of {len(objects):,} objects cannot be named to S3"]
        message = "\n  ".join([*lines, *sorted(lacking)[:_SHOWN], *more])
        return Settled(message, found(total=len(objects)), failed=True)
    return [obj if obj.version_id else current[obj] for obj in objects]
