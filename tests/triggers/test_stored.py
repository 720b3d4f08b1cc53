"""What earlier releases stored of a waiting gate, word for word, and what it means today."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.hooks.sharing import shared_hook as shared_hooks
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.sensors.base import PollingSensor
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.compat import TaskDeferred
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.deferring import deferral
from tests.support.s3_server import Listed, S3Server, stored

PATH = "airflow_provider_crr.triggers.replication.S3ReplicationTrigger"
#: As stored before there was a form number: `bucket_key="s3://landing/orders/*", wildcard_match=True`.
PATTERN = """{"hook": {"aws_conn_id": "aws_default", "region_name": null, "verify": null, "config": null,
 "expected_bucket_owner": null, "requester_pays": false, "max_requests_per_second": 1000}, "poke_interval": 60.0,
 "started_at": 1795680029.935065, "deadline": 1796284829.935065, "not_before": 1795680039.935065,
 "exponential_backoff": false, "max_wait": null, "silent_fail": false,
 "targets": {"objects": "", "patterns": [{"bucket": "landing", "key": "orders/*"}]},
 "policy": {"on_failed": "fail", "on_none": "fail", "on_missing": "wait", "on_replica": "done",
  "max_pending_age": null}, "pin_versions": false}"""
#: The same for `bucket_key=["s3://landing/a", {"bucket": "landing", "key": "b", "version_id": "v"}]`.
OBJECTS = {
    **json.loads(PATTERN),
    "targets": {"objects": "T>t=p0RR90|NsC0{{StFhoGnJNU|~*sPl(*JP&1Df~AK|`ky2M?!EPApa1`S1ONa", "patterns": []},
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.listings["landing"] = {"orders/1": Listed()}
        server.default = lambda bucket, key, version: stored(
            "REPLICA", headers={"x-amz-version-id": version} if version else {}
        )
        yield server


def ended(kwargs: dict[str, Any]) -> str:
    """Return how a trigger ends that a triggerer makes of what is stored."""
    now = time.time()
    trigger = S3ReplicationTrigger(**{**kwargs, "started_at": now, "deadline": now, "not_before": now})

    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())
    return str(event["status"])


class Instance:
    """A task instance to which XComs may be pushed."""

    def xcom_push(self, **_: Any) -> None: ...


def deferred(sensor: type[PollingSensor] = S3ReplicationSensor, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Return what is stored of a sensor whose look found out nothing."""
    task = sensor(task_id="gate", deferrable=True, **arguments)
    trigger: Any = deferral(task, Instance()).trigger
    path, kwargs = trigger.serialize()
    return path, json.loads(json.dumps(kwargs))


def with_policy(kwargs: dict[str, Any], **policy: Any) -> dict[str, Any]:
    return {**kwargs, "policy": {**kwargs["policy"], **policy}}


@pytest.mark.parametrize(
    ("kwargs", "end"),
    [
        (json.loads(PATTERN), "failed"),
        (with_policy(json.loads(PATTERN), on_replica="fail"), "failed"),
        (OBJECTS, "done"),
        (with_policy(OBJECTS, on_replica="fail"), "failed"),
    ],
    ids=["pattern", "pattern, fail", "objects", "objects, fail"],
)
def test_trigger_of_before_reads_done_as_not_said(s3: S3Server, kwargs: dict[str, Any], end: str) -> None:
    """Without form number "done" was the default: for replicas of a pattern it fails now; "fail" stays "fail"."""
    assert ended(kwargs) == end


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ({}, "failed"),
        ({"on_replica": "done"}, "done"),
        ({"on_replica": "fail"}, "failed"),
        ({"on_failed": "fail", "on_none": "wait"}, "failed"),
    ],
)
def test_trigger_of_today_reads_what_the_author_said(s3: S3Server, arguments: dict[str, Any], end: str) -> None:
    """With form number "done" is what the author wrote; what is not said is not stored."""
    path, kwargs = deferred(bucket_key="s3://landing/orders/*", wildcard_match=True, **arguments)
    assert (path, kwargs["form"]) == (PATH, 1)
    assert kwargs["policy"] == {"on_missing": "wait", "max_pending_age": None} | arguments
    assert ended(kwargs) == end


def test_trigger_of_before_is_stored_as_one_of_today() -> None:
    """What is made of stored kwargs without form number stores the same meaning, and is a fixed point then."""
    for kwargs in (json.loads(PATTERN), with_policy(json.loads(PATTERN), on_replica="fail"), OBJECTS):
        path, again = S3ReplicationTrigger(**kwargs).serialize()
        assert (path, again["form"]) == (PATH, 1)
        assert again["policy"].get("on_replica") == {"fail": "fail"}.get(kwargs["policy"]["on_replica"])
        assert S3ReplicationTrigger(**again).serialize() == (path, again)
        assert {**again, "policy": None, "form": None} == {**kwargs, "policy": None, "form": None}


def test_trigger_of_before_polls_at_once_and_as_often_as_it_likes(s3: S3Server) -> None:
    """Without the kwargs of the worker's look a trigger does not wait for its first poll, and asks for everything."""
    now = time.time()
    s3.default = lambda bucket, key, version: stored("PENDING")
    trigger = S3ReplicationTrigger(**{**OBJECTS, "started_at": now, "deadline": now + 600, "poke_interval": 600})

    async def run() -> None:
        running = asyncio.ensure_future(anext(trigger.run()))
        while len(s3.heads()) < 2:
            assert time.time() < now + 60
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(run())


def test_kwargs_of_the_look_are_read_again(s3: S3Server) -> None:
    """What the worker found, has sent and may send is stored, and a fixed point."""
    s3.default = lambda bucket, key, version: stored("COMPLETED" if key == "a" else "PENDING")
    task = S3ReplicationSensor(
        task_id="gate", bucket_key=["s3://landing/a", "s3://landing/b"], deferrable=True, max_head_requests=10
    )
    with pytest.raises(TaskDeferred) as caught:
        task.execute({"ti": Instance()})  # type: ignore[arg-type, typeddict-item]
    path, kwargs = caught.value.trigger.serialize()
    kwargs = json.loads(json.dumps(kwargs))
    assert (kwargs["head_requests"], kwargs["max_head_requests"]) == (2, 10)
    assert set(kwargs["known"]) == {"schema", "question", "digest", "text"}
    assert kwargs["next_poke"] > kwargs["started_at"]
    assert S3ReplicationTrigger(**kwargs).serialize() == (path, kwargs)


def test_trigger_knows_that_no_hour_was_over(s3: S3Server) -> None:
    """A trigger whose first poll is due after an hour tells that hour's cost; one that takes over does not."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    now = time.time()
    for due, told in ((now + 1, True), (now - 1, False)):
        kwargs = {**OBJECTS, "started_at": now - 3700, "deadline": now + 600, "next_poke": due, "head_requests": 2}
        first = S3ReplicationTrigger(**kwargs)
        gate = first.poller()
        gate.poll()
        assert (gate.cost() or "").startswith("in 1h1m this wait has sent 4 HEADs") == told
        gate = first.poller()  # the connection was edited: no hour is told twice
        gate.poll()
        assert gate.cost() is None


def test_another_poller_of_a_trigger_knows_what_was_sent(s3: S3Server) -> None:
    """Where the connection is edited while a trigger waits, what it has sent by then counts against its limit."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    now = time.time()
    kwargs = {**OBJECTS, "started_at": now, "deadline": now + 600, "head_requests": 1, "unanswered": 1}
    trigger = S3ReplicationTrigger(**{**kwargs, "max_head_requests": 5})
    first = trigger.poller()
    assert not first.poll()
    assert first.used_up() is None
    second = trigger.poller()
    assert not second.poll()
    assert (second.used_up() or "").startswith("5 HEADs were sent, of which 1 were not answered")
    assert len(s3.heads()) == 3


def test_kwargs_that_came_later_are_stored_only_where_they_say_something() -> None:
    """A triggerer of before reads what is stored today: the same kwargs, and a form number that it passes on."""
    before = json.loads(PATTERN)
    _, kwargs = deferred(bucket_key="s3://landing/orders/*", wildcard_match=True)
    assert set(kwargs) - set(before) == {"form"}
    assert set(kwargs["policy"]) < set(before["policy"])
    _, kwargs = deferred(S3InventorySensor, inventory="s3://inventory/landing/daily/")
    assert "form" not in kwargs


def test_new_credentials_keep_pins_and_what_is_done(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a credentials file is written again, the next poll asks only for the rest, in the versions pinned."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setattr(shared_hooks, "RECHECK", 0.1)
    monkeypatch.setattr(shared_hooks._Connection.is_known, "__defaults__", (0.1,))
    s3.default = lambda bucket, key, version: stored(
        "PENDING" if key == "a" else "COMPLETED",
        headers={"x-amz-version-id": version or "w1"},
    )
    now = time.time()
    targets = Targets.parse(["s3://landing/a", "s3://landing/b"]).to_stored()
    kwargs = {**OBJECTS, "targets": targets, "pin_versions": True, "started_at": now, "deadline": now + 300}
    trigger = S3ReplicationTrigger(**{**kwargs, "poke_interval": 0.2})

    async def run() -> None:
        running = asyncio.ensure_future(anext(trigger.run()))

        async def polled(way: Any) -> None:
            while trigger._way is way or len(s3.heads()) < 3:
                assert time.time() < now + 120
                await asyncio.sleep(0.01)

        await polled(None)
        way = trigger._way
        credentials.write_text("[default]\n# again\n")
        s3.requests.clear()
        await polled(way)
        running.cancel()

    asyncio.run(run())
    assert {(request.key, request.version_id) for request in s3.heads()} == {("a", "w1")}
