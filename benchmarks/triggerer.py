"""How late a trigger wakes while another one in the same event loop watches many objects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles
from typing import Any

from benchmarks.lookups import BUCKET, IN_FLIGHT, connect, keys
from benchmarks.measure import Contender, medians, run, table
from benchmarks.nginx import Nginx

#: How often the other trigger wakes, in seconds.
TICK = 0.01
CONTENDERS = [
    Contender("nobody", "benchmarks.triggerer:nobody"),
    Contender("ours, 1,000 a second (the default)", "benchmarks.triggerer:ours_paced"),
    Contender("ours, no limit", "benchmarks.triggerer:ours"),
    Contender(f"aiobotocore, {IN_FLIGHT} in flight", "benchmarks.triggerer:aiobotocore_way"),
]


async def beside(work: Awaitable[Any]) -> list[float]:
    """Return how late each tick was while something else ran in the loop."""
    late: list[float] = []
    running = asyncio.ensure_future(work)
    while not running.done():
        due = time.perf_counter() + TICK
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - due)
    await running
    return late


def _figures(work: Callable[[], Awaitable[Any]]) -> Callable[[], Any]:
    def timed() -> Any:
        late = asyncio.run(_beside_of(work))
        return {"p50": quantiles(late, n=100)[49], "p99": quantiles(late, n=100)[98], "worst": max(late)}

    return timed


async def _beside_of(work: Callable[[], Awaitable[Any]]) -> list[float]:
    return await beside(work())


def nobody(url: str, objects: int) -> Callable[[], Any]:
    return _figures(lambda: asyncio.sleep(5))


def _ours(url: str, objects: int, per_second: float | None) -> Callable[[], Any]:
    from airflow_provider_crr.replication.targets import Targets
    from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

    connect(url)
    made = S3ReplicationTrigger(
        targets=Targets.parse(keys(objects), bucket_name=BUCKET).to_stored(),
        policy={},
        hook={"max_requests_per_second": per_second},
        poke_interval=1,
        started_at=0,
        deadline=float(2**31),
    )

    async def work() -> None:
        event = await anext(aiter(made.run()))
        assert event.payload["value"]["statuses"] == {"COMPLETED": objects}

    return _figures(work)


def ours(url: str, objects: int) -> Callable[[], Any]:
    return _ours(url, objects, None)


def ours_paced(url: str, objects: int) -> Callable[[], Any]:
    return _ours(url, objects, 1000.0)


def aiobotocore_way(url: str, objects: int) -> Callable[[], Any]:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    connect(url)

    async def work() -> None:
        hook = S3Hook(config={"max_pool_connections": IN_FLIGHT})
        async with await hook.get_async_conn() as client:  # type: ignore[no-untyped-call]
            remaining = iter(keys(objects))

            async def worker() -> None:
                for key in remaining:
                    assert (await client.head_object(Bucket=BUCKET, Key=key))["ReplicationStatus"] == "COMPLETED"

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    return _figures(work)


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the table of this benchmark."""
    objects = 100_000 if full else 10_000
    rows = []
    with Nginx() as server:
        for contender in CONTENDERS:
            samples = {contender.name: [run(contender, {"url": server.url, "objects": objects}) for _ in range(3)]}
            figures = [sample.answer for sample in samples[contender.name]]
            late = {name: sorted(each[name] for each in figures)[1] for name in ("p50", "p99", "worst")}
            took = medians(samples)[contender.name].wall
            say(f"{contender.name}: {took:.1f} s, {late}")
            rows.append([contender.name, f"{took:,.1f}", *(f"{1000 * each:,.1f}" for each in late.values())])
    head = [f"watching {objects:,} objects", "took, s", "late by, median ms", "p99", "worst"]
    return f"Another trigger wakes every {1000 * TICK:g} ms. Medians of three runs.\n\n{table(head, rows)}"
