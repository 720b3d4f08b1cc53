"""
What a delete keeps for the next try, should this one be killed: one small record in a store of Airflow's.

With ``versions="current"``, deleting the current version makes the one before it current. A second try must not take
that one for what the first was about to delete. So which versions are meant is written down before they are deleted,
and objects are done in the order of their keys, so that a place says up to where all is done.

With ``versions="all"`` it is enough to know of which names something was deleted: then it is no refusal that the next
try finds nothing under them.

The record stays when the task ends, for it may be killed before Airflow takes note of that. Airflow removes it with the
run, or earlier (``[state_store] clear_on_success``, ``default_retention_days``).
"""

from __future__ import annotations

import base64
import json
import logging
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from airflow_provider_crr import failures
from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.checkpoint.store import MAX_PART, Store
from airflow_provider_crr.replication.deletion.deletion import Deletion, named_version, refusal
from airflow_provider_crr.replication.deletion.plan import Place, place
from airflow_provider_crr.replication.packed_objects import pack, unpack
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import matches

log = logging.getLogger(__name__)

#: Increased when the record changes its meaning.
SCHEMA = 1
#: Key of the record, which is one value, so that it is either the old one or the new one.
KEY = "crr_deletion"


class DeleteProgress:
    """
    The record of one task instance.

    :param store: where it is kept; None where there is no such place, as before Airflow 3.3.
    :param round: tells one asking by the user from the next, after the task was cleared.
    :param targets: what is to be deleted.
    :param versions: ``"all"`` or ``"current"`` ones of it.
    :param whereabouts: whom the task asks, as plain JSON.
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
        self._names = sorted(targets.objects or targets.patterns, key=place)
        self._sent = bytearray((len(self._names) + 7) // 8)
        self._sent_before: tuple[bytes, frozenset[S3Object]] = bytes(self._sent), frozenset()
        self._names_versions = any(obj.version_id for obj in targets.objects)
        self._unmatched = list(targets.patterns)
        self._fits = True
        #: The place up to which all is done.
        self.after: Place | None = None
        #: Beyond that place, the versions that are meant.
        self.chosen: dict[Place, S3Object] = {}

    def load(self, deletion: Deletion, *, retried: bool) -> None:
        """
        Go on from where an earlier try of the same asking ended.

        :param deletion: goes on with its counts.
        :param retried: whether there may have been one.
        :raises LookupFailed: if the store fails, and nothing may be deleted without it.
        :raises ObjectsNotDeleted: if what an earlier try did cannot be known, and nothing may be deleted without it.
        """
        if self._store is None:
            if retried and self.current:
                raise _unknown("before Airflow 3.3 a task keeps nothing for its next try")
            return
        try:
            found: Any = self._store.get(KEY)
        except Exception as error:
            if self.current:
                raise _store_failed("read what an earlier try deleted", error) from error
            log.warning("cannot read what an earlier try deleted: %s", error)
            return
        if found is None or (isinstance(found, dict) and found.get("round") != self._round):
            return
        try:
            self._go_on(found, deletion)
        except Exception as error:  # malformed in whichever way
            if self.current:
                raise _unknown(f"what it kept cannot be used: {error}") from error
            log.warning("what an earlier try kept cannot be used: %s", error)
            return
        log.info("going on from an earlier try, which deleted %s object versions", f"{deletion.deleted:,}")

    def _go_on(self, found: Mapping[str, Any], deletion: Deletion) -> None:
        if (found["schema"], found["question"]) != (SCHEMA, self._question):
            raise ValueError("it is of other arguments, another connection, or another release")
        sent = zlib.decompress(base64.b85decode(found["sent"]))
        if len(sent) != len(self._sent):
            raise ValueError(f"{len(sent)} bytes for {len(self._names)} names")
        chosen = {place(S3Object(obj.bucket, obj.key)): obj for obj in unpack(found["chosen"])}
        after = found["after"]
        if after is not None:
            bucket, key, version = after
            self.after = str(bucket), str(key), str(version)
        deletion.restore(found["counts"])
        self._sent, self.chosen = bytearray(sent), chosen
        self._sent_before = sent, frozenset(chosen.values())

    def was_sent(self, name: S3Object) -> bool:
        """Return whether a version of a key, or a match of a pattern, was sent to be deleted, also earlier."""
        return self._is_in(self._sent, name)

    def sent_before(self, version: S3Object) -> bool:
        """Return whether an earlier try was about to delete a version; of listed ones that is not known."""
        sent, chosen = self._sent_before
        return version in chosen or self._is_in(sent, version)

    def intend(self, versions: Sequence[S3Object], deletion: Deletion) -> None:
        """
        Take note that versions are about to be deleted.

        :param versions: versions of one bucket.
        :param deletion: what it counts is kept, too.
        """
        if self.current:
            return  # kept in portions
        self._note(versions)
        if self._fits and not self._save(deletion):
            self._fits = False
            log.warning("too many names to keep of which something was deleted: a retry may find them missing")

    def portions(
        self, answers: Sequence[ObjectReplication], places: Mapping[S3Object, Place], deletion: Deletion
    ) -> Iterator[list[ObjectReplication]]:
        """
        Yield answers by place, in portions, each after it was kept which versions are meant.

        :param answers: what S3 says of the next objects.
        :param places: where they stand.
        :param deletion: what it counts is kept, too.
        :raises LookupFailed: if that cannot be kept.
        """
        ordered = sorted(answers, key=lambda answer: places[answer.object])
        while ordered:
            count = self._keep_first(ordered, places, deletion)
            yield ordered[:count]
            self.after = places[ordered[count - 1].object]
            self.chosen = {where: obj for where, obj in self.chosen.items() if where > self.after}
            ordered = ordered[count:]

    def _keep_first(
        self, ordered: Sequence[ObjectReplication], places: Mapping[S3Object, Place], deletion: Deletion
    ) -> int:
        """Keep the versions of as many answers as fit, and return how many."""
        before, count = self.chosen, len(ordered)
        while count:
            sent = [answer for answer in ordered[:count] if refusal(answer) is None]
            meant = {places[each.object]: named_version(each) for each in sent if each.object.version_id is None}
            self.chosen = {**before, **meant}
            self._note(map(named_version, sent))
            if not sent or self._save(deletion):
                return count
            count //= 2
        raise LookupFailed(
            f"the versions to delete next take more than {MAX_PART:,} characters to keep",
            remedy='Name fewer keys, or use versions="all"',
        )

    def _note(self, versions: Iterable[S3Object]) -> None:
        for obj in versions:
            for name in (obj, S3Object(obj.bucket, obj.key)):
                self._add(name)
            for pattern in [each for each in self._unmatched if _covers(each, obj)]:
                self._add(pattern)
                self._unmatched.remove(pattern)

    def _position(self, name: S3Object) -> int | None:
        index = bisect_left(self._names, place(name), key=place)
        return index if index < len(self._names) and self._names[index] == name else None

    def _add(self, name: S3Object) -> None:
        index = self._position(name)
        if index is not None:
            self._sent[index // 8] |= 1 << index % 8

    def _is_in(self, sent: bytes | bytearray, name: S3Object) -> bool:
        index = self._position(name)
        return index is not None and bool(sent[index // 8] >> index % 8 & 1)

    def _save(self, deletion: Deletion) -> bool:
        """Return whether it fits."""
        if self._store is None:
            return True
        record = {
            "schema": SCHEMA,
            "round": self._round,
            "question": self._question,
            "sent": base64.b85encode(zlib.compress(self._sent)).decode(),
            "after": None if self.after is None else list(self.after),
            "chosen": pack(list(self.chosen.values())),
            "counts": self._counts(deletion),
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

    def _counts(self, deletion: Deletion) -> dict[str, Any]:
        if not self.current:
            # What is refused is asked again. What is named by its version is counted again, when it is found gone.
            return {} if self._names_versions else {"deleted": deletion.deleted}
        counts = deletion.to_dict()
        if len(json.dumps(counts)) > MAX_PART // 4:
            counts = {**counts, "deleted_sample": [], "refused_sample": []}
        return counts


def _covers(pattern: S3Object, obj: S3Object) -> bool:
    return pattern.bucket == obj.bucket and matches(pattern.key, obj.key)


def _unknown(reason: str) -> failures.ObjectsNotDeleted:
    return failures.ObjectsNotDeleted(
        'nothing was deleted: with versions="current" a second try could take older versions for those that the first'
        f" was about to delete ({reason}). Clear the task to delete what is current now, or name the versions"
    )


def _store_failed(action: str, error: Exception) -> LookupFailed:
    return LookupFailed(f"cannot {action}: {error}", remedy="Run the task again", passing=True)


def _fingerprint(targets: Targets, versions: str, whereabouts: Mapping[str, Any]) -> str:
    digest = blake2b(json.dumps([versions, dict(whereabouts)], sort_keys=True).encode(), digest_size=16)
    for kind, objects in (("object", targets.objects), ("pattern", targets.patterns)):
        for obj in sorted(objects, key=place):
            digest.update(json.dumps([kind, obj.bucket, obj.key, obj.version_id]).encode())
    return digest.hexdigest()
