"""What people see of a gate while it waits: the XCom ``crr_progress`` and the log, on the worker and after it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr import errors, failures
from airflow_provider_crr.replication.checkpoint.seen import MAX_SEEN
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import onlookers, progress_pushes
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow_provider_crr.tasks.progress_pushes import Pushes
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.polling import until
from tests.support.s3_server import Answer, Listed, S3Server, stored
from tests.support.task_context import TaskContext

KEYS = ["s3://b/1", "s3://b/2"]


class Context(TaskContext):
    """The context of a task, whose XComs are kept with all that they were."""

    def __init__(self, first_poke: datetime | None = None, refuse: type[BaseException] | None = None) -> None:
        super().__init__()
        self.progress: list[dict[str, Any]] = []
        self._first_poke, self._refuse = first_poke, refuse

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self._first_poke

    def xcom_push(self, key: str, value: Any) -> None:
        if self._refuse:
            raise self._refuse("no API server")
        super().xcom_push(key, value)
        if key == "crr_progress":
            self.progress.append(json.loads(json.dumps(value)))

    @property
    def states(self) -> list[str]:
        return [value["state"] for value in self.progress]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.listings["b"] = {"1": Listed(), "2": Listed()}
        yield server


def gate(**arguments: Any) -> Any:
    with_defaults = {"bucket_key": KEYS, "deferrable": False, "poke_interval": 0.1, "timeout": 60, **arguments}
    return S3ReplicationSensor(task_id="gate", **with_defaults)


def written(ago: float) -> dict[str, str]:
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    return {"Last-Modified": f"{moment:%a, %d %b %Y %H:%M:%S} GMT"}


def soon(s3: S3Server, state: str = "COMPLETED") -> None:
    """Let the first object be PENDING twice, and then something else; the other one is done."""
    late = {"headers": written(100)}
    s3.answers["b", "1"] = [stored("PENDING", **late), stored("PENDING", **late), stored(state, **late)]
    s3.answers["b", "2"] = stored("COMPLETED")


def test_worker_shows_the_wait_and_its_end(s3: S3Server) -> None:
    """The first poll and the end are pushed; the value says where, until when, and when it asks again."""
    soon(s3)
    context = Context()
    value = gate().execute(context)
    assert context.states == ["waiting", "done"]
    first, last = context.progress
    assert (first["where"], first["total"], first["done"], first["connection"]) == ("worker", 2, 1, "aws_default")
    assert first["at"] <= first["next_look"] <= first["deadline"]
    assert [named["uri"] for named in first["waiting"]] == ["s3://b/1"]
    assert first["message"].startswith("waiting for 1 of 2 in s3://b/ (connection aws_default)\n1 PENDING, oldest 1m4")
    assert (last["done"], last["next_look"], last["waiting"]) == (2, None, [])
    assert last["replication_lag"] == value["replication_lag"]
    assert value["replication_lag"]["objects"] == 1


@pytest.mark.parametrize(
    ("arguments", "state", "error"),
    [
        ({}, "failed", failures.ReplicationFailed),
        ({"soft_fail": True}, "failed", AirflowSkipException),
        ({"on_failed": "wait", "timeout": 3}, "timeout", AirflowSensorTimeout),
        ({"on_failed": "wait", "timeout": 3, "soft_fail": True}, "timeout", AirflowSkipException),
        ({"on_failed": "wait", "max_head_requests": 5}, "timeout", AirflowSensorTimeout),
    ],
)
def test_end_is_shown_before_the_task_fails(
    s3: S3Server, arguments: dict[str, Any], state: str, error: type[Exception]
) -> None:
    """A timeout looks like a timeout, a failure like a failure, also where the task is skipped."""
    soon(s3, "FAILED")
    context = Context()
    with pytest.raises(error):
        gate(**arguments).execute(context)
    assert (context.states[0], context.states[-1]) == ("waiting", state)
    assert set(context.states[1:-1]) <= {"waiting"}  # once more if the change is a second old
    last = context.progress[-1]
    assert last["waiting"][0]["uri"] == "s3://b/1"
    assert state == "timeout" or last["waiting"][0]["status"] == "FAILED"
    assert last["statuses"] == context.pushed["return_value"]["statuses"]
    assert last["message"]


def test_what_cannot_be_told_changes_nothing(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the lines of the log cannot be made, the gate opens, and fails, as ever."""

    def broken(self: Watch) -> None:
        raise ValueError("no lines")

    monkeypatch.setattr(Watch, "standing", broken)
    soon(s3)
    assert gate().execute(Context())["statuses"] == {"COMPLETED": 2}
    soon(s3, "FAILED")
    with pytest.raises(failures.ReplicationFailed):
        gate().execute(Context())


def test_error_that_lasts_is_shown(s3: S3Server) -> None:
    """A bucket that does not exist ends the task; the value says why, and that nothing was counted."""
    s3.default = lambda bucket, key, version: Answer(404)
    s3.missing_buckets.add("b")
    context = Context()
    with pytest.raises(errors.LookupFailed):
        gate().execute(context)
    (last,) = context.progress
    assert (last["state"], last["total"], last["statuses"], last["next_look"]) == ("error", 0, {}, None)
    assert "s3://b" in last["unasked"]


def test_error_that_passes_is_shown(s3: S3Server) -> None:
    """While a listing is answered with 503 the value says so, and for what the gate waits; later it opens."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    slow = [True]
    s3.on_list = lambda request, listing: (Answer(503, code="SlowDown") if slow else Answer(), listing)
    context = Context()
    task = gate(
        bucket_key="s3://b/*", wildcard_match=True, botocore_config={"retries": {"total_max_attempts": 1}}, timeout=600
    )
    assert not task.poke(context)
    slow.clear()
    assert task.poke(context)
    first, last = context.progress
    assert (first["state"], first["total"], last["state"], last["unasked"]) == ("waiting", 0, "done", None)
    assert "HTTP 503" in first["unasked"]
    assert first["message"] == "waiting for s3://b/* (connection aws_default)\nno answer came yet"


@pytest.mark.parametrize("error", [OSError, RuntimeError])
@pytest.mark.parametrize("deferrable", [False, True])
def test_push_that_fails_changes_nothing(s3: S3Server, error: type[Exception], *, deferrable: bool) -> None:
    """Without an API server the gate opens, or fails, as with one."""
    soon(s3)
    task = gate(deferrable=deferrable)
    if deferrable:
        with pytest.raises(TaskDeferred):
            task.execute(Context(refuse=error))
    else:
        assert task.execute(Context(refuse=error))["statuses"] == {"COMPLETED": 2}
    soon(s3, "FAILED")
    with pytest.raises(failures.ReplicationFailed):
        gate().execute(Context(refuse=error))


def test_value_that_cannot_be_made_changes_nothing(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in what is only shown opens no gate, and keeps none shut."""
    monkeypatch.setattr(Watch, "shown", lambda self, wait: 1 / 0)
    soon(s3)
    context = Context()
    assert gate().execute(context)["statuses"] == {"COMPLETED": 2}
    assert context.states == []
    soon(s3, "FAILED")
    with pytest.raises(failures.ReplicationFailed):
        gate().execute(Context())


@pytest.mark.parametrize("deferrable", [False, True])
def test_no_xcom_if_the_author_wants_none(s3: S3Server, *, deferrable: bool) -> None:
    """do_xcom_push=False turns it off, in the triggerer, too."""
    soon(s3)
    context = Context()
    if deferrable:
        assert not handed_over(gate(deferrable=True, do_xcom_push=False), context)["shows_progress"]
    else:
        gate(do_xcom_push=False).execute(context)
    assert context.states == []


def test_wait_that_ends_after_the_calendar_is_one(s3: S3Server) -> None:
    """A timeout of thousands of years is a long one, on the worker and in the triggerer."""
    soon(s3)
    context = Context()
    task = gate(deferrable=True, timeout=1e12)
    trigger = S3ReplicationTrigger(**handed_over(task, context))
    trigger.next_poke = trigger.not_before = 0.0
    trigger.poke_interval = 0.1
    assert event(trigger)["status"] == "done"
    assert context.progress[0]["deadline"].startswith("9999-")


def handed_over(task: Any, context: Context | None = None) -> dict[str, Any]:
    """Return what is stored of a gate that defers."""
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context or Context())
    trigger: Any = caught.value.trigger
    kwargs: dict[str, Any] = json.loads(json.dumps(trigger.serialize()[1]))
    return kwargs


def event(trigger: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        found: dict[str, Any] = (await anext(trigger.run())).payload
        return found

    return asyncio.run(run())


def test_triggerer_goes_on_with_what_the_worker_saw(s3: S3Server) -> None:
    """
    What was PENDING at the worker's look and is COMPLETED at the trigger's first poll is measured. The event has the
    value, which the task pushes.
    """
    late = {"headers": written(100)}
    s3.answers["b", "1"] = [stored("PENDING", **late), stored("COMPLETED", **late)]
    s3.answers["b", "2"] = stored("COMPLETED")
    context = Context()
    task = gate(deferrable=True)
    kwargs = handed_over(task, context)
    assert context.states == ["waiting"]
    ended = event(
        S3ReplicationTrigger(
            **kwargs,
        )
    )
    assert ended["value"]["replication_lag"]["objects"] == 1
    assert [done for _, done, _ in ended["progress"]["history"]] == [1, 2]
    task.execute_complete(context, ended)
    assert context.states == ["waiting", "done"]
    assert context.progress[-1]["where"] == "triggerer"


def test_triggerer_that_takes_over_measures_nothing_by_the_worker(s3: S3Server) -> None:
    """What the worker saw PENDING an hour ago may have been COMPLETED for as long: that is no lag."""
    late = {"headers": written(7200)}
    s3.answers["b", "1"] = [stored("PENDING", **late), stored("COMPLETED", **late)]
    s3.answers["b", "2"] = stored("COMPLETED")
    kwargs = handed_over(gate(deferrable=True))
    ended = event(S3ReplicationTrigger(**{**kwargs, "next_poke": kwargs["next_poke"] - 3600}))
    assert ended["value"]["replication_lag"] is None
    assert len(ended["progress"]["history"]) == 2


@pytest.mark.parametrize(
    "seen", [None, "", "no JSON", "[]", '{"lags": {"seen_at": 1}}', '{"progress": {"history": 5}}']
)
def test_what_was_shown_and_cannot_be_read_changes_nothing(s3: S3Server, seen: str | None) -> None:
    """Stored text of any kind is left out; an event of an earlier release has no value to push."""
    soon(s3)
    task = gate(deferrable=True)
    kwargs = {**handed_over(task), "seen": seen}
    ended = event(S3ReplicationTrigger(**kwargs))
    assert ended["status"] == "done"
    del ended["progress"]
    context = Context()
    assert task.execute_complete(context, ended) == ended["value"]
    assert context.states == []


def test_trigger_pushes_where_the_triggerer_can(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a triggerer that can set XComs the trigger's polls are pushed, and nothing of it once the wait has ended."""
    pushed: list[dict[str, Any]] = []
    pushes = Pushes(lambda ti, value: pushed.append(value))
    monkeypatch.setattr(onlookers, "can_push", lambda: True)
    monkeypatch.setattr(onlookers, "PUSHES", pushes)
    monkeypatch.setattr("airflow_provider_crr.triggers.base.PUSHES", pushes)
    soon(s3)
    trigger = S3ReplicationTrigger(**handed_over(gate(deferrable=True)))
    trigger.task_instance = type("Instance", (), {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1})()  # type: ignore[assignment]
    assert event(trigger)["status"] == "done"
    until(lambda: pushed, "a push")
    assert [(value["state"], value["where"]) for value in pushed] == [("waiting", "triggerer")]
    assert pushes._waiting == {}


class Store(dict[str, Any]):
    """A store of task state that is a dictionary of plain JSON."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


def test_rescheduled_pokes_go_on_with_what_was_seen(s3: S3Server, log: Callable[[], list[str]]) -> None:
    """
    With a store, pokes that are processes of their own have one history, measure one lag, read the rules once, and do
    not begin their log anew.
    """
    soon(s3)
    began, store = datetime.now(UTC), Store()
    shown = []
    for poke in range(3):
        context = Context(began if poke else None)
        context["task_state_store"] = store
        task = gate(mode="reschedule", poke_interval=100)
        found = task.poke(context)
        shown.append(context.progress[-1])
    assert found.xcom_value["replication_lag"]["objects"] == 1
    assert [value["state"] for value in shown] == ["waiting", "waiting", "done"]
    assert [len(value["history"]) for value in shown] == [1, 2, 3]
    assert shown[1]["unmoved_since"]
    assert len([request for request in s3.requests if "replication" in request.query]) == 1
    assert len([line for line in log() if line.startswith("Gives up at")]) == 1


def test_what_is_kept_for_people_has_little_room(s3: S3Server) -> None:
    """Whatever was seen, one value of the store stays below what Airflow warns of."""
    s3.default = lambda bucket, key, version: stored("PENDING", headers=written(5))
    keys = [f"s3://b/{number}" for number in range(200)]
    store = Store()
    context = Context()
    context["task_state_store"] = store
    task = gate(bucket_key=keys, mode="reschedule", poke_interval=100)
    task.poke(context)
    assert 2000 < len(json.dumps(store["crr_checkpoint"]["seen"])) <= MAX_SEEN


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the lines that tasks have logged: to the output, and in Airflow 3.0 by the standard library."""
    caplog.set_level(logging.INFO, "airflow.task")

    def lines() -> list[str]:
        printed = [line.partition("] ")[2] for line in capsys.readouterr().out.splitlines()]
        return printed + [record.getMessage() for record in caplog.records if record.name.startswith("airflow.task")]

    return lines


def test_pushes_of_a_worker_are_seldom(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten polls within the least time between two pushes are one push; the end is another."""
    monkeypatch.setattr(onlookers, "WORKER", (60.0, 60.0))  # ten polls may take a while
    late = {"headers": written(100)}
    s3.answers["b", "1"] = [*[stored("PENDING", **late)] * 10, stored("COMPLETED", **late)]
    s3.answers["b", "2"] = stored("COMPLETED")
    context = Context()
    gate(poke_interval=0.05).execute(context)
    assert context.states == ["waiting", "done"]
    assert progress_pushes.WORKER == (1.0, 60.0)
