"""What S3 keeps, as jobs need it: accounts, objects, versions. Beside ``replication`` it alone knows MiniStack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime

from ministack.core.responses import get_account_id, request_scope, set_request_account_id
from ministack.services import s3

from local_aws.batch.job import JobFailed, Outcome
from local_aws.batch.manifest import FORBIDDEN, Fetch, Stored
from local_aws.batch.replication import encryption_of, find, replicate, rule_for, versions_of
from local_aws.pending import PendingPhase


@dataclass(frozen=True, slots=True)
class Version:
    """
    One version of an object.

    :param key: not encoded.
    :param version_id: "null" for one from before versioning.
    :param last_modified: UTC.
    :param size: in bytes.
    :param storage_class: such as "STANDARD".
    :param status: its replication status; None for none.
    :param is_delete_marker: whether it is one.
    """

    key: str
    version_id: str
    last_modified: datetime
    size: int
    storage_class: str
    status: str | None
    is_delete_marker: bool


class Store:
    """
    The buckets of all accounts.

    :param phase: told of what is replicated, so that it is PENDING for its time.
    """

    def __init__(self, phase: PendingPhase) -> None:
        self._phase = phase

    def account_of(self, access_key: str) -> str:
        """Return the account whose access key it is; twelve digits are an account themselves."""

        def ask() -> str:
            set_request_account_id(access_key)
            return str(get_account_id())

        # What MiniStack remembers of a request is forgotten with the context.
        return copy_context().run(ask)

    def owner(self, bucket: str) -> str | None:
        """Return the account that owns a bucket; None if there is none."""
        owner: str | None = s3._bucket_owner_account(bucket)
        return owner

    def fetcher(self, account_id: str) -> Fetch:
        """Return how a job of an account reads the objects of its manifest."""

        def fetch(bucket: str, key: str, version_id: str | None) -> Stored:
            if self.owner(bucket) != account_id:
                raise JobFailed("AccessDenied", FORBIDDEN)
            with self._of(bucket):
                found = find(bucket, key, version_id)
                if found is None or found.get("is_delete_marker"):
                    raise JobFailed("NoSuchKey", "The manifest object does not exist")
                content = s3._get_object_data(bucket, key, found.get("version_id"))
            return Stored(found["etag"], content or b"", has_own_key=encryption_of(found) in ("aws:kms", "SSE-C"))

        return fetch

    def put(self, account_id: str, bucket: str, key: str, content: bytes) -> bool:
        """
        Write an object for a job of an account, and return whether it is there.

        As in S3, nothing is delivered to a bucket whose Object Lock has a default retention.
        """
        if self.owner(bucket) != account_id:
            return False
        with self._of(bucket):
            lock = s3._bucket_object_lock.get(bucket) or {}
            if lock.get("default_retention"):
                return False
            return bool(s3._put_object(bucket, key, content, {})[0] == 200)

    def versions(self, bucket: str) -> Iterator[Version]:
        """Yield the versions of all objects of a bucket, by key, the newest of each first."""
        with self._of(bucket):
            keys = {key for of_bucket, key in s3._object_versions if of_bucket == bucket}
            keys |= s3._buckets[bucket]["objects"].keys()
            found = [(key, entry) for key in sorted(keys) for entry in reversed(versions_of(bucket, key))]
        for key, entry in found:
            yield Version(
                key,
                entry.get("version_id") or "null",
                datetime.fromisoformat(entry["last_modified"]),
                entry["size"],
                entry.get("storage_class") or "STANDARD",
                entry.get("replication_status"),
                bool(entry.get("is_delete_marker")),
            )

    def is_eligible(self, bucket: str, version: Version) -> bool:
        """Return whether S3 replicates a version by the bucket's rules as they are now."""
        with self._of(bucket):
            entry = find(bucket, version.key, version.version_id)
            return entry is not None and rule_for(bucket, version.key, entry) is not None

    def replicate(self, account_id: str, region: str, bucket: str, key: str, version_id: str | None) -> Outcome:
        """
        Replicate one version now, and return what became of it.

        :param account_id: of the job.
        :param region: of the job.
        :param bucket: the source bucket.
        :param key: not encoded.
        :param version_id: None for the current version.
        """
        if version_id == "":
            return Outcome("InvalidRequest", 400, "Task failed due to missing VersionId")
        if self.owner(bucket) is None:
            return Outcome("SrcBucketNotFound", 404, "The source bucket does not exist")
        if self.owner(bucket) != account_id:
            return Outcome("InitiateReplicationNotPermitted", 403, "Access Denied")
        if _region(bucket) != region:
            return Outcome("SrcBucketInvalidRegion", 400, "The source bucket is in another Region than the job")
        with self._of(bucket):
            outcome = replicate(bucket, key, version_id)
        if not outcome.code:
            self._phase.begin(bucket, key)
        return outcome

    def _of(self, bucket: str) -> AbstractContextManager[None]:
        """Ask MiniStack as the owner of a bucket, in its Region."""
        scope: AbstractContextManager[None] = request_scope(s3._bucket_owner_account(bucket) or "", _region(bucket))
        return scope


def _region(bucket: str) -> str:
    """Return the Region of a bucket: MiniStack writes down those that are not its own."""
    with request_scope(s3._bucket_owner_account(bucket) or "", ""):
        region: str = s3.bucket_region(bucket) or ""
    return region
