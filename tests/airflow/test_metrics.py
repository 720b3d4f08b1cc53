"""What tasks measure: what Airflow's own StatsD client sent to a socket, from tasks and from a trigger."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_crr.tasks import endings, metrics
from airflow_provider_crr.tasks.task_state import has_task_state_store
from local_aws import LocalAws
from local_aws.buckets import replicated_pair
from local_aws.inventory import deliver, scan, write_report
from tests.support.dag_process import run_dag
from tests.support.s3_server import S3Server, stored
from tests.support.statsd import StatsD, values

TASKS = """
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

soon = {"poke_interval": 0.1, "timeout": 60}
for name, how in (("poke", {}), ("again", {"mode": "reschedule"}), ("defer", {"deferrable": True})):
    keys = [f"s3://landing/{name}/{key}" for key in "ab"]
    gate = S3ReplicationSensor(task_id=name, bucket_key=keys, **{"deferrable": False, **how, **soon})
gate >> S3ReplicationSensor(task_id="shut", bucket_key="s3://landing/failed", deferrable=True, **soon)
S3ReplicationSensor(task_id="late", bucket_key="s3://landing/none", deferrable=False, poke_interval=0.1, timeout=0.3)
S3InventorySensor(task_id="report", inventory="@inventory", aws_conn_id="local", deferrable=False, **soon)
S3InventorySummaryOperator(task_id="summary", inventory="@inventory", aws_conn_id="local", max_failed=0)
"""

#: In Airflow 3.0, dag.test() cannot run a rescheduled sensor as a worker does.
needs_store = pytest.mark.skipif(not has_task_state_store(), reason="Airflow keeps state of tasks from 3.3 on")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


def lands(s3: S3Server, folder: str) -> None:
    """Let one object be replicated at the first look, the other at the third."""
    s3.answers["landing", f"{folder}/a"] = stored("COMPLETED")
    s3.answers["landing", f"{folder}/b"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]


@dataclass(frozen=True)
class Run:
    """The tasks' states, what they have sent, and the DAG's id and the inventory's bucket."""

    states: dict[str, str]
    sent: StatsD
    dag_id: str
    bucket: str


@pytest.fixture(scope="module")
def run(database: None, airflow_home: Path, s3: S3Server, aws: LocalAws) -> Run:
    """All tasks, run once with Airflow's StatsD client."""
    name = f"metrics-{uuid.uuid4().hex[:8]}"
    denied = replicated_pair(aws, name, f"{name}-replica", denied=True)
    denied.source_client.put_object(Bucket=name, Key="lost", Body=b"x")
    region = {"LocationConstraint": "eu-west-1"}
    denied.source_client.create_bucket(Bucket=f"{name}-inventory", CreateBucketConfiguration=region)
    report = write_report(
        scan(denied.source_client, name),
        file_format="CSV",
        source_bucket=name,
        destination_bucket=f"{name}-inventory",
        created_at=datetime.now(UTC).replace(second=0, microsecond=0),
    )
    deliver(denied.source_client, report)
    for folder in ("poke", "again", "defer"):
        lands(s3, folder)
    s3.answers["landing", "failed"] = stored("FAILED")
    dag_id = name.replace("-", "_")
    with StatsD() as statsd:
        environment = {
            "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection_json(),
            "AIRFLOW_CONN_LOCAL": aws.airflow_connection_uri_json(),
            **statsd.environment,
        }
        tasks = TASKS.replace("@inventory", report.folder_uri)
        states = run_dag(airflow_home / "dags", dag_id, tasks, environment)
    return Run(states, statsd, dag_id, name)


@pytest.mark.parametrize("task_id", ["poke", pytest.param("again", marks=needs_store)])
def test_gate_sends_what_each_poke_found(run: Run, task_id: str) -> None:
    """Each poke sends its gauges and the HEADs that were answered; the last one how long the wait was."""
    found = run.sent.of(task_id)
    assert values(found, "gate.lookups") == [2, 1, 1]
    assert values(found, "gate.objects") == [2, 2, 2]
    assert values(found, "gate.pending") == [1, 1, 0]
    assert values(found, "gate.failed") == [0, 0, 0]
    *ages, last = values(found, "gate.oldest_pending_seconds")
    assert all(age > 0 for age in ages)
    assert last == 0
    *_, waited = values(found, "gate.waited_seconds")
    (end,) = (metric for metric in found if metric.name == "gate.waited")
    assert (end.kind, end.tags["outcome"]) == ("ms", endings.DONE)
    assert end.value == pytest.approx(1000 * waited, abs=500)
    for name in ("median", "p95", "max"):  # of the one object that was PENDING first; not sent before
        (lag,) = values(found, f"gate.replication_lag_{name}")
        assert max(ages) - 1 <= lag <= max(ages) + 60
    assert {metric.tags["dag_id"] for metric in found} == {run.dag_id}
    assert {metric.name: metric.kind for metric in found} == {
        "gate.lookups": "c",
        "gate.objects": "g",
        "gate.pending": "g",
        "gate.failed": "g",
        "gate.oldest_pending_seconds": "g",
        "gate.waited_seconds": "g",
        "gate.replication_lag_median": "g",
        "gate.replication_lag_p95": "g",
        "gate.replication_lag_max": "g",
        "gate.waited": "ms",
    }


def test_deferred_gate_sends_from_the_trigger_and_ends_on_the_worker(run: Run) -> None:
    """Worker and trigger send what each of their sweeps found; the task that resumes sends how long the wait was."""
    # dag.test() tells its triggers no task, so that these come without tags.
    from_triggers, on_workers = run.sent.of(None), run.sent.of("defer")
    assert values(on_workers, "gate.lookups") == [2]
    assert values(from_triggers, "gate.lookups") == [1, 1]
    assert values(on_workers, "gate.pending") == [1]
    assert values(from_triggers, "gate.pending") == [1, 0]
    assert values(from_triggers, "gate.objects") == [2, 2]
    assert [metric.name for metric in on_workers].count("gate.waited") == 1
    assert on_workers[-1].name == "gate.waited"


def test_gate_that_is_decided_by_its_look_sends_all_from_the_worker(run: Run) -> None:
    """A deferrable gate that does not defer sends what a poke sends."""
    found = run.sent.of("shut")
    assert values(found, "gate.lookups") == values(found, "gate.failed") == [1]
    assert found[-1].name == "gate.waited"


@pytest.mark.parametrize(("task_id", "outcome"), [("shut", endings.FAILED), ("late", endings.TIMEOUT)])
def test_gate_that_stays_shut_sends_how_long_it_took(run: Run, task_id: str, outcome: str) -> None:
    """A gate that failed, and one whose time was up, say so."""
    assert run.states[task_id] == "failed"
    assert [metric.tags["outcome"] for metric in run.sent.of(task_id) if metric.name == "gate.waited"] == [outcome]


def test_summary_sends_its_counts_before_a_limit_fails_it(run: Run) -> None:
    """An inventory summary sends the report's age and its counts, also if they exceed its limits."""
    found = run.sent.of("summary")
    assert run.states["summary"] == "failed"
    (age,) = values(found, "inventory.report_age_seconds")
    assert 0 <= age < 600
    assert {metric.name: metric.value for metric in found} == {
        "inventory.report_age_seconds": age,
        "inventory.objects": 1,
        "inventory.not_replicated": 1,
        "inventory.pending": 0,
        "inventory.failed": 1,
        "inventory.oldest_pending_seconds": 0,
    }
    assert {(metric.kind, metric.tags["dag_id"], metric.tags["bucket"]) for metric in found} == {
        ("g", run.dag_id, run.bucket)
    }


def test_inventory_sensor_sends_nothing(run: Run) -> None:
    """The wait for a report is no gate."""
    assert (run.states["report"], run.sent.of("report")) == ("success", [])


TRIGGER = """
import asyncio, json, sys, time, uuid
import airflow.jobs.triggerer_job_runner
from airflow.models.trigger import Trigger
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

try:
    from airflow.executors.workloads.task import TaskInstanceDTO as TaskInstance
except ImportError:
    from airflow.executors.workloads import TaskInstance

about = {"dag_id": "d", "task_id": "t", "run_id": "r", "try_number": 1, "map_index": -1}
instance = TaskInstance(
    id=uuid.uuid4(), dag_version_id=uuid.uuid4(), pool_slots=1, queue="default", priority_weight=1, **about
)
now = time.time()
kwargs = {
    "targets": Targets.parse(sys.argv[1:]).to_stored(),
    "policy": {},
    "hook": {"aws_conn_id": "aws_default"},
    "poke_interval": 0.1,
    "started_at": now,
    "deadline": now + 60,
}
# As stored, and read by the triggerer: in Airflow 3.2 reading them is what makes the metrics ready.
trigger = S3ReplicationTrigger(**Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(kwargs)))
trigger.task_instance = instance  # as the triggerer does
print(asyncio.run(anext(trigger.run())).payload["status"])
"""


def test_trigger_sends_for_its_task(airflow_home: Path, s3: S3Server) -> None:
    """A trigger that a triggerer runs sends the DAG and the task that it waits for."""
    lands(s3, "trigger")
    with StatsD() as statsd:
        ran = subprocess.run(
            [sys.executable, "-c", TRIGGER, "s3://landing/trigger/a", "s3://landing/trigger/b"],
            env={**os.environ, "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection_json(), **statsd.environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == endings.DONE
    found = statsd.of("t")
    assert values(found, "gate.lookups") == [2, 1, 1]
    assert values(found, "gate.pending") == [1, 1, 0]
    assert {metric.tags["dag_id"] for metric in found} == {"d"}
    assert statsd.of(None) == []


GATE = {"total": 1, "statuses": {}, "oldest_pending_seconds": None, "waited_seconds": 0.1}


@pytest.mark.parametrize(
    "send",
    [
        lambda ti: metrics.polled(ti, GATE),
        lambda ti: metrics.ended(ti, endings.done("", GATE)),
        lambda ti: metrics.ended(ti, {"value": {"statuses": {}}}),  # an event that nobody can read
        lambda ti: list(metrics.Metered(SimpleNamespace(get_replication_statuses=lambda *_, **__: [1]), ti)
                        .get_replication_statuses([])),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ti", [None, object(), SimpleNamespace(dag_id="d", task_id="t")])
def test_metric_that_cannot_be_sent_fails_nothing(
    send: Callable[[Any], None], ti: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that raises, a task instance that is none, and a value that is not as it should be fail no task."""
    from airflow_provider_crr.tasks.compat import Stats

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no statsd today")

    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(Stats, kind, staticmethod(broken), raising=False)
    send(ti)


def test_answers_are_counted_though_not_all_came() -> None:
    """A sweep that is given up counts what S3 had answered."""
    sent: list[Any] = []

    def answers(*_: Any, **__: Any) -> Iterator[int]:
        yield from range(3)
        raise OSError("cut off")

    source: Any = SimpleNamespace(get_replication_statuses=answers, whereabouts=lambda: {"endpoint": "its own"})
    metered = metrics.Metered(source, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_send", lambda ti, found: sent.extend(found))
        with pytest.raises(OSError, match="cut off"):
            list(metered.get_replication_statuses([]))
    assert sent == [("incr", "gate.lookups", 3)]
    assert metered.whereabouts() == {"endpoint": "its own"}
