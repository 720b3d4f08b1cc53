"""
Whether many objects are replicated, asked wave by wave: each wave is a gate, and the next one begins once it is open.

So the memory that it takes does not grow with their number. They were all sent to be replicated at the same time, so
that those of later waves are mostly done when their turn comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Event

from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.source import Source, Steps, run
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Verdict
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible

#: Objects of one wave: some 30 MB of memory.
WAVE = 50_000
#: How long an object may still show what it showed before it was sent to be replicated. That S3 changes it at once is
#: documented nowhere.
SETTLES = timedelta(minutes=5)
#: REPLICA stays what it is when a replica is replicated further.
_EARLY = GatePolicy(on_failed="wait", on_none="wait", on_missing="fail", on_replica="done")
_LATER = GatePolicy(on_failed="fail", on_none="fail", on_missing="fail", on_replica="done")


class Verification:
    """
    The question whether objects are replicated that were sent to be so.

    :param objects: the objects; read as they are asked for.
    :param source: where to ask.
    :param since: when they were sent, UTC. FAILED and no status count from :data:`SETTLES` after it on.
    :param clock: returns the current time, UTC.
    """

    def __init__(
        self,
        objects: Iterator[S3Object],
        source: Source,
        *,
        since: datetime,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._objects = objects
        self._source = source
        self._since = since
        self._clock = clock
        self._done: Counter[str] = Counter()
        self._wave: tuple[S3Object, ...] = ()
        self._watch: Watch | None = None
        self._strict = False
        self._ended = False

    def poll(self, stop: Event | None = None) -> bool:
        """Ask wave by wave, as far as they are done; return whether it is decided."""
        return run(self.steps(stop), stop)

    def steps(self, stop: Event | None = None) -> Steps[bool]:
        """Do the same step by step."""
        while not self._ended:
            watch = self._next()
            if watch is None:
                self._ended = True
                break
            yield from watch.steps(stop)
            if self._verdict is None or self._verdict.outcome is Outcome.WAIT:
                return False
            if self._verdict.outcome is Outcome.FAIL:
                return True
            self._done.update(self._verdict.statuses)
            self._watch, self._wave = None, ()
        return True

    def failure(self) -> str | None:
        """Return which objects will not be replicated, and why; None if the last poll does not say so."""
        verdict = self._verdict
        if verdict is None or verdict.outcome is not Outcome.FAIL:
            return None
        counts = ", ".join(f"{humanize.count(count)} {state}" for state, count in verdict.deciding.items())
        named = [
            f"  {legible(each['uri'])} {each['status']}: {each.get('reason', '')}"
            for each in verdict.sample[: verdict.deciders]
        ]
        return "\n".join([counts, *named])

    def progress(self) -> str:
        """Return one line about the last poll."""
        if self._ended:
            return f"all {humanize.count(self._done.total())} are replicated"
        before = f"{humanize.count(self._done.total())} are replicated; of the next " if self._done else ""
        return before + (self._verdict.progress() if self._verdict else "nothing is known yet")

    def statuses(self) -> dict[str, int]:
        """Return the number of objects by state, as far as they were asked for."""
        now = self._verdict.statuses if self._verdict else {}
        return dict(self._done + Counter(now))

    @property
    def _verdict(self) -> Verdict | None:
        return self._watch.verdict if self._watch else None

    def _next(self) -> Watch | None:
        """Return the gate of this wave. Once what was there before counts no more, it is a stricter one."""
        strict = self._clock() >= self._since + SETTLES
        if self._watch is not None and strict == self._strict:
            return self._watch
        self._wave = self._wave or tuple(islice(self._objects, WAVE))
        if not self._wave:
            return None
        self._strict = strict
        self._watch = Watch(Targets(objects=self._wave), _LATER if strict else _EARLY, self._source, clock=self._clock)
        return self._watch
