"""Whether ``max_requests_per_second`` is kept, and what happens when S3 answers 503 to a third of the requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.lookups import BUCKET, connect, keys
from benchmarks.measure import Contender, run, table
from benchmarks.nginx import Nginx

CAP = 500.0
#: The time over which the cap is judged, in seconds.
WINDOW = 5.0
CONTENDERS = [
    Contender("AWS Common Runtime", "benchmarks.pace:crt"),
    Contender("boto3", "benchmarks.pace:boto3_way"),
]


def crt(url: str, objects: int) -> Callable[[], Any]:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    connect(url)
    hook = S3ReplicationHook(max_requests_per_second=CAP, config={"max_pool_connections": 32})
    hook.get_conn()
    return lambda: Counter(each.state.value for each in hook.get_replication_statuses(keys(objects), BUCKET))


def boto3_way(url: str, objects: int) -> Callable[[], Any]:
    from airflow_provider_crr.lookup import choice

    choice.why_not_crt = lambda client: "the benchmark asks for boto3"
    return crt(url, objects)


def fastest(times: list[float]) -> float:
    """Return the highest rate over any :data:`WINDOW`, in requests a second."""
    times = sorted(times)
    most, first = 0, 0
    for last, moment in enumerate(times):
        while moment - times[first] >= WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most / WINDOW


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    objects = 10_000 if full else 5_000
    rows, rates = [], []
    for contender in CONTENDERS:
        for failing in (False, True):
            with Nginx(failing=failing) as server:
                sample = run(contender, {"url": server.url, "objects": objects})
                times = server.heads(expected=objects)
            what = f"{contender.name}, a third 503" if failing else contender.name
            say(f"{what}: {len(times)} requests, {sample.answer}")
            rows.append(
                [what, f"{len(times):,}", f"{fastest(times):,.1f}", f"{100 * fastest(times) / CAP - 100:+.1f} %"]
            )
            if failing:
                by_second = Counter(int(moment - min(times)) for moment in times)
                rates.append([what, " ".join(str(by_second[second]) for second in range(min(40, max(by_second) + 1)))])
    head = [f"{objects:,} objects, cap {CAP:g}/s", "requests", f"most in any {WINDOW:g} s, a second", "above the cap"]
    return f"{table(head, rows)}\n\n{table(['', 'requests in each second'], rates)}"
