"""What is probably a mistake is said when a DAG is parsed, and in the log of a task that begins."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, ObjectStoragePath

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.replication.hints import KeyWarning
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.compat import DagBag, TaskDeferred
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Listed, S3Server, stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        monkeypatch.setenv("AIRFLOW_CONN_PROD", server.airflow_connection_json())
        server.default = lambda bucket, key, version: stored("COMPLETED", headers={"x-amz-version-id": version or "v"})
        yield server


def warned(make: Callable[[], Any]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    return [warning for warning in caught if issubclass(warning.category, KeyWarning)]


class Log(logging.Handler):
    """The log of the tasks of a class, whatever Airflow does with it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []
        self.logger = logging.Logger("task", logging.INFO)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def lines(self, text: str) -> list[str]:
        found = [record for record in self.records if text in record.getMessage()]
        return [f"{record.levelname} {record.getMessage()}" for record in found]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    kept = Log()
    for kind in (S3ReplicationSensor, S3DeleteReplicatedObjectsOperator, S3InventorySensor):
        monkeypatch.setattr(kind, "log", kept.logger)
    return kept


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ({"bucket_key": "s3://b/p/*"}, "set wildcard_match=True"),
        ({"bucket_key": ["s3://b/p/part-?", "s3://b/k"]}, "set wildcard_match=True"),
        ({"bucket_key": "p/[0-9]", "bucket_name": "b"}, "set wildcard_match=True"),
        ({"bucket_key": "s3://b/p/"}, "write 'p/*' with wildcard_match=True"),
        ({"bucket_key": "s3://b/p/", "wildcard_match": True}, "write 'p/*'"),
        ({"bucket_key": ["s3://b/k", "s3://b/l"], "wildcard_match": True}, "Leave wildcard_match out"),
        ({"bucket_key": "s3://b/data[1].csv", "wildcard_match": True}, "write [[] for it"),
    ],
)
@pytest.mark.parametrize("kind", [S3ReplicationSensor, S3DeleteReplicatedObjectsOperator])
def test_warned_of_where_the_author_wrote_it(kind: Any, arguments: dict[str, Any], fix: str) -> None:
    """A key or a pattern that is probably a mistake is warned of once, at the author's line, and is no error."""
    (warning,) = warned(lambda: kind(task_id="gate", **arguments))
    assert str(warning.message).startswith("task gate: s3://b/")
    assert fix in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    "arguments",
    [
        {"bucket_key": "s3://b/k"},
        {"bucket_key": "s3://b/p/*", "wildcard_match": True},
        {"bucket_key": "s3://b/{{ ds }}/*"},
        {"bucket_key": ["s3://b/p/*", "{{ ds }}"]},
        {"bucket_key": "p/*", "bucket_name": "{{ var.value.bucket }}"},
    ],
)
def test_not_warned_of(arguments: dict[str, Any]) -> None:
    """What is no mistake, and what is not rendered yet, is not warned of."""
    assert warned(lambda: S3ReplicationSensor(task_id="gate", **arguments)) == []


def test_airflow_shows_the_warning_of_a_file(database: None, airflow_home: Path) -> None:
    """Airflow notes the warning for the DAG's file, once for each task, and the file has no import error."""
    dag_id = f"warned_{uuid.uuid4().hex[:12]}"
    path = airflow_home / "dags" / f"{dag_id}.py"
    path.write_text(
        f"""
from datetime import datetime
from airflow.sdk import DAG
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
with DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1)):
    S3ReplicationSensor(task_id="one", bucket_key="s3://b/p/*")
    S3ReplicationSensor(task_id="two", bucket_key="s3://b/p/")
    S3ReplicationSensor.partial(task_id="three").expand(bucket_key=["s3://b/p/*"])
"""
    )
    try:
        kind: Any = DagBag
        bag = kind(dag_folder=str(path))
        assert bag.import_errors == {}
        found = [text for texts in bag.captured_warnings.values() for text in texts if "KeyWarning" in text]
        assert [f"{dag_id}.py:{line}" in text for line, text in zip((6, 7), found, strict=True)] == [True, True]
        assert "task one: s3://b/p/*" in found[0]
    finally:
        path.unlink()


@pytest.mark.parametrize("mode", MODES)
def test_told_again_in_the_log_after_rendering(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: str
) -> None:
    """A template that renders to a pattern is told in the task's log, once, however often it polls; the gate opens."""
    s3.answers["b", "p/*"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    keys = "s3://b/{{ 'p' }}/*"
    run = run_task(S3ReplicationSensor, bucket_key=keys, poke_interval=0.1, timeout=60, **MODES[mode])
    assert run.state == "success"
    (line,) = log.lines("is part of this key, for wildcard_match is False")
    assert line.startswith("WARNING s3://b/p/*: ")


def test_delete_operator_tells_in_its_log(run_task: Callable[..., TaskRun], s3: S3Server, log: Log) -> None:
    """So does the operator that deletes."""
    s3.versions["b"] = [("p/", "v")]
    run_task(S3DeleteReplicatedObjectsOperator, bucket_key="s3://b/{{ 'p' }}/", dry_run=True)
    assert len(log.lines("is the marker of a folder")) == 1


@pytest.mark.parametrize("mode", MODES)
def test_log_says_when_a_task_without_timeout_gives_up(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: str
) -> None:
    """Without timeout, the log of the first poll says when Airflow's default ends the wait; with one, it does not."""
    s3.answers["b", "k"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    run_task(S3ReplicationSensor, bucket_key="s3://b/k", poke_interval=0.1, **MODES[mode])
    (line,) = log.lines("gives up at 20")
    assert line.endswith("after Airflow's default of 7d. Set timeout")
    log.records.clear()
    run_task(S3ReplicationSensor, bucket_key="s3://b/k", timeout=7 * 24 * 3600, **MODES[mode])
    assert log.lines("gives up") == []


def test_timeout_of_the_dag_is_given(s3: S3Server, log: Log) -> None:
    """A timeout in default_args is one that is given."""
    context: Any = {"ti": None}
    with DAG("d", schedule=None, default_args={"timeout": 5}):
        S3ReplicationSensor(task_id="gate", bucket_key="s3://b/k", deferrable=False).execute(context)
    assert log.lines("replicated 1 of 1")
    assert log.lines("gives up") == []
    S3ReplicationSensor(task_id="gate", bucket_key="s3://b/k", deferrable=False).execute(context)
    assert len(log.lines("gives up")) == 1


def test_wait_for_a_report_says_the_same(s3: S3Server, log: Log) -> None:
    """So does the sensor of reports."""
    context: Any = {"ti": None}
    sensor = S3InventorySensor(task_id="report", inventory="s3://b/x/daily/", deferrable=True)
    with contextlib.suppress(TaskDeferred, AttributeError):
        sensor.execute(context)
    assert len(log.lines("gives up at")) == 1


PLACES = [
    ('ObjectStoragePath("s3://b/{{ 1 + 1 }}/k?x#y")', ["2/k?x#y"]),
    ('ObjectStoragePath("s3://b/p") / "k"', ["p/k"]),
    ('ObjectStoragePath("s3://aws_default@b/k")', ["k"]),
    ('ObjectStoragePath("s3://b/k", conn_id="aws_default")', ["k"]),
    ('Asset("s3://b/k")', ["k"]),
    ('Asset(name="orders", uri="s3://b/orders/k")', ["orders/k"]),
    ('[Asset("s3://b/k"), ObjectStoragePath("s3://b/l"), "s3://b/m", {"bucket": "b", "key": "n"}]', list("klmn")),
    ('(Asset("s3://b/k"), "s3://b/m")', list("km")),
]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_paths_and_assets_are_keys(run_task: Callable[..., TaskRun], s3: S3Server, mode: str, native: bool) -> None:
    """Airflow's paths and assets name objects, alone and in lists, with templates, in every mode."""
    for number, (written, keys) in enumerate(PLACES):
        s3.requests.clear()
        s3.answers.clear()
        s3.answers["b", keys[0]] = [stored("PENDING"), stored("COMPLETED")]
        run = run_task(
            S3ReplicationSensor,
            before="from airflow.sdk import ObjectStoragePath",
            written=f"bucket_key={written}",
            native=native,
            poke_interval=0.1,
            timeout=60,
            **MODES[mode],
        )
        assert run.state == "success", (number, run)
        assert {request.key for request in s3.heads()} == set(keys)
        if mode != "deferrable":  # one task for all modes is enough for the rest
            break


def test_stored_as_plain_json() -> None:
    """What a trigger stores of paths and assets is plain JSON, and reads as the same objects."""
    sensor = S3ReplicationSensor(
        task_id="gate",
        bucket_key=[Asset("s3://b/p/*"), ObjectStoragePath("s3://b/q/*")],
        wildcard_match=True,
        deferrable=True,
    )
    trigger = sensor._make_trigger(hook={}, poke_interval=1, started_at=0, deadline=1)
    path, kwargs = trigger.serialize()
    assert path.endswith(".S3ReplicationTrigger")
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert [pattern["key"] for pattern in kwargs["targets"]["patterns"]] == ["p/*", "q/*"]
    assert isinstance(trigger, S3ReplicationTrigger)


def test_paths_that_another_task_returns(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A path that comes through XCom is a key, too, also of a mapped task."""
    before = """
    from airflow.sdk import ObjectStoragePath
    @task
    def made(): return [ObjectStoragePath("s3://b/k"), ObjectStoragePath("s3://b/l")]
    """.strip()
    run = run_task(S3ReplicationSensor, before=before, written="bucket_key=made()", timeout=10)
    assert run.state == "success", run
    assert sorted(request.key for request in s3.heads()) == ["k", "l"]


@pytest.mark.parametrize("conn_id", ["prod", "aws_default2"])
def test_path_of_another_connection_is_refused(conn_id: str) -> None:
    """The same bucket name may be another bucket by another connection: the gate asks by one, and says so."""
    path = ObjectStoragePath(f"s3://{conn_id}@b/k")
    with pytest.raises(InvalidArgument, match=f"connection '{conn_id}', and aws_conn_id is 'aws_default'"):
        S3ReplicationSensor(task_id="gate", bucket_key=["s3://b/k", path])
    with pytest.raises(InvalidArgument, match="and aws_conn_id is None"):
        S3ReplicationSensor(task_id="gate", bucket_key=path, aws_conn_id=None)
    S3ReplicationSensor(task_id="gate", bucket_key=path, aws_conn_id=conn_id)
    S3ReplicationSensor(task_id="gate", bucket_key=path, aws_conn_id="{{ var.value.conn }}")  # judged when rendered


@pytest.mark.parametrize(("conn_id", "state"), [("prod", "success"), ("aws_default", "failed")])
def test_connection_of_a_path_is_compared_after_rendering(
    run_task: Callable[..., TaskRun], s3: S3Server, conn_id: str, state: str
) -> None:
    """A templated connection is compared with that of the path once it is rendered."""
    run = run_task(
        S3ReplicationSensor,
        before="from airflow.sdk import ObjectStoragePath",
        written=f'bucket_key=ObjectStoragePath("s3://prod@b/k"), aws_conn_id="{{{{ {conn_id!r} }}}}"',
        timeout=10,
    )
    assert run.state == state
    if state == "failed":
        assert isinstance(run.error, InvalidArgument)
        assert s3.requests == []


@pytest.mark.parametrize("place", [ObjectStoragePath("file:///tmp/x"), Asset("orders"), Asset("gs://b/k")])
def test_what_is_not_in_s3_is_refused(place: Any) -> None:
    """A path or an asset that is elsewhere is refused when the DAG is parsed."""
    for keys in (place, [place]):
        with pytest.raises(InvalidArgument):
            S3ReplicationSensor(task_id="gate", bucket_key=keys)


def test_pattern_of_a_path(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A path may hold a pattern."""
    s3.listings["b"] = {"p/1": Listed(), "q": Listed()}
    run = run_task(
        S3ReplicationSensor,
        before="from airflow.sdk import ObjectStoragePath",
        written='bucket_key=ObjectStoragePath("s3://b/p") / "*"',
        wildcard_match=True,
        timeout=10,
    )
    assert run.xcom["total"] == 1
