"""A deferrable gate looks once on the worker, and no gate sends more HEADs than it may, as Airflow runs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr import failures
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, TaskDeferred
from tests.airflow.conftest import TaskRun
from tests.airflow.test_state import MODES, needs_store
from tests.support.s3_server import Listed, S3Server, stored

NAMED = [f"s3://landing/{number}" for number in range(10)]
SOON: dict[str, Any] = {"bucket_key": NAMED, "poke_interval": 0.1, "timeout": 60}
LIMITED: dict[str, Any] = {name: mode for name, mode in MODES.items() if name != "reschedule"}


@pytest.fixture
def deferrals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What tasks have deferred to."""
    found: list[str] = []
    initialize = TaskDeferred.__init__

    def note(self: TaskDeferred, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        found.append(self.method_name)

    monkeypatch.setattr(TaskDeferred, "__init__", note)
    return found


def heads(s3: S3Server) -> dict[str, int]:
    found = Counter(request.key for request in s3.heads())
    s3.requests.clear()
    return dict(found)


@pytest.mark.parametrize("pattern", [False, True], ids=["named", "pattern"])
def test_replicated_objects_need_no_triggerer(
    run_task: Callable[..., TaskRun], s3: S3Server, deferrals: list[str], pattern: bool
) -> None:
    """A deferrable gate over replicated objects ends on the worker, with one HEAD for each, XCom and asset event."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.listings["landing"] = {str(number): Listed() for number in range(10)}
    named = {"bucket_key": "s3://landing/*", "wildcard_match": True} if pattern else {}
    run = run_task(S3ReplicationSensor, deferrable=True, outlet="replica", **{**SOON, **named})
    assert (run.state, deferrals) == ("success", [])
    assert set(heads(s3).values()) == {1}
    assert (run.xcom["statuses"], run.xcom["head_requests"]) == ({"COMPLETED": 10}, 10)
    assert [event["total"] for event in run.events] == [10]
    assert run.left == []


def test_what_is_not_replicated_is_asked_by_the_trigger(
    run_task: Callable[..., TaskRun], s3: S3Server, deferrals: list[str]
) -> None:
    """A gate with PENDING objects defers once; what the look found done is not asked again."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.answers["landing", "7"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    run = run_task(S3ReplicationSensor, deferrable=True, **SOON)
    assert (run.state, deferrals) == ("success", ["execute_complete"])
    assert heads(s3) == {str(number): 3 if number == 7 else 1 for number in range(10)}
    assert (run.xcom["statuses"], run.xcom["head_requests"]) == ({"COMPLETED": 10}, 12)


def test_failed_object_ends_the_task_on_the_worker(
    run_task: Callable[..., TaskRun], s3: S3Server, deferrals: list[str]
) -> None:
    """FAILED is told by the worker, with the message and the XCom of a poke; soft_fail skips."""
    s3.default = lambda bucket, key, version: stored("FAILED")
    runs = [run_task(S3ReplicationSensor, **{**SOON, "bucket_key": NAMED[:1], **mode}) for mode in MODES.values()]
    assert deferrals == []
    assert {(run.state, type(run.error)) for run in runs} == {("failed", failures.ReplicationFailed)}
    assert len({str(run.error) for run in runs}) == 1
    assert len({str({**run.xcom, "waited_seconds": 0}) for run in runs}) == 1
    assert run_task(S3ReplicationSensor, deferrable=True, soft_fail=True, **SOON).state == "skipped"


@pytest.mark.parametrize("mode", [*LIMITED, pytest.param("reschedule", marks=needs_store)])
def test_gate_ends_with_its_heads(run_task: Callable[..., TaskRun], s3: S3Server, mode: str) -> None:
    """No mode sends more HEADs than max_head_requests; then the gate ends like one whose time is up."""
    s3.default = lambda bucket, key, version: stored("COMPLETED" if int(key) < 4 else "PENDING")
    arguments = {**SOON, "max_head_requests": 25, **MODES[mode]}
    run = run_task(S3ReplicationSensor, **arguments)
    assert sum(heads(s3).values()) == 25  # 10, 6, 6, and 3 of 6
    assert (run.state, type(run.error)) == ("failed", AirflowSensorTimeout)
    assert "25 HEADs were sent, as many as max_head_requests allows: waiting for 6 of 10 in s3://landing/" in str(
        run.error
    )
    assert run.xcom["head_requests"] == 25
    assert run_task(S3ReplicationSensor, soft_fail=True, **arguments).state == "skipped"
    assert sum(heads(s3).values()) == 25
    assert run_task(S3ReplicationSensor, never_fail=True, **arguments).state == "skipped"


@pytest.mark.parametrize("mode", LIMITED)
def test_gate_that_needs_all_its_heads_opens(run_task: Callable[..., TaskRun], s3: S3Server, mode: str) -> None:
    """The last HEAD that is allowed may be the one that opens the gate."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.answers["landing", "7"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    run = run_task(S3ReplicationSensor, max_head_requests=12, **{**SOON, **MODES[mode]})
    assert (run.state, run.xcom["head_requests"], sum(heads(s3).values())) == ("success", 12, 12)
