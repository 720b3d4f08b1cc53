"""Status lookups: ours beside boto3, aiobotocore and ``S3KeySensor``, against nginx, with and without latency."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Contender, Workers, compare, medians, ratio, table
from benchmarks.nginx import Nginx

BUCKET = "bucket"
THREADS = 32
IN_FLIGHT = 128
#: With more objects the slow contenders take minutes.
_SLOW = {"objects": 1_000}

OURS = "ours: hook, no limit"
CONTENDERS = [
    Contender("boto3, one at a time", "benchmarks.lookups:boto3_single", _SLOW),
    Contender(f"boto3, {THREADS} threads", "benchmarks.lookups:boto3_threads", {"objects": 100_000}),
    Contender(f"aiobotocore, {IN_FLIGHT} in flight", "benchmarks.lookups:aiobotocore_gather", {"objects": 100_000}),
    Contender("S3KeySensor + check_fn, poke", "benchmarks.lookups:key_sensor", _SLOW),
    Contender("S3KeySensor, its trigger", "benchmarks.lookups:key_trigger", _SLOW),
    Contender(OURS, "benchmarks.lookups:hook"),
    Contender("ours: sensor, poke, no limit", "benchmarks.lookups:sensor", {"objects": 100_000}),
    Contender("ours: trigger, no limit", "benchmarks.lookups:trigger", {"objects": 100_000}),
]


def keys(objects: int) -> list[str]:
    """Return numbered keys of one prefix."""
    return list(_keys(objects))


def _keys(objects: int) -> Iterator[str]:
    return (f"orders/dt=2026-11-23/part-{number:08d}.parquet" for number in range(objects))


def connect(url: str, **added: Any) -> None:
    """
    Let ``aws_default`` lead to the server.

    :param url: the server's.
    :param added: what else the connection's ``extra`` says.
    """
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection_to(url, **added).get_uri()


def connection_to(url: str, **added: Any) -> Any:
    """Return ``aws_default`` as Airflow stores it."""
    from airflow.models.connection import Connection

    extra = {"endpoint_url": url, "region_name": "eu-west-1", "config_kwargs": {"s3": {"addressing_style": "path"}}}
    extra |= added
    return Connection(conn_id="aws_default", conn_type="aws", login="AKIDEXAMPLE", password="secret", extra=extra)


def _client(url: str, **config: Any) -> Any:
    import boto3
    from botocore.config import Config

    connect(url)
    session = boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")
    return session.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}, **config))


def boto3_single(url: str, objects: int) -> Callable[[], Any]:
    client = _client(url)
    return lambda: Counter(client.head_object(Bucket=BUCKET, Key=key)["ReplicationStatus"] for key in _keys(objects))


def boto3_threads(url: str, objects: int) -> Callable[[], Any]:
    from concurrent.futures import ThreadPoolExecutor

    client = _client(url, max_pool_connections=THREADS)

    def timed() -> Any:
        with ThreadPoolExecutor(THREADS) as pool:
            return Counter(
                pool.map(lambda key: client.head_object(Bucket=BUCKET, Key=key)["ReplicationStatus"], _keys(objects))
            )

    return timed


def aiobotocore_gather(url: str, objects: int) -> Callable[[], Any]:
    from aiobotocore.session import get_session
    from botocore.config import Config

    session = get_session()

    async def work() -> Any:
        found: Counter[str] = Counter()
        config: Any = Config(s3={"addressing_style": "path"}, max_pool_connections=IN_FLIGHT)
        async with session.create_client(
            "s3",
            region_name="eu-west-1",
            endpoint_url=url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=config,
        ) as client:
            remaining = _keys(objects)

            async def worker() -> None:
                for key in remaining:
                    found[(await client.head_object(Bucket=BUCKET, Key=key))["ReplicationStatus"]] += 1

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return found

    return lambda: asyncio.run(work())


def _complete(files: list[Any], **_: Any) -> bool:
    return bool(files) and all(each.get("ReplicationStatus") == "COMPLETED" for each in files)


def key_sensor(url: str, objects: int) -> Callable[[], Any]:
    from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor

    connect(url)
    sensor = S3KeySensor(
        task_id="t",
        bucket_key=keys(objects),
        bucket_name=BUCKET,
        metadata_keys=["ReplicationStatus"],
        check_fn=_complete,
    )
    return lambda: {"COMPLETED": objects} if sensor.poke({}) else None  # type: ignore[typeddict-item]


def key_trigger(url: str, objects: int) -> Callable[[], Any]:
    from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger

    connect(url)
    trigger = S3KeyTrigger(bucket_name=BUCKET, bucket_key=keys(objects), aws_conn_id="aws_default", poke_interval=1)

    async def work() -> Any:
        event = await anext(aiter(trigger.run()))
        return {"COMPLETED": objects} if event.payload["status"] == "success" else event.payload

    return lambda: asyncio.run(work())


def hook(url: str, objects: int) -> Callable[[], Any]:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

    connect(url)
    asked = S3ReplicationHook()
    asked.get_conn()
    return lambda: Counter(each.state.value for each in asked.get_replication_statuses(_keys(objects), BUCKET))


def sensor(url: str, objects: int) -> Callable[[], Any]:
    from airflow_provider_crr.sensors.replication import S3ReplicationSensor

    connect(url)
    waiting = S3ReplicationSensor(
        task_id="t",
        bucket_key=keys(objects),
        bucket_name=BUCKET,
        max_requests_per_second=None,
        deferrable=False,
    )
    return lambda: waiting.poke({}).xcom_value["statuses"]  # type: ignore[index, typeddict-item]


def trigger(url: str, objects: int) -> Callable[[], Any]:
    from airflow_provider_crr.replication.targets import Targets
    from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

    connect(url)
    targets = Targets.parse(keys(objects), bucket_name=BUCKET).to_stored()
    made = S3ReplicationTrigger(
        targets=targets, policy={}, hook={}, poke_interval=1, started_at=0, deadline=float(2**31)
    )

    async def work() -> Any:
        event = await anext(aiter(made.run()))
        return event.payload["value"]["statuses"]

    return lambda: asyncio.run(work())


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    sections = []
    with Workers() as workers:
        for latency, sizes in ((0.0, _SIZES[full]), (0.02, _LATE_SIZES[full])):
            for objects in sizes:
                with Nginx(latency=latency) as server:
                    sections.append(_section(server, objects, latency, _rounds(objects, full), workers, say))
    return "\n\n".join(sections)


_SIZES = {False: [1, 100, 1_000, 10_000], True: [1, 100, 1_000, 10_000, 100_000, 1_000_000]}
_LATE_SIZES = {False: [1_000], True: [1_000, 10_000]}


def _rounds(objects: int, full: bool) -> int:
    if objects > 100_000:
        return 1
    return 5 if full and objects < 100_000 else 3


def _section(
    server: Nginx, objects: int, latency: float, rounds: int, workers: Workers, say: Callable[[str], None]
) -> str:
    say(f"-- {objects:,} objects, {1000 * latency:g} ms")
    counted: dict[str, int] = {}

    def start_over() -> None:
        server.heads()

    def count(contender: Contender) -> None:
        counted[contender.name] = len(server.heads(expected=objects))

    samples = compare(
        {"url": server.url, "objects": objects},
        CONTENDERS,
        rounds=rounds,
        say=say,
        before=start_over,
        after=count,
        workers=workers,
    )
    found = medians(samples)
    rows = [
        [
            name,
            f"{objects / each.wall:,.0f}",
            f"{1e6 * each.cpu / objects:,.0f}",
            f"{each.peak / 1e6:,.0f}",
            f"{counted[name]:,}",
            f"{ratio(samples, name, OURS):.1f}",
            f"{ratio(samples, name, OURS, 'cpu'):.1f}",
        ]
        for name, each in found.items()
    ]
    head = ["", "objects/s", "CPU µs each", "memory MB", "HEADs", "time, ours = 1", "CPU, ours = 1"]
    title = f"{objects:,} object{'s' * (objects > 1)}, " + (f"{1000 * latency:g} ms latency" if latency else "loopback")
    return f"### {title}\n\n{table(head, rows)}"
