"""The table of docs/answers.rst, row by row, by Airflow's task runner in its three modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_crr import errors
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, Listed, S3Server, stored

MODES: tuple[dict[str, Any], ...] = (
    {"mode": "poke", "deferrable": False},
    {"mode": "reschedule", "deferrable": False},
    {"deferrable": True},
)
MARKER = {"x-amz-delete-marker": "true", "x-amz-version-id": "m1"}


@dataclass(frozen=True)
class Row:
    """What S3 answers, what the user set, and what must follow."""

    answer: Answer
    gate: str
    state: str
    says: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


TABLE = {
    "completed": Row(stored("COMPLETED"), "done", "COMPLETED"),
    "complete, the legacy spelling": Row(stored("COMPLETE"), "done", "COMPLETED"),
    "replica": Row(stored("REPLICA"), "done", "REPLICA"),
    "replica refused": Row(stored("REPLICA"), "fail", "REPLICA", "itself a replica", {"on_replica": "fail"}),
    "pending": Row(stored("PENDING"), "wait", "PENDING"),
    "pending too long": Row(stored("PENDING"), "fail", "PENDING", "max_pending_age", {"max_pending_age": 60}),
    "failed": Row(stored("FAILED"), "fail", "FAILED", "S3 does not retry"),
    "failed, repaired by somebody": Row(stored("FAILED"), "wait", "FAILED", "", {"on_failed": "wait"}),
    "no status": Row(stored(), "fail", "NONE", "no replication configuration"),
    "no status, waited for": Row(stored(), "wait", "NONE", "", {"on_none": "wait"}),
    "no status, taken as done": Row(stored(), "done", "NONE", "", {"on_none": "done"}),
    "missing": Row(Answer(404, code="NoSuchKey"), "wait", "MISSING"),
    "missing refused": Row(
        Answer(404), "fail", "MISSING", "To do: Look at the bucket, the key", {"on_missing": "fail"}
    ),
    "delete marker is current": Row(Answer(404, MARKER), "fail", "DELETED", "delete marker"),
    "version is a delete marker": Row(Answer(405, MARKER), "fail", "DELETED", "delete marker", {"version_id": "m1"}),
    "forbidden": Row(Answer(403, code="AccessDenied"), "fail", "FORBIDDEN", "s3:GetObjectVersion"),
    "customer key": Row(Answer(400, code="InvalidRequest"), "fail", "UNREADABLE", "SSE-C"),
    "a value nobody knows": Row(stored("SHIPPED"), "wait", "UNKNOWN"),
    "an empty value": Row(stored(""), "wait", "UNKNOWN"),
    "an error of S3": Row(Answer(500, code="InternalError"), "wait", "UNKNOWN"),
}


@pytest.mark.parametrize("name", TABLE)
def test_row(run_task: Callable[..., TaskRun], s3: S3Server, name: str) -> None:
    """Each answer of S3 has the designed verdict, with the same message and XCom in the three modes."""
    row = TABLE[name]
    s3.answers["landing", "a/key"] = row.answer
    config = {"retries": {"total_max_attempts": 1}}
    runs = [
        run_task(
            S3ReplicationSensor,
            bucket_key="s3://landing/a/key",
            poke_interval=0.1,
            timeout=0.4,
            botocore_config=config,
            **row.arguments,
            **mode,
        )
        for mode in MODES
    ]
    assert {run.state for run in runs} == {"success" if row.gate == "done" else "failed"}
    assert [run.xcom["statuses"] for run in runs] == [{row.state: 1}] * 3
    assert len({str(run.xcom["sample"]) for run in runs}) == 1
    assert len({str(run.error) for run in runs}) == 1
    expected = {"done": "NoneType", "fail": "ReplicationFailed", "wait": "AirflowSensorTimeout"}[row.gate]
    assert {type(run.error).__name__ for run in runs} == {expected}
    assert row.says in str(runs[0].error)


def test_pattern_without_match_waits(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """No object that matches a pattern keeps the gate shut in the three modes: an empty list is not replicated."""
    s3.listings["landing"] = {"other/key": Listed()}
    for mode in MODES:
        run = run_task(
            S3ReplicationSensor,
            bucket_key="s3://landing/a/*",
            wildcard_match=True,
            poke_interval=0.1,
            timeout=0.3,
            **mode,
        )
        assert (run.state, type(run.error).__name__) == ("failed", "AirflowSensorTimeout")
        assert run.xcom["statuses"] == {"MISSING": 1}


@pytest.mark.parametrize(
    ("option", "gate", "poked"),
    [
        ("soft_fail", "FAILED", "skipped"),
        ("never_fail", "FAILED", "skipped"),
        ("never_fail", "no bucket", "skipped"),
        ("soft_fail", "PENDING", "skipped"),
        ("never_fail", "PENDING", "skipped"),
    ],
)
def test_skipping_options_act_alike_in_every_mode(
    run_task: Callable[..., TaskRun], s3: S3Server, option: str, gate: str, poked: str
) -> None:
    """soft_fail and never_fail turn a gate that fails or times out into a skip in all three modes alike."""
    s3.answers["landing", "a/key"] = stored(gate)
    s3.missing_buckets.add("nowhere")
    bucket = "nowhere" if gate == "no bucket" else "landing"
    for mode in MODES:
        run = run_task(
            S3ReplicationSensor,
            bucket_key=f"s3://{bucket}/a/key",
            poke_interval=0.1,
            timeout=0.4 if gate == "PENDING" else 5,
            **{option: True},
            **mode,
        )
        assert run.state == poked


def test_missing_bucket_fails_alike_in_every_mode(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A bucket that does not exist fails at once, named, in every mode, rather than be waited for."""
    s3.missing_buckets.add("nowhere")
    runs = [
        run_task(S3ReplicationSensor, bucket_key="s3://nowhere/a", poke_interval=0.1, timeout=5, **mode)
        for mode in MODES
    ]
    assert {type(run.error) for run in runs} == {errors.BucketNotFound}
    assert {str(run.error) for run in runs} == {str(runs[0].error)}
    assert "s3://nowhere" in str(runs[0].error)


def test_connection_without_credentials_fails_alike_in_every_mode(
    run_task: Callable[..., TaskRun], s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that yields no credentials fails at once, saying so, in every mode."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        f'{{"conn_type": "aws", "extra": {{"endpoint_url": "{s3.endpoint_url}", "region_name": "eu-west-1"}}}}',
    )
    for objects in (["s3://landing/a"], ["s3://landing/a", "s3://landing/b"]):
        for mode in MODES:
            run = run_task(S3ReplicationSensor, bucket_key=objects, poke_interval=0.1, timeout=5, **mode)
            assert type(run.error) is errors.CredentialsNotFound
            assert "aws_conn_id" in str(run.error)
    assert s3.requests == []
