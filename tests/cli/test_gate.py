"""``airflow crr gate``: a gate of a DAG run, from its stored trigger and from its rendered fields."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.tasks.compat import TaskDeferred
from tests.cli.conftest import Ended
from tests.support.s3_server import Answer, Listed, S3Server, stored

LIMIT = 4096
DAG = """
from datetime import datetime, timedelta
from airflow.sdk import DAG, BaseOperator, task
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

class OurGate(S3ReplicationSensor):
    pass

class Other(BaseOperator):
    def execute(self, context):
        pass

with DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1), params={{"day": "2026-11-24"}}) as dag:
    {tasks}
"""


@pytest.fixture(scope="session")
def database(airflow_home: Path) -> None:
    """Airflow's tables, in SQLite."""
    from airflow.utils.db import initdb

    initdb()


@dataclass
class Run:
    """A DAG run that has been."""

    dag: Any
    dag_id: str
    run_id: str
    file: Path

    def ask(self, crr: Callable[..., Ended], *more: str, task: str = "gate") -> Ended:
        return crr("gate", self.dag_id, task, self.run_id, *more)


@pytest.fixture
def dag_run(database: None, airflow_home: Path, s3: S3Server) -> Iterator[Callable[[str], Run]]:
    """Run a DAG of these tasks once, while all that they ask for is replicated."""
    files: list[Path] = []
    s3.default = lambda bucket, key, version: stored("COMPLETED")

    def run(tasks: str) -> Run:
        dag_id = f"gates_{uuid.uuid4().hex[:12]}"
        path = airflow_home / "dags" / f"{dag_id}.py"
        files.append(path)
        path.write_text(DAG.format(dag_id=dag_id, tasks=tasks.strip().replace("\n", "\n    ")))
        spec = importlib.util.spec_from_file_location(dag_id, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made = module.dag.test()
        register(dag_id, path)
        s3.requests.clear()
        return Run(module.dag, dag_id, made.run_id, path)

    yield run
    for file in files:
        file.unlink(missing_ok=True)


def register(dag_id: str, path: Path) -> None:
    """Note where a DAG's file is, as Airflow's DAG processor does; ``dag.test()`` notes another bundle, or nothing."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    manager: Any = DagBundlesManager
    manager().sync_bundles_to_db()
    with create_session() as session:
        model = session.get(DagModel, dag_id) or DagModel(dag_id=dag_id)
        model.bundle_name, model.relative_fileloc, model.fileloc = "dags-folder", path.name, str(path)
        session.add(model)


def defer(run: Run, trigger: Any, map_index: int = -1) -> None:
    """Store a trigger as Airflow does when a task defers."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session

    with create_session() as session:
        row = Trigger.from_object(trigger)
        session.add(row)
        session.flush()
        (instance,) = session.query(TaskInstance).filter_by(dag_id=run.dag_id, task_id="gate", map_index=map_index)
        instance.state, instance.trigger_id = "deferred", row.id


def trigger_of(**arguments: Any) -> Any:
    """Return the trigger with which a gate defers."""
    from airflow_provider_crr.sensors.replication import S3ReplicationSensor

    sensor = S3ReplicationSensor(task_id="gate", deferrable=True, **arguments)
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({"ti": type("Instance", (), {"xcom_push": lambda *_, **__: None})()})
    return caught.value.trigger


GATE = 'S3ReplicationSensor(task_id="gate", bucket_key="s3://b/{{ params.day }}/k")'


def test_rendered_gate_is_asked_again(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """What the task's fields were rendered to is asked for again, and the decision is that of now."""
    run = dag_run(GATE)
    for status, code, says in (
        ("COMPLETED", 0, "the gate opens"),
        ("PENDING", 3, "the gate waits"),
        ("FAILED", 4, "the gate stays shut: 1 FAILED; replicated 0 of 1\ns3://b/2026-11-24/k FAILED\n"),
    ):
        s3.answers["b", "2026-11-24/k"] = stored(status)
        ended = run.ask(crr)
        assert ended.code == code, ended
        assert says in ended.out
        assert ended.out.splitlines()[1].split()[::2] == [status, "s3://b/2026-11-24/k"]
        assert "by the connection 'aws_default', as its fields were rendered last" in ended.out
    assert "S3 does not retry a failed replication" in ended.out
    assert {request.key for request in s3.heads()} == {"2026-11-24/k"}


def test_deferred_gate_is_read_from_its_trigger(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]
) -> None:
    """A deferred gate is asked as its trigger stores it, encrypted, by its policy; the DAG's file is not needed."""
    run = dag_run(GATE)
    run.file.unlink()
    s3.default = lambda bucket, key, version: stored("PENDING")
    s3.listings["b"] = {"other/1": Listed(), "other/2": Listed()}
    defer(run, trigger_of(bucket_key="s3://b/other/*", wildcard_match=True, on_failed="wait", timeout=3600))
    s3.default = lambda bucket, key, version: stored("FAILED" if key.endswith("1") else "COMPLETED")
    ended = run.ask(crr)
    assert ended.code == 3
    assert "the gate waits" in ended.out
    assert "the task is deferred; asked by the connection 'aws_default', as its trigger stores it" in ended.out
    assert "it gives up at 20" in ended.out
    assert "replicated 1 of 2, 1 failed" in ended.out


def test_versions_that_the_worker_pinned(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]
) -> None:
    """A gate that waits for a version is asked for that version, though the key was overwritten."""
    run = dag_run(GATE)
    s3.default = lambda bucket, key, version: stored("PENDING", headers={"x-amz-version-id": "old"})
    defer(run, trigger_of(bucket_key="s3://b/k", pin_versions=True))
    s3.answers["b", "k"] = stored("PENDING", headers={"x-amz-version-id": "new"})
    s3.answers["b", "k", "old"] = stored("COMPLETED", headers={"x-amz-version-id": "old"})
    ended = run.ask(crr)
    assert ended.code == 0
    assert "asked for are those that the worker saw first" in ended.out


def test_trigger_with_another_connection(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connection, owner and payer are the gate's own."""
    monkeypatch.setenv("AIRFLOW_CONN_PROD", s3.airflow_connection_json())
    run = dag_run(GATE)
    how = {"aws_conn_id": "prod", "expected_bucket_owner": "111122223333", "requester_pays": True}
    s3.default = lambda bucket, key, version: stored("PENDING")
    defer(run, trigger_of(bucket_key="s3://b/k", region_name="ap-south-1", **how))
    s3.requests.clear()
    ended = run.ask(crr)
    assert "by the connection 'prod'" in ended.out
    (request,) = s3.heads()
    assert request.region == "ap-south-1"
    assert request.headers["x-amz-expected-bucket-owner"] == "111122223333"
    assert request.headers["x-amz-request-payer"] == "requester"


def test_trigger_of_another_kind_is_refused(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]
) -> None:
    """A task that waits for a report is no gate."""
    from airflow_provider_crr.triggers.inventory import S3InventoryTrigger

    run = dag_run(GATE)
    defer(
        run,
        S3InventoryTrigger(hook={}, inventory="s3://b/x/", newer_than=None, poke_interval=1, started_at=0, deadline=1),
    )
    ended = run.ask(crr)
    assert ended.code == 2
    assert "S3InventoryTrigger, so it is not an S3ReplicationSensor" in ended.err
    assert s3.requests == []


def test_subclass_is_a_gate_and_other_tasks_are_none(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]
) -> None:
    """A subclass of the sensor is a gate; any other task is not."""
    run = dag_run('OurGate(task_id="gate", bucket_key="s3://b/k", on_failed="wait")\nOther(task_id="other")')
    s3.answers["b", "k"] = stored("FAILED")
    assert run.ask(crr).code == 3
    ended = run.ask(crr, task="other")
    assert ended.code == 2
    assert "task 'other' is a Other, not an S3ReplicationSensor" in ended.err


def test_patterns_and_options_of_the_file(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]
) -> None:
    """Patterns, policy and options, which Airflow does not store, are those of the DAG's file."""
    s3.listings["b"] = {"p/2026-11-24/1": Listed()}
    run = dag_run(
        'S3ReplicationSensor(task_id="gate", bucket_key=["p/{{ params.day }}/*"], bucket_name="b",'
        ' wildcard_match=True, on_none="wait", on_missing="fail")'
    )
    s3.default = lambda bucket, key, version: stored()
    assert run.ask(crr).code == 3
    s3.listings["b"] = {}
    ended = run.ask(crr)
    assert ended.code == 4
    assert "no object matches the pattern" in ended.out


def test_gate_in_a_process_of_its_own(s3: S3Server, dag_run: Callable[[str], Run], command: list[str]) -> None:
    """A user's process parses the DAG's file, and writes nothing but the answer to standard output."""
    run = dag_run(f'print("parsed")\n{GATE}')
    s3.default = lambda bucket, key, version: stored("PENDING")
    ended = subprocess.run(
        [*command, "gate", run.dag_id, "gate", run.run_id], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3, ended
    assert ended.stdout.startswith("STATUS ")
    assert "the gate waits" in ended.stdout
    assert "parsed" not in ended.stdout
    assert "Traceback" not in ended.stderr


def test_database_that_cannot_be_asked(command: list[str], tmp_path: Path) -> None:
    """Where Airflow has no database, one line says so."""
    database = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/none.db"}
    ended = subprocess.run(
        [*command, "gate", "d", "t", "r"], capture_output=True, text=True, check=False, env={**os.environ, **database}
    )
    assert ended.returncode == 1
    assert "Airflow's database cannot be asked: no such table" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_only_and_json(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """--only and --json are those of status; with --json the decision goes to standard error."""
    run = dag_run('S3ReplicationSensor(task_id="gate", bucket_key=["s3://b/1", "s3://b/2"])')
    s3.answers["b", "1"] = stored("PENDING")
    ended = run.ask(crr, "--json", "--only", "pending")
    assert ended.code == 3
    assert [json.loads(line)["key"] for line in ended.out.splitlines()] == ["1"]
    assert ended.err.startswith("the gate waits\n")


MAPPED = """
@task
def made():
    return ["s3://b/0", "s3://b/1"]
S3ReplicationSensor.partial(task_id="gate", on_failed="wait").expand(bucket_key=made())
"""


def test_mapped_gate(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """Each instance of a mapped gate is asked by its index; a missing one is named, and which there are."""
    run = dag_run(MAPPED)
    s3.answers["b", "1"] = stored("FAILED")
    assert run.ask(crr, "--map-index", "0").code == 0
    assert run.ask(crr, "--map-index", "1").code == 3
    assert sorted(request.key for request in s3.heads()) == ["0", "1"]
    for words, says in (((), "is mapped. Give one with --map-index"), (("--map-index", "2"), "has no map index 2")):
        ended = run.ask(crr, *words)
        assert ended.code == 2
        assert says in ended.err
        assert "Its map indexes are 0 to 1" in ended.err


def test_mapped_over_options(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """Options that differ by instance are read from the file, if they are there."""
    run = dag_run(
        'S3ReplicationSensor.partial(task_id="gate").expand_kwargs(['
        '{"bucket_key": "s3://b/0"}, {"bucket_key": "s3://b/1", "on_failed": "wait"}])'
    )
    s3.default = lambda bucket, key, version: stored("FAILED")
    assert [run.ask(crr, "--map-index", index).code for index in "01"] == [4, 3]


def test_options_that_another_task_gave_are_not_guessed(
    crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]
) -> None:
    """What another task gave for expand_kwargs is not kept: that is said, and nothing is asked."""
    run = dag_run(
        '@task\ndef made():\n    return [{"bucket_key": "s3://b/0", "on_failed": "wait"}]\n'
        'S3ReplicationSensor.partial(task_id="gate").expand_kwargs(made())'
    )
    ended = run.ask(crr, "--map-index", "0")
    assert ended.code == 2
    assert "is not kept" in ended.err
    assert s3.requests == []


def test_fields_that_airflow_cut(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """If Airflow kept only a part of the keys, that is said, and nothing is asked."""
    keys = [f"s3://b/{'k' * 40}{number}" for number in range(LIMIT // 40)]
    run = dag_run(f'S3ReplicationSensor(task_id="gate", bucket_key={keys!r})')
    ended = run.ask(crr)
    assert ended.code == 2
    assert "Airflow has cut what it keeps of bucket_key of task 'gate'" in ended.err
    assert "[core] max_templated_field_length" in ended.err
    assert s3.requests == []


def test_names_that_do_not_exist(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """A DAG, a run, a task or an index that is not there is named, with what is there."""
    run = dag_run(GATE)
    for words, says in (
        (("nodag", "gate", run.run_id), "there is no DAG 'nodag'"),
        ((run.dag_id, "gate", "norun"), f"has no run 'norun'. Its latest runs are {run.run_id}"),
        ((run.dag_id, "notask", run.run_id), "has no task 'notask'. Some that it has: gate"),
        ((run.dag_id, "gate", run.run_id, "--map-index", "3"), "has no map index 3: it is not mapped"),
    ):
        ended = crr("gate", *words)
        assert ended.code == 2
        assert says in ended.err
        assert ended.out == ""


def test_gate_that_has_not_run(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """Without rendered fields nothing is known."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    run = dag_run(GATE)
    with create_session() as session:
        session.query(RenderedTaskInstanceFields).filter_by(dag_id=run.dag_id).delete()
    ended = run.ask(crr)
    assert ended.code == 2
    assert "Airflow has no rendered fields of task" in ended.err


def test_file_that_is_not_here(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """Without the DAG's file, or with one that cannot be read, it is not known what the gate asks."""
    run = dag_run(GATE)
    run.file.write_text("raise RuntimeError('no such module')")
    ended = run.ask(crr)
    assert ended.code == 1
    assert "no such module" in ended.err
    run.file.unlink()
    ended = run.ask(crr)
    assert ended.code == 1
    assert "is not here" in ended.err
    assert s3.requests == []


def test_s3_that_cannot_be_asked(crr: Callable[..., Ended], s3: S3Server, dag_run: Callable[[str], Run]) -> None:
    """A refused caller and a listing that fails are no decision."""
    s3.listings["b"] = {"p/1": Listed()}
    run = dag_run('S3ReplicationSensor(task_id="gate", bucket_key="s3://b/p/*", wildcard_match=True)')
    s3.on_list = lambda request, page: (Answer(403), "<Error><Code>AccessDenied</Code></Error>")
    ended = run.ask(crr)
    assert ended.code == 1
    assert "cannot list objects: S3 answered AccessDenied" in ended.err
    assert "the gate" not in ended.out
