"""One collect of a gate: lists its patterns, asks for what is not finished, and counts all of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import chain
from threading import Event
from typing import Any

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.replication.checkpoint.value import Checkpoint
from airflow_provider_crr.replication.collect import Collect
from airflow_provider_crr.replication.evidence import Evidence
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.lag import Lags
from airflow_provider_crr.replication.listed_objects import ListedObjects
from airflow_provider_crr.replication.named_objects import NamedObjects
from airflow_provider_crr.replication.rules import ReadOnce
from airflow_provider_crr.replication.source import Later, Source, Steps
from airflow_provider_crr.replication.spending import Spending
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Tally, Verdict
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of

#: States of an object that was deleted between its listing and its HEAD.
_GONE = frozenset({ObjectState.MISSING, ObjectState.DELETED})
#: States of an object that S3 tried to replicate, or still tries to.
_TRIED = frozenset({ObjectState.FAILED, ObjectState.PENDING})


class Collector:
    """
    Collects what S3 says about the objects of a gate, and remembers which of them are done. One collect at a time.

    :param targets: the objects.
    :param policy: what the answers mean.
    :param source: where to ask.
    :param pin_versions: whether to wait for the version that answers first, even if its key is overwritten later.
    :param clock: returns the current time, UTC.
    :param spending: how many HEADs may be sent, and were.
    :param told: called with each answer and what it means, as it comes; None for nobody.
    """

    def __init__(
        self,
        targets: Targets,
        policy: GatePolicy,
        source: Source,
        *,
        pin_versions: bool,
        clock: Callable[[], datetime],
        spending: Spending,
        told: Callable[[ObjectReplication, Outcome], None] | None = None,
    ) -> None:
        #: How long replication takes, by the answers so far.
        self.lags = Lags(clock)
        self._spending = spending
        #: Notes what FAILED; None for nobody.
        self.evidence: Evidence | None = None
        self._count = len(targets.objects)
        self._patterns = targets.patterns
        self._named = NamedObjects(targets.objects)
        self._listed = ListedObjects(targets.patterns, source, pin_versions=pin_versions, clock=clock)
        self._policy = policy
        self._source = source
        self._pin_versions = pin_versions
        self._clock = clock
        self._told = told or (lambda answer, outcome: None)
        self._checked_buckets: set[str] = set()
        self._rules = self._rules_of_collect()

    def collect(self, stop: Event | None) -> Steps[Collect]:
        """
        List every pattern once, ask for what is not finished, and count all of it.

        :param stop: set by another thread to end it early, with an error.
        :raises LookupFailed: if S3 cannot be asked; what was answered until then is not asked for again.
        """
        collect = Collect(self._tally(), unmatched=dict.fromkeys(self._patterns))
        tally, self._rules = collect.tally, self._rules_of_collect()
        if self.evidence:
            self.evidence.begin()
        self.lags.begin(tally.now)
        tally.add_finished(self._named.count_done())
        objects = chain(self._named.open, self._listed.unfinished(collect, self._named.open, stop))
        missing = yield from self._ask(objects, collect, stop)
        if not tally.partial:
            self.lags.end(
                all_wait=tally.states[ObjectState.PENDING] == tally.outcomes.total() - tally.outcomes[Outcome.DONE]
            )
        for bucket in sorted(missing - self._checked_buckets):
            self._source.check_bucket(bucket)
            self._checked_buckets.add(bucket)
        for answer in () if tally.partial else collect.without_match():  # what was not listed yet is not missing
            outcome = self._policy.judge(answer, tally.now)
            tally.add(answer, outcome)
            self._told(answer, outcome)
        tally.add_finished(collect.finished)
        return collect

    def settle(self, collect: Collect, stop: Event | None) -> Steps[None]:
        """
        Ask once more for what a collect found young.

        :param collect: the collect.
        :param stop: see :meth:`collect`.
        :raises LookupFailed: see :meth:`collect`.
        """
        yield from self._ask(collect.young, Collect(self._tally()), stop)

    def verdict(self, collect: Collect) -> Verdict:
        """Return what a collect means."""
        verdict = collect.tally.verdict(self._explain, self._rules.cover, self._ruled)
        return replace(verdict, total=max(verdict.total, self._count))

    def recall(self, known: Checkpoint) -> None:
        """Go on from what is known of earlier polls."""
        self._named.recall(known)
        self._listed.done = known.listed
        self._spending.recall(known)

    def known(self, started_at: datetime) -> Checkpoint:
        """
        Return what is known now.

        :param started_at: when the gate was first asked, UTC.
        """
        known = Checkpoint(self._named.done, self._listed.done, self._named.open, started_at=started_at)
        self._spending.note(known)
        return known

    def _tally(self) -> Tally:
        return Tally(self._clock(), listed=bool(self._patterns))

    def _rules_of_collect(self) -> ReadOnce:
        # Rules are read again for each collect: once a rule is removed, what it covered is not waited for.
        source = self._source
        return ReadOnce(lambda bucket_name: source.get_replication_rules(bucket_name, brief=True))

    def _explain(self, answer: ObjectReplication) -> str:
        judged_by_rules = store_of(answer.server).replicates_existing
        return self._rules.why_no_status(answer) if judged_by_rules else self._source.why_no_status(answer)

    def _ruled(self, answer: ObjectReplication) -> str:
        return self._rules.tried_by(answer) if answer.state in _TRIED else ""

    def _ask(self, objects: Iterable[S3Object | Later], collect: Collect, stop: Event | None) -> Steps[set[str]]:
        """Ask, note each answer as it comes, and return the buckets of missing objects."""
        tally, began, answered = collect.tally, self._clock(), 0
        missing: set[str] = set()
        done: set[S3Object] = set()
        pinned: dict[S3Object, S3Object] = {}
        try:
            allowed = self._spending.allowed(objects, tally)
            with closing(self._answers(collect.counted(allowed), stop)) as answers:
                for answer in answers:
                    if not isinstance(answer, ObjectReplication):
                        yield answer
                        continue
                    obj = answer.object
                    answered += 1
                    self._spending.answered += 1
                    outcome = self._policy.judge(answer, tally.now, listed=tally.listed, covered=self._rules.cover)
                    if answer.state in _GONE and self._patterns and obj.version_id is None:
                        outcome = Outcome.WAIT  # deleted since it was listed; the next listing tells what matches
                    tally.add(answer, outcome)
                    self.lags.note(answer)
                    self._told(answer, outcome)
                    if self.evidence and answer.state is ObjectState.FAILED:
                        self.evidence.note(answer)
                    if answer.state is ObjectState.MISSING:
                        missing.add(obj.bucket)
                    if outcome is not Outcome.DONE:
                        if self._pin_versions and obj.version_id is None and answer.version_id is not None:
                            pinned[obj] = S3Object(obj.bucket, obj.key, answer.version_id)
                        continue
                    if self._patterns:
                        self._listed.note_done(answer, collect, began)
                    else:
                        self._named.note_done(obj, answer.state)
                    if obj.version_id is not None or not self._patterns:
                        done.add(obj)
        except CrrError as error:
            self._spending.give_back(error.not_sent)
            raise
        finally:
            self._named.settle(done, pinned)
        if answered != collect.asked:
            raise LookupFailed(
                f"{collect.asked:,} objects were asked for and {answered:,} answers came", remedy="Run the task again"
            )
        return missing

    def _answers(self, objects: Iterable[S3Object | Later], stop: Event | None) -> Generator[ObjectReplication | Later]:
        asked: Any = objects  # a source whose listing yields something else takes it, too
        yield from self._source.get_replication_statuses(asked, stop=stop)
