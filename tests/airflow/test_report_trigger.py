"""The event trigger that announces inventory reports; ``tests/e2e/test_assets.py`` has it in a real triggerer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.triggers.inventory_report import S3InventoryReportTrigger
from local_aws.inventory import Report, deliver, write_report

FOLDER = "s3://reports/inventories/landing/daily/"
BEGUN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
AIRFLOW = tuple(map(int, version("apache-airflow").split(".")[:2]))
from_3_3 = pytest.mark.skipif(AIRFLOW < (3, 3), reason="the state store and shared streams of Airflow 3.3")


def manifest(day: int) -> str:
    return f"{FOLDER}{BEGUN + timedelta(days=day):%Y-%m-%dT%H-%MZ}/manifest.json"


class Memory:
    """What an asset's state store does, without Airflow; ``broken`` calls fail."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.broken: set[str] = set()

    def read(self, key: str) -> Any:
        self._fail_if_broken("read")
        return self.values.get(key)

    def write(self, key: str, value: Any) -> None:
        self._fail_if_broken("write")
        self.values[key] = json.loads(json.dumps(value))

    def _fail_if_broken(self, call: str) -> None:
        if call in self.broken:
            raise RuntimeError(f"{call} is broken")


class AwaitedMemory(Memory):
    """That of Airflow 3.3.2."""

    async def aget(self, key: str) -> Any:
        return self.read(key)

    async def aset(self, key: str, value: Any) -> None:
        self.write(key, value)


class WaitingMemory(Memory):
    """That of Airflow 3.3.0 and 3.3.1, whose calls are not for the thread of an event loop."""

    def get(self, key: str) -> Any:
        return self._elsewhere(self.read, key)

    def set(self, key: str, value: Any) -> None:
        self._elsewhere(self.write, key, value)

    def _elsewhere(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return function(*arguments)


@pytest.fixture(params=[AwaitedMemory, WaitingMemory])
def memory(request: pytest.FixtureRequest) -> Memory:
    """Return the store of an asset."""
    made: Memory = request.param()
    return made


def trigger(memory: Any = None, **arguments: Any) -> S3InventoryReportTrigger:
    made = S3InventoryReportTrigger(inventory=FOLDER, **arguments)
    made.asset_state_store = memory
    return made


async def looks(*each: list[int] | Callable[[], Any]) -> AsyncIterator[list[str]]:
    """Yield what each look finds complete, by day; a callable is called between two looks."""
    for found in each:
        if callable(found):
            found()
        else:
            yield [manifest(day) for day in found]


def announced(watching: S3InventoryReportTrigger, *each: list[int] | Callable[[], Any]) -> list[int]:
    """Return the days that are announced in the course of the looks."""

    async def collect() -> list[int]:
        events = [event async for event in watching.filter_shared_stream(looks(*each))]
        return [(datetime.fromisoformat(event.payload["begun_at"]) - BEGUN).days for event in events]

    return asyncio.run(collect())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"newer_than": "2026-11-20T02:00:00+01:00", "poke_interval": 600},
        {"newer_than": BEGUN, "poke_interval": timedelta(minutes=1), "verify": False, "aws_conn_id": None},
        {"botocore_config": {"retries": {"max_attempts": 2}, "proxies": None}, "region_name": "eu-west-1"},
    ],
)
def test_airflow_finds_the_trigger_again_that_it_has_stored(airflow_home: Any, arguments: dict[str, Any]) -> None:
    """What Airflow stores of a watcher makes the same trigger, with the same hash: it is not replaced at each parse."""
    from airflow.models.trigger import Trigger
    from airflow.triggers.base import BaseEventTrigger

    try:
        from airflow.serialization.decoders import smart_decode_trigger_kwargs
        from airflow.serialization.encoders import encode_trigger
    except ImportError:  # Airflow 3.0
        from airflow.serialization.serialized_objects import _encode_trigger as encode_trigger  # type: ignore[attr-defined, no-redef]
        from airflow.serialization.serialized_objects import smart_decode_trigger_kwargs  # type: ignore[attr-defined, no-redef]

    first = S3InventoryReportTrigger(inventory=FOLDER.rstrip("/"), **arguments)
    path, kwargs = first.serialize()
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert S3InventoryReportTrigger(**kwargs).serialize() == (path, kwargs)
    encoded = encode_trigger(first)
    stored = Trigger(classpath=path, kwargs=encoded["kwargs"])
    assert BaseEventTrigger.hash(path, encoded["kwargs"]) == BaseEventTrigger.hash(path, stored.kwargs)
    decoded = {name: smart_decode_trigger_kwargs(value) for name, value in stored.kwargs.items()}
    assert S3InventoryReportTrigger(**decoded).serialize() == (path, kwargs)


@pytest.mark.parametrize(
    "arguments",
    [{"inventory": "s3://reports/"}, {"newer_than": "soon"}, {"newer_than": datetime(2026, 1, 1)}]
    + [{"poke_interval": interval} for interval in (0, -1, None)]
    + [{"botocore_config": config} for config in ({"x": object()}, "x")],
)
def test_what_can_never_work_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    """A triggerer shows errors to nobody: what is wrong with the arguments is said where the DAG is parsed."""
    with pytest.raises(InvalidArgument):
        S3InventoryReportTrigger(**{"inventory": FOLDER, **arguments})


@pytest.mark.parametrize("remembers", [False, True], ids=["without memory", "with memory"])
def test_each_report_is_announced_once_in_order(memory: Memory, remembers: bool) -> None:
    """What is delivered after the first look is announced, the earlier begun first, also if it is delivered later."""
    looked = [[0], [0], [0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert announced(trigger(memory if remembers else None), *looked) == [2, 3, 1, 4]


def test_next_triggerer_goes_on_where_the_last_one_ended(memory: Memory) -> None:
    """With a memory, another trigger announces what was delivered meanwhile, and nothing again."""
    assert announced(trigger(memory), [0], [0, 1]) == [1]
    assert announced(trigger(memory), [0, 1, 2, 3], [0, 1, 2, 3]) == [2, 3]
    assert announced(trigger(memory), [0, 1, 2, 3]) == []


def test_without_memory_nothing_is_announced_twice() -> None:
    """Without one, another trigger takes what is complete at its start for announced, whatever it shall look for."""
    assert announced(trigger(), [0], [0, 1]) == [1]
    assert announced(trigger(newer_than=BEGUN), [0, 1, 2], [0, 1, 2, 3]) == [3]


def test_newer_than_looks_back_once(memory: Memory) -> None:
    """With a time, the first look announces what is newer, complete or not; another trigger does not again."""
    assert announced(trigger(memory, newer_than=BEGUN), [-1, 0, 1, 2]) == [1, 2]
    assert announced(trigger(memory, newer_than=BEGUN), [-1, 0, 1, 2, 3]) == [3]
    assert announced(trigger(memory, newer_than=BEGUN + timedelta(days=4)), [3, 4, 5]) == [5]


def test_trigger_that_ends_before_its_event_is_taken_has_noted_it(memory: Memory) -> None:
    """A report is noted before its event is handed over: whoever dies then has not announced it for another one."""

    async def die_with_event() -> None:
        events = trigger(memory).filter_shared_stream(looks([0], [0, 1, 2]))
        assert (await anext(events)).payload["manifest"] == manifest(1)
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(die_with_event())
    assert announced(trigger(memory), [0, 1, 2]) == [2]


def test_two_triggerers_at_a_time_announce_a_report_once(memory: Memory) -> None:
    """A triggerer that was given up for dead and goes on does not announce what its successor has."""

    async def both() -> list[str]:
        one, other = (trigger(memory).filter_shared_stream(looks([0], [0, 1, 2])) for _ in range(2))
        taken = [(await anext(one)).payload["manifest"]]
        taken += [event.payload["manifest"] async for event in other]
        taken += [event.payload["manifest"] async for event in one]
        return taken

    assert asyncio.run(both()) == [manifest(1), manifest(2)]


@pytest.mark.parametrize("call", ["read", "write"])
def test_nothing_is_announced_that_cannot_be_noted(memory: Memory, call: str) -> None:
    """While the memory does not answer nothing is announced and nothing raised; then everything is, once."""
    steps: list[Any] = [
        [0],
        lambda: memory.broken.add(call),
        [0, 1],
        [0, 1, 2],
        memory.broken.clear,
        [0, 1, 2],
        [0, 1, 2],
    ]
    assert announced(trigger(memory), *steps) == [1, 2]


def test_memory_that_cannot_be_read_announces_nothing(memory: Memory) -> None:
    """What somebody else has put into the memory stops the announcements; without it they begin anew."""
    assert announced(trigger(memory), [0]) == []
    memory.values = dict.fromkeys(memory.values, "spoiled")
    assert announced(trigger(memory), [0, 1], memory.values.clear, [0, 1], [0, 1, 2]) == [2]


def passed_on(memories: Mapping[str, Any], call: str) -> Callable[..., Any]:
    return lambda store, *arguments: getattr(memories[store._name], call)(*arguments)


@from_3_3
def test_watcher_of_two_assets_notes_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow makes one trigger of two assets' equal watchers: each asset's own state store remembers."""
    from airflow.sdk import Asset
    from airflow.sdk.execution_time.context import AssetStateStoreAccessor, AssetStateStoreAccessors

    memories: dict[str, Any] = {}
    for kind, calls in ((AwaitedMemory, ("aget", "aset")), (WaitingMemory, ("get", "set"))):
        if hasattr(AssetStateStoreAccessor, calls[0]):
            memories = {name: kind() for name in "ab"}
            for call in calls:
                monkeypatch.setattr(AssetStateStoreAccessor, call, passed_on(memories, call))
            break
    both = AssetStateStoreAccessors(inlets=[Asset("a"), Asset("b")])
    assert announced(trigger(both), [0], [0, 1]) == [1]
    assert memories["a"].values == memories["b"].values
    memories["b"].values.clear()  # an asset that is watched from now on
    assert announced(trigger(both), [0, 1, 2]) == [2]
    assert announced(trigger(AssetStateStoreAccessors(inlets=[Asset("b")])), [0, 1, 2, 3]) == [3]
    # What one asset's store cannot take is announced once all the same, and noted there the next time.
    steps: list[Any] = [
        lambda: memories["b"].broken.add("write"),
        [3, 4],
        memories["b"].broken.clear,
        [3, 4],
        [3, 4, 5],
    ]
    assert announced(trigger(both), *steps) == [4, 5]
    assert announced(trigger(AssetStateStoreAccessors(inlets=[Asset("b")])), [3, 4, 5]) == []


@pytest.fixture
def reports(aws_conn: Any, pair: Any) -> Callable[[int], Report]:
    """Return the report of a day, for a bucket that does not exist yet."""

    def report(day: int) -> Report:
        return write_report(
            [],
            file_format="CSV",
            source_bucket=pair.source,
            destination_bucket=f"{pair.source}-inventory",
            created_at=BEGUN + timedelta(days=day),
        )

    return report


def test_errors_of_s3_are_outlasted(aws_conn: Any, pair: Any, reports: Callable[[int], Report]) -> None:
    """A bucket that does not exist ends nothing; once it does, a report is announced when its checksum is there."""
    client, first, second = pair.source_client, reports(0), reports(1)
    region = {"LocationConstraint": "eu-west-1"}

    def asked() -> int:
        return int(aws_conn.requests(first.destination_bucket)["GET"])

    async def watch() -> str:
        watching = S3InventoryReportTrigger(inventory=first.folder_uri, poke_interval=0.01)
        event = asyncio.ensure_future(anext(watching.run()))
        try:
            await wait_for(lambda: asked() >= 2)
            client.create_bucket(Bucket=first.destination_bucket, CreateBucketConfiguration=region)
            deliver(client, first)
            seen = asked()
            await wait_for(lambda: asked() >= seen + 4)
            deliver(client, second, upto="manifest.checksum")
            seen = asked()
            await wait_for(lambda: asked() >= seen + 4)
            assert not event.done()
            deliver(client, second)
            return str((await asyncio.wait_for(event, 30)).payload["manifest"])
        finally:
            event.cancel()

    assert asyncio.run(watch()) == second.manifest_uri


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


@from_3_3
def test_watchers_of_one_inventory_share_one_loop(
    aws_conn: Any, pair: Any, reports: Callable[[int], Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three watchers with times of their own cause the requests of one, in Airflow's own manager of streams."""
    from airflow.triggers.shared_stream import SharedStreamManager

    first = reports(0)
    region = {"LocationConstraint": "eu-west-1"}
    pair.source_client.create_bucket(Bucket=first.destination_bucket, CreateBucketConfiguration=region)
    for day in range(3):
        deliver(pair.source_client, reports(day))
    before = aws_conn.requests(first.destination_bucket)["GET"]

    async def watch() -> list[str]:
        manager = SharedStreamManager()
        events = []
        for number in range(3):
            watching = S3InventoryReportTrigger(
                inventory=first.folder_uri, poke_interval=3600, newer_than=BEGUN + timedelta(days=number - 1, hours=1)
            )
            watching.asset_state_store = AwaitedMemory()  # type: ignore[assignment]
            stream = manager.subscribe(trigger_id=number, trigger=watching, key=watching.shared_stream_key())
            events.append(watching.filter_shared_stream(stream))
        try:
            async with asyncio.timeout(30):
                return [(await anext(each)).payload["manifest"] for each in events]
        finally:
            await manager.stop_all()

    assert asyncio.run(watch()) == [reports(day).manifest_uri for day in range(3)]
    assert aws_conn.requests(first.destination_bucket)["GET"] - before == 1 + 3  # the folder, and each report
