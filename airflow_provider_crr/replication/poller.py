"""One gate over time: it is swept again and again, and asks again only for what is not finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from threading import Event
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.checkpoint.value import Checkpoint, Question
from airflow_provider_crr.replication.collect import Collect
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.listed_objects import ListedObjects
from airflow_provider_crr.replication.rules import ReadOnce
from airflow_provider_crr.replication.source import Source
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Tally, Verdict
from airflow_provider_crr.s3.deadline import until
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of
from airflow_provider_crr.text import humanize

#: States of an object that was deleted between its listing and its HEAD.
_GONE = frozenset({ObjectState.MISSING, ObjectState.DELETED})
#: Most collects of one sweep: a writer that goes on for ever does not keep a sweep from ending.
MAX_COLLECTS = 3
#: Seconds that are waited so that another second has begun; a little more, because no two clocks are alike.
_PAUSE = 1.1


def _now() -> datetime:
    return datetime.now(UTC)


def _pause(seconds: float, stop: Event | None) -> None:
    (stop or Event()).wait(seconds)


class Watch:
    """
    A gate that is asked, sweep after sweep, until it is decided. Not thread-safe: one sweep at a time.

    An object that was named is asked for until one answer says that it is done, and never again: overwriting its key
    afterwards changes nothing. A pattern is listed again at each sweep, and an object of it that is done is asked for
    again only if the listing shows another ETag or time.

    With patterns the gate opens on a snapshot only: on a listing that began after the last answer, and that shows the
    very keys, ETags and times that were counted. Each of these answers was given in a later second than that in which
    the object was written. Until then, the same bytes could be written again and look the same. Two things no listing
    can show: what was written and deleted again between two of them, and two multipart uploads of the same parts that
    began in the same second.

    What is done is kept between processes, where there is a store, and only for the same question. Once the user asks
    again, by clearing the task, only what cannot have changed since is still done: named versions, and listed objects
    with the ETag and time that they had.

    :param targets: what to wait for.
    :param policy: what the answers mean.
    :param source: where to ask.
    :param pin_versions: whether to wait for the version that answers first, even if its key is overwritten later.
    :param started_at: when the gate was first asked, UTC; None for now.
    :param kept: the record of what is done; None for no record.
    :param clock: returns the current time, UTC.
    :param pause: waits for some seconds, or until an event is set. None waits by the machine's clock, and does not
        wait if another clock is given.
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
        self._listed = ListedObjects(targets.patterns, source, pin_versions=pin_versions, clock=clock)
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
        self._checked_buckets: set[str] = set()
        self._rules = self._read_anew()

    def poll(self, stop: Event | None = None) -> bool:
        """Sweep once, beginning with what was kept, and keep what is done; return whether the gate is decided."""
        self._recall()
        try:
            outcome = self.sweep(stop).outcome
        except BaseException:
            self._keep(waits=False)
            raise
        if outcome is not Outcome.DONE:
            self._keep(waits=outcome is Outcome.WAIT)
        elif self._kept:
            self._kept.forget()
        return outcome is not Outcome.WAIT

    def failure(self) -> str | None:
        """Return why the gate can never open; None if it is open, or the last sweep does not say."""
        verdict = self.verdict
        return verdict.failure() if verdict and verdict.outcome not in (Outcome.DONE, Outcome.WAIT) else None

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

    def sweep(self, stop: Event | None = None) -> Verdict:
        """
        Ask for everything that is not finished, and judge.

        :param stop: set by another thread to end the sweep early, with an error.
        :raises LookupFailed: if S3 cannot be asked; what was answered until then is not asked for again.
        """
        with until(stop):
            self.verdict = self._sweep(stop)
        return self.verdict

    def _sweep(self, stop: Event | None) -> Verdict:
        collect = self._collect(stop)
        if not self._patterns or collect.tally.outcome is not Outcome.DONE:
            return self._verdict(collect)
        for _ in range(MAX_COLLECTS - 1):
            if collect.young:
                self._pause(_PAUSE, stop)
                self._ask(collect.young, Collect(self._tally()), stop)
            before, collect = collect, self._collect(stop)
            if collect.tally.outcome is not Outcome.DONE:
                return self._verdict(collect)
            if collect.confirms(before):
                return self._verdict(before)  # it has a sample of the answers
        return replace(self._verdict(collect), outcome=Outcome.WAIT, note="what the patterns match still changes")

    def _verdict(self, collect: Collect) -> Verdict:
        return collect.tally.verdict(self._explain, self._rules.cover)

    def _collect(self, stop: Event | None) -> Collect:
        """List every pattern once, ask for what is not finished, and count all of it."""
        collect = Collect(self._tally(), unmatched=dict.fromkeys(self._patterns))
        tally, self._rules = collect.tally, self._read_anew()
        tally.add_finished(Counter({state: len(objects) for state, objects in self._done.items()}))
        missing = self._ask(chain(self._open, self._listed.unfinished(collect, self._open, stop)), collect, stop)
        for bucket in sorted(missing - self._checked_buckets):
            self._source.check_bucket(bucket)
            self._checked_buckets.add(bucket)
        for answer in collect.without_match():
            tally.add(answer, self._policy.judge(answer, tally.now))
        tally.add_finished(collect.finished)
        return collect

    def _tally(self) -> Tally:
        return Tally(self._clock(), listed=bool(self._patterns))

    def _read_anew(self) -> ReadOnce:
        # Rules are read anew for each collect: once a rule is removed, what it covered is not waited for.
        return ReadOnce(lambda bucket_name: self._source.get_replication_rules(bucket_name, brief=True))

    def _explain(self, answer: ObjectReplication) -> str:
        judged_by_rules = store_of(answer.server).replicates_existing
        return self._rules.why_no_status(answer) if judged_by_rules else self._source.why_no_status(answer)

    def _ask(self, objects: Iterable[S3Object], collect: Collect, stop: Event | None) -> set[str]:
        """Ask, note each answer as it comes, and return the buckets of missing objects."""
        tally, began, answered = collect.tally, self._clock(), 0
        missing: set[str] = set()
        done: set[S3Object] = set()
        pinned: dict[S3Object, S3Object] = {}
        try:
            for answer in self._source.get_replication_statuses(collect.counted(objects), stop=stop):
                obj = answer.object
                answered += 1
                self.head_requests += 1
                outcome = self._policy.judge(answer, tally.now, listed=tally.listed, covered=self._rules.cover)
                if answer.state in _GONE and self._patterns and obj.version_id is None:
                    outcome = Outcome.WAIT  # deleted since it was listed; the next listing tells what matches
                tally.add(answer, outcome)
                if answer.state is ObjectState.MISSING:
                    missing.add(obj.bucket)
                if outcome is not Outcome.DONE:
                    if self._pin_versions and obj.version_id is None and answer.version_id is not None:
                        pinned[obj] = S3Object(obj.bucket, obj.key, answer.version_id)
                    continue
                if self._patterns:
                    self._listed.note_done(answer, collect, began)
                else:
                    self._done.setdefault(answer.state, []).append(obj)
                if obj.version_id is not None or not self._patterns:
                    done.add(obj)
        finally:
            self._settle(done, pinned)
        if answered != collect.asked:
            raise LookupFailed(
                f"{collect.asked:,} objects were asked for and {answered:,} answers came", remedy="Run the task again"
            )
        return missing

    def _settle(self, done: set[S3Object], pinned: dict[S3Object, S3Object]) -> None:
        """Take what is done off the list, and put each pinned version in the place of its key."""
        still_open = [pinned.pop(obj, obj) for obj in self._open if obj not in done]
        self._open = [*still_open, *pinned.values()]  # what is left here was listed by a pattern

    def _recall(self) -> None:
        if self._kept is None or self._recalled:
            return
        question = Question(self._targets, self._policy, self._pin_versions, self._source.whereabouts())
        known, self._recalled = self._kept.load(question), True
        if known is None:
            return
        self._done, self._listed.done = known.done, known.listed
        self.head_requests = known.head_requests
        self._started_at = min(self._started_at, known.started_at or self._started_at)
        pinned = {S3Object(obj.bucket, obj.key): obj for obj in known.pinned}
        self._settle(set(chain.from_iterable(known.done.values())), pinned)

    def _keep(self, *, waits: bool) -> None:
        if self._kept:
            known = Checkpoint(self._done, self._listed.done, self._open, self.head_requests, self._started_at)
            self._kept.save(known, waits=waits)
