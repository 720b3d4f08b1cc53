"""A deferrable task looks once on the worker: what that decides is not deferred, and what it finds goes along."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr import errors, failures
from airflow_provider_crr.hooks.sharing import refused
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.targets import MAX_STORED
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.sensors.base import PollingSensor
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.credential_sources import Sts
from tests.support.polling import until
from tests.support.s3_server import Answer, Listed, S3Server, stored
from tests.support.stopwatch import Stopwatch
from tests.support.task_context import TaskContext

NAMED = ["s3://b/1", "s3://b/2", "s3://b/3"]


class Context(TaskContext):
    """The context of a task that was never rescheduled."""

    def get_first_reschedule_date(self, context: Any) -> None:
        return None


def gate(**arguments: Any) -> S3ReplicationSensor:
    return S3ReplicationSensor(task_id="gate", **{"bucket_key": NAMED, "deferrable": True, **arguments})


def deferred(task: PollingSensor, context: Any = None) -> tuple[Any, dict[str, Any]]:
    """Run a task that defers; return its trigger as a triggerer makes it, and what is stored of it."""
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context or Context())  # type: ignore[arg-type]
    path, kwargs = caught.value.trigger.serialize()
    kwargs = json.loads(json.dumps(kwargs))
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**kwargs), kwargs


def event(trigger: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        found: dict[str, Any] = (await anext(trigger.run())).payload
        return found

    return asyncio.run(run())


def event_unless_refused(poller: Watch) -> dict[str, Any] | None:
    """Poll once; return the event that ends the wait, None if there is none or somebody refused."""
    try:
        return endings.after(poller, decided=poller.poll())
    except errors.LookupFailed:
        return None


def asked(s3: S3Server) -> dict[str, int]:
    found = Counter(request.key for request in s3.heads())
    s3.requests.clear()
    return dict(found)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what tasks have logged, which goes to standard output here, and that they were run without Airflow."""
    return [line for line in capsys.readouterr().out.splitlines() if "cannot be called outside" not in line]


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_open_gate_is_not_deferred(s3: S3Server, mode: str) -> None:
    """A gate whose objects are all replicated returns what a poke returns, after one HEAD for each."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    found, expected = (
        gate(mode=mode, deferrable=deferrable).execute(Context())  # type: ignore[arg-type]
        for deferrable in (True, False)
    )
    assert found.pop("waited_seconds") < 60
    expected.pop("waited_seconds")
    for each in (found, expected):  # answers come in any order
        each["sample"].sort(key=lambda entry: entry["uri"])
    assert found == expected
    assert asked(s3) == {"1": 2, "2": 2, "3": 2}


def test_shut_gate_is_not_deferred(s3: S3Server) -> None:
    """A gate that can never open fails with the message and the XCom of a poke; Airflow's soft_fail skips it."""
    s3.default = lambda bucket, key, version: stored("FAILED")
    messages = []
    for deferrable in (True, False):
        context = Context()
        with pytest.raises(failures.ReplicationFailed) as caught:
            gate(bucket_key="s3://b/1", deferrable=deferrable).execute(context)  # type: ignore[arg-type]
        messages.append(str(caught.value))
        assert context.pushed["return_value"]["statuses"] == {"FAILED": 1}
    assert messages[0] == messages[1]
    for how in ({"soft_fail": True}, {"never_fail": True}):
        with pytest.raises(AirflowSkipException):
            gate(**how).execute(Context())  # type: ignore[arg-type]


def test_what_is_not_there_is_not_deferred(s3: S3Server) -> None:
    """A bucket that does not exist ends the task on the worker; never_fail skips, and silent_fail waits."""
    s3.missing_buckets.add("b")
    for kind in (gate(), S3InventorySensor(task_id="report", inventory="s3://b/p/source/config/", deferrable=True)):
        with pytest.raises(errors.BucketNotFound):
            kind.execute(Context())  # type: ignore[arg-type]
    with pytest.raises(AirflowSkipException, match="never_fail"):
        gate(never_fail=True).execute(Context())  # type: ignore[arg-type]
    assert deferred(gate(silent_fail=True))[1]["silent_fail"] is True


def test_trigger_asks_for_the_rest(s3: S3Server) -> None:
    """The triggerer asks for what is not done, an interval after the look, and counts HEADs and time of both."""
    s3.default = lambda bucket, key, version: stored("PENDING" if key == "3" else "COMPLETED")
    before = time.time()
    trigger, kwargs = deferred(gate(poke_interval=0.5, timeout=60))
    assert asked(s3) == {"1": 1, "2": 1, "3": 1}
    assert before <= kwargs["started_at"] <= time.time()
    assert kwargs["deadline"] == kwargs["started_at"] + 60
    assert kwargs["next_poke"] >= kwargs["started_at"] + 0.5
    assert kwargs["head_requests"] == 3
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    found = event(trigger)
    assert time.time() >= kwargs["next_poke"]
    assert asked(s3) == {"3": 1}
    assert (found["status"], found["value"]["statuses"]) == (endings.DONE, {"COMPLETED": 3})
    assert found["value"]["head_requests"] == 4
    assert found["value"]["waited_seconds"] >= 0.5


def test_first_poll_of_the_triggerer_is_spread(s3: S3Server) -> None:
    """It is due up to a tenth of the interval later; which part of it, the task instance decides."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    waits = []
    for map_index in (1, 2, 3, 4, 1):
        context: Any = Context()
        context.dag_id, context.run_id, context.task_id, context.map_index = "dag", "run", "gate", map_index
        _, kwargs = deferred(gate(poke_interval=100_000), context)
        waits.append(kwargs["next_poke"] - time.time())
    assert all(99_900 < wait < 110_000 for wait in waits)
    assert len({round(wait / 100) for wait in waits[:4]}) == 4
    assert abs(waits[0] - waits[4]) < 90


def test_error_that_passes_is_waited_out_by_the_triggerer(s3: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    """S3 that throttles the look, or an error that silent_fail passes over, does not keep a task from deferring."""
    s3.on_list = lambda request, page: (Answer(503, code="SlowDown"), "")
    config = {"retries": {"total_max_attempts": 1}}
    deferred(gate(bucket_key="s3://b/*", wildcard_match=True, botocore_config=config))
    assert any("cannot ask S3, going on" in line for line in said(capsys))

    class Broken(S3ReplicationSensor):
        def _make_poller(self, *args: Any) -> Any:
            raise RuntimeError("unforeseen")

    arguments: dict[str, Any] = {"task_id": "gate", "bucket_key": NAMED, "deferrable": True}
    assert deferred(Broken(silent_fail=True, **arguments))[1].keys().isdisjoint({"known", "head_requests"})
    with pytest.raises(RuntimeError, match="unforeseen"):
        Broken(**arguments).execute(Context())  # type: ignore[arg-type]


def test_short_timeout_is_that_of_a_poke(s3: S3Server) -> None:
    """Without a timeout the look is all there is: it opens the gate, or the time is up with what the look showed."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    assert gate(timeout=0).execute(Context())["total"] == 3  # type: ignore[arg-type]
    s3.default = lambda bucket, key, version: stored("PENDING")
    context = Context()
    with pytest.raises(AirflowSensorTimeout, match=r"the whole timeout: waiting for 3 of 3 in s3://b/ .*\n3 PENDING"):
        gate(timeout=0).execute(context)  # type: ignore[arg-type]
    assert context.pushed["return_value"]["statuses"] == {"PENDING": 3}
    with pytest.raises(AirflowSkipException, match="the whole timeout"):
        gate(timeout=0, soft_fail=True).execute(Context())  # type: ignore[arg-type]
    found = event(deferred(gate(timeout=0.5, poke_interval=0.1))[0])
    assert found["status"] == endings.TIMEOUT
    assert "the whole timeout: waiting for 3 of 3 in s3://b/ (connection aws_default)\n3 PENDING" in found["message"]


def half_answered(s3: S3Server) -> threading.Event:
    """Let S3 answer for the first object only; return what makes it answer for the others."""
    opened = threading.Event()
    s3.default = lambda bucket, key, version: stored("COMPLETED", gate=None if key == "1" else opened)
    return opened


@pytest.mark.parametrize(
    "arguments", [{}, {"bucket_key": "s3://b/*", "wildcard_match": True}], ids=["named", "pattern"]
)
def test_look_ends_after_its_time(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any]
) -> None:
    """A look that takes too long is ended without error and warning: the triggerer asks for what it did not get."""
    monkeypatch.setattr(PollingSensor, "FIRST_LOOK", 1.0)
    s3.listings["b"] = {key: Listed() for key in "123"}
    opened, watch = half_answered(s3), Stopwatch()
    trigger, kwargs = deferred(gate(poke_interval=0.1, **arguments))
    assert watch.seconds() < 5
    lines = said(capsys)
    assert [line for line in lines if "warning" in line or "error" in line] == []
    assert any("not all is asked for yet, and the triggerer goes on" in line for line in lines)
    assert kwargs["head_requests"] == 1
    opened.set()
    asked(s3)
    found = event(trigger)
    assert asked(s3) == {"2": 1, "3": 1}
    assert (found["status"], found["value"]["statuses"]) == (endings.DONE, {"COMPLETED": 3})


def test_look_leaves_execution_timeout_alone(s3: S3Server) -> None:
    """An execution_timeout that is shorter than a look ends the look at its half, and not the task."""
    opened, watch = half_answered(s3), Stopwatch()
    deferred(gate(execution_timeout=timedelta(seconds=2)))
    assert watch.seconds() < 2
    opened.set()


def test_look_ends_with_the_timeout(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout that is shorter than a look ends the task on the worker, as that of a poke."""
    monkeypatch.setattr(endings, "LEAST", 0.5)
    opened = half_answered(s3)
    with pytest.raises(AirflowSensorTimeout, match="1 answer came, but not all"):
        gate(timeout=1).execute(Context())  # type: ignore[arg-type]
    opened.set()


def test_list_that_cannot_be_stored_is_refused_before_it_is_asked(s3: S3Server) -> None:
    """Whether too long a list fails does not depend on what S3 says: nothing is asked."""
    task = gate(bucket_key="{{ keys }}", bucket_name="b")
    task.bucket_key = [f"{number * 7919**5 % 10**12:x}-{hash(str(number)):x}" for number in range(10_000)]
    with pytest.raises(errors.InvalidArgument, match="the limit is 45,000"):
        task.execute(Context())  # type: ignore[arg-type]
    assert asked(s3) == {}


def test_what_is_stored_stays_within_its_bound(s3: S3Server) -> None:
    """The targets and what was found of them take no more characters than targets alone may."""
    s3.default = lambda bucket, key, version: stored("PENDING" if key.endswith("0") else "COMPLETED")
    _, kwargs = deferred(gate(bucket_key=[f"s3://b/{number}" for number in range(500)], max_requests_per_second=None))
    assert kwargs["known"]["text"]
    assert len(json.dumps(kwargs["targets"])) + len(json.dumps(kwargs["known"])) <= MAX_STORED


def test_second_run_knows_nothing_of_the_first(s3: S3Server) -> None:
    """A sensor object that runs twice, as in dag.test(), hands over only what the later look found."""
    task = gate()
    s3.default = lambda bucket, key, version: stored("PENDING" if key == "3" else "COMPLETED")
    assert "known" in deferred(task)[1]
    s3.default = lambda bucket, key, version: stored("PENDING")
    kwargs = deferred(task)[1]
    assert "known" not in kwargs
    assert kwargs["head_requests"] == 3


def test_inventory_sensor_looks_once_too(s3: S3Server) -> None:
    """A report that is not there yet is looked for once on the worker, and then by the triggerer."""
    s3.listings["b"] = {}
    task = S3InventorySensor(
        task_id="report", inventory="s3://b/p/source/config/", deferrable=True, timeout=60, poke_interval=0.1
    )
    trigger, kwargs = deferred(task)
    looks = len(s3.requests)
    assert looks >= 1
    assert kwargs["deadline"] == kwargs["started_at"] + 60
    assert kwargs["next_poke"] >= kwargs["started_at"] + 0.1
    assert kwargs.keys().isdisjoint({"known", "head_requests"})
    s3.missing_buckets.add("b")
    assert event(trigger)["status"] == endings.ERROR


def test_heads_that_never_left_are_not_counted(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While STS throttles, polls send nothing and use nothing up: the gate opens with the HEADs that it has left."""
    monkeypatch.setattr(refused, "REFUSED_FOR", 0.05)
    s3.default = lambda bucket, key, version: stored("PENDING")
    with Sts(s3, monkeypatch, tmp_path) as source:
        trigger, _ = deferred(gate(poke_interval=0.3, timeout=600, max_head_requests=6))
        asked(s3)
        s3.default = lambda bucket, key, version: stored("COMPLETED")
        first = trigger.poller()
        source.refuse("throttled")
        source.age(trigger._way.get().get_conn())
        for _ in range(5):
            with pytest.raises(errors.LookupFailed, match="Throttling"):
                first.poll()
            assert first.used_up() is None
        assert asked(s3) == {}
        source.refuse("")
        until(lambda: event_unless_refused(first), "an open gate")
        assert asked(s3) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("shared", [False, True], ids=["worker", "triggerer"])
def test_look_that_is_cut_counts_what_was_sent(s3: S3Server, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> None:
    """A sweep that ends early has read far ahead of what its pace let leave; that is not counted."""
    monkeypatch.setattr(PollingSensor, "FIRST_LOOK", 1.0)
    s3.default = lambda bucket, key, version: stored("PENDING")
    _, kwargs = deferred(gate(bucket_key=[f"s3://b/{number}" for number in range(5000)], max_requests_per_second=50))
    spent = {"unanswered": 0, **kwargs}  # a default is not stored
    if shared:
        asked(s3)
        watch = S3ReplicationTrigger(**{**kwargs, "head_requests": 0, "unanswered": 0})
        with pytest.raises(errors.LookupFailed, match="was stopped"):
            watch.poller().poll(Deadline(1))
        spent = watch._handover.counts
    assert len(s3.heads()) <= spent["head_requests"] + spent["unanswered"] <= len(s3.heads()) + 10


def test_look_that_uses_its_heads_up_is_not_deferred(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that is cut after its last HEAD ends the task on the worker: no poll of a triggerer could ask more."""
    monkeypatch.setattr(PollingSensor, "FIRST_LOOK", 1.0)
    opened, context = half_answered(s3), Context()
    with pytest.raises(
        AirflowSensorTimeout, match=r"3 HEADs were sent, of which 2 .*: waiting for s3://b/ .*\n1 answer "
    ):
        gate(max_head_requests=3).execute(context)  # type: ignore[arg-type]
    opened.set()
    assert context.pushed["return_value"]["head_requests"] == 1


@pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])
def test_heads_that_an_error_uses_up_leave_the_evidence(s3: S3Server, *, deferrable: bool) -> None:
    """A sweep that fails after the last HEAD ends the wait, which tells what the sweep before has shown, and why."""
    enough = 9 if deferrable else 6  # the worker's look, a sweep, and one that fails

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        if len(s3.heads()) <= enough - 3:
            return stored("PENDING")
        s3.missing_buckets.add("b")
        return Answer(404)

    s3.default = answer
    context = Context()
    task = gate(deferrable=deferrable, silent_fail=True, poke_interval=0.1, timeout=60, max_head_requests=enough)
    if deferrable:
        found = event(deferred(task, context)[0])
    else:
        with pytest.raises(AirflowSensorTimeout) as caught:
            task.execute(context)  # type: ignore[arg-type]
        found = {"message": str(caught.value), "value": context.pushed["return_value"]}
    assert found["message"].startswith(
        f"{enough} HEADs were sent, as many as max_head_requests allows: waiting for 3 of 3 in s3://b/ "
    )
    assert "\nAt last S3 could not be asked: s3://b: " in found["message"]
    assert found["value"]["statuses"] == {"PENDING": 3}
    assert len(s3.heads()) == enough
