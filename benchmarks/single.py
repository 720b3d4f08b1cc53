"""How long one object takes, and how much longer the first bulk call takes to start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.lookups import BUCKET, connect
from benchmarks.measure import Contender, Workers, compare, medians, ratio, table
from benchmarks.nginx import Nginx

CALLS = 300
CONTENDERS = [
    Contender("S3Hook.head_object", "benchmarks.single:s3_hook"),
    Contender("ours: get_replication_status", "benchmarks.single:ours"),
]
STARTS = [
    Contender("first bulk call", "benchmarks.single:first_bulk"),
    Contender("second bulk call", "benchmarks.single:second_bulk"),
]


def s3_hook(url: str, calls: int) -> Callable[[], Any]:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    connect(url)
    hook = S3Hook()
    hook.head_object("first", BUCKET)

    def timed() -> Any:
        return {(hook.head_object(f"k{n}", BUCKET) or {})["ReplicationStatus"] for n in range(calls)}.pop()

    return timed


def ours(url: str, calls: int) -> Callable[[], Any]:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    connect(url)
    hook = S3ReplicationHook()
    hook.get_replication_status("first", BUCKET)
    return lambda: {hook.get_replication_status(f"k{n}", BUCKET).state.value for n in range(calls)}.pop()


def first_bulk(url: str, calls: int) -> Callable[[], Any]:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    connect(url)
    hook = S3ReplicationHook()
    hook.get_conn()
    return lambda: {each.state.value for each in hook.get_replication_statuses(["a", "b"], BUCKET)}.pop()


def second_bulk(url: str, calls: int) -> Callable[[], Any]:
    timed = first_bulk(url, calls)
    timed()
    return timed


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    rounds = 9 if full else 5
    with Nginx() as server:
        with Workers() as workers:
            samples = compare(
                {"url": server.url, "calls": CALLS}, CONTENDERS, rounds=3 * rounds, say=say, workers=workers
            )
        starts = medians(compare({"url": server.url, "calls": 2}, STARTS, rounds=rounds, say=say))
    first = CONTENDERS[0].name
    rows = [
        [name, f"{1e6 * each.wall / CALLS:,.0f}", f"{ratio(samples, name, first):.2f}"]
        for name, each in medians(samples).items()
    ]
    begun = [[name, f"{1e3 * each.wall:,.0f}"] for name, each in starts.items()]
    return f"{table(['', 'µs each', 'time, S3Hook = 1'], rows)}\n\n{table(['of two objects', 'ms'], begun)}"
