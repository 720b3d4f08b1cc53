"""One gate over time: sweep after sweep, asking again only for what is not finished."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from threading import Event
from typing import Any, Protocol

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.checkpoint.value import MARK, Checkpoint, Question
from airflow_provider_crr.replication.collect import Collect, Listing
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.rules import ReadOnce, ReplicationRule
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Tally, Verdict
from airflow_provider_crr.s3.deadline import until
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.text import humanize

#: What an object can be that was deleted between its listing and its HEAD.
_GONE = frozenset({ObjectState.MISSING, ObjectState.DELETED})
#: Most collects of one sweep: a writer that goes on for ever does not hold it for ever.
MAX_COLLECTS = 3
#: S3 tells when an object was written in whole seconds: within one, the same bytes may be written twice.
_SECOND = timedelta(seconds=1)
#: Seconds that are waited so that another second has begun; a little more, because clocks are no two alike.
_PAUSE = 1.1
#: Most young objects that are asked again before the next collect; it asks for the others itself.
_MAX_YOUNG = 10_000
#: How far the clocks of a client and of S3 may be apart: S3 refuses a signature that is older, or newer
#: (RequestTimeTooSkewed, "Authenticating Requests: AWS Signature Version 4").
_MAX_SKEW = timedelta(minutes=15)


def _now() -> datetime:
    return datetime.now(UTC)


def _pause(seconds: float, stop: Event | None) -> None:
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)


class Source(Protocol):
    """What a watch asks of S3; the hook is one."""

    def get_replication_statuses(
        self, objects: Iterable[S3Object], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication]:
        """Return one answer for each object, in any order."""

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject]:
        """Return the current objects whose keys match a pattern, in key order."""

    def check_bucket(self, bucket_name: str) -> None:
        """Raise BucketNotFound if there is no such bucket."""

    def why_no_status(self, answer: ObjectReplication) -> str:
        """Return why an object has no replication status."""

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[ReplicationRule, ...]:
        """Return a bucket's rules; asked only about a store that replicates by itself."""

    def whereabouts(self) -> dict[str, Any]:
        """Return whom it asks, as plain JSON: what another answers, this one has not answered."""


class Watch:
    """
    A gate that is swept until it is decided. Not thread-safe: one sweep at a time.

    A terminal answer is asked for once. An explicit object leaves the list with the answer that says it is done, also
    if its key is overwritten afterwards. A pattern is listed again at each sweep, and a done object is asked again
    only if the listing shows another ETag or time.

    With patterns it opens on a snapshot only: on a listing that began after the last answer, and that shows the very
    keys, ETags and times that were counted. Each of these answers was given in a later second than that in which the
    object was written; until then, the same bytes could be written again and look the same. What was written and
    deleted again between two listings none of them can show, and two multipart uploads of the same parts that began in
    the same second look the same whenever they end.

    What is done is kept between processes, where there is a store, for the same question only. Once the user asks
    again (the task was cleared) only what cannot have changed since is still done: named versions, and listed
    objects with the ETag and time that they had.

    :param targets: what to wait for.
    :param policy: what the answers mean.
    :param source: where to ask.
    :param pin_versions: the version that answers first is the one that is waited for, even if the key is
        overwritten later.
    :param started_at: when the gate was first asked, UTC; None for now.
    :param kept: where it is kept what is done; None for nowhere.
    :param clock: returns the current time, UTC.
    :param pause: waits for some seconds, or until an event is set; None for how the machine's clock is waited for,
        and for not at all with another clock.
    """

    def __init__(
        self,
        targets: Targets,
        policy: GatePolicy,
        source: Source,
        *,
        pin_versions: bool = False,
        started_at: datetime | None = None,
        kept: Kept | None = None,
        clock: Callable[[], datetime] = _now,
        pause: Callable[[float, Event | None], None] | None = None,
    ) -> None:
        self.head_requests = 0
        self.verdict: Verdict | None = None
        self._targets = targets
        self._patterns = targets.patterns
        self._open = list(targets.objects)
        self._policy = policy
        self._source = source
        self._pin_versions = pin_versions
        self._clock = clock
        self._pause = pause or (_pause if clock is _now else lambda seconds, stop: None)
        self._started_at = started_at or clock()
        self._kept = kept
        self._recalled = False
        self._done: dict[ObjectState, list[S3Object]] = {}
        self._done_listed: dict[bytes, ObjectState] = {}
        self._young: dict[bytes, datetime] = {}  # when each was first answered, by our clock
        self._checked_buckets: set[str] = set()
        self._rules = self._read_anew()

    def sweep(self, stop: Event | None = None) -> Verdict:
        """
        Ask for everything that is not finished, and judge.

        :param stop: set by another thread to end the sweep early, with an error.
        :raises LookupFailed: if S3 cannot be asked; what was found until then is not asked again.
        """
        with until(stop):
            self.verdict = self._sweep(stop)
        return self.verdict

    def _sweep(self, stop: Event | None) -> Verdict:
        found = self._collect(stop)
        if not self._patterns or found.tally.outcome is not Outcome.DONE:
            return self._verdict(found)
        for _ in range(MAX_COLLECTS - 1):
            if found.young:
                self._pause(_PAUSE, stop)
                self._ask(found.young, Collect(self._tally()), stop)
            before, found = found, self._collect(stop)
            if found.tally.outcome is not Outcome.DONE:
                return self._verdict(found)
            if found.confirms(before):
                return self._verdict(before)  # it has a sample of the answers
        return replace(self._verdict(found), outcome=Outcome.WAIT, note="what the patterns match still changes")

    def _verdict(self, found: Collect) -> Verdict:
        return found.tally.verdict(self._explain, self._rules.cover)

    def _collect(self, stop: Event | None) -> Collect:
        """List every pattern once, ask for what is not finished, and count all of it."""
        found = Collect(self._tally())
        tally, self._rules = found.tally, self._read_anew()
        tally.add_finished(Counter({state: len(objects) for state, objects in self._done.items()}))
        listing = Listing(self._patterns, self._source.list_matching, self._fingerprint, self._done_listed, found.marks)
        missing = self._ask(chain(self._open, listing.unfinished(self._open, stop)), found, stop)
        for bucket in sorted(missing - self._checked_buckets):
            self._source.check_bucket(bucket)
            self._checked_buckets.add(bucket)
        for answer in listing.unmatched():
            tally.add(answer, self._policy.judge(answer, tally.now))
        tally.add_finished(listing.done)
        return found

    def _tally(self) -> Tally:
        return Tally(self._clock(), listed=bool(self._patterns))

    def _read_anew(self) -> ReadOnce:
        # In each sweep, because a rule that is removed ends the waiting for what it covered.
        return ReadOnce(lambda bucket_name: self._source.get_replication_rules(bucket_name, brief=True))

    def _explain(self, answer: ObjectReplication) -> str:
        judged_by_rules = store_of(answer.server).replicates_existing
        return self._rules.why_no_status(answer) if judged_by_rules else self._source.why_no_status(answer)

    def _ask(self, objects: Iterable[S3Object], found: Collect, stop: Event | None) -> set[str]:
        """Ask, note each answer as it comes, and return the buckets of missing objects."""
        began = self._clock()
        answered = 0
        missing: set[str] = set()
        done: set[S3Object] = set()
        pinned: dict[S3Object, S3Object] = {}
        try:
            for answer in self._source.get_replication_statuses(found.counted(objects), stop=stop):
                obj = answer.object
                answered += 1
                self.head_requests += 1
                outcome = self._policy.judge(
                    answer, found.tally.now, listed=found.tally.listed, covered=self._rules.cover
                )
                if answer.state in _GONE and self._patterns and obj.version_id is None:
                    outcome = Outcome.WAIT  # deleted since it was listed; the next listing tells what matches
                found.tally.add(answer, outcome)
                if answer.state is ObjectState.MISSING:
                    missing.add(obj.bucket)
                if outcome is not Outcome.DONE:
                    if self._pin_versions and obj.version_id is None and answer.version_id is not None:
                        pinned[obj] = S3Object(obj.bucket, obj.key, answer.version_id)
                    continue
                if self._patterns:
                    self._note_listed(answer, found, began)
                else:
                    self._done.setdefault(answer.state, []).append(obj)
                if obj.version_id is not None or not self._patterns:
                    done.add(obj)
        finally:
            self._settle(done, pinned)
        if answered != found.asked:
            raise LookupFailed(
                f"{found.asked:,} objects were asked for and {answered:,} answers came", remedy="Run the task again"
            )
        return missing

    def _note_listed(self, answer: ObjectReplication, found: Collect, began: datetime) -> None:
        """Note that a listed object is done; finished it is once its ETag and time can be of no later version."""
        mark = self._fingerprint(answer.object, answer.etag, answer.last_modified)
        found.marks.add(mark)
        if self._pin_versions or self._is_settled(mark, answer, began):
            self._done_listed[mark] = answer.state
            self._young.pop(mark, None)
        elif len(found.young) < _MAX_YOUNG:
            found.young.append(answer.object)

    def _is_settled(self, mark: bytes, answer: ObjectReplication, began: datetime) -> bool:
        """
        Return whether nothing that is written after an answer can have the same ETag and time.

        It was given in a later second, by the clock that it names: the store's, or that of a proxy before it. Where
        that shows nothing, because it names no time or one before the object's: it was asked for a second after an
        answer that said the same.
        """
        now = self._clock()
        answered = answer.answered_at or now - _MAX_SKEW
        if answer.last_modified is not None and answer.last_modified.replace(microsecond=0) + _SECOND <= answered:
            return True
        return self._young.setdefault(mark, now) + _SECOND <= began

    def _settle(self, done: set[S3Object], pinned: dict[S3Object, S3Object]) -> None:
        """Take from the list what is done, and put the version that is waited for in the place of its key."""
        still_open = [pinned.pop(obj, obj) for obj in self._open if obj not in done]
        self._open = [*still_open, *pinned.values()]  # what is left was listed by a pattern

    def poll(self, stop: Event | None = None) -> dict[str, Any] | None:
        """Sweep once, from what is kept, and keep what it found; return the event if that decided the gate."""
        self._recall()
        try:
            verdict = self.sweep(stop)
        except BaseException:
            self._keep(waits=False)
            raise
        if verdict.outcome is Outcome.DONE:
            if self._kept:
                self._kept.forget()
            return endings.done(verdict.progress(), self.value())
        self._keep(waits=verdict.outcome is Outcome.WAIT)
        if verdict.outcome is Outcome.WAIT:
            return None
        return endings.failed(verdict.failure(), self.value())

    def progress(self) -> str:
        """Return one line about the last sweep."""
        if self.verdict:
            return self.verdict.progress()
        came = f", {humanize.count(self.head_requests)} answers came" if self.head_requests else ""
        return f"no sweep has ended{came}"

    def warnings(self) -> list[str]:
        """Return the answers of the last sweep that nobody can read."""
        return self.verdict.warnings() if self.verdict else []

    def value(self) -> dict[str, Any]:
        """Return the summary that goes to XCom."""
        waited = (self._clock() - self._started_at).total_seconds()
        evidence = {"head_requests": self.head_requests, "waited_seconds": round(waited, 3)}
        return {**self.verdict.summary(), **evidence} if self.verdict else evidence

    def _fingerprint(self, obj: S3Object, etag: str | None, last_modified: datetime | None) -> bytes:
        """Return what identifies one state of a listed key: 16 bytes, so that a million take little memory."""
        parts = [obj.bucket, obj.key]
        if not self._pin_versions:
            parts += [etag or "", str(int(last_modified.timestamp())) if last_modified else ""]
        return blake2b("\0".join(parts).encode(), digest_size=MARK).digest()

    def _recall(self) -> None:
        if self._kept is None or self._recalled:
            return
        question = Question(self._targets, self._policy, self._pin_versions, self._source.whereabouts())
        known, self._recalled = self._kept.load(question), True
        if known is None:
            return
        self._done, self._done_listed = known.done, known.listed
        self.head_requests = known.head_requests
        self._started_at = min(self._started_at, known.started_at or self._started_at)
        pinned = {S3Object(obj.bucket, obj.key): obj for obj in known.pinned}
        self._settle(set(chain.from_iterable(known.done.values())), pinned)

    def _keep(self, *, waits: bool) -> None:
        if self._kept:
            known = Checkpoint(self._done, self._done_listed, self._open, self.head_requests, self._started_at)
            self._kept.save(known, waits=waits)
