"""What S3 says in an error, as it comes out of a task."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_crr.failures import ReplicationFailed
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, S3Server


@pytest.mark.parametrize("deferrable", [False, True])
def test_long_message_of_s3_is_no_long_xcom(
    run_task: Callable[..., TaskRun], monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """Ten megabytes in S3's error are a few hundred characters of the task's XCom and of its error."""
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.default = lambda *_: Answer(403, code="AccessDenied", message="no \x9b" + "x" * 10_000_000)
        run = run_task(S3ReplicationSensor, bucket_key="s3://b/k", deferrable=deferrable, timeout=20)
    assert run.state == "failed"
    assert isinstance(run.error, ReplicationFailed)
    assert "AccessDenied: no [U+009B]xxx" in " ".join(str(run.error).split())
    assert len(str(run.error)) < 2000
    assert len(json.dumps(run.xcom)) < 3000
