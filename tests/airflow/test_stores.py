"""Gates on a store that repairs itself, by Airflow's task runner in its three modes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.task_state import has_task_state_store
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.replication.recorded import text
from tests.support.s3_server import Answer, S3Server, stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
RULES = text("minio/rules.xml")
NO_RULES = Answer(404, code="ReplicationConfigurationNotFoundError")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of one of the three modes."""
    return MODES[request.param]


@pytest.fixture
def minio(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A scripted MinIO, with the rule that a real one had."""
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.server_header = "MinIO"
        server.replication["landing"] = RULES
        yield server


@pytest.fixture
def gate(run_task: Callable[..., Any], mode: dict[str, Any]) -> Callable[..., Any]:
    """Run a gate on one object."""

    def run(**arguments: Any) -> Any:
        named = {"bucket_key": "s3://landing/raw/k", "poke_interval": 0.1, "timeout": 120, **arguments}
        return run_task(S3ReplicationSensor, **named, **mode)

    return run


@pytest.mark.parametrize("status", ["FAILED", None])
def test_gate_opens_once_the_store_has_repaired_it(
    minio: S3Server, gate: Callable[..., Any], status: str | None
) -> None:
    """What is FAILED, or has no status yet, is waited for where a rule covers it, and the gate opens on COMPLETED."""
    minio.answers["landing", "raw/k"] = [stored(status)] * 3 + [stored("COMPLETED")]
    run = gate()
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": 1})


@pytest.mark.parametrize("status", ["FAILED", None])
def test_gate_never_opens_on_what_is_not_repaired(
    minio: S3Server, gate: Callable[..., Any], status: str | None
) -> None:
    """What stays as it is keeps the gate shut until its time is up, and the XCom says what is waited for."""
    minio.answers["landing", "raw/k"] = stored(status)
    run = gate(timeout=0.5)
    assert (run.state, type(run.error).__name__) == ("failed", "AirflowSensorTimeout")
    assert run.xcom["sample"][0]["reason"].count("MinIO") >= 1
    assert "S3 does not retry" not in str(run.xcom)


@pytest.mark.parametrize("status", ["FAILED", None])
def test_rule_that_is_removed_ends_the_waiting(minio: S3Server, gate: Callable[..., Any], status: str | None) -> None:
    """Once no rule covers an object that is FAILED or has no status, the gate fails and says so."""
    heads: list[None] = []

    def failing() -> Answer:
        heads.append(None)
        if len(heads) > 3:
            minio.replication["landing"] = NO_RULES
        return stored(status)

    minio.answers["landing", "raw/k"] = failing
    run = gate()
    assert (run.state, type(run.error).__name__) == ("failed", "ReplicationFailed")
    says = "none of bucket landing does now" if status else "bucket landing has no replication configuration"
    assert says in str(run.error)


@pytest.mark.parametrize("status", ["FAILED", None])
@pytest.mark.parametrize(
    "arguments", [{"on_failed": "fail", "on_none": "fail"}, {"max_pending_age": 60}], ids=["fail", "age"]
)
def test_author_and_age_end_it(
    minio: S3Server, gate: Callable[..., Any], status: str | None, arguments: dict[str, Any]
) -> None:
    """What the author wrote to fail does so at once, and so does what is older than max_pending_age."""
    minio.answers["landing", "raw/k"] = stored(status)
    run = gate(**arguments)
    assert (run.state, type(run.error).__name__) == ("failed", "ReplicationFailed")
    assert "MinIO" in str(run.error)


def test_on_s3_it_fails_at_once(minio: S3Server, gate: Callable[..., Any]) -> None:
    """The same answers of S3 fail at once, though a rule covers the key: rules are read for the message alone, once."""
    minio.server_header = "AmazonS3"
    minio.answers["landing", "raw/k"] = stored("FAILED")
    run = gate()
    assert "S3 does not retry" in str(run.error)
    assert "by rule" in str(run.error)
    assert [request.method for request in minio.requests] == ["HEAD", "GET"]


def test_rules_that_may_not_be_read(minio: S3Server, gate: Callable[..., Any]) -> None:
    """Without the permission to read rules, FAILED is waited for all the same."""
    minio.replication["landing"] = Answer(403, code="AccessDenied")
    minio.answers["landing", "raw/k"] = [stored("FAILED")] * 2 + [stored("COMPLETED")]
    assert gate().state == "success"


def test_rules_are_read_once_in_a_sweep(minio: S3Server, gate: Callable[..., Any], mode: dict[str, Any]) -> None:
    """
    However many objects of a bucket wait, its rules are read once in each sweep, and once for whoever looks on: in a
    wait, or in each poke that is a process of its own, where Airflow keeps nothing for the next one.
    """
    minio.default = lambda bucket, key, version: stored("FAILED")
    run = gate(bucket_key=[f"s3://landing/raw/{number}" for number in range(20)], timeout=0.5)
    assert run.xcom["statuses"] == {"FAILED": 20}
    reads = len([request for request in minio.requests if "replication" in request.query])
    sweeps = len(minio.heads(key="raw/0"))
    forgets = mode.get("mode") == "reschedule" and not has_task_state_store()
    assert 1 <= reads <= sweeps + (sweeps if forgets else 1)


def test_stored_trigger_of_an_older_release_fails_as_it_did(minio: S3Server) -> None:
    """What an older release stored says "fail", and fails."""
    policy = {
        "on_failed": "fail",
        "on_none": "fail",
        "on_missing": "wait",
        "on_replica": "done",
        "max_pending_age": None,
    }
    minio.answers["landing", "raw/k"] = stored("FAILED")
    trigger = S3ReplicationTrigger(
        targets=Targets.parse("s3://landing/raw/k").to_stored(),
        policy=policy,
        hook={"aws_conn_id": "aws_default"},
        poke_interval=0.1,
        started_at=0,
        deadline=4e9,
    )

    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())
    assert event["status"] == "failed"
