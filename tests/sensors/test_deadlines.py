"""A gate's time: its sensors and triggers end with it, or with a cancel, and say what they were waiting for."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException

from airflow_provider_crr.failures import ReplicationFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.sensors.base import PollingSensor
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout
from airflow_provider_crr.triggers.inventory_report import S3InventoryReportTrigger
from tests.support.deferring import deferral
from tests.support.polling import until
from tests.support.s3_server import Answer, S3Server, stored
from tests.support.stopwatch import Stopwatch
from tests.support.stuck import DRIP, StuckServer

#: Seconds that a gate has here, and by which it has ended.
TIME, END = 0.5, 2.5
SENSORS: dict[str, Callable[..., PollingSensor]] = {
    "one": lambda **more: S3ReplicationSensor(task_id="gate", bucket_key="s3://b/k", **more),
    "many": lambda **more: S3ReplicationSensor(task_id="gate", bucket_key=["s3://b/1", "s3://b/2"], **more),
    "pattern": lambda **more: S3ReplicationSensor(task_id="gate", bucket_key="s3://b/*", wildcard_match=True, **more),
    "report": lambda **more: S3InventorySensor(task_id="gate", inventory="s3://b/p/source/config/", **more),
}


class Instance:
    """A task instance that remembers its XComs, and since when it is rescheduled."""

    def __init__(self, first: datetime | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self._first = first

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self._first


@pytest.fixture(scope="module", autouse=True)
def _boto3_is_loaded() -> None:
    """Load boto3 and what it knows of S3, which takes longer than a look does here."""
    with pytest.MonkeyPatch.context() as patch, S3Server() as server:
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        S3ReplicationHook().get_conn()


@pytest.fixture(params=["silent", "one byte at a time"])
def stuck(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StuckServer]:
    with StuckServer(b"" if request.param == "silent" else DRIP) as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that begins when the time is nearly up takes no longer here, and the tests less."""
    monkeypatch.setattr(endings, "LEAST", TIME)


def threads() -> list[str]:
    names = ("crr-", "s3-head")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def tells(message: str, kind: str) -> bool:
    """Return whether a message says what was awaited."""
    found = "no complete inventory report" if kind == "report" else "waiting for s3://.*no answer came yet"
    return bool(re.search(rf"(?s)the whole timeout: {found}.*\nAt last S3 could not be asked: .*stopped", message))


@pytest.mark.parametrize("kind", SENSORS)
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_poke_ends_with_the_timeout(stuck: StuckServer, mode: str, kind: str) -> None:
    """A poke that gets no answer ends soon after the timeout, with what it was waiting for."""
    instance, watch = Instance(), Stopwatch()
    with pytest.raises(AirflowSensorTimeout) as caught:
        SENSORS[kind](mode=mode, timeout=TIME).execute({"ti": instance})
    assert watch.seconds() < END
    assert tells(str(caught.value), kind), caught.value
    until(lambda: not threads(), "no thread is left", seconds=3)


def test_a_later_poke_has_what_is_left(stuck: StuckServer) -> None:
    """With mode="reschedule" a poke ends with the timeout that began with the first one."""
    watch = Stopwatch()
    first = datetime.now(UTC) - timedelta(seconds=3600)
    with pytest.raises(AirflowSensorTimeout, match="waited 1h, the whole"):
        SENSORS["one"](mode="reschedule", timeout=3600).execute({"ti": Instance(first)})
    assert watch.seconds() < END


def test_a_poke_in_time_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poke that begins when the time is nearly up has time for one look."""
    monkeypatch.setattr(endings, "LEAST", 60.0)
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.answers["b", "k"] = stored("COMPLETED", delay=0.3)
        value = SENSORS["one"](mode="poke", timeout=0.01).execute({"ti": Instance()})
        assert value["statuses"] == {"COMPLETED": 1}
        server.answers["b", "k"] = stored("PENDING")
        with pytest.raises(AirflowRescheduleException):
            SENSORS["one"](mode="reschedule", timeout=60).execute({"ti": Instance()})


def test_without_a_timeout_a_poke_looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """timeout=0 gives the only look the time that finding the way to S3 takes."""
    monkeypatch.setattr(endings, "LATE", 60.0)
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.answers["b", "k"] = stored("COMPLETED", delay=2 * TIME)
        assert SENSORS["one"](mode="poke", timeout=0).execute({"ti": Instance()})["statuses"] == {"COMPLETED": 1}


def test_what_came_before_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first sweep that is cut tells how many answers had come; XCom has the evidence."""
    opened = threading.Event()
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.default = lambda bucket, key, version: stored("PENDING", gate=opened)
        server.answers["b", "1"] = stored("COMPLETED")
        instance = Instance()
        with pytest.raises(AirflowSensorTimeout, match="1 answer came, but not all"):
            SENSORS["many"](timeout=TIME).execute({"ti": instance})
        opened.set()
    assert instance.pushed["return_value"]["head_requests"] == 1


def triggered(sensor: PollingSensor) -> Any:
    return deferral(sensor, Instance()).trigger


@pytest.mark.parametrize("kind", SENSORS)
def test_a_trigger_ends_with_the_timeout(stuck: StuckServer, kind: str) -> None:
    """A trigger that gets no answer sends its event soon after the timeout, with what it was waiting for."""
    trigger = triggered(SENSORS[kind](deferrable=True, timeout=TIME))

    async def run() -> tuple[list[Any], float]:
        watch = Stopwatch()
        return [event.payload async for event in trigger.run()], watch.seconds()

    (event,), took = asyncio.run(run())
    assert took < END
    assert event["status"] == endings.TIMEOUT
    assert tells(event["message"], kind), event["message"]
    until(lambda: not threads(), "no thread is left", seconds=3)


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_a_reason_that_does_not_come_in_time_takes_no_verdict_away(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """All answers came, and the rules that would explain them did not: the gate fails, and does not time out."""
    opened = threading.Event()
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.default = lambda bucket, key, version: stored()
        server.replication["b"] = Answer(gate=opened)
        sensor = SENSORS["one"](deferrable=mode == "deferrable", timeout=3 * TIME)
        if mode == "poke":
            with pytest.raises(ReplicationFailed, match="1 NONE"):
                sensor.execute({"ti": Instance()})
        else:
            trigger = triggered(sensor)

            async def run() -> list[Any]:
                return [event.payload async for event in trigger.run()]

            (event,) = asyncio.run(run())
            assert event["status"] == endings.FAILED, event["message"]
        opened.set()


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An STS that says nothing to whoever wants a role."""
    monkeypatch.setattr(endings, "MAKING", 1.0)
    with StuckServer() as sts:
        role: dict[str, Any] = {
            "role_arn": "arn:aws:iam::111122223333:role/reader",
            "service_config": {"sts": {"endpoint_url": sts.endpoint_url()}},
            "config_kwargs": {"retries": {"total_max_attempts": 1}},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", sts.airflow_connection_json(**role))
        yield
    until(lambda: not threads(), "no thread is left", seconds=10)


@pytest.mark.parametrize("kind", ["one", "report"])
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_credentials_that_never_come_hold_nobody_beyond_the_time(no_credentials: None, mode: str, kind: str) -> None:
    """However often a client could not be made: the last try ends with the timeout as well, on worker and triggerer."""
    watch, timeout = Stopwatch(), 4 * TIME
    if mode == "poke":
        with pytest.raises(AirflowSensorTimeout) as caught:
            SENSORS[kind](timeout=timeout, poke_interval=0.1).execute({"ti": Instance()})
        message = str(caught.value)
    else:
        trigger = triggered(SENSORS[kind](deferrable=True, timeout=timeout, poke_interval=0.1))

        async def run() -> list[Any]:
            return [event.payload async for event in trigger.run()]

        (event,) = asyncio.run(run())
        message = event["message"]
    assert watch.seconds() < timeout + END
    assert "S3 could not be asked" in message


def report_trigger(**_: Any) -> Any:
    return S3InventoryReportTrigger(inventory="s3://b/p/source/config/")


@pytest.mark.parametrize("kind", [*SENSORS, "watched reports"])
def test_a_cancel_ends_a_trigger(stuck: StuckServer, kind: str) -> None:
    """A trigger that is cancelled amid a request is gone at once, and its thread soon after."""
    trigger = report_trigger() if kind == "watched reports" else triggered(SENSORS[kind](deferrable=True, timeout=600))

    async def cancel() -> float:
        running = asyncio.ensure_future(anext(trigger.run()))
        while not stuck.connections:  # noqa: ASYNC110 - the server is a thread
            await asyncio.sleep(0.01)
        watch = Stopwatch()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return watch.seconds()

    assert asyncio.run(cancel()) < 1
    until(lambda: not threads(), "no thread is left", seconds=3)


class Hanging:
    """A poller whose poll hangs."""

    def __init__(self, until: threading.Event) -> None:
        self.poll = lambda stop: until.wait(30)

    progress = staticmethod(lambda: "nothing came")
    value = staticmethod(lambda: None)


@pytest.mark.parametrize(
    ("hangs", "said"), [("the making of the client", "was not ready within"), ("the poll", "did not end in time")]
)
def test_a_poll_that_cannot_be_ended_is_left_behind(monkeypatch: pytest.MonkeyPatch, hangs: str, said: str) -> None:
    """A thread that hangs outside of S3 does not keep a trigger from telling that its time is up."""
    hanging = threading.Event()
    monkeypatch.setattr(endings, "LATE", TIME)
    trigger = triggered(SENSORS["one"](deferrable=True, timeout=TIME))
    made = (lambda self: Hanging(hanging)) if hangs == "the poll" else (lambda self: hanging.wait(30))
    monkeypatch.setattr(type(trigger), "poller", made)

    async def run() -> list[Any]:
        events = [event.payload async for event in trigger.run()]
        hanging.set()
        return events

    watch = Stopwatch()
    (event,) = asyncio.run(run())
    assert watch.seconds() < END + 1  # for the thread that does not end
    assert said in event["message"]


@pytest.mark.parametrize("stuck", ["silent"], indirect=True)
def test_a_process_that_ends_waits_for_nothing(stuck: StuckServer) -> None:
    """A process that ends amid a poll, as a triggerer that is told to, does not wait for S3."""
    script = f"""
import asyncio, sys, time
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
trigger = S3ReplicationTrigger(
    targets={_targets()!r}, policy={{}}, hook={{}}, poke_interval=1,
    started_at=time.time(), deadline=time.time() + 600, form=1,
)
async def main():
    running = asyncio.ensure_future(anext(trigger.run()))
    await asyncio.to_thread(sys.stdin.readline)
    running.cancel()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", script], stdin=subprocess.PIPE) as process:
        assert process.stdin
        until(lambda: stuck.connections or process.poll() is not None, "it asks")
        process.stdin.write(b"\n")
        process.stdin.flush()
        watch = Stopwatch()
        assert process.wait(60) == 0
    assert watch.seconds() < 6


def _targets() -> dict[str, Any]:
    from airflow_provider_crr.replication.targets import Targets
    from airflow_provider_crr.s3.objects import S3Object

    return Targets(objects=(S3Object("b", "k"),)).to_stored()
