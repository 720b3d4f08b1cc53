"""The replication sensor, run by Airflow in its three modes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.airflow.conftest import TaskRun

#: Rendered to native objects, this is an iterator, whose elements can be read once.
READ_ONCE = "{{ 'a b c d'.split() | map('upper') }}"

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of one of the three modes."""
    return MODES[request.param]


def test_gate_opens_when_pending_objects_complete(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, pair: ReplicatedPair, mode: dict[str, Any]
) -> None:
    """A gate over a pattern waits while objects are PENDING, and opens once all are COMPLETED."""
    aws_conn.hold(pair.source)
    for number in range(3):
        pair.source_client.put_object(Bucket=pair.source, Key=f"dt=1/part-{number}", Body=b"x")
    before = aws_conn.heads(pair.source)

    def release_after_second_sweep() -> None:
        while aws_conn.heads(pair.source) < before + 4:
            pass
        aws_conn.release(pair.source)

    watcher = threading.Thread(target=release_after_second_sweep, daemon=True)
    watcher.start()
    run = run_task(
        S3ReplicationSensor,
        bucket_key=f"s3://{pair.source}/dt=1/*",
        wildcard_match=True,
        poke_interval=0.2,
        timeout=60,
        **mode,
    )
    watcher.join(5)
    assert (run.state, run.xcom["statuses"], run.xcom["total"]) == ("success", {"COMPLETED": 3}, 3)


def test_gate_fails_on_failed_object_and_names_it(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, denied_pair: ReplicatedPair, mode: dict[str, Any]
) -> None:
    """A FAILED object fails the task at once, with the same message and XCom in every mode."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="a.csv", Body=b"x")
    run = run_task(
        S3ReplicationSensor, bucket_key="a.csv", bucket_name=denied_pair.source, poke_interval=0.2, timeout=60, **mode
    )
    assert run.state == "failed"
    assert f"s3://{denied_pair.source}/a.csv" in str(run.error)
    assert "S3 does not retry a failed replication" in str(run.error)
    assert run.xcom["statuses"] == {"FAILED": 1}


def test_names_that_can_be_read_only_once_are_all_asked_for(
    run_task: Callable[..., TaskRun],
    aws_conn: LocalAws,
    pair: ReplicatedPair,
    denied_pair: ReplicatedPair,
    mode: dict[str, Any],
) -> None:
    """Whatever else looks at the names before (links, asset events), the gate asks for every one of them."""
    for each in (pair, denied_pair):
        for key in "ABCD":
            each.source_client.put_object(Bucket=each.source, Key=key, Body=b"x")
    named = {"bucket_key": READ_ONCE, "native": True, "outlet": "replica", "poke_interval": 0.2, "timeout": 60, **mode}
    run = run_task(S3ReplicationSensor, bucket_name=pair.source, **named)
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": 4})
    assert [event["total"] for event in run.events] == [4]
    run = run_task(S3ReplicationSensor, bucket_name=denied_pair.source, **named)
    assert (run.state, run.xcom["statuses"]) == ("failed", {"FAILED": 4})


def test_names_that_can_be_read_only_once_are_all_checked_before_a_delete(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """The delete operator, too, takes the names of an iterator, each once."""
    for key in "ABCD":
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")
    run = run_task(S3DeleteReplicatedObjectsOperator, bucket_key=READ_ONCE, bucket_name=pair.source, native=True)
    assert (run.state, run.xcom["deleted"], run.xcom["refused"]) == ("success", 4, 0)


def test_generator_in_a_dag_file_is_read_whole(pair: ReplicatedPair) -> None:
    """A generator as bucket_key counts as the list of what it yields, however often it is looked at."""
    sensor = S3ReplicationSensor(task_id="t", bucket_key=(key for key in "abc"), bucket_name=pair.source)
    assert sensor.bucket_key == ["a", "b", "c"]
