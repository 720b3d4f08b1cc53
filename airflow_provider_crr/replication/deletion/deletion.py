"""
Delete the very versions that S3 said are COMPLETED, and no other.

A version id names content that never changes, so what is deleted is what was checked, also if the key was
overwritten in between. At Amazon S3 a delete by version id is not replicated: the replica stays (`What does Amazon S3
replicate? <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>`__). At any
other store its rules have to say so first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.lookup.choice import head_one
from airflow_provider_crr.replication.deletion.requests import UNMET, DeleteRequests, Said
from airflow_provider_crr.replication.deletion.rules import DeleteRules
from airflow_provider_crr.replication.reasons import MAX_REASON, reason_of
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.verdict import MAX_SAMPLE
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

#: Most keys of one DeleteObjects request (API reference, DeleteObjects).
BATCH = 1000
#: Counted in the place of a state: COMPLETED, but S3 did not say that it is deleted.
NOT_DELETED = "NOT_DELETED"

Asked = Callable[[Iterable[S3Object]], Iterable[ObjectReplication]]


@dataclass(slots=True)
class Deletion:
    """
    Deletes what may be deleted, batch by batch, and keeps count.

    :param client: boto3 S3 client.
    :param dry_run: whether to send no delete at all.
    :param ask: asks about objects once more, where a delete's answer leaves it open; None for one after the other.
    :param rules: knows whether deletes stay in the bucket; None where they do.
    :param intend: told of each batch before it is sent.
    :param sent_before: returns whether an earlier try of the same task was about to delete a version.
    """

    client: Any
    dry_run: bool
    ask: Asked | None = None
    rules: DeleteRules | None = None
    intend: Callable[[Sequence[S3Object]], None] | None = None
    sent_before: Callable[[S3Object], bool] | None = None
    deleted: int = 0
    already_gone: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    deleted_sample: list[str] = field(default_factory=list)
    refused_sample: list[dict[str, str]] = field(default_factory=list)
    _batches: dict[str, dict[S3Object, str]] = field(default_factory=dict)
    _etags: dict[S3Object, str] = field(default_factory=dict)
    _requests: DeleteRequests | None = None
    _said: Said = field(default_factory=Said)

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
            self._judge(answer, listed.pop(answer.object, None) if listed else None)
        while self._batches:
            self._flush(next(iter(self._batches)))

    def _judge(self, answer: ObjectReplication, listed: ListedObject | None) -> None:
        if _is_gone(answer):
            if self.sent_before and self.sent_before(answer.object):
                self._count([answer.object])
            else:
                self.already_gone += 1
            return
        if found := refusal(answer, listed):
            self.refuse(answer.uri, *found)
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

    def refuse(self, uri: str, state: str, reason: str) -> None:
        """Count an object that is not deleted."""
        self.refused[state] += 1
        if len(self.refused_sample) < MAX_SAMPLE:
            self.refused_sample.append({"uri": uri, "status": state, "reason": told(reason, MAX_REASON)})

    def _flush(self, bucket: str) -> None:
        etags = self._batches.pop(bucket)
        batch = list(etags)
        kept = self.rules.refusals(batch) if self.rules else {}
        for obj, reason in kept.items():
            self.refuse(str(obj), ObjectState.COMPLETED.value, reason)
        self._etags = {obj: etag for obj, etag in etags.items() if etag}
        if batch := [obj for obj in batch if obj not in kept]:
            self._delete(batch)

    def _delete(self, batch: list[S3Object]) -> None:
        if self.dry_run:
            self._count(batch)
            return
        if self.intend:
            self.intend(batch)
        self._said = Said()
        failure = None
        try:
            gone = self._ask(batch)
        except CrrError as error:
            gone, failure = self._said.deleted, error
        if failure is None or _is_unreadable(failure):
            silent = [obj for obj in batch if obj not in gone and obj not in self._said.errors]
            gone = gone | {obj for obj, answer in self._look(silent).items() if _is_gone(answer)}
        self._count(obj for obj in batch if obj in gone)
        if self.intend:
            self.intend(())  # the next try goes on with the counts
        kept = [obj for obj in batch if obj not in gone]
        if failure and kept:
            raise failure
        for obj in kept:
            code = self._said.errors.get(obj)
            self.refuse(str(obj), NOT_DELETED, _undeleted(code) if code else "S3 did not say that it is deleted")

    def _count(self, deleted: Iterable[S3Object]) -> None:
        for obj in deleted:
            self.deleted += 1
            if len(self.deleted_sample) < MAX_SAMPLE:
                self.deleted_sample.append(str(obj))

    def _ask(self, batch: list[S3Object]) -> set[S3Object]:
        """Return what S3 says that it deleted; only its word counts."""
        if self._requests is None:
            self._requests = DeleteRequests(self.client)
        said, etags = self._said, self._etags
        self._requests.send(batch, etags, said)
        unmet = {obj: etags[obj] for obj, code in said.errors.items() if code in UNMET and obj in etags}
        if again := self._compared_with_another(unmet):
            self._requests.send(again, {}, said)
        return said.deleted

    def _compared_with_another(self, unmet: dict[S3Object, str]) -> list[S3Object]:
        """
        Return the versions whose ETags S3 held against another version: the current one.

        What is gone meanwhile counts as deleted; what is current itself, or no longer as it was, stays refused.
        """
        named = self._look(unmet)
        for obj, answer in named.items():
            if _is_gone(answer):
                self._said.errors.pop(obj)
                self._said.deleted.add(obj)
        same = [obj for obj, answer in named.items() if refusal(answer) is None and answer.etag == unmet[obj]]
        current = self._look({S3Object(obj.bucket, obj.key) for obj in same})
        again = [obj for obj in same if _is_another(current.get(S3Object(obj.bucket, obj.key)), obj)]
        for obj in again:
            self._said.errors.pop(obj)
        return again

    def _look(self, objects: Iterable[S3Object]) -> dict[S3Object, ObjectReplication]:
        objects = list(objects)
        if self.ask is not None:
            return {answer.object: answer for answer in self.ask(objects)} if objects else {}
        return {obj: head_one(self.client, obj) for obj in objects}

    def restore(self, counts: Mapping[str, Any]) -> None:
        """
        Go on from the counts of an earlier try.

        :param counts: some of what :meth:`to_dict` returned.
        :raises ValueError: if they are none.
        """
        numbers = [
            counts.get("deleted", 0),
            counts.get("already_gone", 0),
            *counts.get("refused_statuses", {}).values(),
        ]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError(f"counts {numbers}")
        self.deleted, self.already_gone = numbers[:2]
        self.refused = Counter(counts.get("refused_statuses", {}))
        self.deleted_sample = list(counts.get("deleted_sample", ()))
        self.refused_sample = list(counts.get("refused_sample", ()))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form, bounded in size."""
        return {
            "dry_run": self.dry_run,
            "deleted": self.deleted,
            "already_gone": self.already_gone,
            "refused": self.refused.total(),
            "refused_statuses": dict(self.refused),
            "deleted_sample": self.deleted_sample,
            "refused_sample": self.refused_sample,
        }


def named_version(answer: ObjectReplication) -> S3Object:
    """Return the version that S3 named in its answer."""
    return S3Object(answer.object.bucket, answer.object.key, answer.version_id)


def refusal(answer: ObjectReplication, listed: ListedObject | None = None) -> tuple[str, str] | None:
    """
    Return state and reason why an object may not be deleted; None if S3 said that this very version is replicated.

    :param answer: what S3 says of it.
    :param listed: what the listing said of it.
    """
    if answer.state is not ObjectState.COMPLETED:
        return answer.state.value, answer.detail or _REFUSALS.get(answer.state) or reason_of(answer)
    asked, named = answer.object.version_id, answer.version_id
    if asked is not None and named != asked:
        reason = f"S3 was asked for version {asked} and answered for {named or 'none'}"
        return ObjectState.UNKNOWN.value, reason
    if named is None:
        reason = "S3 named no version, so what is deleted could be something else than what was checked"
        return answer.state.value, reason
    if named == "null":
        return answer.state.value, "a null version can be replaced in place between the check and the delete"
    if listed is not None and listed.etag and listed.etag != answer.etag:
        reason = f"it was listed with ETag {listed.etag}, and S3 answered for {answer.etag or 'none'}"
        return ObjectState.UNKNOWN.value, reason
    return None


def _is_gone(answer: ObjectReplication) -> bool:
    """Return whether S3 said that the version that was asked for is not there."""
    return answer.state is ObjectState.MISSING and answer.http_status == 404 and answer.object.version_id is not None


def _is_another(current: ObjectReplication | None, obj: S3Object) -> bool:
    """Return whether S3 said that something else than this version is current: another one, a marker, or nothing."""
    if current is None:
        return False
    if current.state in (ObjectState.MISSING, ObjectState.DELETED):
        return True
    return current.http_status == 200 and current.version_id not in (None, obj.version_id)


def _is_unreadable(error: CrrError) -> bool:
    """Return whether a request failed for an answer that names no code of S3: what it did is not known."""
    response: Mapping[str, Any] = getattr(error.__cause__, "response", {})
    return str(response.get("Error", {}).get("Code", "")).isdigit()


def _undeleted(code: str) -> str:
    unmet = ", its ETag is not the one that was checked" if code in UNMET else ""
    return f"S3 did not delete it: {code}{unmet}"


_REFUSALS = {
    ObjectState.PENDING: "it is not replicated yet",
    ObjectState.REPLICA: "it is itself a replica; deleting it here says nothing about its source",
}
