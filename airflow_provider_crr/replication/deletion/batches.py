"""
Delete, batch by batch, the very versions that S3 said are COMPLETED, and no other.

A version id names content that never changes. So what is deleted is what was checked, also if the key was overwritten
in between. At Amazon S3 a delete by version id is not replicated: the replica stays (`What does Amazon S3 replicate?
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>`__). At any other
store the bucket's rules have to say so first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.replication.deletion.checks import is_another, is_gone, named_version, refusal
from airflow_provider_crr.replication.deletion.counts import DeleteCounts
from airflow_provider_crr.replication.deletion.requests import UNMET, DeleteRequests, DeleteResult
from airflow_provider_crr.replication.deletion.rules import DeleteRules
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object

#: Most keys of one DeleteObjects request (API reference, DeleteObjects).
BATCH = 1000
#: Counted in the place of a state: COMPLETED, but S3 did not say that it is deleted.
NOT_DELETED = "NOT_DELETED"


@dataclass(slots=True)
class Deletion:
    """
    Deletes what may be deleted, and keeps count.

    :param client: boto3 S3 client.
    :param ask: returns what S3 says of objects.
    :param dry_run: whether to send no delete at all.
    :param rules: knows whether deletes stay in the bucket; None where they do.
    :param intend: told of each batch before it is sent.
    :param sent_before: returns whether an earlier try of the same task was about to delete a version.
    """

    client: Any
    ask: Callable[[Iterable[S3Object]], Iterable[ObjectReplication]]
    dry_run: bool
    rules: DeleteRules | None = None
    intend: Callable[[Sequence[S3Object]], None] | None = None
    sent_before: Callable[[S3Object], bool] | None = None
    counts: DeleteCounts = field(default_factory=DeleteCounts)
    #: Bucket -> the versions to delete next, each with the ETag on whose condition; "" for no condition.
    _batches: dict[str, dict[S3Object, str]] = field(default_factory=dict)
    _requests: DeleteRequests | None = None

    def run(
        self, answers: Iterable[ObjectReplication], listed: MutableMapping[S3Object, ListedObject] | None = None
    ) -> None:
        """
        Delete every version whose answer is COMPLETED.

        :param answers: what S3 says of the versions.
        :param listed: what the listing said of those that were listed; taken out as their answers come.
        :raises LookupFailed: if S3 cannot be asked; earlier batches are deleted.
        """
        for answer in answers:
            self._add(answer, listed.pop(answer.object, None) if listed else None)
        while self._batches:
            self._flush(next(iter(self._batches)))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form of the counts, bounded in size."""
        return {"dry_run": self.dry_run, **self.counts.to_dict()}

    def _add(self, answer: ObjectReplication, listed: ListedObject | None) -> None:
        """Count what is gone or refused; put the rest into the batch of its bucket."""
        if is_gone(answer):
            if self.sent_before and self.sent_before(answer.object):
                self.counts.add_deleted([answer.object])
            else:
                self.counts.already_gone += 1
            return
        if refused := refusal(answer, listed):
            self.counts.add_refused(answer.uri, *refused)
            return
        bucket = answer.object.bucket
        if self.rules:
            self.rules.answered(bucket, answer.server)
        batch = self._batches.setdefault(bucket, {})
        # S3 would hold the ETag of a version that is not current against the current one.
        conditional = answer.etag is not None and (listed is None or listed.is_latest)
        batch[named_version(answer)] = answer.etag or "" if conditional else ""
        if len(batch) >= BATCH:
            self._flush(bucket)

    def _flush(self, bucket: str) -> None:
        """Delete the batch of a bucket, but for what its rules forbid."""
        batch = self._batches.pop(bucket)
        forbidden = self.rules.refusals(list(batch)) if self.rules else {}
        for obj, reason in forbidden.items():
            self.counts.add_refused(str(obj), ObjectState.COMPLETED.value, reason)
        if batch := {obj: etag for obj, etag in batch.items() if obj not in forbidden}:
            self._delete(batch)

    def _delete(self, batch: dict[S3Object, str]) -> None:
        versions = list(batch)
        if self.dry_run:
            self.counts.add_deleted(versions)
            return
        if self.intend:
            self.intend(versions)
        result = DeleteResult()
        failure = None
        try:
            self._send(versions, {obj: etag for obj, etag in batch.items() if etag}, result)
        except CrrError as error:
            failure = error
        gone = set(result.deleted)
        if failure is None or _is_unreadable(failure):
            silent = [obj for obj in versions if obj not in gone and obj not in result.errors]
            gone |= {obj for obj, answer in self._look(silent).items() if is_gone(answer)}
        self.counts.add_deleted(obj for obj in versions if obj in gone)
        if self.intend:
            self.intend(())  # the next try goes on with the counts
        kept = [obj for obj in versions if obj not in gone]
        if failure and kept:
            raise failure
        for obj in kept:
            code = result.errors.get(obj)
            self.counts.add_refused(
                str(obj), NOT_DELETED, _undeleted(code) if code else "S3 did not say that it is deleted"
            )

    def _send(self, versions: list[S3Object], etags: dict[S3Object, str], result: DeleteResult) -> None:
        """Have S3 delete versions; only what it says to be deleted is."""
        if self._requests is None:
            self._requests = DeleteRequests(self.client)
        self._requests.send(versions, etags, result)
        unmet = {obj: etags[obj] for obj, code in result.errors.items() if code in UNMET and obj in etags}
        if again := self._compared_with_another(unmet, result):
            self._requests.send(again, {}, result)

    def _compared_with_another(self, unmet: dict[S3Object, str], result: DeleteResult) -> list[S3Object]:
        """
        Return the versions whose ETags S3 held against another version: the current one.

        What is gone meanwhile counts as deleted. What is current itself, or no longer as it was, stays refused.
        """
        named = self._look(unmet)
        for obj, answer in named.items():
            if is_gone(answer):
                result.errors.pop(obj)
                result.deleted.add(obj)
        same = [obj for obj, answer in named.items() if refusal(answer) is None and answer.etag == unmet[obj]]
        current = self._look({S3Object(obj.bucket, obj.key) for obj in same})
        again = [obj for obj in same if is_another(current.get(S3Object(obj.bucket, obj.key)), obj)]
        for obj in again:
            result.errors.pop(obj)
        return again

    def _look(self, objects: Iterable[S3Object]) -> dict[S3Object, ObjectReplication]:
        """Ask about objects once more, where the answer to a delete leaves it open."""
        objects = list(objects)
        return {answer.object: answer for answer in self.ask(objects)} if objects else {}


def _is_unreadable(error: CrrError) -> bool:
    """Return whether a request failed for an answer that names no code of S3: what it did is not known."""
    response: Mapping[str, Any] = getattr(error.__cause__, "response", {})
    return str(response.get("Error", {}).get("Code", "")).isdigit()


def _undeleted(code: str) -> str:
    unmet = ", its ETag is not the one that was checked" if code in UNMET else ""
    return f"S3 did not delete it: {code}{unmet}"
