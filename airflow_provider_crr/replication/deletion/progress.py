"""
What a delete keeps for the next try, should this one be killed: one small record in a store of Airflow's.

With ``versions="current"``, deleting the current version makes the one before it current. A second try must not take
that one for what the first was about to delete. So which versions are meant is written down before they are deleted,
and objects are done in the order of their keys, so that a place says up to where all is done.

With ``versions="all"`` it is enough to know of which names something was deleted. Then it is no refusal that the next
try finds nothing under them.

The record stays when the task ends, for the task may be killed before Airflow takes note of its end. Airflow removes
the record with the run, or earlier (``[state_store] clear_on_success``, ``default_retention_days``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.checkpoint.store import MAX_PART, Store
from airflow_provider_crr.replication.deletion.checks import named_version, refusal
from airflow_provider_crr.replication.deletion.counts import DeleteCounts
from airflow_provider_crr.replication.deletion.plan import Place, place
from airflow_provider_crr.replication.deletion.sent_names import SentNames
from airflow_provider_crr.replication.packed_objects import pack, unpack
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object

log = logging.getLogger(__name__)

#: Increased when the record changes its meaning.
SCHEMA = 1
#: Key of the record, which is one value, so that it is either the old one or the new one.
KEY = "crr_deletion"


class VersionsUnknown(Exception):
    """It cannot be known which versions an earlier try meant, so that nothing may be deleted."""


class DeleteProgress:
    """
    The record of one task instance.

    :param store: where it is kept; None where there is no such place, as before Airflow 3.3.
    :param round: changes when the user clears the task: what was kept before is not gone on with.
    :param targets: what is to be deleted.
    :param versions: ``"all"`` or ``"current"`` ones of it.
    :param whereabouts: which endpoint, Region, connection and bucket owner the task names, as plain JSON.
    """

    def __init__(
        self, store: Store | None, round: str, targets: Targets, versions: str, whereabouts: Mapping[str, Any]
    ) -> None:
        self._store = store
        self._round = round
        self._question = _fingerprint(targets, versions, whereabouts)
        #: Whether what is current now may be another version than when an earlier try looked.
        self.current = versions == "current" and not all(
            obj.version_id for obj in (*targets.objects, *targets.patterns)
        )
        self._sent = SentNames(targets)
        self._names_versions = any(obj.version_id for obj in targets.objects)
        self._fits = True
        #: The place up to which all is done.
        self.after: Place | None = None
        #: Beyond that place, the versions that are meant.
        self.chosen: dict[Place, S3Object] = {}
        self._chosen_before: frozenset[S3Object] = frozenset()

    def load(self, counts: DeleteCounts, *, retried: bool) -> None:
        """
        Go on from where an earlier try ended, unless the user has cleared the task since.

        :param counts: goes on from the counts of that try.
        :param retried: whether there may have been one.
        :raises VersionsUnknown: if it cannot be known which versions are meant.
        :raises LookupFailed: if the store fails, and nothing may be deleted without it.
        """
        if self._store is None:
            if retried and self.current:
                raise VersionsUnknown("before Airflow 3.3 a task keeps nothing for its next try")
            return
        try:
            record: Any = self._store.get(KEY)
        except Exception as error:
            if self.current:
                raise _store_failed("read what an earlier try deleted", error) from error
            log.warning("cannot read what an earlier try deleted: %s", error)
            return
        if record is None or (isinstance(record, dict) and record.get("round") != self._round):
            return
        try:
            self._go_on(record, counts)
        except Exception as error:  # malformed in whichever way
            if self.current:
                raise VersionsUnknown(f"what it kept cannot be used: {error}") from error
            log.warning("what an earlier try kept cannot be used: %s", error)
            return
        log.info("going on from an earlier try, which deleted %s object versions", f"{counts.deleted:,}")

    def _go_on(self, record: Mapping[str, Any], counts: DeleteCounts) -> None:
        if (record["schema"], record["question"]) != (SCHEMA, self._question):
            raise ValueError("it is of other arguments, another connection, or another release")
        sent = self._sent.read(record["sent"])
        chosen = {place(S3Object(obj.bucket, obj.key)): obj for obj in unpack(record["chosen"])}
        after = record["after"]
        if after is not None:
            bucket, key, version = after
            self.after = str(bucket), str(key), str(version)
        counts.restore(record["counts"])
        self._sent.go_on_from(sent)
        self.chosen, self._chosen_before = chosen, frozenset(chosen.values())

    def was_sent(self, name: S3Object) -> bool:
        """Return whether a version of a key, or a match of a pattern, was sent to be deleted, also earlier."""
        return name in self._sent

    def sent_before(self, version: S3Object) -> bool:
        """Return whether an earlier try was about to delete a version; of listed ones that is not known."""
        return version in self._chosen_before or self._sent.in_earlier_try(version)

    def intend(self, versions: Sequence[S3Object], counts: DeleteCounts) -> None:
        """
        Take note that versions are about to be deleted.

        :param versions: versions of one bucket.
        :param counts: kept, too.
        """
        if self.current:
            return  # kept in portions
        self._sent.add(versions)
        if self._fits and not self._save(counts):
            self._fits = False
            log.warning("too many names to keep of which something was deleted: a retry may find them missing")

    def portions(
        self, answers: Sequence[ObjectReplication], places: Mapping[S3Object, Place], counts: DeleteCounts
    ) -> Iterator[list[ObjectReplication]]:
        """
        Yield answers by place, in portions, each after it was kept which versions are meant.

        :param answers: what S3 says of the next objects.
        :param places: where they stand.
        :param counts: kept, too.
        :raises LookupFailed: if that cannot be kept.
        """
        ordered = sorted(answers, key=lambda answer: places[answer.object])
        while ordered:
            count = self._keep_first(ordered, places, counts)
            yield ordered[:count]
            self.after = places[ordered[count - 1].object]
            self.chosen = {where: obj for where, obj in self.chosen.items() if where > self.after}
            ordered = ordered[count:]

    def _keep_first(
        self, ordered: Sequence[ObjectReplication], places: Mapping[S3Object, Place], counts: DeleteCounts
    ) -> int:
        """Keep the versions of as many answers as fit, and return how many."""
        before, count = self.chosen, len(ordered)
        while count:
            sent = [answer for answer in ordered[:count] if refusal(answer) is None]
            meant = {places[each.object]: named_version(each) for each in sent if each.object.version_id is None}
            self.chosen = {**before, **meant}
            self._sent.add(map(named_version, sent))
            if not sent or self._save(counts):
                return count
            count //= 2
        raise LookupFailed(
            f"the versions to delete next take more than {MAX_PART:,} characters to keep",
            remedy='Name fewer keys, or use versions="all"',
        )

    def _save(self, counts: DeleteCounts) -> bool:
        """Return whether it fits."""
        if self._store is None:
            return True
        record = {
            "schema": SCHEMA,
            "round": self._round,
            "question": self._question,
            "sent": self._sent.to_text(),
            "after": None if self.after is None else list(self.after),
            "chosen": pack(list(self.chosen.values())),
            "counts": self._kept_of(counts),
        }
        if len(json.dumps(record)) > MAX_PART:
            return False
        try:
            self._store.set(KEY, record)
        except Exception as error:
            if self.current:
                raise _store_failed("keep what is about to be deleted", error) from error
            log.warning("cannot keep what is deleted for another try: %s", error)
        return True

    def _kept_of(self, counts: DeleteCounts) -> dict[str, Any]:
        if not self.current:
            # What is refused is asked again. What is named by its version is counted again, when it is found gone.
            return {} if self._names_versions else {"deleted": counts.deleted}
        kept = counts.to_dict()
        if len(json.dumps(kept)) > MAX_PART // 4:
            kept = {**kept, "deleted_sample": [], "refused_sample": []}
        return kept


def _store_failed(action: str, error: Exception) -> LookupFailed:
    return LookupFailed(f"cannot {action}: {error}", remedy="Run the task again", passing=True)


def _fingerprint(targets: Targets, versions: str, whereabouts: Mapping[str, Any]) -> str:
    digest = sha256(json.dumps([versions, dict(whereabouts)], sort_keys=True).encode())
    for kind, objects in (("object", targets.objects), ("pattern", targets.patterns)):
        for obj in sorted(objects, key=place):
            digest.update(json.dumps([kind, obj.bucket, obj.key, obj.version_id]).encode())
    return digest.hexdigest()[:32]
