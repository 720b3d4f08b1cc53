"""Airflow fails a task that is queued again before it has noticed the end of the task's process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException

from airflow_provider_crr.errors import BucketNotFound
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.deferring import deferral
from tests.support.s3_server import Request, S3Server, stored

REPORT = "s3://b/landing/daily/"


class Instance:
    """A task instance that was never rescheduled, or first at some moment."""

    def __init__(self, first: datetime | None = None) -> None:
        self._first = first

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self._first

    def xcom_push(self, key: str, value: Any) -> None:
        pass


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "1")  # Airflow notices an end within 2 seconds
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server


def gate(**arguments: Any) -> S3ReplicationSensor:
    return S3ReplicationSensor(
        task_id="gate", bucket_key="s3://b/k", **{"mode": "reschedule", "deferrable": False, **arguments}
    )


def next_look(task: Any, instance: Instance | None = None) -> float:
    """Run one process of a task that is to be rescheduled; return how many seconds after its start the next comes."""
    began = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as caught:
        task.execute({"ti": instance or Instance()})
    found: datetime = caught.value.reschedule_date
    return (found - began).total_seconds()


def test_look_that_is_due_too_soon_for_airflow_is_waited_for_on_the_worker(s3: S3Server) -> None:
    """Pokes that are due within two heartbeats are made by one process, which opens the gate as each alone would."""
    s3.answers["b", "k"] = [stored("PENDING")] * 2 + [stored("COMPLETED")]
    found = gate(poke_interval=0.05).execute({"ti": Instance()})
    assert (found["statuses"], found["head_requests"]) == ({"COMPLETED": 1}, 3)


def test_look_that_is_due_later_frees_the_worker(s3: S3Server) -> None:
    """A poke that is due after two heartbeats is another process's."""
    s3.answers["b", "k"] = stored("PENDING")
    assert next_look(gate(poke_interval=2)) >= 2
    assert len(s3.heads()) == 1


def test_inventory_sensor_waits_on_the_worker_too(s3: S3Server) -> None:
    """The sensor for reports does the same: within two heartbeats it looks again by itself."""
    looks: list[str] = []

    def vanish(request: Request) -> None:
        looks.append(request.target)
        if len(looks) == 2:
            s3.missing_buckets.add("b")

    s3.listings["b"] = {}
    s3.before_listing = vanish
    task = S3InventorySensor(
        task_id="report", inventory=REPORT, mode="reschedule", deferrable=False, poke_interval=0.1, timeout=60
    )
    with pytest.raises(BucketNotFound):
        task.execute({"ti": Instance()})
    assert len(looks) == 2


def test_looks_that_back_off_free_the_worker_once_they_are_far_enough_apart(s3: S3Server) -> None:
    """With exponential_backoff the first pokes, which are close together, are one process's."""
    s3.answers["b", "k"] = stored("PENDING")
    assert next_look(gate(poke_interval=2, exponential_backoff=True)) >= 2
    assert len(s3.heads()) <= 2


def test_looks_that_max_wait_brings_near_are_waited_for_on_the_worker(s3: S3Server) -> None:
    """A max_wait below two heartbeats brings no poke back too soon."""
    s3.answers["b", "k"] = [stored("PENDING")] * 3 + [stored("COMPLETED")]
    found = gate(poke_interval=60, exponential_backoff=True, max_wait=0.05).execute({"ti": Instance()})
    assert found["head_requests"] == 4


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        ({}, AirflowSensorTimeout),
        ({"soft_fail": True}, AirflowSkipException),
        ({"never_fail": True}, AirflowSkipException),
    ],
)
def test_time_is_up_on_the_worker_too(s3: S3Server, arguments: dict[str, Any], ends: type[Exception]) -> None:
    """The timeout counts while the worker waits, from the first poke on, and ends as that of any other gate."""
    s3.answers["b", "k"] = stored("PENDING")
    with pytest.raises(ends, match=r"the whole timeout: waiting for 1 of 1: s3://b/k .*\n1 PENDING"):
        gate(poke_interval=0.1, timeout=0.4, **arguments).execute({"ti": Instance()})
    long_ago = Instance(datetime.now(UTC) - timedelta(seconds=60))
    s3.requests.clear()
    with pytest.raises(ends):
        gate(poke_interval=0.1, timeout=30, **arguments).execute({"ti": long_ago})
    assert len(s3.heads()) == 1


def test_waiting_on_the_worker_does_not_run_into_the_time_of_one_poke(s3: S3Server) -> None:
    """Where an execution_timeout is set for single pokes, the worker is given up before that is half over."""
    s3.answers["b", "k"] = stored("PENDING")
    assert next_look(gate(poke_interval=0.1, execution_timeout=timedelta(seconds=1))) >= 2
    assert len(s3.heads()) <= 6


def test_error_that_is_passed_over_does_not_bring_the_next_look_near(s3: S3Server) -> None:
    """Where silent_fail passes over an error that nobody foresaw, Airflow notices the end before the next poke, too."""

    class Broken(S3ReplicationSensor):
        def _make_poller(self, *args: Any) -> Any:
            raise RuntimeError("unforeseen")

    task = Broken(
        task_id="gate",
        bucket_key="s3://b/k",
        mode="reschedule",
        deferrable=False,
        poke_interval=0.1,
        silent_fail=True,
    )
    assert next_look(task) >= 2


def deferred(**arguments: Any) -> Any:
    return deferral(gate(deferrable=True, **arguments), Instance()).trigger


def test_event_is_held_back_from_the_end_of_the_deferring(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What deferring itself takes, as of a long list, does not shorten how long the event is held back."""
    to_stored = S3ReplicationSensor._make_trigger

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.5)
        return to_stored(*args, **kwargs)

    monkeypatch.setattr(S3ReplicationSensor, "_make_trigger", slowly)
    trigger = deferred()
    assert 2.4 <= trigger.not_before - trigger.started_at < 10


def test_trigger_that_breaks_is_held_back_as_its_event_would_be(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger that raises at once brings its task back no sooner than one that is decided at once."""

    def broken(self: S3ReplicationTrigger) -> endings.Poller:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(S3ReplicationTrigger, "poller", broken)
    trigger = deferred()
    trigger.not_before = time.time() + 0.5

    async def run() -> list[Any]:
        return [event async for event in trigger.run()]

    with pytest.raises(RuntimeError, match="unforeseen"):
        asyncio.run(run())
    assert time.time() >= trigger.not_before
