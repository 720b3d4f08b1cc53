"""What the asset events of sensors and operator tell, and when there are any, as Airflow has recorded them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.replication.rules import ReadOnce, ReplicationRule
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.asset_events import gate_event
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from local_aws.inventory import Report, deliver, scan, write_report
from tests.airflow.conftest import TaskRun

REPLICA = "s3://replica/orders/"
MODES: dict[str, dict[str, Any]] = {"poke": {"deferrable": False}, "deferrable": {"deferrable": True}}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of one of the modes."""
    return {"poke_interval": 0.2, "timeout": 30, **MODES[request.param]}


def land(pair: Any, *keys: str) -> None:
    for key in keys:
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")


def test_open_gate_tells_counts_and_destination(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, pair: ReplicatedPair, mode: dict[str, Any]
) -> None:
    """The event of an open gate has its counts, its targets, and the bucket that the rules name."""
    land(pair, "orders/1", "orders/2")
    arguments = {"bucket_key": ["orders/1", "orders/2"], "bucket_name": pair.source}
    run = run_task(S3ReplicationSensor, outlet=REPLICA, **arguments, **mode)
    assert run.state == "success"
    assert run.events == [
        {
            "total": 2,
            "statuses": {"COMPLETED": 2},
            "targets": [f"s3://{pair.source}/orders/1", f"s3://{pair.source}/orders/2"],
            "destinations": [pair.destination],
        }
    ]


def test_rules_are_read_only_for_outlets(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, pair: ReplicatedPair, mode: dict[str, Any]
) -> None:
    """Without an outlet a gate reads no rules; with one it reads them once."""
    land(pair, "orders/1")
    arguments = {"bucket_key": "orders/1", "bucket_name": pair.source, **mode}
    requests = []
    for outlet in (None, REPLICA):
        before = aws_conn.requests(pair.source)["GET"]
        assert run_task(S3ReplicationSensor, outlet=outlet, **arguments).state == "success"
        requests.append(aws_conn.requests(pair.source)["GET"] - before)
    assert requests == [0, 1]


def test_gate_that_fails_tells_nothing(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, denied_pair: ReplicatedPair, mode: dict[str, Any]
) -> None:
    """A gate that stays shut has no event."""
    land(denied_pair, "orders/1")
    arguments = {"bucket_key": "orders/1", "bucket_name": denied_pair.source}
    run = run_task(S3ReplicationSensor, outlet=REPLICA, **arguments, **mode)
    assert (run.state, run.events) == ("failed", [])


class Unreadable:
    """A source of rules that may not be read."""

    def get_replication_rules(self, bucket_name: str) -> Any:
        raise LookupFailed("S3 answered AccessDenied")


class Unset:
    """A source of no rules, which were taken away since."""

    def get_replication_rules(self, bucket_name: str) -> Any:
        return ()


@pytest.mark.parametrize("source", [Unreadable(), Unset()])
def test_where_the_rules_name_no_destination_the_event_lacks_it(source: Any) -> None:
    """If the rules may not be read, or name no bucket, no destination is told; everything else is."""
    targets = Targets.parse("s3://landing/orders/*", wildcard_match=True)
    event = gate_event({"total": 1, "statuses": {"COMPLETED": 1}, "sample": []}, targets, source)
    assert event == {"total": 1, "statuses": {"COMPLETED": 1}, "targets": ["s3://landing/orders/*"]}


def test_rules_are_asked_for_once_also_if_they_cannot_be_read() -> None:
    """Whoever else wants the rules of a bucket gets the error that there was."""
    asked = []

    def refuse(bucket_name: str) -> Any:
        asked.append(bucket_name)
        raise LookupFailed("S3 answered AccessDenied")

    once = ReadOnce(refuse)
    for _ in range(2):
        with pytest.raises(LookupFailed):
            once.get_replication_rules("landing")
    assert asked == ["landing"]


def test_what_an_event_cannot_tell_fails_no_task(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, pair: ReplicatedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that S3 opened is open, whatever keeps its event's details from being made."""
    land(pair, "orders/1")
    monkeypatch.setattr("airflow_provider_crr.sensors.replication.gate_event", lambda *_: 1 / 0)
    run = run_task(S3ReplicationSensor, outlet=REPLICA, bucket_key="orders/1", bucket_name=pair.source)
    assert (run.state, run.events) == ("success", [{}])


class Configured:
    """A source of rules: raw/ goes to "copy", tagged objects of tmp/ to "archive"."""

    def get_replication_rules(self, bucket_name: str) -> Any:
        return (
            ReplicationRule("r", True, "raw/", destination_bucket="copy"),
            ReplicationRule("t", True, "tmp/", {"keep": "yes"}, destination_bucket="archive"),
        )


@pytest.mark.parametrize(
    ("keys", "statuses", "told"),
    [
        (["raw/1"], {"COMPLETED": 1}, ["copy"]),
        (["raw/1", "tmp/1"], {"COMPLETED": 2}, ["archive", "copy"]),
        (["raw/1", "tmp/1"], {"COMPLETED": 1, "NONE": 1}, None),
        (["raw/1", "raw/2"], {"COMPLETED": 1, "REPLICA": 1}, None),
    ],
)
def test_destinations_are_told_only_where_all_is_completed(
    keys: list[str], statuses: dict[str, int], told: list[str] | None
) -> None:
    """Each key has the destinations of its own rules; unless S3 said COMPLETED of all, nobody knows which."""
    targets = Targets.parse(keys, bucket_name="landing")
    event = gate_event({"total": len(keys), "statuses": statuses}, targets, Configured())
    assert event.get("destinations") == told


def test_event_of_very_many_objects_is_bounded() -> None:
    """An event names ten of the targets, however many there are."""
    targets = Targets.parse([f"s3://landing/{number}" for number in range(1000)])
    event = gate_event({"total": 1000, "statuses": {"REPLICA": 1000}}, targets, Unreadable())
    assert len(event["targets"]) == 10


@pytest.fixture
def report(aws_conn: Any, denied_pair: Any) -> Report:
    """A delivered report of one FAILED object."""
    land(denied_pair, "a/lost.csv")
    destination = f"{denied_pair.source}-inventory"
    region = {"LocationConstraint": "eu-west-1"}
    denied_pair.source_client.create_bucket(Bucket=destination, CreateBucketConfiguration=region)
    written = write_report(
        scan(denied_pair.source_client, denied_pair.source),
        file_format="CSV",
        source_bucket=denied_pair.source,
        destination_bucket=destination,
        created_at=datetime(2026, 11, 20, 1, 0, tzinfo=UTC),
    )
    deliver(denied_pair.source_client, written)
    return written


def test_delivered_report_tells_where_it_is(
    run_task: Callable[..., TaskRun], report: Report, mode: dict[str, Any]
) -> None:
    """The event of the inventory sensor is the one that the event trigger would send."""
    run = run_task(S3InventorySensor, outlet="s3://inventory/", inventory=report.folder_uri, **mode)
    (event,) = run.events
    assert (event["manifest"], event["begun_at"]) == (report.manifest_uri, "2026-11-20T01:00:00Z")


def test_summary_tells_its_counts_within_its_limits(run_task: Callable[..., TaskRun], report: Report) -> None:
    """The event of the operator has the counts of the report; if a limit is exceeded, there is none."""
    arguments = {"outlet": "s3://inventory/", "inventory": report.folder_uri}
    run = run_task(S3InventorySummaryOperator, **arguments)
    (event,) = run.events
    assert (event["manifest"], event["objects"]) == (report.manifest_uri, 1)
    assert event["statuses"] == run.xcom["statuses"]
    exceeded = run_task(S3InventorySummaryOperator, max_failed=0, **arguments)
    assert (exceeded.state, exceeded.events) == ("failed", [])
