"""When the progress of a wait becomes an XCom: seldom, and so that no wait takes longer for it."""

from __future__ import annotations

import asyncio
import time
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_crr.tasks import progress_pushes
from airflow_provider_crr.tasks.progress_pushes import TRIGGERER, WORKER, Offers, Pushes, can_push
from tests.support.polling import until


class Clock:
    """A clock, and a push that takes some seconds of it."""

    def __init__(self, apart: tuple[float, float], takes: float = 0.0, error: Exception | None = None) -> None:
        self.now = 0.0
        self.pushed: list[float] = []
        self._takes, self._error = takes, error
        self._offers = Offers(self._push, apart, clock=lambda: self.now)

    def _push(self, value: dict[str, Any]) -> None:
        self.pushed.append(self.now)
        self.now += self._takes
        if self._error:
            raise self._error

    def offer(self, at: float, /, **value: Any) -> None:
        self.now = max(self.now, at)
        self._offers.offer(value)


def ti(number: int = 0) -> Any:
    return SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=number)


@pytest.mark.parametrize(("apart", "often"), [(WORKER, 60.0), (TRIGGERER, 600.0)])
def test_what_has_not_changed_is_seldom_pushed(apart: tuple[float, float], often: float) -> None:
    """On a worker once a minute, so that the moment of the next look is right; in the triggerer every ten minutes."""
    clock = Clock(apart)
    for second in range(0, 1201, 10):
        clock.offer(second, done=1, at=second)
    assert clock.pushed == [often * number for number in range(int(1200 // often) + 1)]


def test_news_are_pushed_at_most_every_fifteen_seconds_in_the_triggerer() -> None:
    """A gate that polls each second and moves each time is pushed four times a minute."""
    clock = Clock(TRIGGERER)
    for second in range(60):
        clock.offer(second, done=second)
    assert clock.pushed == [0, 15, 30, 45]


def test_change_that_was_not_pushed_is_not_lost() -> None:
    """What changed just after a push is pushed with the next value, though that has not changed since."""
    clock = Clock(TRIGGERER)
    clock.offer(0, done=0)
    clock.offer(5, done=1)
    clock.offer(20, done=1)
    assert clock.pushed == [0, 20]


@pytest.mark.parametrize(("takes", "pushed"), [(5.0, [0, 50, 100, 150]), (20.0, [0, 80, 160]), (40.0, [0, 100])])
def test_slow_server_is_asked_seldom(takes: float, pushed: list[float]) -> None:
    """Pushes take a tenth of the time; after one that takes very long the next one comes within a minute."""
    clock = Clock(WORKER, takes=takes)
    for second in range(0, 200, 5):
        clock.offer(second, done=second)
    assert clock.pushed == pushed


def test_push_that_fails_is_tried_again_later() -> None:
    """An error is not raised, and the same value is due again as soon as one may be pushed."""
    clock = Clock(TRIGGERER, error=OSError("no server"))
    for second in (0, 10, 20):
        clock.offer(second, done=1)
    assert clock.pushed == [0, 20]


def test_newest_value_of_each_task_is_pushed() -> None:
    """While one push is under way others wait; of each task instance the newest is pushed, the first one first."""
    pushed: list[tuple[int, Any]] = []
    began, go = Event(), Event()

    def push(instance: Any, value: dict[str, Any]) -> None:
        began.set()
        go.wait(60)
        pushed.append((instance.map_index, value["done"]))

    pushes = Pushes(push)
    pushes.put(ti(0), {"done": 0})
    assert began.wait(60)
    for done in (1, 2):
        for number in (1, 2, 3):
            pushes.put(ti(number), {"done": done})
    pushes.drop(ti(2))
    pushes.drop(None)
    go.set()
    until(lambda: len(pushed) == 3, "three pushes")
    assert pushed == [(0, 0), (1, 2), (3, 2)]


def test_end_of_a_wait_is_held_back_for_a_push_of_it_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that says "waiting" never comes after the last one; a push that hangs, or another's, holds up little."""
    began, go = Event(), Event()
    ended: list[str] = []

    def push(instance: Any, value: dict[str, Any]) -> None:
        began.set()
        go.wait(60)
        ended.append("push")

    async def settle() -> None:
        await pushes.settle(ti(2))
        await pushes.settle(None)
        ended.append("others")
        waits = asyncio.ensure_future(pushes.settle(ti(1)))
        await asyncio.sleep(0.1)
        assert not waits.done()
        go.set()
        await waits
        ended.append("wait")

    pushes = Pushes(push)
    pushes.put(ti(1), {})
    assert began.wait(60)
    monkeypatch.setattr(progress_pushes, "_LAST_PUSH", 0.05)
    asyncio.run(pushes.settle(ti(1)))
    monkeypatch.setattr(progress_pushes, "_LAST_PUSH", 60)
    asyncio.run(settle())
    assert ended == ["others", "push", "wait"]


def test_pushes_of_a_triggerer_take_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a push there is a pause of nine times its length; an error ends neither the thread nor the pushes."""
    pauses: list[float] = []
    monkeypatch.setattr(progress_pushes, "_pause", pauses.append)
    took = 0.2

    def push(instance: Any, value: dict[str, Any]) -> None:
        time.sleep(took)
        raise OSError("no server")

    pushes = Pushes(push)
    for number in range(3):
        pushes.put(ti(number), {})
    until(lambda: len(pauses) == 3, "three pushes")
    assert all(pause >= 9 * took for pause in pauses[1:])


def test_push_that_took_long_holds_up_the_others_for_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first push of a triggerer, for which Airflow makes much ready, is followed by no pause; none is longer."""
    pauses: list[float] = []
    monkeypatch.setattr(progress_pushes, "_pause", pauses.append)
    clock = [0.0]
    monkeypatch.setattr(progress_pushes, "_clock", lambda: clock[0])

    def push(instance: Any, value: dict[str, Any]) -> None:
        clock[0] += value["takes"]

    pushes = Pushes(push)
    for number, takes in enumerate((34.0, 34.0, 2.0)):
        pushes.put(ti(number), {"takes": takes})
    until(lambda: len(pauses) == 3, "three pushes")
    assert pauses == [0.0, 60.0, 18.0]


def test_thread_ends_when_there_is_nothing_to_push(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle process has no thread for it; the next value begins another one."""
    monkeypatch.setattr(progress_pushes, "_IDLE", 0.01)
    pushed: list[Any] = []
    pushes = Pushes(lambda instance, value: pushed.append(value))
    for number in (1, 2):
        pushes.put(ti(), {"done": number})
        until(lambda: pushes._thread is None, "the thread to end")
    assert pushed == [{"done": 1}, {"done": 2}]


def test_outside_of_a_triggerer_a_trigger_pushes_nothing() -> None:
    """A test, or ``dag.test()``, is no triggerer, whatever it has imported."""
    import airflow.jobs.triggerer_job_runner  # noqa: F401

    assert not can_push()
