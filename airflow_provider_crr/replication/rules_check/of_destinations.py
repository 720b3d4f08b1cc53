"""
What a check finds of a rule and its destination.

What S3 needs at the destination: `Requirements and considerations for replication
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html>`__. What it then says of its
failures: `Amazon S3 replication failure reasons
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html>`__.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.replication.rules import ARCHIVED_CLASSES
from airflow_provider_crr.replication.rules_check.findings import Finding, Severity
from airflow_provider_crr.replication.rules_check.look import Look, Unseen, Versioning
from airflow_provider_crr.replication.rules_check.of_encryption import of_key, of_opt_in
from airflow_provider_crr.replication.rules_check.source import Source, about, part_of

T = TypeVar("T")


def of_rule(
    each: ConfiguredRule, source: Source, look: Look, seen: Callable[[T | Unseen], T | None]
) -> Iterator[Finding]:
    """
    Yield what is to be said of a rule that applies to something that was named.

    :param each: the rule.
    :param source: what is known of the source.
    :param look: answers questions about the destination.
    :param seen: notes what could not be seen, for which it returns None.
    """
    error, warning = (partial(about, each, severity) for severity in (Severity.ERROR, Severity.WARNING))
    bucket = each.rule.destination_bucket
    if not bucket:
        yield error("names no bucket as its destination", "Set Destination.Bucket to the ARN of a bucket")
        return
    if bucket == source.bucket:
        yield error("has its own bucket for destination", "Name another bucket as its destination")
        return
    partition = part_of(each.destination, 1)
    if source.partition and partition and partition != source.partition:
        yield error(
            f"has a destination in another partition ({partition}, not {source.partition}), where S3 does not"
            " replicate to",
            "Copy the objects by other means",
        )
        return
    gone = look.versioning(bucket) is Versioning.GONE
    if gone:
        yield error(
            f"has the destination s3://{bucket}, which does not exist (DstBucketNotFound)",
            "Make it again, or name another destination",
        )
    else:
        yield from _of_destination(each, source, look, seen)
    yield from of_opt_in(each, source)
    if each.rule.replicates_kms and each.replica_key and not gone:
        yield from of_key(each, source, look, seen)
    if not each.tells_failures:
        yield warning(
            "has no replication metrics: S3 sends no event when an object FAILED",
            "Set Destination.Metrics" + (", for which the rule needs a Filter" if each.is_version_1 else ""),
        )
    if each.storage_class in ARCHIVED_CLASSES:
        yield warning(
            f"stores the replicas as {each.storage_class}, from which nothing can be read before it is restored",
            "Set another Destination.StorageClass, such as GLACIER_IR, if somebody is to read them",
        )
    yield from _of_owner(each, source)
    markers = "copies delete markers that users make" if each.delete_markers else "does not copy delete markers"
    yield about(
        each,
        Severity.INFO,
        f"{markers}, nor those of lifecycle rules, nor deletes of versions",
        "Set DeleteMarkerReplication if that is not meant"
        + (", for which the rule needs a Filter" if each.is_version_1 else ""),
    )


def _of_destination(each: ConfiguredRule, source: Source, look: Look, seen: Callable[[Any], Any]) -> Iterator[Finding]:
    error, warning = (partial(about, each, severity) for severity in (Severity.ERROR, Severity.WARNING))
    bucket = each.rule.destination_bucket
    uri = f"s3://{bucket}"
    found = look.versioning(bucket)
    versioning: Versioning | None = seen(found)
    if isinstance(found, Unseen):
        yield about(
            each,
            Severity.WARNING,
            f"has the destination {uri}, which cannot be seen: {found.why}",
            "Look at its versioning there, with the credentials of its account",
        )
    elif versioning is not Versioning.ENABLED:
        yield error(
            f"has the destination {uri}, whose versioning is {_words(versioning)} (DstBucketUnversioned)",
            "Enable the versioning of the destination",
        )
    locked = seen(look.object_lock(bucket)) if source.object_lock else None
    if source.object_lock is None or (source.object_lock and locked is None):
        whose = f"the source's or that of the destination {uri}"
        yield warning(
            f"needs Object Lock at its destination if the source has it, and it cannot be seen: {whose}",
            "Allow s3:GetBucketObjectLockConfiguration on both buckets, or see that both have it, or neither",
        )
    elif source.object_lock and not locked:
        yield error(
            f"has the destination {uri} without Object Lock, which the source has (DstBucketObjectLockConfigMissing)",
            "Enable Object Lock at the destination",
        )
    payment = seen(look.requester_pays(bucket)) if source.is_of_another_account(each) else False
    if payment is None:
        yield warning(
            f"has the destination {uri} in another account, and who pays there cannot be seen",
            "See that it is no requester-pays bucket, to which S3 does not replicate from another account",
        )
    elif payment:
        yield error(
            f"has the destination {uri}, a requester-pays bucket of another account, to which S3 does not replicate",
            "Have the owner of the destination pay",
        )


def _of_owner(each: ConfiguredRule, source: Source) -> Iterator[Finding]:
    if each.owner_override and not each.account:
        yield about(
            each,
            Severity.ERROR,
            "gives the replicas to the owner of the destination, and does not say who that is",
            "Set Destination.Account",
        )
    elif source.is_of_another_account(each) and not each.owner_override:
        yield about(
            each,
            Severity.INFO,
            f"leaves the replicas in account {each.account} to the owner of the source: unless the destination enforces"
            " its owner (Object Ownership), nobody there may read them",
            "Set Destination.AccessControlTranslation, or see that the destination enforces its owner",
        )


def _words(versioning: Versioning | None) -> str:
    return "suspended" if versioning is Versioning.SUSPENDED else "not enabled"
