"""A poll in steps: it yields what it waits for, any thread takes the next step, and it may be given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.pause import Pause
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.source import Later
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object
from tests.replication.histories import Memory

KEYS = [S3Object("b", f"k{number}") for number in range(3)]


class Come:
    """What is waited for, and came already."""

    def wait(self, timeout: float) -> bool:
        return True

    def then(self, call: Callable[[], None]) -> None:
        call()


class Source:
    """A store in memory, where all is COMPLETED. Before each answer something is waited for."""

    def __init__(self) -> None:
        self.asked: list[S3Object] = []
        self.guarded: list[bool] = []
        self.closed = 0

    def get_replication_statuses(
        self, objects: Iterable[S3Object], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication | Later]:
        try:
            for obj in objects:
                self.guarded.append(current() is not None)
                yield Come()
                if stop is not None and stop.is_set():
                    raise LookupFailed("stopped")
                self.asked.append(obj)
                yield ObjectReplication(obj, ObjectState.COMPLETED, 200, etag='"e"', last_modified=datetime.now(UTC))
        finally:
            self.closed += 1

    def list_matching(self, pattern: S3Object) -> Iterator[Any]:
        return (ListedObject(obj, '"e"', datetime.now(UTC)) for obj in KEYS)

    def whereabouts(self) -> dict[str, Any]:
        return {}


def watch(source: Any, *, kept: Kept | None = None, pattern: bool = False) -> Watch:
    targets = Targets.parse("s3://b/*" if pattern else list(KEYS), wildcard_match=pattern)
    return Watch(targets, GatePolicy(), source, kept=kept)


def test_each_step_may_be_taken_in_another_thread() -> None:
    """Every step runs under the guard, whichever thread takes it; between two steps no thread has one."""
    source, stop = Source(), Event()
    steps = watch(source).steps(stop)
    taken, decided = 0, None
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        while True:
            thread = (one, other)[taken % 2]
            try:
                later = thread.submit(lambda: next(steps)).result()
            except StopIteration as ended:
                decided = ended.value
                break
            assert later.wait(0)
            assert thread.submit(current).result() is None
            taken += 1
    assert (decided, taken, source.asked, source.guarded) == (True, 3, KEYS, [True] * 3)


def test_what_was_answered_before_the_steps_were_given_up_counts() -> None:
    """Steps that are closed in the middle keep what is done, end the source's generator, and leave no guard."""
    source, store = Source(), Memory()
    gate = watch(source, kept=Kept(store, "0/0"))
    steps = gate.steps(Event())
    next(steps)
    next(steps)
    steps.close()
    assert (source.asked, source.closed, current()) == (KEYS[:1], 1, None)
    assert gate.poll()
    assert source.asked == KEYS


def test_next_process_knows_what_steps_had_answered() -> None:
    """What was answered before the steps were given up is read by the next process, which asks for the rest only."""
    store = Memory()
    steps = watch(Source(), kept=Kept(store, "0/0")).steps(Event())
    next(steps)
    next(steps)
    steps.close()
    source = Source()
    assert watch(source, kept=Kept(store, "0/0")).poll()
    assert source.asked == KEYS[1:]


def test_stop_between_two_steps_ends_the_poll() -> None:
    """A step that is taken after the stop raises, and what was answered before is kept."""
    store, stop = Memory(), Event()
    steps = watch(Source(), kept=Kept(store, "0/0")).steps(stop)
    next(steps)
    next(steps)
    stop.set()
    with pytest.raises(LookupFailed):
        next(steps)
    source = Source()
    assert watch(source, kept=Kept(store, "0/0")).poll()
    assert source.asked == KEYS[1:]


def test_pause_between_two_collects_holds_no_thread() -> None:
    """Where another second must begin, the steps yield what comes by itself after that, and do not sleep."""
    laters = [later for later in watch(Source(), pattern=True).steps() if not isinstance(later, Come)]
    assert laters
    assert {type(later) for later in laters} == {Pause}
    called = Event()
    laters[0].then(called.set)
    assert called.wait(60)
    assert laters[0].wait(0)
