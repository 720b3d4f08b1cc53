"""One gate over time: it is swept again and again, and asks again only for what is not finished."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

from airflow_provider_crr.replication.checkpoint.seen import recall, to_seen
from airflow_provider_crr.replication.checkpoint.value import Question, Record
from airflow_provider_crr.replication.collector import Collector
from airflow_provider_crr.replication.evidence import Evidence, Left
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.pause import Pause
from airflow_provider_crr.replication.progress import Progress, Wait
from airflow_provider_crr.replication.shown_rules import read_rules
from airflow_provider_crr.replication.source import Source, Steps, run
from airflow_provider_crr.replication.spending import Spending
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.replication.sweep import swept
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Verdict
from airflow_provider_crr.replication.waiting import WaitedFor
from airflow_provider_crr.s3.deadline import each_until
from airflow_provider_crr.s3.prices import Prices

#: Seconds that are waited so that another second has begun; a little more, because no two clocks are alike.
_PAUSE = 1.1


def _now() -> datetime:
    return datetime.now(UTC)


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
    :param max_head_requests: most HEADs that may be sent, with those of earlier processes that the record knows; None
        for any number. With fewer than it needs the gate does not open.
    :param prices: what they cost; None for the prices of us-east-1.
    :param clock: returns the current time, UTC.
    :param pause: waits for some seconds, or until an event is set. None waits by the machine's clock, and does not
        wait if another clock is given.
    :param told: called with each answer and what it means, as it comes; None for nobody.
    :param evidence: notes what FAILED, and leaves it behind; None for nobody.
    :param connection: id of the Airflow connection, for people; None for boto3's own credentials.
    :param reads_rules: whether the buckets' rules are read while it waits, once, for people.
    """

    def __init__(
        self,
        targets: Targets,
        policy: GatePolicy,
        source: Source,
        *,
        pin_versions: bool = False,
        started_at: datetime | None = None,
        kept: Record | None = None,
        max_head_requests: int | None = None,
        prices: Prices | None = None,
        clock: Callable[[], datetime] = _now,
        pause: Callable[[float, Event | None], None] | None = None,
        told: Callable[[ObjectReplication, Outcome], None] | None = None,
        evidence: Evidence | None = None,
        connection: str | None = None,
        reads_rules: bool = False,
    ) -> None:
        self.verdict: Verdict | None = None
        self._left = Left()
        self._targets = targets
        self._policy = policy
        self._source = source
        self._pin_versions = pin_versions
        self._clock = clock
        self._pauses = pause
        self._started_at = started_at or clock()
        self._spending = Spending(max_head_requests, prices or Prices())
        self._collector = Collector(
            targets, policy, source, pin_versions=pin_versions, clock=clock, spending=self._spending, told=told
        )
        self._collector.evidence = evidence
        self._progress = Progress(
            targets, policy, connection, pin_versions=pin_versions, max_head_requests=max_head_requests
        )
        self._waited_for = WaitedFor(targets, connection)
        self._reads_rules = reads_rules
        self._cost: str | None = None
        self._kept = kept
        self._recalled = False

    @property
    def head_requests(self) -> int:
        """How many answers have come; those of earlier processes count, too, where they are known."""
        return self._spending.answered

    def poll(self, stop: Event | None = None) -> bool:
        """Sweep once, beginning with what was kept, and keep what is done; return whether the gate is decided."""
        return run(self.steps(stop), stop)

    def steps(self, stop: Event | None = None) -> Steps[bool]:
        """
        Do the same as :meth:`poll`, step by step. Each step may be taken in another thread.

        If the steps are given up in the middle, by closing them, what is done by then is kept.

        :param stop: set by another thread to end the sweep early, with an error; each step waits no longer than that.
        """
        return each_until(stop, self._polled(stop))

    def _polled(self, stop: Event | None) -> Steps[bool]:
        self._spending.begin(self._waited())
        self._recall()
        may_ask = not self._spending.is_used_up
        try:
            found = yield from self._swept(stop)
        except BaseException:
            self._cost = self._spending.line(self._waited())
            self._keep(waits=False)
            raise
        self._cost = self._spending.line(self._waited())
        outcome = found.outcome
        if outcome is not Outcome.FAIL and self._collector.evidence:
            self._collector.evidence.begin()  # of a gate that has not failed nothing is left
        if may_ask or outcome is not Outcome.WAIT or self.verdict is None:
            self.verdict = found  # else the one before shows more
            self._progress.swept(found, self._waited())
        if outcome is Outcome.WAIT and self._reads_rules:
            self._reads_rules = False
            self._progress.rules = read_rules(self._source, self._targets)
        if outcome is not Outcome.DONE:
            self._keep(waits=outcome is Outcome.WAIT, failed=outcome is Outcome.FAIL)
        elif self._kept:
            self._kept.forget()
        return outcome is not Outcome.WAIT

    def leave(self) -> None:
        """Leave evidence behind, once the gate has failed. This may take a while, and decides nothing."""
        verdict, evidence = self.verdict, self._collector.evidence
        if verdict and evidence and verdict.outcome is Outcome.FAIL:
            self._left = evidence.leave(verdict.deciding)
            self.verdict = replace(verdict, asker=self._left.asker, remarks=self._left.remarks)

    def failure(self) -> str | None:
        """Return why the gate can never open; None if it is open, or the last sweep does not say."""
        verdict = self.verdict
        return verdict.failure() if verdict and verdict.outcome not in (Outcome.DONE, Outcome.WAIT) else None

    def used_up(self) -> str | None:
        """Return why no further poll can ask for anything; None if one can."""
        return self._spending.used_up()

    def cost(self) -> str | None:
        """Return what the wait has cost so far; None if that was said in the same hour."""
        cost, self._cost = self._cost, None
        return cost

    def progress(self) -> str:
        """Return what the last sweep found: one line, or several of a gate that waits."""
        if self.verdict is None:
            return "\n".join(self._waited_for.unasked(self.head_requests))
        if self.verdict.outcome is not Outcome.WAIT:
            return self.verdict.progress()
        return "\n".join(self._waited_for.lines(self.verdict))

    def standing(self) -> Hashable:
        """Return what changes only if the last sweep found something new."""
        verdict = self.verdict
        return verdict and (verdict.outcome, verdict.total, verdict.done, str(verdict.statuses), verdict.note)

    def shown(self, wait: Wait) -> dict[str, Any]:
        """Return how far the gate is, for people who look at it."""
        lag, heads = self._collector.lags.summary(), self.head_requests
        return self._progress.value(wait, self.verdict, started_at=self._started_at, head_requests=heads, lag=lag)

    def warnings(self) -> list[str]:
        """Return the answers of the last sweep that nobody can read."""
        return self.verdict.warnings() if self.verdict else []

    def value(self) -> dict[str, Any]:
        """Return the summary that goes to XCom."""
        evidence = {
            "head_requests": self.head_requests,
            "waited_seconds": round(self._waited(), 3),
            "replication_lag": self._collector.lags.summary(),
        }
        if self.verdict is None:
            return evidence
        return {**self.verdict.summary(), **evidence, "failed_manifest_uri": self._left.failed_manifest_uri}

    def sweep(self, stop: Event | None = None) -> Verdict:
        """
        Ask for everything that is not finished, and judge.

        :param stop: set by another thread to end the sweep early, with an error.
        :raises LookupFailed: if S3 cannot be asked; what was answered until then is not asked for again.
        """
        self.verdict = run(each_until(stop, self._swept(stop)), stop)
        return self.verdict

    def _swept(self, stop: Event | None) -> Steps[Verdict]:
        return swept(self._collector, stop, pause=self._pause, snapshot=bool(self._targets.patterns))

    def _waited(self) -> float:
        return (self._clock() - self._started_at).total_seconds()

    def _pause(self, stop: Event | None) -> Steps[None]:
        if self._pauses is not None:
            self._pauses(_PAUSE, stop)
        elif self._clock is _now:
            yield Pause(_PAUSE)

    def _recall(self) -> None:
        if self._kept is None or self._recalled:
            return
        question = Question(self._targets, self._policy, self._pin_versions, self._source.whereabouts())
        known, self._recalled = self._kept.load(question), True
        if known is not None:
            self._collector.recall(known)
            recall(known.seen, self._collector.lags, self._progress)
            self._reads_rules = self._reads_rules and self._progress.rules is None
            self._started_at = min(self._started_at, known.started_at or self._started_at)

    def _keep(self, *, waits: bool, failed: bool = False) -> None:
        if self._kept:
            known = self._collector.known(self._started_at)
            known.seen = to_seen(self._collector.lags, self._progress)
            self._kept.save(known, waits=waits, failed=failed)
