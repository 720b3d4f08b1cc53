"""The replication sensor, run by Airflow in its three modes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of one of the three modes."""
    return MODES[request.param]


def test_gate_opens_when_pending_objects_complete(run_task, aws_conn, pair, mode) -> None:
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


def test_gate_fails_on_failed_object_and_names_it(run_task, aws_conn, denied_pair, mode) -> None:
    """A FAILED object fails the task at once, with the same message and XCom in every mode."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="a.csv", Body=b"x")
    run = run_task(
        S3ReplicationSensor, bucket_key="a.csv", bucket_name=denied_pair.source, poke_interval=0.2, timeout=60, **mode
    )
    assert run.state == "failed"
    assert f"s3://{denied_pair.source}/a.csv" in str(run.error)
    assert "S3 does not retry a failed replication" in str(run.error)
    assert run.xcom["statuses"] == {"FAILED": 1}
