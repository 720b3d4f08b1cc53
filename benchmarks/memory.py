"""How much memory a gate on a pattern takes, and how much a deferred gate stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from benchmarks.listing import Listing
from benchmarks.lookups import BUCKET, connect, keys
from benchmarks.measure import Contender, medians, run, table
from benchmarks.nginx import Nginx

PATTERN = Contender("ours: sensor, poke, a pattern", "benchmarks.memory:pattern")
STORED = Contender("ours: trigger", "benchmarks.memory:stored")


def pattern(url: str, objects: int) -> Callable[[], Any]:
    from airflow_provider_crr.sensors.replication import S3ReplicationSensor

    connect(url)
    sensor = S3ReplicationSensor(
        task_id="t",
        bucket_key="orders/*.parquet",
        bucket_name=BUCKET,
        wildcard_match=True,
        max_requests_per_second=None,
        deferrable=False,
    )
    return lambda: sensor.poke({}).xcom_value["statuses"]  # type: ignore[index, typeddict-item]


def stored(url: str, objects: int) -> Callable[[], Any]:
    import asyncio

    from airflow_provider_crr.replication.targets import Targets
    from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

    connect(url)
    made = S3ReplicationTrigger(
        targets=Targets.parse(keys(objects), bucket_name=BUCKET).to_stored(),
        policy={},
        hook={},
        poke_interval=1,
        started_at=0,
        deadline=float(2**31),
    )

    async def work() -> Any:
        return (await anext(aiter(made.run()))).payload

    return lambda: {"kwargs": len(json.dumps(made.serialize()[1])), "event": len(json.dumps(asyncio.run(work())))}


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    rows = []
    for objects in (10_000, 100_000, 1_000_000) if full else (10_000, 50_000):
        with Listing(objects) as listing, Nginx(listing=listing.port) as server:
            sample = run(PATTERN, {"url": server.url, "objects": objects})
            assert sample.answer == {"COMPLETED": objects}, sample.answer
            heads = len(server.heads(expected=objects))
        say(f"{objects:,} objects of a pattern: {sample}")
        rows.append([f"{objects:,}", f"{sample.peak / 1e6:,.0f}", f"{sample.wall:,.0f}", f"{heads:,}"])
    with Nginx() as server:
        objects = 100_000
        sizes = medians({"": [run(STORED, {"url": server.url, "objects": objects})]})[""].answer
    head = ["objects of a pattern", "memory above the idle process, MB", "took, s", "HEADs"]
    return (
        f"{table(head, rows)}\n\n{objects:,} numbered keys: {sizes['kwargs']:,} characters of trigger kwargs,"
        f" {sizes['event']:,} of event."
    )
