"""A look at buckets and a role that are what a test says, and which notes what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_crr.replication.configuration import ConfiguredRule, ReplicationConfiguration
from airflow_provider_crr.replication.rules_check.look import Archiving, Encryption, RoleState, Unseen, Versioning

T = TypeVar("T")

ROLE = "arn:aws:iam::111111111111:role/replication"


def rule(id: str = "r", prefix: str = "", **more: Any) -> dict[str, Any]:
    """
    Return a rule as S3 describes it, with nothing wrong with it.

    :param more: members instead of those of the rule; ``Destination`` is added to what is there.
    """
    destination: dict[str, Any] = {
        "Bucket": "arn:aws:s3:::copy",
        "Metrics": {"Status": "Enabled"},
        **more.pop("Destination", {}),
    }
    return {
        "ID": id,
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": prefix},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": destination,
        **more,
    }


def tagged(id: str = "t", prefix: str = "", tags: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a rule for objects with certain tags."""
    wanted = [{"Key": key, "Value": value} for key, value in (tags or {"export": "yes"}).items()]
    return rule(id, Filter={"And": {"Prefix": prefix, "Tags": wanted}}, **more)


KMS: dict[str, Any] = {"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}}
#: A rule that opts in to KMS, with a key in eu-west-1.
KEY: dict[str, Any] = {"EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:eu-west-1:111111111111:key/1"}}


@dataclass
class Looked:
    """
    The answers. Settings are those of a bucket that is versioned and nothing else, unless ``said`` has another one for
    (bucket, setting).
    """

    rules: list[dict[str, Any]] | Unseen
    said: dict[tuple[str, str], Any] = field(default_factory=dict)
    role_name: str = ROLE
    role_state: RoleState | Unseen = RoleState.TRUSTS_S3
    server: str = "AmazonS3"
    asked: list[tuple[str, str]] = field(default_factory=list)

    def configuration(self, bucket: str) -> ReplicationConfiguration | Unseen:
        if isinstance(self.rules, Unseen):
            return self.rules
        rules = tuple(map(ConfiguredRule.from_api, self.rules))
        return ReplicationConfiguration(self.role_name if rules else "", rules, self.server)

    def _say(self, bucket: str, setting: str, usual: T) -> T | Unseen:
        self.asked.append((bucket, setting))
        found: T | Unseen = self.said.get((bucket, setting), usual)
        return found

    def versioning(self, bucket: str) -> Versioning | Unseen:
        return self._say(bucket, "versioning", Versioning.ENABLED)

    def encryption(self, bucket: str) -> Encryption | Unseen:
        return self._say(bucket, "encryption", Encryption())

    def object_lock(self, bucket: str) -> bool | Unseen:
        return self._say(bucket, "object_lock", False)

    def requester_pays(self, bucket: str) -> bool | Unseen:
        return self._say(bucket, "requester_pays", False)

    def region(self, bucket: str) -> str | Unseen:
        return self._say(bucket, "region", "eu-west-1")

    def archivings(self, bucket: str) -> tuple[Archiving, ...] | Unseen:
        usual: tuple[Archiving, ...] = ()
        return self._say(bucket, "archivings", usual)

    def role(self, arn: str) -> RoleState | Unseen:
        self.asked.append(("", arn))
        return self.role_state
