"""
One replication, as S3 Batch Replication does it: by the rules of today, to the destination as it is today.

It works on MiniStack's own tables, because there is no request of S3 that repairs a FAILED object. Whoever calls has
entered the account of the source bucket.
"""

from __future__ import annotations

from typing import Any

from ministack.services import s3

from local_aws.batch.job import Outcome

#: Classes from which S3 replicates nothing.
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
Entry = dict[str, Any]
Rule = dict[str, Any]


def replicate(bucket: str, key: str, version_id: str | None) -> Outcome:
    """
    Replicate one version now, and return what became of it.

    :param bucket: the source bucket, which exists.
    :param key: not encoded.
    :param version_id: None for the current version.
    """
    config = s3._bucket_replication.get(bucket)
    if config is None:
        return Outcome("SrcBucketReplicationConfigMissing", 404, "The bucket has no replication configuration")
    entry = find(bucket, key, version_id)
    if entry is None:
        code = "SrcObjectNotFound" if version_id is None else "SrcVersionNotFound"
        return Outcome(code, 404, "The object does not exist")
    rule = None if entry.get("is_delete_marker") else rule_for(bucket, key, entry)
    if rule is None:
        return Outcome("SrcObjectNotEligible", 500, "Object is not eligible for replication")
    refused = _refused_by(bucket, key, rule, config["Role"])
    if refused is not None:
        _stamp(bucket, key, entry, "FAILED")
        return refused
    if _is_there(key, rule, entry):
        return Outcome()
    if _was_there(bucket, key, rule, entry):
        return Outcome("DstObjectHardDeleted", 405, "The replica was deleted by its version id")
    _copy(bucket, key, rule, entry)
    return Outcome()


def versions_of(bucket: str, key: str) -> list[Entry]:
    """Return all versions of a key, the oldest first. An object that was never versioned is one without an id."""
    entries: list[Entry] = s3._object_versions.get((bucket, key)) or []
    current = s3._buckets[bucket]["objects"].get(key)
    return entries or ([current] if current else [])


def find(bucket: str, key: str, version_id: str | None) -> Entry | None:
    """Return a version, or the current one for None, which is none if it is a delete marker."""
    entries = versions_of(bucket, key)
    if version_id is None:
        return entries[-1] if entries and not entries[-1].get("is_delete_marker") else None
    return next((entry for entry in entries if _id(entry) == version_id), None)


def rule_for(bucket: str, key: str, entry: Entry) -> Rule | None:
    """Return the rule by which a version is replicated; None if S3 does not replicate it."""
    rule: Rule | None = s3._replication_rule_for(bucket, key, _tags(bucket, key, entry))[0]
    if rule is None or entry.get("storage_class") in ARCHIVED:
        return None
    opted_in = rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {}).get("Status") == "Enabled"
    return rule if opted_in or encryption_of(entry) != "aws:kms" else None


def encryption_of(entry: Entry) -> str:
    """Return "AES256", "aws:kms", "SSE-C", or "" for none."""
    headers = entry.get("preserved_headers", {})
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return "SSE-C"
    return str(headers.get("x-amz-server-side-encryption", ""))


def _id(entry: Entry) -> str:
    return entry.get("version_id") or "null"


def _tags(bucket: str, key: str, entry: Entry) -> dict[str, str] | None:
    # MiniStack keeps those of an object from before versioning under None.
    version_id = _id(entry)
    tags: dict[str, str] | None = s3._object_tags.get((bucket, key, None if version_id == "null" else version_id))
    return tags


def _destination(rule: Rule) -> tuple[str, str | None]:
    """Return name and owner of the destination; the owner is None if there is no such bucket."""
    name = str(rule["Destination"]["Bucket"]).rpartition(":")[2]
    return name, s3._bucket_owner_account(name)


def _refused_by(bucket: str, key: str, rule: Rule, role: str) -> Outcome | None:
    """Return why nothing can be written to the destination of a rule; None if it can."""
    if s3._replication_destination(bucket, key, rule, role) is not None:
        return None
    name, owner = _destination(rule)
    if owner is None:
        return Outcome("DstBucketNotFound", 404, "The destination bucket does not exist")
    if s3._bucket_versioning.get_scoped(owner, None, name) != "Enabled":
        return Outcome("DstBucketUnversioned", 400, "Versioning is not enabled on the destination bucket")
    return Outcome("DstPutObjectNotPermitted", 403, "Access Denied")


def _replicas(key: str, rule: Rule) -> list[Entry]:
    name, owner = _destination(rule)
    return s3._object_versions.get_scoped(owner, None, (name, key)) or []


def _is_there(key: str, rule: Rule, entry: Entry) -> bool:
    """Tell whether the destination has the replica: MiniStack gives it another version id, but the same time."""
    same = (entry["last_modified"], entry["etag"])
    return entry.get("replication_status") == "COMPLETED" and any(
        replica.get("replication_status") == "REPLICA" and (replica["last_modified"], replica["etag"]) == same
        for replica in _replicas(key, rule)
    )


def _was_there(bucket: str, key: str, rule: Rule, entry: Entry) -> bool:
    """Tell whether the destination had the replica of a current version, and somebody deleted it by its version id."""
    current = s3._buckets[bucket]["objects"].get(key)
    return current is not None and _id(current) == _id(entry) and _replica_of(current)[0] == _destination(rule)[0]


def _replica_of(record: Entry) -> tuple[str, str, str]:
    """Return bucket, version and account of the replica, as MiniStack remembers them; empty if there is none."""
    replica: tuple[str, str, str] = record.get("_replica") or ("", "", "")
    return replica


def _copy(bucket: str, key: str, rule: Rule, entry: Entry) -> None:
    """Let MiniStack write the replica, and put it where it belongs among the versions of its key."""
    name, owner = _destination(rule)
    objects = s3._buckets.get_scoped(owner, None, name)["objects"]
    before = objects.get(key)
    # An entry of the table of versions has its content elsewhere than the record of a current object.
    record = s3._object_record_from_version(entry) if "data" in entry else entry
    was_replica = entry.get("replication_status") == "REPLICA"
    tags = _tags(bucket, key, entry)
    s3._maybe_replicate(bucket, key, record, s3._get_object_data(bucket, key, entry.get("version_id")), tags)
    replica = _replica_of(record)
    if tags:
        s3._object_tags.set_scoped(owner, None, (name, key, replica[1]), dict(tags))
    _stamp(bucket, key, entry, "REPLICA" if was_replica else "COMPLETED", replica)
    replicas = _replicas(key, rule)
    replicas.sort(key=lambda copied: str(copied["last_modified"]))
    for copied in replicas:
        copied["is_latest"] = copied is replicas[-1]
    if _id(replicas[-1]) != replica[1]:
        # Something newer is there, which stays the current version.
        if before is None:
            objects.pop(key)
        else:
            objects[key] = before


def _stamp(bucket: str, key: str, entry: Entry, status: str, replica: tuple[str, str, str] | None = None) -> None:
    """Write down the status of a version, wherever MiniStack has it."""
    entry["replication_status"] = status
    current = s3._buckets[bucket]["objects"].get(key)
    if current is not None and _id(current) == _id(entry):
        current["replication_status"] = status
        if replica is not None:
            current["_replica"] = replica
