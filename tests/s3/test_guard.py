"""One thread watches over all waits of a process: how many there are, how it ends, and what a fork has of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator
from threading import Event
from weakref import ref

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.deadline import Deadline, each_until, until
from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.s3.ticker import TICKER
from tests.support.polling import until as polled


class Connection:
    """What a thread waits for, until it is hung up."""

    def __init__(self, *, broken: bool = False) -> None:
        self.over = Event()
        self._broken = broken

    def hang_up(self) -> None:
        self.over.set()
        if self._broken:
            raise OSError("already gone")

    def awaited(self) -> str:
        return "it answered"

    def wait(self) -> None:
        guard = current()
        assert guard is not None
        guard.watch(self)
        assert self.over.wait(60)
        raise ConnectionError("hung up")


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "crr-ticker"]


def test_many_waits_have_one_watcher_which_ends_when_it_is_idle() -> None:
    """A hundred threads that wait are watched by one, which is gone some time after the last of them."""
    stop, failures = Event(), []

    def wait() -> None:
        try:
            with until(stop):
                Connection().wait()
        except LookupFailed as error:
            failures.append(str(error))

    threads = [threading.Thread(target=wait) for _ in range(100)]
    for thread in threads:
        thread.start()
    polled(lambda: len(TICKER._all) == 100, "all wait", 60)
    assert len(watchers()) == 1
    stop.set()
    for thread in threads:
        thread.join(60)
    assert failures == ["the wait was stopped before it answered. Look at the way to S3, or wait longer"] * 100
    assert not TICKER._all
    polled(lambda: not watchers(), "it ends", 60)
    with pytest.raises(LookupFailed), until(Deadline(0.1)):  # and starts again
        Connection().wait()


def test_connection_that_cannot_be_hung_up_holds_up_no_other() -> None:
    """An error of one connection does not end the watching over the others."""
    done = []

    def wait(broken: bool) -> None:
        with pytest.raises(LookupFailed), until(Deadline(0.2)):
            Connection(broken=broken).wait()
        done.append(broken)

    threads = [threading.Thread(target=wait, args=(broken,)) for broken in (True, False, True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == [False, False, True, True]


def test_wait_that_ended_leaves_nothing() -> None:
    """What was watched is hung up no more, and nobody holds it."""
    stop = Event()
    with until(stop):
        connection = Connection()
        guard = current()
        assert guard is not None
        guard.watch(connection)
    stop.set()
    guard.tick()
    assert not connection.over.is_set()
    gone = ref(guard)
    del guard
    polled(lambda: gone() is None, "the guard is released", 60)


def test_generator_returns_what_it_returns() -> None:
    """What a generator returns comes through its guard, and without one, too."""

    def elements() -> Generator[bool, None, str]:
        yield current() is not None
        return "end"

    for stop in (Event(), None):
        steps = each_until(stop, elements())
        assert next(steps) is (stop is not None)
        assert current() is None
        with pytest.raises(StopIteration) as ended:
            next(steps)
        assert ended.value.value == "end"


def test_steps_that_end_though_they_were_hung_up_say_how() -> None:
    """Who can do without what did not come in time has a result, and the end of the steps is no error."""

    def elements() -> Generator[None, None, str]:
        try:
            Connection().wait()
        except ConnectionError:
            return "without it"
        yield
        return "not hung up"

    with pytest.raises(StopIteration) as ended, until(Deadline(0.1)):
        next(elements())
    assert ended.value.value == "without it"


FORKED = """
import os, sys, threading
from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.deadline import Deadline, until
from tests.s3.test_guard import Connection, watchers

with until(threading.Event()):
    from airflow_provider_crr.s3.guard import current
    current().watch(Connection())
    assert len(watchers()) == 1
    child = os.fork()
    if not child:
        try:
            with until(Deadline(0.2)):
                Connection().wait()
        except LookupFailed:
            os._exit(0 if len(watchers()) == 1 else 3)
        os._exit(4)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.filterwarnings("ignore:.*fork")
def test_fork_has_a_watcher_of_its_own() -> None:
    """A process that is forked while another thread watches has its waits ended as well."""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


def test_what_was_ended_first_is_said() -> None:
    """Whatever else is hung up before the error is on its way out: it says for what the thread had waited."""
    stop, other = Event(), Connection()

    def wait() -> None:
        guard = current()
        assert guard is not None
        guard.watch(other)
        first = guard.ended("there was an answer")
        stop.set()
        guard.tick()
        assert other.over.is_set()
        raise ConnectionError("as a library wraps it") from first

    with pytest.raises(LookupFailed, match="stopped before there was an answer"), until(stop):
        wait()
