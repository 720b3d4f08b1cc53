"""A lookup reads lazily, asks within bounds, and ends without leaving anything behind."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup import choice
from airflow_provider_crr.lookup.choice import choose_lookup
from airflow_provider_crr.lookup.crt import asker as crt_module
from airflow_provider_crr.s3.objects import S3Object
from tests.lookup.conftest import BOTO3, sockets, threads
from tests.support.s3_server import Answer, S3Server, stored

pytestmark = pytest.mark.usefixtures("crt")

Settles = Callable[[Callable[[], object]], None]


def objects(count: int, read: list[int] | None = None) -> Iterator[S3Object]:
    for number in range(count):
        if read is not None:
            read[0] += 1
        yield S3Object("b", f"k{number}")


def under_way(way: str) -> int:
    return crt_module.CrtAsker.limit if way == "crt" else 2 * 10  # twice botocore's pool of connections


def test_every_object_is_answered_once_by_one_head(server: S3Server, way: str) -> None:
    """Thousands of objects, and repeated ones, each get one answer for one HEAD."""
    asked = [*objects(1200), *objects(3)]
    found = list(choose_lookup(server.client())(asked))
    assert sorted(each.object.key for each in found) == sorted(each.key for each in asked)
    assert len(server.heads()) == len(asked)
    assert len(server.heads("b", "k0")) == 2


def test_objects_are_read_only_as_they_are_asked(server: S3Server, way: str) -> None:
    """A listing is never read further ahead than the requests under way."""
    read = [0]
    for answered, _ in enumerate(choose_lookup(server.client())(objects(3000, read))):
        assert read[0] - answered <= under_way(way) + 1
    assert read[0] == 3000


def test_requests_under_way_are_bounded(server: S3Server, way: str) -> None:
    """S3 never sees more requests at once than there are connections, and sees that many if it is slow."""
    most = crt_module.CONNECTIONS if way == "crt" else 10  # type: ignore[attr-defined]
    gate, seen = threading.Event(), []

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        seen.append(key)
        if len(seen) == most:
            gate.set()
        return stored("COMPLETED", gate=gate)

    server.default = answer
    assert len(list(choose_lookup(server.client())(objects(most * 3)))) == most * 3
    assert server.peak == most


def test_an_error_of_the_input_reaches_the_caller(server: S3Server, way: str) -> None:
    """What the listing raises is raised by the lookup, as it is."""

    def broken() -> Iterator[S3Object]:
        yield from objects(5)
        raise ZeroDivisionError("listing failed")

    with pytest.raises(ZeroDivisionError, match="listing failed"):
        list(choose_lookup(server.client())(broken()))


def test_a_finished_lookup_leaves_nothing_behind(server: S3Server, way: str, settles: Settles) -> None:
    """Threads and sockets are as before; only boto3's own pool keeps its connections, until it is closed."""
    list(choose_lookup(server.client())(objects(50)))  # what libraries start once stays
    server.requests.clear()
    before = threads() - len(threading.enumerate())
    client = server.client()
    for _ in range(5):
        assert len(list(choose_lookup(client)(objects(50)))) == 50
    client.close()
    gc.collect()
    settles(lambda: threads() - len(threading.enumerate()) <= before)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("s3-head")]


def test_lookups_leave_no_sockets_open(server: S3Server, settles: Settles) -> None:
    """However many lookups were made, the process holds the sockets that it held before."""
    client = server.client()
    list(choose_lookup(client)(objects(50)))
    settles(lambda: server.under_way == 0)
    before = sockets()
    for _ in range(5):
        list(choose_lookup(client)(objects(50)))
    settles(lambda: sockets() <= before)


def test_a_lookup_that_is_left_early_asks_nothing_more(server: S3Server, way: str, settles: Settles) -> None:
    """Closing the iterator ends the requests; what was not read of the input stays unread."""
    read = [0]
    client = server.client()
    before = threads()
    answers = choose_lookup(client)(objects(100_000, read))
    next(answers), next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert read[0] <= under_way(way) + 2
    client.close()
    settles(lambda: server.connections == 0)
    assert len(server.requests) <= under_way(way) + 2
    settles(lambda: threads() <= before)


def test_a_stop_is_an_error_not_an_end(server: S3Server, way: str) -> None:
    """A lookup that is stopped raises: a caller could take a silent end for "all answered"."""
    stop = threading.Event()
    answers = choose_lookup(server.client())(objects(1000), stop=stop)
    next(answers)
    stop.set()
    with pytest.raises(LookupFailed, match="stopped"):
        list(answers)


@pytest.mark.parametrize("count", [1, 2])
def test_a_stop_before_the_first_request_sends_none(server: S3Server, way: str, count: int) -> None:
    """A stop that is already set means that nothing is asked."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(LookupFailed, match="stopped"):
        list(choose_lookup(server.client())(objects(count), stop=stop))
    assert server.requests == []


def test_a_stop_is_noticed_while_s3_is_silent(server: S3Server, way: str) -> None:
    """A stop does not wait for an answer that may never come."""
    stop = threading.Event()

    def silent(bucket: str, key: str, version: str | None) -> Answer:
        stop.set()
        return stored("COMPLETED", gate=threading.Event())

    server.default = silent
    started = time.monotonic()
    with pytest.raises(LookupFailed, match="stopped"):
        list(choose_lookup(server.client())(objects(3), stop=stop))
    assert time.monotonic() - started < 10


def test_a_signal_interrupts_the_wait(server: S3Server, way: str) -> None:
    """What a signal handler raises, as Airflow's do for timeouts, ends a lookup of a silent S3 at once."""

    class Timeout(Exception):
        pass

    def handler(*_: Any) -> None:
        raise Timeout

    once = iter([True])  # a HEAD that comes after the handler is gone again would end this process

    def silent(bucket: str, key: str, version: str | None) -> Answer:
        if next(once, False):
            os.kill(os.getpid(), signal.SIGUSR1)
        return stored("COMPLETED", gate=threading.Event())

    server.default = silent
    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        started = time.monotonic()
        with pytest.raises(Timeout):
            list(choose_lookup(server.client())(objects(2)))
        assert time.monotonic() - started < 10
    finally:
        signal.signal(signal.SIGUSR1, previous)


def in_child(work: Callable[[], str]) -> str:
    """Return what a forked process makes of it; "" if it crashes or hangs."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os.write(writer, work().encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader) as pipe:
        return pipe.read()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_forked_after_a_lookup_can_ask(server: S3Server, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child makes its own client, and can close it without a long farewell: Airflow forks its task processes."""
    monkeypatch.setattr(crt_module, "_FAREWELL", 90.0)
    client = server.client()
    for _ in range(5):
        assert len(list(choose_lookup(client)(objects(50)))) == 50

        def work() -> str:
            started = time.monotonic()
            found = [each.state for each in choose_lookup(client)(objects(50))]
            return f"{choice.why_not_crt(client)} {len(found)} {set(found)} {time.monotonic() - started < 60}"

        assert in_child(work) == f"{None if way == 'crt' else BOTO3} 50 {{<ObjectState.COMPLETED: 'COMPLETED'>}} True"
    assert server.faults() == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_forked_amid_a_lookup_asks_through_boto3(server: S3Server) -> None:
    """Threads of the runtime do not survive a fork: such a child uses boto3, and cannot go on with the lookup."""
    client = server.client()
    for _ in range(5):
        answers = choose_lookup(client)(objects(600))
        next(answers)

        def work(answers: Iterator[Any] = answers) -> str:
            ask = choose_lookup(client)
            found = len([each for each in ask(objects(50)) if each.state == "COMPLETED"])
            try:
                return f"{found} {len(list(answers))}"
            except LookupFailed as error:
                return f"{choice.why_not_crt(client)} {found} {error.message}"

        expected = "this process was forked during a lookup 50 the lookup was begun before this process was forked"
        assert in_child(work) == expected
        assert len(list(answers)) == 599
    assert server.faults() == []


def test_object_that_cannot_be_asked_for_is_an_error_of_this_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the Common Runtime raises before a request is sent, the lookup ends with an error that says so."""

    def refuse(*_: object) -> None:
        raise RuntimeError("1029 (AWS_IO_...): no")

    monkeypatch.setattr("airflow_provider_crr.lookup.crt.session.Runtime.connect", refuse)
    with S3Server() as server, pytest.raises(LookupFailed, match="could not be asked: RuntimeError: 1029") as caught:
        list(choose_lookup(server.client())(objects(3)))
    assert caught.value.passing
