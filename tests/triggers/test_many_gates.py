"""Many gates in one event loop: what they share, what they leave each other, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from threading import Event
from typing import Any
from weakref import ref

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.sharing import refused
from airflow_provider_crr.hooks.sharing import shared_hook as shared_hooks
from airflow_provider_crr.lookup import shared_lookup
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.pause import GoFirst
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.source import Steps
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.ticker import TICKER
from airflow_provider_crr.tasks import endings, polling_threads
from airflow_provider_crr.triggers.inventory import S3InventoryTrigger
from airflow_provider_crr.triggers.inventory_report import S3InventoryReportTrigger
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.polling import until
from tests.support.s3_server import Listed, Request, S3Server, stored
from tests.support.stopwatch import Stopwatch
from tests.support.stuck import StuckServer

GATES = 200


@pytest.fixture
def s3(s3: S3Server) -> S3Server:
    """The scripted S3, whose objects are replicated."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    return s3


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the connections of which a client is made."""
    names: list[str] = []
    make = S3ReplicationHook.get_client_type

    def noted(self: S3ReplicationHook, *args: Any, **kwargs: Any) -> Any:
        names.append(str(self.aws_conn_id))
        return make(self, *args, **kwargs)

    monkeypatch.setattr(S3ReplicationHook, "get_client_type", noted)
    return names


def gate(*keys: str, pattern: bool = False, conn_id: str = "aws_default", **more: Any) -> S3ReplicationTrigger:
    now = time.time()
    targets = Targets.parse([f"s3://b/{key}" for key in keys], wildcard_match=pattern)
    hook = {"aws_conn_id": conn_id, "max_requests_per_second": 1000}
    return S3ReplicationTrigger(
        targets=targets.to_stored(),
        policy={},
        started_at=now,
        form=1,
        **{"poke_interval": 0.2, "deadline": now + 300, "hook": hook, **more},
    )


async def ended(trigger: Any) -> dict[str, Any]:
    event = await anext(trigger.run())
    payload: dict[str, Any] = event.payload
    return payload


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 240))


async def held(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the threads know no loop
        await asyncio.sleep(0.01)


def ours() -> list[str]:
    names = ("crr-", "s3-head", "s3-asker")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


async def most_threads(of: asyncio.Future[Any]) -> int:
    most = 0
    while not of.done():
        most = max(most, len(ours()))
        await asyncio.sleep(0.01)
    return most


def test_many_gates_have_one_client_and_few_threads(s3: S3Server, made: list[str]) -> None:
    """Two hundred gates that begin at once make one client and use at most sixteen threads; all of them open."""
    s3.default = lambda bucket, key, version: stored(
        "COMPLETED" if key.startswith("a") or len(s3.heads()) > 800 else "PENDING"
    )

    async def main() -> tuple[list[dict[str, Any]], int]:
        gates = asyncio.gather(*(ended(gate(f"a{number}", f"b{number}")) for number in range(GATES)))
        most = await most_threads(gates)
        return await gates, most

    events, most = run(main())
    assert [event["status"] for event in events] == [endings.DONE] * GATES
    assert {event["value"]["statuses"]["COMPLETED"] for event in events} == {2}
    assert made == ["aws_default"]
    assert most <= 16
    assert max(Counter(request.key for request in s3.heads() if request.key[0] == "a").values()) == 1
    until(lambda: not [name for name in ours() if name.startswith("crr-")], "polling threads end", 60)


def test_later_polls_of_many_gates_open_no_connection(s3: S3Server) -> None:
    """While many gates wait, and poll again, the number of connections that were opened stays what it was."""
    s3.default = lambda bucket, key, version: stored("PENDING")

    async def main() -> tuple[int, int]:
        gates = [asyncio.ensure_future(ended(gate(f"a{number}", f"b{number}"))) for number in range(20)]
        await held(lambda: len(s3.heads()) > 20 * 2 * 5)
        before = len({request.port for request in s3.heads()})
        seen = len(s3.heads())
        await held(lambda: len(s3.heads()) > seen + 20 * 2 * 5)
        after = len({request.port for request in s3.heads()})
        for each in gates:
            each.cancel()
        await asyncio.gather(*gates, return_exceptions=True)
        return before, after

    before, after = run(main())
    assert after == before


def test_edited_connection_begins_a_gate_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate whose connection was edited asks the new endpoint for all, and opens only on what that says."""
    clock = time.monotonic()
    monkeypatch.setattr(refused, "clock", lambda: clock)
    with S3Server() as old, S3Server() as new:
        old.default = lambda bucket, key, version: stored("COMPLETED" if key == "1" else "PENDING")
        new.default = lambda bucket, key, version: stored("PENDING" if key == "1" else "COMPLETED")
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", old.airflow_connection_json())

        async def main() -> dict[str, Any]:
            nonlocal clock
            running = asyncio.ensure_future(ended(gate("1", "2")))
            await held(lambda: len(old.heads(key="2")) >= 3)
            assert len(old.heads(key="1")) == 1
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", new.airflow_connection_json())
            await asyncio.sleep(0.5)
            assert not new.heads()
            clock += shared_hooks.RECHECK
            await held(lambda: len(new.heads(key="1")) >= 3)
            assert not running.done()
            seen = len(old.heads())
            new.default = lambda bucket, key, version: stored("COMPLETED")
            event = await running
            assert len(old.heads()) == seen
            return event

        event = run(main())
        assert event["status"] == endings.DONE
        assert event["value"]["head_requests"] == len(old.heads()) + len(new.heads()), "all of them are paid for"
        assert len(new.heads(key="2")) == 1


def test_edit_amid_a_sweep_ends_it(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long sweep whose connection is edited ends soon, and the gate goes on with what the new endpoint says."""
    clock = time.monotonic()
    monkeypatch.setattr(refused, "clock", lambda: clock)
    monkeypatch.setattr(shared_hooks, "RECHECK", 0.2)  # of the looks while a sweep goes on
    monkeypatch.setattr(shared_lookup, "WINDOW", 20)  # so that a sweep has many steps
    with S3Server() as new:
        new.default = lambda bucket, key, version: stored("FAILED")

        async def main() -> tuple[dict[str, Any], int]:
            nonlocal clock
            keys = [str(number) for number in range(300)]
            hook = {"aws_conn_id": "aws_default", "max_requests_per_second": 50}
            running = asyncio.ensure_future(ended(gate(*keys, hook=hook)))
            await held(lambda: len(s3.heads()) > 5)
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", new.airflow_connection_json())
            clock += 60
            await held(new.heads)
            return await running, len(s3.heads())

        event, asked = run(main())
    assert event["status"] == endings.FAILED
    assert asked < 250


def test_decision_of_an_edited_connection_does_not_count(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate whose connection was edited while its last answer was awaited does not open on that answer."""
    clock = time.monotonic()
    monkeypatch.setattr(refused, "clock", lambda: clock)
    opened = Event()
    s3.default = lambda bucket, key, version: stored("COMPLETED", gate=opened)
    with S3Server() as new:
        new.default = lambda bucket, key, version: stored("FAILED")

        async def main() -> dict[str, Any]:
            nonlocal clock
            running = asyncio.ensure_future(ended(gate("1")))
            await held(lambda: s3.under_way)
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", new.airflow_connection_json())
            clock += shared_hooks.RECHECK
            opened.set()
            return await running

        event = run(main())
        assert (event["status"], len(new.heads())) == (endings.FAILED, 1)


def test_broken_edit_ends_no_gate_by_what_was_said_before(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no client can be made by the edited connection, and that passes, the old endpoint is not asked again."""
    clock = time.monotonic()
    monkeypatch.setattr(refused, "clock", lambda: clock)
    s3.default = lambda bucket, key, version: stored("PENDING")
    with StuckServer() as sts:
        edited = json.loads(s3.airflow_connection_json())
        edited["extra"] |= {
            "role_arn": "arn:aws:iam::111122223333:role/reader",
            "service_config": {"sts": {"endpoint_url": sts.endpoint_url()}},
        }

        async def main() -> dict[str, Any]:
            nonlocal clock
            monkeypatch.setattr(endings, "LATE", 1.0)
            monkeypatch.setattr(endings, "LEAST", 0.5)
            running = asyncio.ensure_future(ended(gate("1", deadline=time.time() + 6)))
            await held(lambda: len(s3.heads()) >= 2)
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(edited))
            clock += shared_hooks.RECHECK
            await held(lambda: sts.connections)
            seen = len(s3.heads())
            s3.default = lambda bucket, key, version: stored("COMPLETED")
            event = await running
            assert len(s3.heads()) == seen
            return event

        event = run(main())
    assert event["status"] == endings.TIMEOUT
    assert "At last S3 could not be asked" in event["message"]


def test_cancelled_gates_leave_nothing(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates that are cancelled amid a poll leave no thread that polls, no steps, no question and no entry."""
    opened = Event()
    watches: list[ref[Watch]] = []
    begin = Watch.__init__

    def noted(self: Watch, *args: Any, **kwargs: Any) -> None:
        watches.append(ref(self))
        begin(self, *args, **kwargs)

    monkeypatch.setattr(Watch, "__init__", noted)
    s3.default = lambda bucket, key, version: stored("PENDING", gate=opened)
    ways: list[Any] = []

    async def main() -> None:
        gates = [asyncio.ensure_future(ended(gate(*(f"k{each}" for each in range(20))))) for _ in range(30)]
        await held(lambda: len(watches) == 30 and s3.under_way >= 20)
        ways.extend(way for each in shared_hooks._REGISTRY._connections.values() for way in each._ways.values())
        watch = Stopwatch()
        for each in gates:
            each.cancel()
        found = await asyncio.gather(*gates, return_exceptions=True)
        assert {type(each) for each in found} == {asyncio.CancelledError}
        assert watch.seconds() < 2

    run(main())
    opened.set()
    pool = polling_threads.POLLING
    until(lambda: not [name for name in ours() if name.startswith("crr-")], "polling threads end", 60)
    assert (pool._threads, list(pool._queue), pool._held, pool._running) == (0, [], {}, {})
    assert not TICKER._all
    until(lambda: gc.collect() + 1 and not [each for each in watches if each() is not None], "gates are released", 60)
    (way,) = ways
    way.asker._idle = 0.1
    way.asker.tell(None)
    gone = ref(way)
    del way, ways[:]
    until(lambda: gc.collect() + 1 and gone() is None, "what they shared is released", 60)
    assert not shared_hooks._REGISTRY._connections
    assert not ours()


def test_hanging_connection_holds_up_no_gate_of_another(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all gates of one connection hang, listing, those of another open as if they were alone."""
    with StuckServer() as stuck:
        monkeypatch.setenv("AIRFLOW_CONN_STUCK", stuck.airflow_connection_json())

        async def main() -> tuple[float, int]:
            hanging = [asyncio.ensure_future(ended(gate("x/*", pattern=True, conn_id="stuck"))) for _ in range(30)]
            await held(lambda: stuck.connections >= polling_threads.MOST_OF_ONE)
            watch = Stopwatch()
            events = await asyncio.gather(*(ended(gate(f"a{number}", f"b{number}")) for number in range(30)))
            took = watch.seconds()
            assert {event["status"] for event in events} == {endings.DONE}
            threads = len([name for name in ours() if name == "crr-poller"])
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            return took, threads

        took, threads = run(main())
        assert took < 10
        assert threads <= polling_threads.MOST
        until(lambda: not [name for name in ours() if name.startswith("crr-")], "polling threads end", 60)


def test_connections_whose_credentials_hang_hold_up_no_other(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While the credentials of four connections never come, a gate of another opens; theirs end at their timeout."""
    monkeypatch.setattr(endings, "LATE", 1.0)
    config, ended_by = tmp_path / "config", time.time() + 12
    config.write_text("[profile hangs]\ncredential_process = sleep 14\nregion=eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    extra = {"profile_name": "hangs", "endpoint_url": s3.endpoint_url}
    for number in range(4):
        monkeypatch.setenv(f"AIRFLOW_CONN_H{number}", json.dumps({"conn_type": "aws", "extra": extra}))

    async def main() -> tuple[float, list[dict[str, Any]]]:
        hanging = asyncio.gather(
            *(ended(gate("x", conn_id=f"h{number % 4}", deadline=ended_by)) for number in range(12))
        )
        await held(lambda: len(ours()) >= polling_threads.MOST)
        watch = Stopwatch()
        event = await ended(gate("n"))
        assert event["status"] == endings.DONE
        return watch.seconds(), await hanging

    took, events = run(main())
    assert took < 6
    assert {event["status"] for event in events} == {endings.TIMEOUT}
    assert "was not ready within 1 s" in events[0]["message"]
    until(lambda: not [name for name in ours() if name.startswith("crr-")], "polling threads end", 60)


def test_slow_lists_hold_up_no_gate_that_lists_nothing(s3: S3Server) -> None:
    """While LISTs of a bucket hold as many threads as they may, a gate of named objects of the same bucket opens."""
    opened = Event()

    def waits(request: Request) -> None:
        opened.wait(60)

    s3.before_listing = waits
    s3.listings["b"] = {"p/x": Listed()}

    async def main() -> list[str]:
        slow = asyncio.gather(*(ended(gate("p/*", pattern=True)) for _ in range(polling_threads.MOST_OF_ONE + 1)))
        await held(lambda: len(s3.requests) >= polling_threads.MOST_OF_ONE)
        event = await asyncio.wait_for(ended(gate("n")), 60)
        assert not slow.done()
        opened.set()
        return [each["status"] for each in (event, *await slow)]

    assert set(run(main())) == {endings.DONE}


def test_listing_is_read_in_steps(s3: S3Server) -> None:
    """After each page of a listing others are served, also where nothing of it matches, or all of it is done."""
    s3.page_size = 10
    s3.listings["b"] = {f"p/{number}": Listed() for number in range(100)}
    hook = shared_hooks.shared_hook({"aws_conn_id": "aws_default"})
    targets = Targets.parse("s3://b/p/*", wildcard_match=True)
    watch = Watch(targets, GatePolicy(), hook, pin_versions=True)
    assert watch.poll()
    assert len([later for later in watch.steps() if isinstance(later, GoFirst)]) >= 10
    other = Watch(Targets.parse("s3://b/p/*x", wildcard_match=True), GatePolicy(), hook)
    assert len([later for later in other.steps() if isinstance(later, GoFirst)]) == 10


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, RuntimeError])
def test_error_of_any_kind_ends_only_its_own_gate(
    s3: S3Server, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that would end the process ends its own gate with an error; all others open."""
    swept = Watch._swept

    def breaks(self: Watch, stop: Event | None) -> Steps[Any]:
        verdict = yield from swept(self, stop)
        if verdict.total == 3:
            raise kind("enough")
        return verdict

    monkeypatch.setattr(Watch, "_swept", breaks)

    async def main() -> list[Any]:
        gates = [gate("a", "b"), gate("a", "b", "c"), gate("d", "e")]
        return list(await asyncio.gather(*map(ended, gates), return_exceptions=True))

    first, broken, last = run(main())
    assert (first["status"], last["status"]) == (endings.DONE, endings.DONE)
    if kind is RuntimeError:
        assert isinstance(broken, RuntimeError)
    else:
        assert broken["status"] == endings.ERROR
        assert f"a poll was ended by {kind.__name__}: enough" in broken["message"]


def test_looks_for_reports_share_the_client(s3: S3Server, made: list[str]) -> None:
    """A watcher of reports, and a sensor for them, look again and again through one client."""
    s3.listings["inventory"] = {}
    folder = "s3://inventory/landing/daily/"

    async def main() -> None:
        now = time.time()
        hook = dict.fromkeys(("region_name", "verify", "config", "expected_bucket_owner", "max_requests_per_second"))
        hook |= {"aws_conn_id": "aws_default", "requester_pays": False}
        looking: list[AsyncIterator[Any]] = [
            S3InventoryTrigger(
                inventory=folder, hook=hook, poke_interval=0.05, started_at=now, deadline=now + 300
            ).run(),
            S3InventoryReportTrigger(inventory=folder, poke_interval=0.05).run(),
        ]
        running = [asyncio.ensure_future(anext(each)) for each in looking]
        await held(lambda: sum("list-type" in request.query for request in list(s3.requests)) > 20)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    run(main())
    assert made == ["aws_default"]


def test_gate_that_begins_is_served_beside_a_big_one(s3: S3Server) -> None:
    """A gate of three objects has its answers soon, though one of thousands is being asked for."""
    s3.default = lambda bucket, key, version: stored("PENDING", delay=0.01)

    async def main() -> float:
        big = asyncio.ensure_future(ended(gate(*(f"big/{number}" for number in range(5000)))))
        await held(lambda: len(s3.heads()) > 500)
        watch = Stopwatch()
        small = asyncio.ensure_future(ended(gate("a", "b", "c")))
        await held(lambda: len([1 for request in s3.heads() if request.key in "abc"]) == 3)
        took = watch.seconds()
        for each in (big, small):
            each.cancel()
        await asyncio.gather(big, small, return_exceptions=True)
        return took

    assert run(main()) < 2
