"""
Delete the very versions that S3 said are COMPLETED, and no other.

A version id names content that never changes, so what is deleted is what was checked, also if the key was
overwritten in between. A delete by version id is not replicated: the replica stays (`What does Amazon S3
replicate? <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>`__).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_crr.aws_errors import translated
from airflow_provider_crr.replication.gate import MAX_SAMPLE, reason_of
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState, S3Object

#: Most keys of one DeleteObjects request (API reference, DeleteObjects).
BATCH = 1000
#: Counted in the place of a state: COMPLETED, but S3 did not say that it is deleted.
NOT_DELETED = "NOT_DELETED"


@dataclass(slots=True)
class Deletion:
    """
    Deletes what may be deleted, batch by batch, and keeps count.

    :param client: boto3 S3 client.
    :param dry_run: whether to send no delete at all.
    """

    client: Any
    dry_run: bool
    deleted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    deleted_sample: list[str] = field(default_factory=list)
    refused_sample: list[dict[str, str]] = field(default_factory=list)
    _batches: dict[str, list[S3Object]] = field(default_factory=dict)
    _errors: dict[tuple[str | None, str | None], str] = field(default_factory=dict)

    def run(self, answers: Iterable[ObjectReplication]) -> None:
        """
        Delete every version whose answer is COMPLETED.

        :raises LookupFailed: if a whole DeleteObjects request fails; earlier batches are deleted.
        """
        for answer in answers:
            if refusal := _refusal(answer):
                self.refuse(answer.uri, answer.state.value, refusal)
                continue
            obj = answer.object
            batch = self._batches.setdefault(obj.bucket, [])
            batch.append(S3Object(obj.bucket, obj.key, obj.version_id or answer.version_id))
            if len(batch) == BATCH:
                self._delete(self._batches.pop(obj.bucket))
        while self._batches:
            self._delete(self._batches.popitem()[1])

    def refuse(self, uri: str, state: str, reason: str) -> None:
        """Count an object that is not deleted."""
        self.refused[state] += 1
        if len(self.refused_sample) < MAX_SAMPLE:
            self.refused_sample.append({"uri": uri, "status": state, "reason": reason})

    def _delete(self, batch: list[S3Object]) -> None:
        gone = set(batch) if self.dry_run else self._ask(batch)
        for obj in batch:
            if obj not in gone:
                self.refuse(
                    str(obj),
                    NOT_DELETED,
                    self._errors.pop((obj.key, obj.version_id), "S3 did not say that it is deleted"),
                )
                continue
            self.deleted += 1
            if len(self.deleted_sample) < MAX_SAMPLE:
                self.deleted_sample.append(str(obj))

    def _ask(self, batch: list[S3Object]) -> set[S3Object]:
        """Return what S3 says that it deleted; only its word counts."""
        bucket = batch[0].bucket
        names = [{"Key": obj.key, "VersionId": obj.version_id} for obj in batch]
        with translated(str(batch[0]), "delete objects", permission="s3:DeleteObjectVersion"):
            found = self.client.delete_objects(Bucket=bucket, Delete={"Objects": names})
        self._errors = {
            (error.get("Key"), error.get("VersionId")): f"S3 did not delete it: {error.get('Code')}"
            for error in found.get("Errors", ())
        }
        return {S3Object(bucket, gone["Key"], gone.get("VersionId")) for gone in found.get("Deleted", ())}

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form, bounded in size."""
        return {
            "dry_run": self.dry_run,
            "deleted": self.deleted,
            "refused": self.refused.total(),
            "refused_statuses": dict(self.refused),
            "deleted_sample": self.deleted_sample,
            "refused_sample": self.refused_sample,
        }


def _refusal(answer: ObjectReplication) -> str | None:
    """Return why an object may not be deleted; None if S3 said that this very version is replicated."""
    if answer.state is not ObjectState.COMPLETED:
        return answer.detail or _REFUSALS.get(answer.state) or reason_of(answer)
    version_id = answer.object.version_id or answer.version_id
    if version_id is None:
        return "S3 named no version, so what is deleted could be something else than what was checked"
    if version_id == "null":
        return "a null version can be replaced in place between the check and the delete"
    return None


_REFUSALS = {
    ObjectState.PENDING: "it is not replicated yet",
    ObjectState.REPLICA: "it is itself a replica; deleting it here says nothing about its source",
}
