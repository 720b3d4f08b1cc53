"""
What gates that wait cost a triggerer, beside ``S3KeyTrigger``: memory, threads, CPU, connections, a loop that is late.

Each line is a process of its own, in which all gates of the line start at once in one event loop, as the triggerer
starts them: their stored kwargs are decrypted and decoded, one trigger after the other. Their objects stay PENDING. Of
the objects of an S3KeyTrigger, one is missing: it would not wait otherwise.

- Memory is the most that the process had, above what it had when Airflow and both triggers were imported, and nothing
  waited. Libraries that a trigger imports only when it asks, such as boto3's client or awscrt, count as its memory.
- The loop: a task that sleeps for 10 ms at a time wakes late; from before the first gate starts to the end.
- The steady state is what is left once the first polls are over. CPU is that of the whole process, without what the
  idle loop used, for each HEAD that the server answered. A bulk HEAD is one of a lookup of as many objects (20,000 to
  100,000) in one call of ``S3ReplicationHook.get_replication_statuses``, without a limit.
- Connections are counted at the server.
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.lookups import connect
from benchmarks.measure import Contender, begin_peak, memory, run, table
from benchmarks.nginx import Hit, Nginx
from benchmarks.pace import WINDOW, fastest
from benchmarks.triggerer import beside

#: Seconds over which the idle loop is measured.
_IDLE = 5.0
#: Least and most objects of the bulk lookup: fewer would measure how it starts.
_BULK = (20_000, 100_000)
#: What each process has imported before anything is measured.
_IMPORTED = (
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.amazon.aws.triggers.s3",
    "airflow_provider_crr.triggers.replication",
)
#: The limit of a gate that says nothing else.
_LIMIT = 1_000.0


@dataclass(frozen=True)
class Case:
    """
    What waits.

    :param title: what the table calls it.
    :param gates: how many gates.
    :param objects: of each gate.
    :param buckets: over which the gates are spread.
    :param poke_interval: seconds between two polls of a gate.
    :param settle: seconds after which the first polls are over.
    :param steady: seconds of the steady state that are measured.
    :param tls: whether the server speaks HTTPS.
    """

    title: str
    gates: int
    objects: int
    buckets: int = 1
    poke_interval: float = 5.0
    settle: float = 20.0
    steady: float = 30.0
    tls: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """What a contender is called with."""
        names = ("gates", "objects", "buckets", "poke_interval", "settle", "steady")
        return {name: getattr(self, name) for name in names}


CASES = [
    Case("50 gates of 10 objects, poll every 5 s", 50, 10),
    Case("the same over TLS", 50, 10, tls=True),
    Case("300 gates of 10 objects, poll every 5 s", 300, 10, settle=40),
    Case("1,000 gates of 100, ten buckets, every 60 s", 1_000, 100, 10, poke_interval=60, settle=130, steady=120),
    Case("one gate of 100,000 objects, every 60 s", 1, 100_000, poke_interval=60, settle=110, steady=110),
    Case("1,000 gates of 10 on one bucket, every 5 s", 1_000, 10, settle=30),
]
NOBODY = Contender("nobody", "benchmarks.gates:nobody")
OURS = Contender("ours", "benchmarks.gates:ours")
THEIRS = Contender("S3KeyTrigger", "benchmarks.gates:key_trigger", {"gates": 300, "objects": 1_000})
BULK = Contender("bulk lookup", "benchmarks.gates:bulk")


def _keys(gate: int, objects: int) -> list[str]:
    return [f"orders-{gate:04d}/dt=2026-11-23/part-{number:06d}.parquet" for number in range(objects)]


def ours(url: str, gates: int, objects: int, buckets: int, **how: Any) -> Callable[[], Any]:
    from airflow_provider_crr.replication.targets import Targets
    from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

    now = time.time()
    return _waiting(
        [
            S3ReplicationTrigger(
                targets=Targets.parse(_keys(gate, objects), bucket_name=f"bucket-{gate % buckets}").to_stored(),
                policy={},
                hook={"aws_conn_id": "aws_default", "max_requests_per_second": _LIMIT},
                poke_interval=how["poke_interval"],
                started_at=now,
                deadline=now + 7 * 86400,
            )
            for gate in range(gates)
        ],
        url,
        **how,
    )


def key_trigger(url: str, gates: int, objects: int, buckets: int, **how: Any) -> Callable[[], Any]:
    from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger

    return _waiting(
        [
            S3KeyTrigger(
                bucket_name=f"bucket-{gate % buckets}",
                bucket_key=[*_keys(gate, objects - 1), f"orders-{gate:04d}/last.missing"],
                poke_interval=how["poke_interval"],
            )
            for gate in range(gates)
        ],
        url,
        **how,
    )


def nobody(url: str, gates: int, objects: int, buckets: int, **how: Any) -> Callable[[], Any]:
    return _waiting([], url, **how)


def _waiting(
    triggers: list[Any], url: str, *, poke_interval: float, settle: float, steady: float, verify: str | None = None
) -> Callable[[], Any]:
    from airflow.models.trigger import Trigger

    for module in _IMPORTED:
        import_module(module)
    connect(url, **({"verify": verify} if verify else {}))
    workloads: deque[tuple[str, str]] = deque()
    for trigger in triggers:
        path, kwargs = trigger.serialize()
        workloads.append((path, Trigger.encrypt_kwargs(json.loads(json.dumps(kwargs)))))
    triggers.clear()

    def timed() -> Any:
        # Never closed: the process is ended with all that waits.
        return asyncio.new_event_loop().run_until_complete(_measured(workloads, settle, steady))

    return timed


async def _measured(workloads: deque[tuple[str, str]], settle: float, steady: float) -> dict[str, Any]:
    began, used = time.time(), _cpu()
    await beside(asyncio.sleep(_IDLE))
    idle = (_cpu() - used) / (time.time() - began)
    found: dict[str, Any] = {}

    async def work() -> None:
        before = begin_peak()
        threads = 0
        began = time.time()
        waiting = await _start(workloads)
        while time.time() < began + settle:
            threads = max(threads, _threads())
            await asyncio.sleep(0.25)
        since, used = time.time(), _cpu()
        while time.time() < since + steady:
            threads = max(threads, _threads())
            await asyncio.sleep(0.25)
        cpu, until = _cpu() - used, time.time()
        for each in waiting:
            if each.done():
                raise AssertionError(f"a gate did not wait: {each.exception() or each.result()}")
        found.update(
            began=began,
            since=since,
            until=until,
            cpu=cpu - idle * (until - since),
            threads=threads,
            peak=memory("VmHWM") - before,
            left=memory("VmRSS") - before,
        )

    late = await beside(work())
    cuts = quantiles(late, n=100)
    return {**found, "p50": cuts[49], "p99": cuts[98], "worst": max(late)}


async def _start(workloads: deque[tuple[str, str]]) -> list[asyncio.Task[Any]]:
    """Start each as ``TriggerRunner.create_triggers`` does."""
    from airflow.models.trigger import Trigger
    from airflow.sdk._shared.module_loading import import_string
    from airflow.serialization.decoders import smart_decode_trigger_kwargs

    started = []
    while workloads:
        await asyncio.sleep(0)
        path, encrypted = workloads.popleft()
        made = import_string(path)
        await asyncio.sleep(0)
        kwargs = Trigger._decrypt_kwargs(encrypted)
        kwargs = {name: smart_decode_trigger_kwargs(value) for name, value in kwargs.items()}  # type: ignore[no-untyped-call]
        started.append(asyncio.create_task(_run(made(**kwargs))))
    return started


async def _run(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    return "no event"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _threads() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("Threads:", 1)[1].split(None, 1)[0])


def bulk(url: str, objects: int, verify: str | None = None) -> Callable[[], Any]:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    connect(url, **({"verify": verify} if verify else {}))
    hook = S3ReplicationHook()
    hook.get_conn()
    keys = _keys(0, objects)
    return lambda: Counter(each.state.value for each in hook.get_replication_statuses(keys, "bucket-0"))


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the table of this benchmark."""
    contenders = [OURS, Contender(THEIRS.name, THEIRS.function, {"objects": 1_000}) if full else THEIRS]
    return compared(CASES, contenders, say)


def compared(cases: list[Case], contenders: list[Contender], say: Callable[[str], None]) -> str:
    """Return the table of some cases and contenders."""
    rows = []
    for number, case in enumerate(cases):
        with Nginx(pending=True, tls=case.tls) as server:
            where = {"url": server.url, **({"verify": server.certificate} if case.tls else {})}
            objects = min(max(_BULK[0], case.gates * case.objects), _BULK[1])
            sample = run(BULK, {**where, "objects": objects})
            assert sample.answer == {"PENDING": objects}, sample.answer
            head = sample.cpu / objects
            say(f"{case.title}: a bulk HEAD takes {1e6 * head:.0f} µs CPU")
            for contender in [*([] if number else [NOBODY]), *contenders]:
                if contender.bears(case.arguments):
                    found = run(contender, {**where, **case.arguments}).answer
                    hits = [hit for hit in server.hits(expected=10**9) if hit.moment > found["began"]]
                    row = _row(found, hits, head, case.gates)
                    say(f"{case.title}, {contender.name}: {row}, {found['left'] / 1e6:.0f} MB at the end")
                    rows.append([case.title, contender.name, *row])
    return table(_HEAD, rows)


_HEAD = [
    "",
    "",
    "memory, MB",
    "of each gate",
    "threads",
    "loop late, median ms",
    "p99",
    "worst",
    "HEADs a second",
    f"most in any {WINDOW:g} s",
    "CPU of one, bulk HEAD = 1",
    "connections used",
    "opened in the steady state",
]


def _row(found: Mapping[str, Any], hits: list[Hit], head: float, gates: int) -> list[str]:
    steady = [hit for hit in hits if found["since"] <= hit.moment < found["until"]]
    before = max((hit.connection for hit in hits if hit.moment < found["since"]), default=0)
    opened = max((hit.connection for hit in steady), default=before) - before
    return [
        f"{found['peak'] / 1e6:,.0f}",
        f"{found['peak'] / 1e6 / gates:,.2f}",
        f"{found['threads']:,}",
        *(f"{1e3 * found[name]:,.1f}" for name in ("p50", "p99", "worst")),
        f"{len(steady) / (found['until'] - found['since']):,.0f}",
        f"{fastest([hit.moment for hit in hits]):,.0f}" if hits else "",
        f"{found['cpu'] / len(steady) / head:.2f}" if steady else "",
        f"{len({hit.connection for hit in steady}):,}",
        f"{opened:,}",
    ]
