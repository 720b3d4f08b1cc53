"""An operator that waits and is no sensor: it defers, polls and ends by the same rules as the sensors."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_provider_crr import errors, failures
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.tasks import deferral, endings
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, TaskDeferred
from airflow_provider_crr.tasks.deferral import WaitingOperator
from airflow_provider_crr.tasks.lineage import Flow, Place
from airflow_provider_crr.triggers.base import PollingTrigger
from tests.support.task_context import Context

#: How jobs end, by name: after two polls well, after two polls badly, never.
JOBS = {"good": ("done", None), "bad": ("done", "the job failed"), "endless": ("waits", None)}


class Job:
    """A poller that is decided at its second poll."""

    def __init__(self, name: str) -> None:
        self._end, self._failure = JOBS[name]
        self._polls = 0

    def poll(self, stop: Event | None = None) -> bool:
        self._polls += 1
        return self._polls > 1 and self._end == "done"

    def failure(self) -> str | None:
        return self._failure

    def progress(self) -> str:
        return f"{self._polls} polls"

    def warnings(self) -> list[str]:
        return []

    def value(self) -> dict[str, Any]:
        return {"polls": self._polls}


class JobTrigger(PollingTrigger):
    def poller(self) -> Job:
        return Job(self.question["name"])


class JobOperator(WaitingOperator):
    """Waits for a job, at most for two seconds."""

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self._remember()

    def execute(self, context: Any) -> Any:
        self._coerce_arguments(context)
        if self.deferrable:
            self._defer(timeout=2, poke_interval=0.01)
        began, ends = datetime.now(UTC), time.monotonic() + 2
        while (event := self._poll(context, started_at=began, ends=ends, least=endings.LEAST)) is None:
            assert time.monotonic() < ends
        return self._conclude(context, event)

    def _make_poller(self, started_at: datetime, context: Any) -> Job:
        return Job(self.name)

    def _make_trigger(self, **kwargs: Any) -> JobTrigger:
        return JobTrigger(name=self.name, **kwargs)

    def _failure(self, message: str, value: Any) -> Exception:
        return failures.ObjectsNotDeleted(message, summary=value)

    def _event_extra(self, value: Any) -> dict[str, Any]:
        return dict(value)

    def _flow(self, value: Any = None) -> Flow:
        return Flow((Place.in_bucket("b"),))


@pytest.fixture(autouse=True)
def _soon_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "_HEARTBEATS_TO_NOTICE", 0.02)


def run(name: str, deferrable: bool, context: Context) -> Any:
    """Run a task as a worker does, and its trigger, if it defers, as a triggerer does."""
    task = JobOperator(task_id="job", name=name, deferrable=deferrable)
    try:
        return task.execute(context)
    except TaskDeferred as handed_over:
        trigger: Any = handed_over.trigger

    async def wait() -> dict[str, Any]:
        event: dict[str, Any] = (await anext(trigger.run())).payload
        return event

    return task.execute_complete(context, asyncio.run(wait()))


@pytest.mark.parametrize("deferrable", [False, True])
def test_operator_ends_alike_on_the_worker_and_after_a_deferral(deferrable: bool) -> None:
    """A wait that ends well returns its value; one that cannot raises the operator's own error, with the evidence."""
    assert run("good", deferrable, Context()) == {"polls": 2}
    context = Context()
    with pytest.raises(failures.ObjectsNotDeleted, match="the job failed") as caught:
        run("bad", deferrable, context)
    assert caught.value.summary == context.pushed["return_value"] == {"polls": 2}


def test_operator_whose_time_is_up_says_so() -> None:
    """A deferred operator ends with its timeout, and with what the last poll said."""
    with pytest.raises(AirflowSensorTimeout, match=r"waited 2s, the whole timeout: \d+ polls"):
        run("endless", True, Context())


def test_operator_takes_the_arguments_of_the_connection() -> None:
    """Its seven arguments are checked when the DAG is parsed, and any hook class can be made of them."""
    with pytest.raises(errors.InvalidArgument, match="max_requests_per_second"):
        JobOperator(task_id="job", name="good", max_requests_per_second=0)
    with pytest.raises(errors.InvalidArgument, match="botocore_config"):
        JobOperator(task_id="job", name="good", deferrable=True, botocore_config={"read_timeout": object()})  # type: ignore[dict-item]
    task = JobOperator(task_id="job", name="good", aws_conn_id="other", expected_bucket_owner="111122223333")
    hook = task._hook(S3ReplicationHook)
    assert (hook.aws_conn_id, hook.expected_bucket_owner) == ("other", "111122223333")
    assert task._hook(AwsBaseHook).aws_conn_id == "other"  # which knows nothing of owners of buckets
