"""The sensor's arguments, its events and its trigger."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_crr import errors, failures
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow_provider_crr.tasks.task_state import has_task_state_store
from airflow_provider_crr.triggers.base import PollingTrigger
from airflow_provider_crr.triggers.inventory import S3InventoryTrigger
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.deferring import deferral
from tests.support.s3_server import Answer, S3Server, stored
from tests.support.task_context import Context


class Instance:
    """A task instance that remembers its XComs."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def sensor(**arguments: Any) -> S3ReplicationSensor:
    return S3ReplicationSensor(task_id="gate", **{"bucket_key": "s3://b/k", **arguments})


def deferred(**arguments: Any) -> TaskDeferred:
    return deferral(sensor(deferrable=True, **arguments), Instance())


def events(trigger: PollingTrigger) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(run())


def restarted(trigger: S3ReplicationTrigger) -> S3ReplicationTrigger:
    """Return the trigger as another triggerer process makes it from what is stored."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    made: S3ReplicationTrigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
    return made


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"bucket_key": []}, "empty list"),
        ({"bucket_key": "k"}, "needs a bucket"),
        ({"bucket_key": "s3://b/k", "bucket_name": "b"}, "full S3 URI"),
        ({"bucket_key": "s3://b/k\0"}, "NUL"),
        ({"on_failed": "ignore"}, "on_failed"),
        ({"on_none": "ignore"}, "on_none"),
        ({"on_missing": "done"}, "on_missing"),
        ({"on_replica": "wait"}, "on_replica"),
        ({"max_pending_age": -1}, "max_pending_age"),
        ({"max_pending_age": timedelta(seconds=-1)}, "max_pending_age"),
        ({"max_pending_age": "soon"}, "max_pending_age"),
        ({"max_pending_age": float("inf")}, "max_pending_age"),
        ({"max_requests_per_second": 0}, "max_requests_per_second"),
        ({"max_requests_per_second": "5"}, "max_requests_per_second"),
        ({"wildcard_match": "False"}, "wildcard_match is 'False'. Give True or False"),
        ({"pin_versions": "{{ params.pin }}"}, "pin_versions"),
        ({"requester_pays": 1}, "requester_pays"),
        ({"max_head_requests": 0}, "max_head_requests"),
        ({"max_head_requests": -1}, "max_head_requests"),
        ({"max_head_requests": True}, "max_head_requests"),
        ({"max_head_requests": 1.5}, "max_head_requests"),
        ({"max_head_requests": "{{ params.most }}"}, "max_head_requests"),
        ({"deferrable": True, "botocore_config": {"read_timeout": object()}}, "botocore_config"),
        ({"bucket_key": Path("/k")}, "bucket_key"),
        ({"deferrable": True, "botocore_config": object()}, "botocore_config"),
    ],
)
def test_bad_arguments_fail_when_the_dag_is_parsed(arguments: dict[str, Any], says: str) -> None:
    """Arguments that can never work are refused when the sensor is made, with what to do."""
    with pytest.raises(errors.InvalidArgument, match=says):
        sensor(**arguments)


def test_pinned_versions_are_refused_where_pokes_cannot_tell_each_other() -> None:
    """pin_versions with mode="reschedule" is refused at parse time before Airflow 3.3, and fine from then on."""
    if has_task_state_store():
        sensor(pin_versions=True, mode="reschedule")
    else:
        with pytest.raises(errors.InvalidArgument, match="pin_versions"):
            sensor(pin_versions=True, mode="reschedule")


def test_deferrable_list_too_large_to_store_fails_when_the_dag_is_parsed() -> None:
    """A list that a trigger could not store is refused when the DAG is parsed, and fine on a worker."""
    keys = [f"s3://b/{uuid.uuid4()}" for _ in range(10_000)]
    with pytest.raises(errors.InvalidArgument, match="mode='reschedule'"):
        sensor(bucket_key=keys, deferrable=True)
    sensor(bucket_key=keys, deferrable=False)


def test_templates_are_judged_when_rendered(s3: S3Server) -> None:
    """What is known only after rendering is not refused at parse time, but when the task runs."""
    task = sensor(bucket_key="{{ key }}", bucket_name="b", deferrable=False)
    task.bucket_key = "['a', 'b']"
    with pytest.raises(errors.InvalidArgument, match=r"task\.output"):
        task.execute({"ti": Instance()})
    task.bucket_key = ""
    with pytest.raises(errors.InvalidArgument, match="needs a key"):
        task.execute({"ti": Instance()})


def test_stored_trigger_is_a_fixed_point() -> None:
    """A trigger made from what is stored stores the same again, as plain JSON, however often it restarts."""
    trigger = deferred(
        bucket_key=["s3://b/k", {"bucket": "b", "key": "l", "version_id": "v"}],
        max_pending_age=timedelta(hours=1),
        botocore_config={"retries": {"max_attempts": 2}},
        exponential_backoff=True,
        max_wait=60,
    ).trigger
    once = restarted(trigger)
    assert once.serialize() == trigger.serialize()
    assert restarted(once).serialize() == trigger.serialize()


def test_deadline_is_one_across_restarts(s3: S3Server) -> None:
    """A trigger that is restarted gives up when the first one would have: the deadline is stored, not the timeout."""
    s3.answers["b", "k"] = stored("PENDING")
    found = deferred(timeout=0.5, poke_interval=0.1)
    assert timedelta(seconds=30) < found.timeout <= timedelta(seconds=30.5)
    deadline = found.trigger.deadline
    while time.time() < deadline:
        time.sleep(0.05)
    (event,) = events(restarted(found.trigger))
    assert event["status"] == endings.TIMEOUT
    assert event["value"]["statuses"] == {"PENDING": 1}
    assert len(s3.heads()) == 1


def test_hundred_thousand_objects_fit_their_limits(s3: S3Server) -> None:
    """The trigger of 100,000 explicit objects stores less than 64 KB, and its event takes less than 16 KB."""
    s3.default = lambda bucket, key, version: Answer(404, {"x-amz-delete-marker": "true"})
    keys = [f"dt=2026-11-20/part-{number:06d}.parquet" for number in range(100_000)]
    trigger = deferred(bucket_key=keys, bucket_name="b").trigger
    assert len(json.dumps(trigger.serialize()[1])) < 64_000
    few = restarted(deferred(bucket_key=keys[:2000], bucket_name="b").trigger)
    (event,) = events(few)
    assert event["status"] == endings.FAILED
    assert len(json.dumps(event)) < 16_000


def test_event_is_held_back_until_the_worker_is_surely_gone(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that is decided at once sends its event only when Airflow has noticed that the deferring process ended."""
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0.5")
    s3.answers["b", "k"] = stored("COMPLETED")
    trigger = deferred().trigger
    before = trigger.started_at
    assert trigger.not_before == pytest.approx(before + 1)
    (event,) = events(trigger)
    assert time.time() >= before + 1
    assert event["status"] == endings.DONE
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "20")
    assert deferred(timeout=5).timeout == timedelta(seconds=40 + 30)  # not before the event may come


def test_trigger_asks_until_done(s3: S3Server) -> None:
    """The trigger asks again for what is PENDING, backs off if told to, and sends one event when all is COMPLETED."""
    s3.answers["b", "k"] = [stored("PENDING")] * 3 + [stored("COMPLETED")]
    (event,) = events(deferred(poke_interval=0.01, exponential_backoff=True, max_wait=0.05).trigger)
    assert (event["status"], event["value"]["head_requests"]) == (endings.DONE, 4)


def test_trigger_reports_what_it_could_not_ask(s3: S3Server) -> None:
    """An error of asking reaches the task as the same error, with its URI and remedy."""
    s3.missing_buckets.add("b")
    (event,) = events(deferred().trigger)
    with pytest.raises(errors.BucketNotFound) as caught:
        sensor().execute_complete({"ti": Instance()}, event)
    assert (caught.value.uri, bool(caught.value.remedy)) == ("s3://b", True)


def test_silent_fail_goes_on_after_errors(s3: S3Server) -> None:
    """With silent_fail the trigger logs an error of asking and goes on, until its time is up."""
    s3.missing_buckets.add("b")
    (event,) = events(deferred(silent_fail=True, timeout=0.3, poke_interval=0.1).trigger)
    assert event["status"] == endings.TIMEOUT
    with pytest.raises(AirflowSensorTimeout):
        sensor().execute_complete({"ti": Instance()}, event)


def test_sweep_that_outlasts_the_deadline_ends_with_its_evidence(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep still under way some seconds after the deadline is ended, and the event says what was known."""
    monkeypatch.setattr("airflow_provider_crr.tasks.endings.LEAST", 0.3)
    opened = threading.Event()
    s3.default = lambda bucket, key, version: stored("PENDING", gate=opened)
    (event,) = events(deferred(bucket_key=["s3://b/1", "s3://b/2"], timeout=0.1).trigger)
    opened.set()
    assert event["status"] == endings.TIMEOUT


def test_never_fail_skips_when_deferring_fails_as_a_poke_does() -> None:
    """never_fail turns an argument that is found wrong at run time into a skip, deferrable or not."""
    for deferrable in (False, True):
        task = sensor(bucket_key="{{ keys }}", bucket_name="b", never_fail=True, deferrable=deferrable)
        task.bucket_key = []
        with pytest.raises(AirflowSkipException):
            task.execute({"ti": Instance()})


def test_sensor_asks_again_when_it_runs_again(s3: S3Server) -> None:
    """A sensor object that is executed twice does not answer from the first time."""
    s3.answers["b", "k"] = [stored("COMPLETED"), stored("FAILED")]
    task = sensor(deferrable=False)
    assert task.execute({"ti": Instance()})["total"] == 1
    with pytest.raises(failures.ReplicationFailed):
        task.execute({"ti": Instance()})


def test_cancelled_trigger_ends_its_sweep(s3: S3Server) -> None:
    """A trigger that is cancelled mid-sweep ends its thread: nothing goes on asking."""
    opened = threading.Event()
    s3.default = lambda bucket, key, version: stored("PENDING", gate=opened)
    trigger = deferred(bucket_key=[f"s3://b/{number}" for number in range(50)]).trigger

    async def cancel() -> None:
        running = asyncio.ensure_future(anext(trigger.run()))
        while not s3.under_way:  # noqa: ASYNC110 - the server is a thread
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    opened.set()
    deadline = time.monotonic() + 20
    while any(thread.name.startswith("crr-trigger") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the trigger's thread is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("event", [None, {}, {"status": "done"}, {"status": "open"}, {"status": "done", "value": {}}])
def test_unreadable_event_keeps_the_gate_shut(event: dict[str, Any] | None) -> None:
    """An event that is missing, empty or of an unknown kind is an error, never an open gate."""
    with pytest.raises(errors.LookupFailed, match="cannot be read"):
        sensor().execute_complete({"ti": Instance()}, event)


def test_never_fail_skips_after_a_deferral_as_a_poke_does() -> None:
    """never_fail turns an error of asking into a skip after a deferral, too."""
    event = endings.could_not_ask(errors.BucketNotFound("gone", uri="s3://b"))
    with pytest.raises(AirflowSkipException, match="gone"):
        sensor(never_fail=True).execute_complete({"ti": Instance()}, event)


def test_summary_is_pushed_before_a_deferred_failure(s3: S3Server) -> None:
    """The XCom of a failed gate is pushed before the task fails."""
    s3.answers["b", "k"] = stored("FAILED")
    (event,) = events(deferred().trigger)
    instance = Instance()
    with pytest.raises(failures.ReplicationFailed) as caught:
        sensor().execute_complete({"ti": instance}, event)
    assert instance.pushed["return_value"] == caught.value.summary == event["value"]


def test_error_of_another_release_is_still_shown() -> None:
    """An error whose type this release does not know keeps its message."""
    found = errors.from_dict({"type": "SomethingNew", "message": "what happened"})
    assert (type(found), str(found)) == (errors.CrrError, "what happened")
    assert type(errors.from_dict({"type": "Any", "message": "m"})) is errors.CrrError


def test_errors_have_no_other_names() -> None:
    """A name that is no error is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="Nothing"):
        _ = errors.Nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("late", [1, 16, 29, 3600])
def test_gate_that_is_taken_over_late_looks_once(s3: S3Server, late: float) -> None:
    """A trigger that begins when its time is up asks once: COMPLETED opens the gate, and the rest is its evidence."""
    now = time.time()
    for status, ended in (("COMPLETED", endings.DONE), ("PENDING", endings.TIMEOUT)):
        s3.answers["b", "k"] = stored(status)
        trigger = deferred(timeout=60, poke_interval=5).trigger
        trigger.started_at, trigger.deadline, trigger.not_before = now - late - 60, now - late, now - late
        (event,) = events(restarted(trigger))
        assert (event["status"], event["value"]["statuses"]) == (ended, {status: 1})
    assert len(s3.heads()) == 2


def test_gate_that_is_taken_over_late_waits_no_longer_than_for_one_look(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look of a trigger that begins when its time is up is ended, too, if S3 says nothing."""
    monkeypatch.setattr("airflow_provider_crr.tasks.endings.LATE", 0.5)
    opened = threading.Event()
    s3.default = lambda bucket, key, version: stored("PENDING", gate=opened)
    trigger = deferred(bucket_key=["s3://b/1", "s3://b/2"]).trigger
    trigger.deadline = time.time() - 20
    (event,) = events(trigger)
    opened.set()
    assert event["status"] == endings.TIMEOUT


def test_inventory_sensor_that_is_taken_over_late_looks_once(s3: S3Server) -> None:
    """The trigger of the sensor for reports does the same."""
    s3.listings["b"] = {}
    now = time.time()
    trigger = S3InventoryTrigger(
        inventory="s3://b/landing/daily/", hook={}, poke_interval=5, started_at=now - 80, deadline=now - 20
    )
    (event,) = events(trigger)
    assert event["status"] == endings.TIMEOUT
    assert "could not be asked" not in event["message"]
    assert s3.requests


class Outlets:
    """Events of any outlet: an Asset of Airflow 3.0 is no key of a dict."""

    def __getitem__(self, outlet: Asset) -> SimpleNamespace:
        return SimpleNamespace(extra={})


def test_task_that_runs_again_reads_the_rules_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task object may run twice, as under dag.test(): each run reads the rules by its own connection, once."""
    read: list[Any] = []

    def rules(hook: S3ReplicationHook, bucket_name: str, *, brief: bool = False) -> tuple[()]:
        read.append((hook.aws_conn_id, bucket_name))
        return ()

    monkeypatch.setattr(S3ReplicationHook, "get_replication_rules", rules)
    opened = {"status": "done", "message": "", "value": {"total": 2, "statuses": {"COMPLETED": 2}}}
    sensor = S3ReplicationSensor(task_id="gate", bucket_key=["s3://b/1", "s3://b/2"], outlets=[Asset("x")])
    for aws_conn_id in ("one", "two"):
        sensor.aws_conn_id = aws_conn_id
        context = Context()
        context["outlet_events"] = Outlets()
        sensor.execute_complete(context, opened)
    assert read == [("one", "b"), ("two", "b")]
