"""
A bucket's replication configuration: its role, and all that its rules say.

The elements: `Replication configuration file elements
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>`__.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.s3.objects import is_arn
from airflow_provider_crr.s3.stores import server_of
from airflow_provider_crr.text.legible import told


@dataclass(frozen=True, slots=True)
class ConfiguredRule:
    """
    One rule, with what it says beyond which keys it covers.

    :param rule: which keys it covers, and where it replicates them to.
    :param priority: the highest number wins among rules with the same destination; 0 if it has none.
    :param destination: ARN of the destination, as the rule has it.
    :param account: id of the account that is said to own the destination; empty if none is.
    :param owner_override: whether the owner of the destination owns the replicas, too.
    :param storage_class: storage class of the replicas; empty for that of the source.
    :param replica_key: KMS key that replicas are encrypted with; empty if none is named.
    :param tells_failures: whether replication metrics, or Replication Time Control with them, are on.
    :param delete_markers: whether delete markers that users make are replicated.
    :param is_version_1: whether it has the older schema, with ``Prefix`` at the top and without ``Filter``.
    """

    rule: ReplicationRule
    priority: int = 0
    destination: str = ""
    account: str = ""
    owner_override: bool = False
    storage_class: str = ""
    replica_key: str = ""
    tells_failures: bool = False
    delete_markers: bool = False
    is_version_1: bool = False

    @classmethod
    def from_api(cls, rule: Mapping[str, Any], role: object = "") -> ConfiguredRule:
        """
        Return the rule that GetBucketReplication describes, in either version of its schema.

        :param rule: one member of ``ReplicationConfiguration.Rules`` as boto3 returns it.
        :param role: ``ReplicationConfiguration.Role``.
        """
        destination = rule.get("Destination") or {}
        version_1 = rule.get("Filter") is None
        return cls(
            rule=ReplicationRule.from_api(rule, role),
            priority=rule.get("Priority") or 0,
            destination=destination.get("Bucket") or "",
            account=destination.get("Account") or "",
            owner_override=(destination.get("AccessControlTranslation") or {}).get("Owner") == "Destination",
            storage_class=destination.get("StorageClass") or "",
            replica_key=(destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID") or "",
            tells_failures=_is_on(destination.get("Metrics")) or _is_on(destination.get("ReplicationTime")),
            delete_markers=version_1 or _is_on(rule.get("DeleteMarkerReplication")),
            is_version_1=version_1,
        )


@dataclass(frozen=True, slots=True)
class ReplicationConfiguration:
    """
    What GetBucketReplication says.

    :param role: ARN of the role with which S3 replicates; empty if the bucket has no configuration.
    :param rules: all rules, enabled or not.
    :param server: value of the answer's ``Server`` header, by which the store is told.
    """

    role: str = ""
    rules: tuple[ConfiguredRule, ...] = ()
    server: str = ""


def read_configuration(client: Any, bucket: str) -> ReplicationConfiguration:
    """
    Return a bucket's replication configuration; an empty one if it has none.

    :param client: boto3 S3 client.
    :param bucket: the bucket.
    :raises BucketNotFound: if there is no such bucket.
    :raises LookupFailed: if it cannot be read, usually as s3:GetReplicationConfiguration is missing.
    """
    from botocore.exceptions import ClientError

    uri = f"s3://{bucket}"
    if is_arn(bucket):
        raise LookupFailed(
            "the replication rules cannot be read through an access point",
            uri=uri,
            remedy="Look at the rules of its bucket, or name the bucket instead",
        )
    with translated(uri, "read the replication rules", permission="s3:GetReplicationConfiguration"):
        try:
            found = client.get_bucket_replication(Bucket=bucket)
        except ClientError as error:
            if answered(error)[0] == "ReplicationConfigurationNotFoundError":
                return ReplicationConfiguration(server=_server(error.response))
            raise
    try:
        configured = found["ReplicationConfiguration"]
        role = configured.get("Role") or ""
        rules = tuple(ConfiguredRule.from_api(rule, role) for rule in configured["Rules"])
        return ReplicationConfiguration(role, rules, _server(found))
    except (KeyError, TypeError, AttributeError) as error:  # of a store that only resembles S3
        raise LookupFailed(
            f"the replication rules cannot be read: {type(error).__name__}: {told(error)}",
            uri=uri,
            remedy="Look at what GetBucketReplication answers",
        ) from error


def _server(response: Mapping[str, Any]) -> str:
    return server_of((response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {})


def _is_on(element: Mapping[str, Any] | None) -> bool:
    return (element or {}).get("Status") == "Enabled"
