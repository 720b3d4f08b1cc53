"""The few threads in which all gates of a triggerer poll: how many there are, and who gets them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from threading import Event
from typing import Any
from weakref import ref

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.source import Later, Steps
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.tasks import polling_threads, threads
from airflow_provider_crr.tasks.threads import in_thread, in_turns
from tests.support.polling import until
from tests.support.stopwatch import Stopwatch


class Coming:
    """What comes when a test says so."""

    def __init__(self) -> None:
        self._came = Event()
        self._calls: list[Callable[[], None]] = []

    def wait(self, timeout: float) -> bool:
        return self._came.wait(timeout)

    def then(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        if self._came.is_set():
            call()

    def come(self) -> None:
        self._came.set()
        for call in self._calls:
            call()


def _come() -> Coming:
    coming = Coming()
    coming.come()
    return coming


def pollers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "crr-poller"]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Each test begins, and ends, without a polling thread."""
    until(lambda: not pollers(), "no thread is left", 60)
    yield
    until(lambda: not pollers(), "no thread is left", 60)
    pool = polling_threads.POLLING
    assert (pool._threads, pool._idle, list(pool._queue)) == (0, 0, [])
    assert (pool._held, pool._running, pool._since) == ({}, {}, {})


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 120))


def waiting(later: Later, value: Any = None) -> Steps[Any]:
    """Wait for something, and return a value."""
    yield later
    return value


async def held(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the threads know no loop
        await asyncio.sleep(0.01)


def test_what_waits_holds_no_thread() -> None:
    """A thousand steps that wait for something need no more threads than one does, and all of them return."""
    most = 0

    async def main() -> list[Any]:
        nonlocal most
        comings = [Coming() for _ in range(1000)]
        running = [
            asyncio.ensure_future(in_turns(waiting(coming, number), key="one")) for number, coming in enumerate(comings)
        ]
        await held(lambda: all(coming._calls for coming in comings))
        most = len(pollers())
        for coming in comings:
            coming.come()
        return await asyncio.gather(*running)

    assert run(main()) == list(range(1000))
    assert most <= polling_threads.MOST_OF_ONE


def test_what_came_already_is_not_waited_for() -> None:
    """What came before it was asked for frees its thread for others, and goes on at once."""

    def steps() -> Steps[int]:
        for _ in range(100):
            coming = Coming()
            coming.come()
            yield coming
        return 100

    assert run(in_turns(steps(), key="one")) == 100


def test_connection_that_hangs_holds_up_no_other() -> None:
    """While all calls of one connection hang, those of another are done; the hanging ones hold three threads."""
    opened = Event()

    async def main() -> int:
        hanging = [asyncio.ensure_future(in_thread(opened.wait, 60, key="hangs")) for _ in range(20)]
        await held(lambda: len(polling_threads.POLLING._held.get("hangs", ())) == 17)
        for number in range(50):
            assert await in_thread(lambda number=number: number, key="answers") == number
        found = len(pollers())
        opened.set()
        assert await asyncio.gather(*hanging) == [True] * 20
        return found

    assert run(main()) <= polling_threads.MOST_OF_ONE + polling_threads.FEWEST


def test_there_are_never_more_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections need a thread, there are no more than the most; what waits is done afterwards."""
    monkeypatch.setattr(polling_threads, "_LONG", 60)
    opened = Event()

    async def main() -> int:
        hanging = [asyncio.ensure_future(in_thread(opened.wait, 60, key=number)) for number in range(30)]
        await held(lambda: len(pollers()) == polling_threads.MOST)
        await asyncio.sleep(0.5)
        found = len(pollers())
        opened.set()
        assert await asyncio.gather(*hanging) == [True] * 30
        return found

    assert run(main()) == polling_threads.MOST


def test_many_connections_that_hang_hold_up_no_other() -> None:
    """While twenty connections hang, each with several gates, another is served; later the threads are few again."""
    opened = Event()

    async def main() -> tuple[float, int]:
        hanging = [asyncio.ensure_future(in_thread(opened.wait, 60, key=number % 20)) for number in range(100)]
        await held(lambda: len(polling_threads.POLLING._running) == 20)
        watch = Stopwatch()
        assert await in_turns(waiting(_come(), "served"), key="answers") == "served"
        took = watch.seconds()
        most = len(pollers())
        opened.set()
        assert await asyncio.gather(*hanging) == [True] * 100
        await held(lambda: len(pollers()) <= polling_threads.MOST)
        return took, most

    took, most = run(main())
    assert took < 5
    assert most <= 30, "only the first few connections have more than one thread"


def test_there_are_never_more_than_the_most_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections hang, and however long, the number of threads has a bound."""
    monkeypatch.setattr(polling_threads, "_LONG", 0.0)
    monkeypatch.setattr(polling_threads, "MOST_IN_ALL", 20)
    opened = Event()

    async def main() -> int:
        hanging = [asyncio.ensure_future(in_thread(opened.wait, 60, key=number)) for number in range(40)]
        await held(lambda: len(pollers()) == 20)
        await asyncio.sleep(0.5)
        found = len(pollers())
        opened.set()
        assert await asyncio.gather(*hanging) == [True] * 40
        return found

    assert run(main()) == 20


def test_first_come_is_first_served() -> None:
    """One thread takes steps in the order in which they can go on; those of one connection keep their order."""
    opened, order = Event(), []

    def steps(name: str) -> Steps[None]:
        order.append(name)
        coming = Coming()
        coming.come()
        yield coming
        order.append(name)

    async def main() -> None:
        blocking = [asyncio.ensure_future(in_thread(opened.wait, 60, key="a")) for _ in range(3)]
        await held(lambda: polling_threads.POLLING._running["a"] == 3)
        running = [asyncio.ensure_future(in_turns(steps(name), key="a")) for name in "xyz"]
        await held(lambda: len(polling_threads.POLLING._held.get("a", ())) == 3)
        assert not order
        opened.set()
        await asyncio.gather(*running, *blocking)

    run(main())
    assert order[:1] == ["x"]
    assert sorted(order) == list("xxyyzz")


def test_cancel_leaves_nothing() -> None:
    """What is cancelled while it waits is stopped and closed, and nobody holds it any more."""
    closed: list[bool] = []

    class Held:
        """What the steps hold."""

    def steps(something: Any, coming: Coming) -> Steps[None]:
        try:
            yield coming
        finally:
            guard = current()
            closed.append(something is not None and guard is not None and guard.is_over())

    async def main() -> tuple[Any, float]:
        something, coming = Held(), Coming()
        stop = Deadline(600)
        running = asyncio.ensure_future(in_turns(steps(something, coming), key="one", stop=stop))
        await held(lambda: coming._calls)
        watch = Stopwatch()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        took = watch.seconds()
        assert stop.is_set()
        return ref(something), took

    gone, took = run(main())
    assert took < 1
    until(lambda: closed, "the steps are closed", 60)
    assert closed == [True]
    until(lambda: gone() is None, "what they held is released", 60)


def test_cancel_of_what_has_not_begun_never_begins_it() -> None:
    """What waits for a thread and is cancelled is not begun when there is one."""
    opened, begun = Event(), []

    def steps() -> Steps[None]:
        begun.append(1)
        yield Coming()

    async def main() -> None:
        blocking = [asyncio.ensure_future(in_thread(opened.wait, 60, key="a")) for _ in range(3)]
        await held(lambda: polling_threads.POLLING._running["a"] == 3)
        waits = [
            asyncio.ensure_future(in_turns(steps(), key="a")),
            asyncio.ensure_future(in_thread(begun.append, 2, key="a")),
        ]
        await asyncio.sleep(0.1)
        for each in waits:
            each.cancel()
        assert [type(each) for each in await asyncio.gather(*waits, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        opened.set()
        await asyncio.gather(*blocking)

    run(main())
    assert not begun


def test_time_that_is_up_wakes_what_waits() -> None:
    """Once the time is up the next step is taken, so that it can tell what came; what it waited for never comes."""

    def steps(stop: Event) -> Steps[str]:
        yield Coming()
        assert stop.is_set()
        raise LookupFailed("stopped, two answers came")

    async def main() -> None:
        stop = Deadline(0.3)
        with pytest.raises(LookupFailed, match="two answers came"):
            await in_turns(steps(stop), key="one", stop=stop)

    run(main())


def test_step_that_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs with its step ends that wait, and no other: others take the places of such threads."""
    monkeypatch.setattr(threads, "_FAREWELL", 0.2)
    opened = Event()

    def hangs() -> Steps[None]:
        opened.wait(60)
        yield Coming()

    async def main() -> None:
        for _ in range(6):
            with pytest.raises(LookupFailed, match="did not end in time"):
                await in_turns(hangs(), key="one", stop=Deadline(0.1))
            with pytest.raises(LookupFailed, match="did not end in time"):
                await in_thread(opened.wait, 60, key="one", stop=Deadline(0.1))
        assert polling_threads.POLLING._threads <= polling_threads.MOST
        assert await in_thread(lambda: "served", key="one") == "served"
        opened.set()

    run(main())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, MemoryError])
def test_error_of_any_kind_ends_only_its_own_wait(kind: type[BaseException]) -> None:
    """A step that would end a process or its loop fails its own wait with an error; the others go on."""

    def raising() -> Steps[None]:
        coming = Coming()
        coming.come()
        yield coming
        raise kind("enough")

    def function() -> None:
        raise kind("enough")

    async def main() -> None:
        coming = Coming()
        other = asyncio.ensure_future(in_turns(waiting(coming, "fine"), key="one"))
        for wait in (in_turns(raising(), key="one"), in_thread(function, key="one")):
            with pytest.raises(MemoryError if kind is MemoryError else LookupFailed, match="enough") as caught:
                await wait
            assert kind is MemoryError or isinstance(caught.value.__cause__, kind)
        coming.come()
        assert await other == "fine"

    run(main())


def test_steps_run_in_the_context_of_their_gate() -> None:
    """What a triggerer's log is told apart by is known in every step, and to what is closed."""
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    def steps() -> Steps[list[str]]:
        seen = [whose.get()]
        coming = Coming()
        coming.come()
        yield coming
        return [*seen, whose.get()]

    async def gate(name: str) -> list[str]:
        whose.set(name)
        return [*await in_turns(steps(), key="one"), await in_thread(whose.get, key="one")]

    async def main() -> list[list[str]]:
        return await asyncio.gather(*(asyncio.ensure_future(gate(name)) for name in "ab"))

    assert run(main()) == [["a"] * 3, ["b"] * 3]


FORKED = """
import asyncio, os, sys, threading, time
from airflow_provider_crr.tasks.polling_threads import POLLING
from airflow_provider_crr.tasks.threads import in_thread

held = threading.Event()

async def hang():
    await asyncio.gather(*(in_thread(held.wait, 60, key="one") for _ in range(5)))

loop = threading.Thread(target=lambda: asyncio.run(hang()))
loop.start()
while len(POLLING._held.get("one", ())) < 2:
    time.sleep(0.01)
child = os.fork()
if not child:
    names = [thread.name for thread in threading.enumerate() if thread.name == "crr-poller"]
    served = asyncio.run(in_thread(lambda: "served", key="one"))
    os._exit(0 if (names, served) == ([], "served") else 3)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
held.set()
loop.join()
sys.exit(code)
"""


def test_fork_has_threads_of_its_own() -> None:
    """A process that is forked while all threads hang polls in new ones."""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
