"""
A bucket's replication rules, and why an object has no replication status.

The rules encoded here: `Replication configuration file elements
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>`__ and `What does Amazon S3
replicate? <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>`__.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import MAX_BUCKET
from airflow_provider_crr.s3.stores import Store, store_of
from airflow_provider_crr.text.legible import told

#: Storage classes that S3 never replicates from (What does Amazon S3 replicate?).
ARCHIVED_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class ReplicationRule:
    """
    One rule of a bucket's replication configuration.

    :param id: the rule's name.
    :param enabled: whether S3 applies it.
    :param prefix: plain string prefix of the keys that it covers; ``""`` covers all.
    :param tags: tags that an object must have when it is written.
    :param replicates_kms: whether SSE-KMS and DSSE-KMS objects are opted in.
    :param destination_bucket: name of the bucket that gets the replica; empty if it names none.
    :param replicates_existing: whether it also covers what was there before it; None where it does not say, as on S3.
    :param role: the role by which S3 replicates, of all rules of the bucket; empty if none is named.
    """

    id: str
    enabled: bool
    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    replicates_kms: bool = False
    destination_bucket: str = ""
    replicates_existing: bool | None = None
    role: str = ""

    @classmethod
    def from_api(cls, rule: Mapping[str, Any], role: object = "") -> ReplicationRule:
        """
        Return the rule that GetBucketReplication describes, in either version of its schema.

        :param rule: one member of ``ReplicationConfiguration.Rules`` as boto3 returns it. Version 1 has
            ``Prefix`` at the top; version 2 has ``Filter``, with ``And`` around several conditions.
        :param role: ``ReplicationConfiguration.Role``.
        """
        chosen = rule.get("Filter") or {}
        both = chosen.get("And") or {}
        tags = both.get("Tags") or ([chosen["Tag"]] if chosen.get("Tag") else [])
        criteria = rule.get("SourceSelectionCriteria") or {}
        destination = (rule.get("Destination") or {}).get("Bucket", "").rpartition(":")[2]
        existing = (rule.get("ExistingObjectReplication") or {}).get("Status")
        return cls(
            id=rule.get("ID", ""),
            enabled=rule.get("Status") == "Enabled",
            prefix=both.get("Prefix") or chosen.get("Prefix") or rule.get("Prefix") or "",
            tags={tag["Key"]: tag["Value"] for tag in tags},
            replicates_kms=(criteria.get("SseKmsEncryptedObjects") or {}).get("Status") == "Enabled",
            destination_bucket=destination if len(destination) <= MAX_BUCKET else "",  # told in events, lineage
            replicates_existing=existing == "Enabled" if existing else None,
            role=told(role or ""),
        )

    def __str__(self) -> str:
        """Return the rule as people refer to it."""
        return f"rule {self.id!r} (prefix {self.prefix!r})"


class ReadOnce:
    """
    Rules that are read at most once for each bucket, also if that fails.

    :param read: returns the rules of a bucket, or raises a CrrError.
    """

    def __init__(self, read: Callable[[str], tuple[ReplicationRule, ...]]) -> None:
        self._read = read
        self._known: dict[str, tuple[ReplicationRule, ...] | CrrError] = {}

    def get_replication_rules(self, bucket_name: str) -> tuple[ReplicationRule, ...]:
        """Return the rules of a bucket, or raise the error because of which they could not be read."""
        if bucket_name not in self._known:
            try:
                self._known[bucket_name] = self._read(bucket_name)
            except CrrError as error:
                self._known[bucket_name] = error
        known = self._known[bucket_name]
        if isinstance(known, CrrError):
            raise known
        return known

    def cover(self, answer: ObjectReplication) -> bool:
        """
        Return whether a store that replicates by itself may go on with an object, by the rules as they are now.

        Rules that cannot be read prove nothing. An object that is FAILED is then taken to be covered, because it was
        once. One without status is not, unless the error passes by itself.

        :param answer: an answer in state FAILED or NONE.
        """
        try:
            return goes_on(self.get_replication_rules(answer.object.bucket), answer)
        except CrrError as error:
            return answer.state is ObjectState.FAILED or error.passing

    def tried_by(self, answer: ObjectReplication) -> str:
        """
        Return by which rules an object that is FAILED was to be replicated; empty if that is not known.

        Nothing depends on it. After rules that could not be read for lack of an answer, no other bucket's are read.

        :param answer: an answer in state FAILED.
        """
        unanswered = (known for known in self._known.values() if isinstance(known, CrrError))
        new = answer.object.bucket not in self._known
        if new and any(error.passing for error in unanswered):
            return ""
        try:
            return tried_by(self.get_replication_rules(answer.object.bucket), answer)
        except CrrError as error:
            return "" if error.passing else f"the rule is not known: {error.message}"

    def why_no_status(self, answer: ObjectReplication) -> str:
        """Return why an object has no replication status; rules that cannot be read are no error here."""
        store = store_of(answer.server)
        if store.no_status:
            return store.no_status
        try:
            return why_no_status(self.get_replication_rules(answer.object.bucket), answer)
        except LookupFailed as error:
            return f"{store.doer} has no replication status for it; why is not known: {error}"


def goes_on(rules: Sequence[ReplicationRule], answer: ObjectReplication) -> bool:
    """
    Return whether a store that replicates by itself may go on with an object.

    MinIO tries a FAILED object again while an enabled rule covers its key. An object without status gets one if such a
    rule also covers what was there before it, or is for certain tags, which the object may yet get.

    :param rules: all rules of the object's bucket.
    :param answer: an answer in state FAILED or NONE.
    """
    covering = [rule for rule in rules if rule.enabled and answer.object.key.startswith(rule.prefix)]
    if answer.state is ObjectState.NONE:
        covering = [rule for rule in covering if rule.tags or rule.replicates_existing is not False]
    return bool(covering)


def tried_by(rules: Sequence[ReplicationRule], answer: ObjectReplication) -> str:
    """
    Return by which rules, as they are now, an object that is FAILED was to be replicated: where to, and by which role.

    :param rules: all rules of the object's bucket.
    :param answer: an answer in state FAILED.
    """
    covering = [rule for rule in rules if rule.enabled and answer.object.key.startswith(rule.prefix)]
    if not covering:
        return f"no enabled rule of bucket {answer.object.bucket} covers this key now"
    named = [f"{rule}{f' to bucket {to}' if (to := rule.destination_bucket) else ''}" for rule in covering[:3]]
    role = covering[0].role
    return f"by {', '.join(named)}{f', with the role {role}' if ':role/' in role else ''}"


def destinations(rules: Sequence[ReplicationRule], key: str) -> frozenset[str]:
    """
    Return the names of the buckets to which the rules, as they are now, replicate.

    Objects that are older than a rule, or encrypted with KMS where the rule does not opt in, may have no replica there.

    A rule whose prefix is longer than ``key`` does not count: nobody looks which of the objects it covers. Nobody looks
    at tags either: rules for certain tags count only if no other rule covers the key and all of them name one bucket.

    :param rules: all rules of the object's bucket.
    :param key: key, or common prefix of the keys, of objects that S3 reports COMPLETED.
    """
    covering = [rule for rule in rules if rule.enabled and rule.destination_bucket and key.startswith(rule.prefix)]
    untagged = frozenset(rule.destination_bucket for rule in covering if not rule.tags)
    tagged = frozenset(rule.destination_bucket for rule in covering)
    return untagged or (tagged if len(tagged) == 1 else frozenset())


def why_no_status(rules: Sequence[ReplicationRule], answer: ObjectReplication) -> str:
    """
    Return why S3 has no replication status for an object, and what to do: one line.

    The header can be absent for six reasons, which an answer does not tell apart. The bucket's rules do; they are
    checked in the order in which S3 itself decides.

    :param rules: all rules of the object's bucket; none if it has no replication configuration.
    :param answer: a HEAD answer without a status.
    """
    bucket, store = answer.object.bucket, store_of(answer.server)
    remedy = store.already_there
    if not rules:
        return f"bucket {bucket} has no replication configuration. Add one, or ask the bucket that has it. {remedy}"
    matching = [rule for rule in rules if answer.object.key.startswith(rule.prefix)]
    if not matching:
        prefixes = ", ".join(sorted(repr(rule.prefix) for rule in rules)[:5])
        return f"no rule of bucket {bucket} covers this key (prefixes: {prefixes}). Extend a rule. {remedy}"
    enabled = [rule for rule in matching if rule.enabled]
    if not enabled:
        return f"only disabled rules cover this key: {_names(matching)}. Enable one. {remedy}"
    untagged = [rule for rule in enabled if not rule.tags]
    if not untagged:
        return f"the key is covered for objects with certain tags only: {_tags(enabled)}, {store.tags}"
    kms = store.leaves_out and (answer.encryption or "").startswith("aws:kms")
    if kms and not any(rule.replicates_kms for rule in untagged):
        return (
            f"the object is encrypted with {answer.encryption} and {_names(untagged)} does not opt in to KMS."
            f" Set SourceSelectionCriteria.SseKmsEncryptedObjects and a ReplicaKmsKeyID. {remedy}"
        )
    if store.leaves_out and answer.storage_class in ARCHIVED_CLASSES:
        return (
            f"S3 does not replicate objects of storage class {answer.storage_class}. Restore it and copy it over itself"
        )
    return f"{_names(untagged)} covers this key now, {_older(untagged, store)}"


def _older(rules: Sequence[ReplicationRule], store: Store) -> str:
    if store.replicates_existing and all(rule.replicates_existing is False for rule in rules):
        return f"but leaves out what was there before it. {store.already_there}"
    return store.older


def _names(rules: Sequence[ReplicationRule]) -> str:
    return ", ".join(str(rule) for rule in rules[:5])


def _tags(rules: Sequence[ReplicationRule]) -> str:
    return "; ".join(f"{rule} wants {dict(rule.tags)}" for rule in rules[:5])
