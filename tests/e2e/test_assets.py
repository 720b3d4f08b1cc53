"""Asset events in a real Airflow: what starts a DAG, and what it is told. The DAGs are examples, as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, Self

import pytest

from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from local_aws.inventory import deliver, scan, write_report
from tests.support.polling import until

INVENTORY = "s3://my-inventory-bucket/my-landing-bucket/daily/"
FIRST = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
#: Whether a triggerer remembers what those before it announced.
REMEMBERS = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 3)


def ended(airflow: Airflow, dag: str) -> list[str]:
    """Wait until a DAG has runs, and all have ended; return their ids."""
    states: dict[str, str] = {}

    def all_ended() -> bool:
        states.update(airflow.runs(dag))
        return bool(states) and set(states.values()) <= {"success", "failed"}

    until(all_ended, f"the runs of {dag} to end")
    return list(states)


@pytest.fixture
def delivered(example_buckets: ReplicatedPair) -> Callable[[int], str]:
    """Deliver the report of a day, counted from the first; return the URI of its manifest."""

    def deliver_report(day: int) -> str:
        report = write_report(
            scan(example_buckets.source_client, example_buckets.source),
            file_format="CSV",
            source_bucket=example_buckets.source,
            destination_bucket="my-inventory-bucket",
            created_at=FIRST + timedelta(days=day),
        )
        deliver(example_buckets.source_client, report)
        return report.manifest_uri

    return deliver_report


class _Awaited:
    """A boto3 client whose answers are awaited, in the place of aiobotocore's, which is not installed here."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(**arguments: Any) -> Any:
            return getattr(self._client, name)(**arguments)

        return call


@pytest.fixture
def received(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Send messages to a queue; return the payload with which the amazon provider's trigger announces them."""
    from airflow.providers.amazon.aws.hooks.sqs import SqsHook
    from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger

    sqs = aws.client("sqs")

    async def connect(hook: Any) -> _Awaited:
        return _Awaited(sqs)

    monkeypatch.setattr(SqsHook, "get_async_conn", connect)

    def receive(*bodies: str) -> dict[str, Any]:
        queue = sqs.create_queue(QueueName="failed-replications")["QueueUrl"]
        for body in bodies:
            sqs.send_message(QueueUrl=queue, MessageBody=body)
        trigger = SqsSensorTrigger(sqs_queue=queue, max_messages=10)

        async def first_event() -> Any:
            async for event in trigger.run():
                return event.payload
            raise AssertionError("the trigger announced nothing")

        return dict(asyncio.run(first_event()))

    return receive


#: What S3 sends first, and AWS's own example of a failure ("Receiving replication failure events"), names changed.
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"}
FAILURE = {
    "Records": [
        {
            "eventVersion": "2.2",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2024-09-05T21:04:32.527Z",
            "eventName": "Replication:OperationFailedReplication",
            "s3": {
                "bucket": {"name": "landing", "arn": "arn:aws:s3:::landing"},
                "object": {"key": "in/red+flower%2B%C3%A9.csv", "size": 520080, "versionId": "v1"},
            },
            "replicationEventData": {
                "replicationRuleId": "all",
                "destinationBucket": "arn:aws:s3:::landing-replica",
                "s3Operation": "OBJECT_PUT",
                "requestTime": "2024-09-05T21:03:59.168Z",
                "failureReason": "DstBucketUnversioned",
            },
        }
    ]
}


def test_each_delivered_report_starts_the_dag_once_whatever_happens_to_the_triggerer(
    airflow: Airflow, aws: LocalAws, delivered: Callable[[int], str]
) -> None:
    """Each report is announced once, in order, by a triggerer, and from Airflow 3.3 on by the one after its death."""

    def announced() -> list[str]:
        return [event["payload"]["manifest"] for event in airflow.asset_events(INVENTORY)]

    def looks(number: int) -> None:
        aws.reset_counts()
        until(lambda: aws.requests("my-inventory-bucket")["GET"] >= number, f"{number} looks at the inventory")

    def summarized() -> list[str]:
        found = []
        for run in ended(airflow, "summarize_delivered_report"):
            for index, manifest in enumerate(airflow.returned("summarize_delivered_report", run, "delivered")):
                summary = airflow.returned("summarize_delivered_report", run, "summary", index)
                assert summary["manifest"] == manifest
                found.append(manifest)
        return found

    if not REMEMBERS:
        airflow.parse()  # Airflow 3.0 watches assets from the second time on that it sees their DAG
    looks(2)
    expected = [delivered(0)]
    until(announced, "the first report to be announced")
    airflow.kill("triggerer")
    meanwhile = [delivered(1), delivered(3)]
    airflow.start("triggerer")
    looks(4)
    if REMEMBERS:
        expected += meanwhile
        until(lambda: len(announced()) >= 3, "what was delivered without a triggerer to be announced")
    # Airflow leaves what comes while it is about to start a run to the run of the next event.
    until(lambda: len(summarized()) >= len(expected) - 1, "what was announced to be summarized")
    expected.append(delivered(2))  # later than one that S3 began later
    until(lambda: len(announced()) >= len(expected), "the late report to be announced")
    looks(4)
    assert announced() == expected

    until(lambda: len(summarized()) >= len(expected), "every report to be summarized")
    assert sorted(summarized()) == sorted(expected)


def test_replica_starts_the_dag_of_region_b_with_what_the_gate_saw(
    airflow: Airflow, example_buckets: ReplicatedPair
) -> None:
    """A deferred gate's outlet starts the DAG scheduled by it, which gets the counts and the replica's bucket."""
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    for name in ("part-0", "part-1", "_SUCCESS"):
        key = f"orders/dt={yesterday}/{name}"
        example_buckets.source_client.put_object(Bucket=example_buckets.source, Key=key, Body=b"x")
    gate = airflow.trigger("announce_replica")
    until(lambda: airflow.run_state("announce_replica", gate) in ("success", "failed"), "the gate to open")
    (run,) = ended(airflow, "load_replica")
    assert airflow.returned("load_replica", run, "load") == [
        f"3 objects in s3://my-landing-bucket-replica/orders/dt={yesterday}/*"
    ]
    (extra,) = airflow.asset_events("s3://my-landing-bucket-replica/orders/")
    assert extra == {
        "total": 3,
        "statuses": {"COMPLETED": 3},
        "targets": [f"s3://my-landing-bucket/orders/dt={yesterday}/{name}" for name in ("_SUCCESS", "*")],
        "destinations": ["my-landing-bucket-replica"],
    }


def test_failed_replications_are_explained(airflow: Airflow, received: Callable[..., dict[str, Any]]) -> None:
    """What the amazon provider's trigger receives from the queue starts a DAG that explains each failure."""
    payload = received(json.dumps(TEST_EVENT), json.dumps(FAILURE))
    airflow.add_asset_event("failed_replications", {"payload": payload})
    (run,) = ended(airflow, "failed_replication_events")
    (failure,) = airflow.returned("failed_replication_events", run, "explain")
    assert failure["object"] == {"bucket": "landing", "key": "in/red flower+é.csv", "version_id": "v1"}
    assert failure["destination_bucket"] == "landing-replica"
    assert "versioning is not enabled on the destination bucket" in failure["failure_reason_explained"]
