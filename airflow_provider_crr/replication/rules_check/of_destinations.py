"""
What a check finds of a rule and its destination.

What S3 needs at the destination: `Requirements and considerations for replication
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html>`__. What it then says of its
failures: `Amazon S3 replication failure reasons
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html>`__.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.replication.rules import ARCHIVED_CLASSES
from airflow_provider_crr.replication.rules_check.findings import Finding, Severity
from airflow_provider_crr.replication.rules_check.look import Encryption, Look, Unseen, Versioning

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """
    What the findings of a rule need to know of the source.

    :param bucket: name of the source bucket.
    :param role: ARN of the replication role.
    :param encryption: the bucket's default encryption; None if it could not be seen.
    :param object_lock: whether it has Object Lock; None if that could not be seen.
    """

    bucket: str
    role: str
    encryption: Encryption | None = None
    object_lock: bool | None = None

    @property
    def account(self) -> str:
        """Id of the account that owns the role, which also owns the source; empty if that is not known."""
        return _part(self.role, 4)

    @property
    def partition(self) -> str:
        """Partition of the role, and so of the source; empty if that is not known."""
        return _part(self.role, 1)


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
    error, warning = (partial(_finding, each, severity) for severity in (Severity.ERROR, Severity.WARNING))
    bucket = each.rule.destination_bucket
    if not bucket:
        yield error("names no bucket as its destination", "Set Destination.Bucket to the ARN of a bucket")
        return
    if bucket == source.bucket:
        yield error("has its own bucket for destination", "Name another bucket as its destination")
        return
    partition = _part(each.destination, 1)
    if source.partition and partition != source.partition:
        yield error(
            f"has a destination in another partition ({partition}, not {source.partition}), where S3 does not"
            " replicate to",
            "Copy the objects by other means",
        )
        return
    if look.versioning(bucket) is Versioning.GONE:
        yield error(
            f"has the destination s3://{bucket}, which does not exist (DstBucketNotFound)",
            "Make it again, or name another destination",
        )
    else:
        yield from _of_destination(each, source, look, seen)
        yield from _of_kms(each, source, look, seen)
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
    yield _finding(
        each,
        Severity.INFO,
        f"{markers}, nor those of lifecycle rules, nor deletes of versions",
        "Set DeleteMarkerReplication if that is not meant"
        + (", for which the rule needs a Filter" if each.is_version_1 else ""),
    )


def _of_destination(each: ConfiguredRule, source: Source, look: Look, seen: Callable[[Any], Any]) -> Iterator[Finding]:
    error = partial(_finding, each, Severity.ERROR)
    bucket = each.rule.destination_bucket
    uri = f"s3://{bucket}"
    found = look.versioning(bucket)
    versioning: Versioning | None = seen(found)
    if isinstance(found, Unseen):
        yield _finding(
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
    if source.object_lock and seen(look.object_lock(bucket)) is False:
        yield error(
            f"has the destination {uri} without Object Lock, which the source has (DstBucketObjectLockConfigMissing)",
            "Enable Object Lock at the destination",
        )
    if _is_across_accounts(each, source) and seen(look.requester_pays(bucket)):
        yield error(
            f"has the destination {uri}, a requester-pays bucket of another account, to which S3 does not replicate",
            "Have the owner of the destination pay",
        )


def _of_kms(each: ConfiguredRule, source: Source, look: Look, seen: Callable[[Any], Any]) -> Iterator[Finding]:
    error, warning, info = (partial(_finding, each, severity) for severity in Severity)
    if not each.rule.replicates_kms:
        if source.encryption is not None and source.encryption.is_kms:
            yield error(
                f"leaves out what is encrypted with KMS, and bucket {source.bucket} encrypts with"
                f" {source.encryption.algorithm} by default",
                "Set SourceSelectionCriteria.SseKmsEncryptedObjects and a ReplicaKmsKeyID",
            )
        else:
            yield info(
                "leaves out objects that are written with SSE-KMS or DSSE-KMS",
                "Set SourceSelectionCriteria.SseKmsEncryptedObjects and a ReplicaKmsKeyID, if there are any",
            )
        return
    key = each.replica_key
    if not key:
        yield error(
            "opts in to objects encrypted with KMS, and names no key for their replicas",
            "Set Destination.EncryptionConfiguration.ReplicaKmsKeyID to a key in the Region of the destination",
        )
        return
    if "alias/aws/s3" in key and _is_across_accounts(each, source):
        yield error(
            "encrypts replicas with alias/aws/s3 in another account, which may not use that key",
            "Name a key of the customer's own, whose policy lets the replication role use it",
        )
    region = _part(key, 3)
    home: str | None = seen(look.region(each.rule.destination_bucket)) if region else None
    if home and region != home:
        yield error(
            f"encrypts replicas with a key in {region}, and the destination is in {home} (DstKmsKeyNotFound)",
            "Name a key in the Region of the destination",
        )
    destination: Encryption | None = seen(look.encryption(each.rule.destination_bucket))
    if any(known is not None and known.bucket_key for known in (source.encryption, destination)):
        yield warning(
            "replicates what is encrypted with KMS, with an S3 Bucket Key on the way: KMS is then asked for the bucket,"
            " and not for each object",
            "See that the policies of role and keys have the ARN of the bucket as kms:EncryptionContext:aws:s3:arn",
        )


def _of_owner(each: ConfiguredRule, source: Source) -> Iterator[Finding]:
    if each.owner_override and not each.account:
        yield _finding(
            each,
            Severity.ERROR,
            "gives the replicas to the owner of the destination, and does not say who that is",
            "Set Destination.Account",
        )
    elif _is_across_accounts(each, source) and not each.owner_override:
        yield _finding(
            each,
            Severity.WARNING,
            f"leaves the replicas in account {each.account} to the owner of the source: unless the destination enforces"
            " its owner (Object Ownership), nobody there may read them",
            "Set Destination.AccessControlTranslation, or see that the destination enforces its owner",
        )


def _is_across_accounts(each: ConfiguredRule, source: Source) -> bool:
    return bool(each.account and source.account) and each.account != source.account


def _finding(each: ConfiguredRule, severity: Severity, what: str, remedy: str) -> Finding:
    return Finding(severity, f"{each.rule} {what}", remedy, rule=each.rule.id)


def _words(versioning: Versioning | None) -> str:
    return "suspended" if versioning is Versioning.SUSPENDED else "not enabled"


def _part(arn: str, number: int) -> str:
    """Return one part of an ARN; empty if it is none."""
    parts = arn.split(":", 5)
    return parts[number] if parts[0] == "arn" and len(parts) > number else ""
