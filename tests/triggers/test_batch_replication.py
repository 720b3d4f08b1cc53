"""The trigger of a repair: what is stored of it, and what people see of it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider_crr.batch.repair_terms import RepairPolicy
from airflow_provider_crr.replication.progress import MAX_VALUE, Wait
from airflow_provider_crr.tasks.compat import TaskDeferred
from airflow_provider_crr.triggers.batch_replication import S3BatchReplicationTrigger
from local_aws.batch.orders import BatchOrders
from tests.support.polling import until
from tests.support.repairs import Broken, Run

PATH = "airflow_provider_crr.triggers.batch_replication.S3BatchReplicationTrigger"
#: As this release stores it. A later release reads it all the same.
STORED = """{"hook": {"aws_conn_id": "aws_default", "region_name": null, "verify": null, "config": null,
 "expected_bucket_owner": null, "requester_pays": false, "max_requests_per_second": 1000.0}, "poke_interval": 0.05,
 "started_at": 1795680029.9, "deadline": 1796284829.9, "not_before": 0, "exponential_backoff": false, "max_wait": null,
 "silent_fail": false, "job_id": "", "account_id": "111111111111", "region_name": "eu-west-1", "manifest": null,
 "policy": {"confirms": true, "max_objects": null, "max_failed": 0, "verifies": true, "verify_timeout": 43200.0},
 "what": "what is FAILED in s3://landing/"}"""


def deferred(broken: Broken, **arguments: Any) -> S3BatchReplicationTrigger:
    with pytest.raises(TaskDeferred) as caught:
        broken.operator(deferrable=True, **arguments).execute(Run())
    trigger: Any = caught.value.trigger
    return trigger  # type: ignore[no-any-return]


def test_what_is_stored_is_small_plain_and_read_again(broken: Broken, orders: BatchOrders) -> None:
    """The kwargs are JSON, of a bounded size whatever is repaired, and make the same trigger."""
    orders.hold("Active")
    path, kwargs = deferred(broken, objects=broken.put(*map(str, range(50)))).serialize()
    assert path == PATH
    assert len(json.dumps(kwargs)) < 2000
    again = S3BatchReplicationTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (path, kwargs)


def test_what_this_release_stores_is_read(broken: Broken) -> None:
    """Word for word: the names are a promise."""
    kwargs = json.loads(STORED)
    trigger = S3BatchReplicationTrigger(**kwargs)
    assert trigger.serialize() == (PATH, kwargs)
    assert RepairPolicy(**kwargs["policy"]) == RepairPolicy(confirms=True)


def test_people_see_how_far_it_is(broken: Broken, orders: BatchOrders) -> None:
    """The value has the form of a gate's, with tasks for objects, and stays small."""
    orders.hold("Active")
    broken.put("a", "b")
    trigger = deferred(broken, source_bucket=broken.bucket)
    watched: Any = trigger.poller()
    until(lambda: watched.poll() or watched.job.status == "Active", "the job is active")
    now = watched._clock()
    value = watched.shown(Wait(at=now, deadline=now, where="triggerer", host="here", message="m"))
    assert (value["kind"], value["job_id"], value["state"]) == ("batch_replication", watched.job_id, "waiting")
    assert (value["total"], value["done"], value["statuses"]) == (2, 0, {})
    assert value["targets"]["sample"] == [f"what is FAILED in s3://{broken.bucket}/"]
    orders.release()
    until(watched.poll, "the job has ended")
    value = watched.shown(Wait(at=now, deadline=now, where="triggerer", host="here", state="failed", message="m"))
    assert (value["done"], value["statuses"]) == (2, {"FAILED": 2})
    assert {entry["status"] for entry in value["waiting"]} == {"FAILED"}
    assert "S3 may not write the replica" in value["waiting"][0]["reason"]
    assert len(json.dumps(value)) <= MAX_VALUE


def test_trigger_whose_connection_is_wrong_tells_so(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that cannot be asked for is an error of the task, not one of the job."""
    trigger = S3BatchReplicationTrigger(**{**json.loads(STORED), "job_id": "00000000-0000-0000-0000-000000000000"})
    trigger.deadline = time.time() + 1000

    async def wait() -> dict[str, Any]:
        event: dict[str, Any] = (await anext(trigger.run())).payload
        return event

    ended = asyncio.run(wait())
    assert ended["status"] == "error"
    assert "there is no such job" in ended["error"]["message"]
