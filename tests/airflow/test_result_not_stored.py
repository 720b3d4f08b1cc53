"""Airflow cannot store what a task found: its verdict stands, and an open gate asks only for the rest again."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_crr import errors, failures
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import endings, evidence
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_crr.tasks.task_state import has_task_state_store
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, S3Server, stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
SOON: dict[str, Any] = {"poke_interval": 0.05, "timeout": 60}


class _TimeIsUp(BaseException):
    """As Airflow's execution_timeout, which is no Exception."""


class Instance:
    """A task instance whose XComs cannot be stored."""

    max_tries = 0
    try_number = 1

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.pushes = 0

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushes += 1
        raise self._error

    def get_first_reschedule_date(self, context: Any) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=2)


@pytest.fixture(params=[RuntimeError("API server gone"), _TimeIsUp("execution_timeout")], ids=["error", "time is up"])
def instance(request: pytest.FixtureRequest) -> Instance:
    return Instance(request.param)


@pytest.fixture
def unstored(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let Airflow fail to store the next results."""
    from airflow.sdk.bases.xcom import BaseXCom

    store = BaseXCom.set.__func__  # type: ignore[attr-defined]
    left: list[int] = [0]

    def fail(cls: Any, key: str, *args: Any, **kwargs: Any) -> None:
        if key == "return_value" and left[0]:
            left[0] -= 1
            raise RuntimeError("the API server is gone")
        store(cls, key, *args, **kwargs)

    monkeypatch.setattr(BaseXCom, "set", classmethod(fail))

    def set_times(times: int) -> None:
        left[0] = times

    return set_times


def gate(**arguments: Any) -> S3ReplicationSensor:
    usual: dict[str, Any] = {"bucket_key": "s3://b/k", "deferrable": False, **SOON}
    return S3ReplicationSensor(task_id="gate", **{**usual, **arguments})


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_gate_that_failed_says_so_whatever_the_push_does(s3: S3Server, instance: Instance, mode: str) -> None:
    """A FAILED object fails the task with ReplicationFailed though its evidence cannot be pushed."""
    s3.answers["b", "k"] = stored("FAILED")
    with pytest.raises(failures.ReplicationFailed, match="s3://b/k FAILED"):
        gate(mode=mode).execute({"ti": instance})
    assert instance.pushes == 1


def test_gate_whose_time_is_up_says_so_whatever_the_push_does(s3: S3Server, instance: Instance) -> None:
    """A wait that is over ends in AirflowSensorTimeout, or is skipped with soft_fail, though nothing can be pushed."""
    s3.answers["b", "k"] = stored("PENDING")
    for arguments, ends in (({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)):
        with pytest.raises(ends, match="1 PENDING"):
            gate(timeout=0, **arguments).execute({"ti": instance})
    assert instance.pushes == 2


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        (
            endings.failed("the gate stays shut", {"statuses": {"FAILED": 1}, "waited_seconds": 1}),
            failures.ReplicationFailed,
        ),
        ({"status": endings.TIMEOUT, "message": "waited", "value": {"head_requests": 1}}, AirflowSensorTimeout),
        (endings.could_not_ask(errors.BucketNotFound("none", uri="s3://b", remedy="look")), errors.BucketNotFound),
    ],
    ids=["failed", "timeout", "could not ask"],
)
def test_resumed_task_ends_as_its_event_says_whatever_the_push_does(
    s3: S3Server, instance: Instance, event: dict[str, Any], ends: type[Exception]
) -> None:
    """What the trigger decided is raised though nothing can be pushed, and though the arguments cannot be read now."""
    for task in (gate(), S3InventorySensor(task_id="r", inventory="s3://b/landing/daily/", deferrable=False)):
        with pytest.raises(ends):
            task.execute_complete({"ti": instance}, event)
    task = gate()
    task.bucket_key = []  # as a template that renders to something else than before
    with pytest.raises(ends):
        task.execute_complete({"ti": instance}, event)


class Gone:
    """A task state store of an API server that is gone."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def get(self, key: str) -> Any:
        return None

    def set(self, key: str, value: Any) -> None:
        raise self._error

    def delete(self, key: str) -> None:
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("API server gone"), _TimeIsUp("execution_timeout")])
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_gate_that_failed_says_so_whatever_its_store_does(s3: S3Server, error: BaseException, mode: str) -> None:
    """A FAILED object fails the task though what it knows of the others cannot be kept, or not in time."""
    s3.answers["b", "k"], s3.answers["b", "l"] = stored("FAILED"), stored("COMPLETED")
    context: Any = {"ti": Instance(RuntimeError()), "task_state_store": Gone(error)}
    with pytest.raises(failures.ReplicationFailed, match="s3://b/k FAILED"):
        gate(mode=mode, bucket_key=["s3://b/k", "s3://b/l"]).execute(context)


def test_gate_that_waits_ends_with_its_time_while_it_keeps_what_it_knows(s3: S3Server) -> None:
    """Airflow's execution_timeout ends a gate that has no verdict, whatever it does just then."""
    s3.answers["b", "k"], s3.answers["b", "l"] = stored("PENDING"), stored("COMPLETED")
    context: Any = {"ti": Instance(RuntimeError()), "task_state_store": Gone(_TimeIsUp())}
    with pytest.raises(_TimeIsUp):
        gate(bucket_key=["s3://b/k", "s3://b/l"]).execute(context)


def test_delete_tells_what_is_deleted_whatever_openlineage_is_told(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last questions, for OpenLineage alone, may take longer than the task may: what was deleted is told."""

    def too_long(*_: object) -> bool:
        raise _TimeIsUp("execution_timeout")

    listens = SimpleNamespace(is_disabled=lambda: False)
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.conf", listens)
    monkeypatch.setattr(S3DeleteReplicatedObjectsOperator, "_leaves_nothing", too_long)
    s3.answers["b", "k", "v"] = stored("FAILED", headers={"x-amz-version-id": "v"})
    named: dict[str, Any] = {"bucket_key": {"bucket": "b", "key": "k", "version_id": "v"}}
    with pytest.raises(failures.ObjectsNotDeleted, match="refused 1"):
        S3DeleteReplicatedObjectsOperator(task_id="delete", **named).execute({"ti": Instance(RuntimeError())})


def test_delete_says_what_it_refused_whatever_the_push_does(s3: S3Server, instance: Instance) -> None:
    """Refused versions fail the task with ObjectsNotDeleted, and what could not be asked with its own error."""
    s3.answers["b", "k", "v"] = stored("FAILED", headers={"x-amz-version-id": "v"})
    named: dict[str, Any] = {"bucket_key": {"bucket": "b", "key": "k", "version_id": "v"}}
    with pytest.raises(failures.ObjectsNotDeleted, match="refused 1"):
        S3DeleteReplicatedObjectsOperator(task_id="delete", **named).execute({"ti": instance})
    assert instance.pushes == 1
    s3.missing_buckets.add("b")
    with pytest.raises(errors.BucketNotFound):  # before anything was deleted: there is nothing to push
        S3DeleteReplicatedObjectsOperator(task_id="delete", **named).execute({"ti": instance})
    s3.missing_buckets.clear()
    s3.answers["b", "k", "v"] = Answer(403, code="InvalidAccessKeyId")
    with pytest.raises(errors.LookupFailed, match="the access key"):
        S3DeleteReplicatedObjectsOperator(task_id="delete", **named).execute({"ti": instance})
    assert instance.pushes == 2


def test_open_gate_is_open_whatever_can_be_told_of_it(s3: S3Server) -> None:
    """An outlet that Airflow cannot look up, because its API server is gone, costs the event its details only."""

    class Gone(dict[Any, Any]):
        def __missing__(self, outlet: Any) -> Any:
            raise RuntimeError("the API server is gone")

    s3.answers["b", "k"] = stored("COMPLETED")
    task = gate(outlets=[Asset(name="replica", uri="s3://replica/k")])
    context: Any = {"ti": Instance(RuntimeError()), "outlet_events": Gone()}
    assert task.execute(context)["statuses"] == {"COMPLETED": 1}


def test_nothing_is_pushed_of_nothing() -> None:
    """None is not pushed, which Airflow 3.0 refuses to store."""
    instance = Instance(RuntimeError())
    evidence.push({"ti": instance}, None)
    assert instance.pushes == 0


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_failed_gate_is_not_retried_because_its_evidence_is_lost(
    run_task: Callable[..., TaskRun], s3: S3Server, unstored: Callable[[int], None], mode: str
) -> None:
    """In Airflow's own runner the task fails at once, with retries left, and the object is asked for once."""
    s3.answers["b", "k"] = stored("FAILED")
    unstored(9)
    run = run_task(S3ReplicationSensor, bucket_key="s3://b/k", retries=2, retry_delay=0, **SOON, **MODES[mode])
    assert (run.state, type(run.error), run.xcom) == ("failed", failures.ReplicationFailed, None)
    assert len(s3.heads()) == 1


@pytest.mark.skipif(not has_task_state_store(), reason="Airflow keeps state of tasks from 3.3 on")
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_open_gate_keeps_what_it_knows_until_its_result_is_stored(
    run_task: Callable[..., TaskRun], s3: S3Server, unstored: Callable[[int], None], mode: str
) -> None:
    """A gate whose result cannot be stored is tried again, and that try asks only for what was done last."""
    s3.answers["b", "early"] = stored("COMPLETED")
    s3.answers["b", "late"] = [stored("PENDING"), stored("COMPLETED")]
    unstored(1)
    keys = ["s3://b/early", "s3://b/late"]
    run = run_task(S3ReplicationSensor, bucket_key=keys, retries=1, retry_delay=0, **SOON, **MODES[mode])
    assert (run.state, run.xcom["statuses"], run.left) == ("success", {"COMPLETED": 2}, [])
    assert Counter(request.key for request in s3.heads()) == {"early": 1, "late": 3}
