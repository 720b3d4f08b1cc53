"""
What a check finds of objects that are encrypted with KMS, and of the keys of their replicas.

`Replicating encrypted objects
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html>`__.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.replication.rules_check.findings import Finding, Severity
from airflow_provider_crr.replication.rules_check.look import Encryption, Look
from airflow_provider_crr.replication.rules_check.source import Source, about, part_of


def of_opt_in(each: ConfiguredRule, source: Source) -> Iterator[Finding]:
    """Yield what is to be said of the opt-in, whatever the destination is."""
    error, info = (partial(about, each, severity) for severity in (Severity.ERROR, Severity.INFO))
    if not each.rule.replicates_kms:
        if source.encryption is None:
            yield about(
                each,
                Severity.WARNING,
                f"leaves out what is encrypted with KMS, and the default of bucket {source.bucket} cannot be seen",
                "Allow s3:GetEncryptionConfiguration on the bucket, or see that its default is SSE-S3",
            )
        elif source.encryption.is_kms:
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
    elif not each.replica_key:
        yield error(
            "opts in to objects encrypted with KMS, and names no key for their replicas",
            "Set Destination.EncryptionConfiguration.ReplicaKmsKeyID to a key in the Region of the destination",
        )
    elif "alias/aws/s3" in each.replica_key and source.is_of_another_account(each):
        yield error(
            "encrypts replicas with alias/aws/s3 in another account, which may not use that key",
            "Name a key of the customer's own, whose policy lets the replication role use it",
        )


def of_key(each: ConfiguredRule, source: Source, look: Look, seen: Callable[[Any], Any]) -> Iterator[Finding]:
    """Yield what is to be said of the KMS key, which depends on the destination."""
    region = part_of(each.replica_key, 3)
    home: str | None = seen(look.region(each.rule.destination_bucket)) if region else None
    if region and home is None:
        yield about(
            each,
            Severity.WARNING,
            f"encrypts replicas with a key in {region}, and the Region of the destination cannot be seen",
            "See that the destination is in the Region of the key",
        )
    if home and region != home:
        yield about(
            each,
            Severity.ERROR,
            f"encrypts replicas with a key in {region}, and the destination is in {home} (DstKmsKeyNotFound)",
            "Name a key in the Region of the destination",
        )
    destination: Encryption | None = seen(look.encryption(each.rule.destination_bucket))
    if any(known is not None and known.bucket_key for known in (source.encryption, destination)):
        yield about(
            each,
            Severity.INFO,
            "replicates what is encrypted with KMS, with an S3 Bucket Key on the way: KMS is then asked for the bucket,"
            " and not for each object",
            "See that the policies of role and keys have the ARN of the bucket as kms:EncryptionContext:aws:s3:arn",
        )
