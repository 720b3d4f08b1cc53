"""What a job of S3 Batch Replication is to replicate: the objects of a manifest, or what S3 finds in a bucket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider_crr.batch import repair_manifest
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import is_arn, is_bucket, is_s3_uri, split_uri
from airflow_provider_crr.s3.patterns import literal_prefix, wildcards
from airflow_provider_crr.text.humanize import utc_text

#: The replication statuses by which S3 can select objects. It has no word for PENDING.
SELECTABLE = ("FAILED", "NONE", "COMPLETED", "REPLICA")
_PREFIX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Listed:
    """
    The objects of a manifest, format ``S3BatchOperations_CSV_20180820``.

    :param uri: S3 URI of the manifest.
    :param etag: its ETag, by which S3 sees whether it was changed since.
    """

    uri: str
    etag: str

    def __str__(self) -> str:
        """Return what is selected: the manifest's URI."""
        return self.uri

    def to_api(self, partition: str) -> dict[str, Any]:
        """
        Return the arguments of CreateJob.

        :param partition: AWS partition, such as ``"aws"``.
        """
        bucket, key = split_uri(self.uri)
        return {
            "Manifest": {
                "Spec": {
                    "Format": "S3BatchOperations_CSV_20180820",
                    "Fields": [*repair_manifest.fields(versions=True)],
                },
                "Location": {"ObjectArn": f"arn:{partition}:s3:::{bucket}/{key}", "ETag": self.etag},
            }
        }


@dataclass(frozen=True, slots=True)
class Found:
    """
    What S3 itself finds in a bucket: it makes the manifest.

    :param bucket: name of the source bucket.
    :param statuses: replication statuses, FAILED, NONE, COMPLETED, REPLICA.
    :param created_after: only objects written after this moment, UTC; None for any.
    :param created_before: only objects written before this moment, UTC; None for any.
    :param prefix: only keys that begin so; None for all.
    :param owner: account id that must own the bucket; None for any.
    :raises InvalidArgument: for what S3 can never select.
    """

    bucket: str
    statuses: tuple[str, ...] = ("FAILED",)
    created_after: datetime | None = None
    created_before: datetime | None = None
    prefix: str | None = None
    owner: str | None = None

    def __post_init__(self) -> None:
        """Refuse what S3 would refuse."""
        source_bucket(self.bucket)
        if self.prefix is not None:
            key_prefix(self.prefix)
        if self.created_after and self.created_before and self.created_after >= self.created_before:
            raise InvalidArgument(
                f"created_after is {utc_text(self.created_after)}, created_before is {utc_text(self.created_before)}",
                uri=f"s3://{self.bucket}",
                remedy="Give a created_after that is earlier",
            )

    def to_api(self, partition: str) -> dict[str, Any]:
        """
        Return the arguments of CreateJob.

        :param partition: AWS partition, such as ``"aws"``.
        """
        chosen: dict[str, Any] = {"EligibleForReplication": True, "ObjectReplicationStatuses": [*self.statuses]}
        if self.created_after:
            chosen["CreatedAfter"] = self.created_after
        if self.created_before:
            chosen["CreatedBefore"] = self.created_before
        if self.prefix:
            chosen["KeyNameConstraint"] = {"MatchAnyPrefix": [self.prefix]}
        generator = {
            "SourceBucket": f"arn:{partition}:s3:::{self.bucket}",
            "EnableManifestOutput": False,
            "Filter": chosen,
            **({"ExpectedBucketOwner": self.owner} if self.owner else {}),
        }
        return {"ManifestGenerator": {"S3JobManifestGenerator": generator}}

    def content(self) -> str:
        """Return a text that differs from that of any other selection."""
        moments = [each and each.astimezone(UTC).isoformat() for each in (self.created_after, self.created_before)]
        return json.dumps([self.bucket, [*self.statuses], *moments, self.prefix])

    def __str__(self) -> str:
        """Return what is selected, in words."""
        below = f"s3://{self.bucket}/{self.prefix or ''}"
        after = f", written after {utc_text(self.created_after)}" if self.created_after else ""
        before = f", written before {utc_text(self.created_before)}" if self.created_before else ""
        return f"what is {' or '.join(self.statuses)} in {below}{after}{before}"


def selectable(statuses: object) -> tuple[str, ...]:
    """
    Return the statuses by which objects are selected.

    :param statuses: one or several of :data:`SELECTABLE`; None for FAILED.
    :raises InvalidArgument: for any other, and for an empty list.
    """
    if statuses is None:
        return ("FAILED",)
    named = (statuses,) if isinstance(statuses, str) else tuple(statuses) if isinstance(statuses, Iterable) else ()
    known = ", ".join(SELECTABLE)
    if "PENDING" in named:
        raise InvalidArgument(
            "S3 cannot select objects that are PENDING",
            remedy=f"Select by {known}, or name what is stuck in a manifest: failed_manifest_pending_age of"
            " S3InventorySummaryOperator lists it, too",
        )
    if not named or not all(isinstance(each, str) and each in SELECTABLE for each in named):
        raise InvalidArgument(f"statuses is {statuses!r}", remedy=f"Give one or several of {known}")
    return tuple(dict.fromkeys(named))


def source_bucket(bucket: object) -> str:
    """
    Return the name of the bucket that S3 is to search.

    :raises InvalidArgument: if it is no name of a bucket.
    """
    if not isinstance(bucket, str) or not is_bucket(bucket) or is_arn(bucket) or is_s3_uri(bucket):
        raise InvalidArgument(
            f"source_bucket is {bucket!r}", remedy="Give the name of the bucket alone, and a prefix as prefix"
        )
    return bucket


def key_prefix(prefix: object) -> str:
    """
    Return a prefix of keys.

    :raises InvalidArgument: if no key can begin so.
    """
    if not isinstance(prefix, str) or is_s3_uri(prefix) or len(prefix.encode(errors="replace")) > _PREFIX_BYTES:
        raise InvalidArgument(f"prefix is {prefix!r}", remedy="Give the beginning of the keys, such as orders/2026/")
    if wildcards(prefix):
        raise InvalidArgument(
            f"prefix is {prefix!r}, and S3 Batch Operations knows no patterns",
            remedy=f"Give the beginning of the keys, such as {literal_prefix(prefix) or 'orders/'!r}. Name keys that"
            " really have these characters in a manifest",
        )
    return prefix
