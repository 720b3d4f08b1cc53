"""The notifier, called by Airflow when tasks fail and deadlines are missed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from airflow.sdk import DAG

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.notifications.replication import ReplicationNotifier
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.testing import fake_inventory, fake_s3
from tests.airflow.conftest import TaskRun
from tests.support.told_notifiers import Broken, Told, all_told

#: Whether notifiers may be awaited, as they are in triggerers for deadline alerts.
can_await = hasattr(ReplicationNotifier.__mro__[1], "async_notify")
MODES = pytest.mark.parametrize(
    "mode", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=lambda mode: str(*mode.values())
)
LINES = 10


@pytest.fixture
def tell(run_task: Callable[..., TaskRun], tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Run a task that fails; return the title and the text that a notifier behind ours was given, once."""

    def run(task_class: type, **arguments: Any) -> dict[str, str]:
        path = tmp_path / "told"
        ran = run_task(
            task_class,
            before="from airflow_provider_crr.notifications.replication import ReplicationNotifier as N;"
            "from tests.support.told_notifiers import Broken, Told",
            written=f"on_failure_callback=[N(notifiers=[Broken(), Told({str(path)!r})])]",
            **arguments,
        )
        assert ran.state == "failed"
        (told,) = all_told(path)
        assert len(told["text"].splitlines()) <= LINES
        assert told["text"].splitlines()[0] == told["title"]
        assert ".task failed" in told["title"]
        assert "Run: manual__" in told["text"]
        assert "/runs/manual__" in told["text"].splitlines()[-1].partition("Log: ")[2]
        return told

    return run


@MODES
def test_failed_gate_names_counts_objects_reasons_and_the_next_step(tell: Callable[..., Any], mode: Any) -> None:
    """The people behind a notifier read how many objects are in which state, the first of them, and what to do."""
    uris = {f"s3://b/{number}": "FAILED" for number in range(6)} | {"s3://b/none": "NONE", "s3://b/done": "COMPLETED"}
    with fake_s3(uris):
        told = tell(S3ReplicationSensor, bucket_key=[*uris], **mode)
    assert told["title"].endswith("task failed: not replicated, 6 FAILED, 1 NONE")
    lines = told["text"].splitlines()
    assert lines[2].startswith("Replicated: 1 of 8, after ")
    named = [line for line in lines[3:7] if "FAILED: " in line and "S3 does not retry" in line]
    assert len(named) + len([line for line in lines[3:7] if " NONE: " in line]) == 4
    assert len(named) >= 3  # in the order in which the answers came
    assert lines[7] == "- and 3 more"
    assert lines[8].startswith("Next: airflow crr explain 's3://b/")


@MODES
def test_gate_that_timed_out_names_what_it_waits_for(tell: Callable[..., Any], mode: Any) -> None:
    """A timeout has no summary in its error: what the task left in XCom tells the rest."""
    with fake_s3({"s3://b/1": "PENDING", "s3://b/2": "COMPLETED"}):
        told = tell(S3ReplicationSensor, bucket_key=["s3://b/1", "s3://b/2"], timeout=600, **mode)
    assert told["title"].endswith("task failed: 1 PENDING of 2 objects")
    assert "Replicated: 1 of 2" in told["text"]
    assert "- s3://b/1?versionId=" in told["text"]
    assert "Oldest PENDING: 1m" in told["text"]


def test_deletion_names_what_was_not_deleted(tell: Callable[..., Any]) -> None:
    """A refused version is named with its state."""
    with fake_s3({"s3://b/1": "PENDING", "s3://b/2": "COMPLETED"}):
        told = tell(S3DeleteReplicatedObjectsOperator, bucket_key=["s3://b/1", "s3://b/2"])
    assert told["title"].endswith("task failed: 1 object version not deleted, 1 PENDING")
    assert "- s3://b/1?versionId=" in told["text"]


def test_report_over_its_limits_names_them_and_where_it_is_written(tell: Callable[..., Any], tmp_path: Path) -> None:
    """The limits that are exceeded, the report and the list of what FAILED are named."""
    with fake_inventory([("k", "FAILED")]) as report:
        told = tell(
            S3InventorySummaryOperator,
            inventory=report.folder,
            max_failed=0,
            report_uri=f"file://{tmp_path}/report.html",
            failed_manifest_uri="s3://made/failed.csv",
        )
    assert f"Report: file://{tmp_path}/report.html" in told["text"]
    assert "s3://made/failed.csv" in told["text"]
    # Airflow 3.0 does not hand the exception to notifiers.
    assert told["title"].partition("task failed: ")[2] in ("1 FAILED, limit 0", "the report has 1 FAILED")


def test_what_could_not_be_asked_is_told_in_its_own_words(tell: Callable[..., Any]) -> None:
    """A bucket that is not there leaves nothing in XCom: the error says what is wrong, and what to do."""
    with fake_s3({"s3://b/1": "PENDING"}):
        told = tell(S3ReplicationSensor, bucket_key="s3://mistyped/1")
    if told["title"].endswith("failed"):  # as above
        return
    assert "s3://mistyped" in told["title"]
    assert "bucket" in told["text"]


class Raising:
    """A task instance whose every attribute fails, as where Airflow's API cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("no API server")


@pytest.mark.parametrize(
    ("context", "named"),
    [
        ({}, "a DAG failed"),
        ({"ti": Raising()}, "a task failed"),
        ({"ti": Raising(), "exception": ValueError("the\x07reason\nand more")}, "a task failed: the[U+0007]reason"),
        ({"dag": DAG("d", schedule=None), "run_id": "r", "exception": "text"}, "d failed: text"),
        ({"ti": SimpleNamespace(dag_id="d", task_id="t", map_index=3, run_id="r")}, "d.t[3] failed"),
    ],
)
def test_whatever_is_missing_something_is_told(context: Any, named: str, tmp_path: Path) -> None:
    """A context without a task, without an API or of another form still makes a notice."""
    ReplicationNotifier(notifiers=Told(str(tmp_path / "told"))).notify({"dag": None, **context})
    assert all_told(tmp_path / "told")[0]["title"] == named


@pytest.mark.parametrize(
    "value", [["odd"], {"statuses": "odd"}, {"sample": [1], "total": None}, {"statuses": {"PENDING": None}}]
)
def test_values_of_another_form_are_told_without_their_details(value: Any, tmp_path: Path) -> None:
    """What another task left in XCom is no reason to tell nobody."""
    ti = SimpleNamespace(dag_id="d", task_id="t", map_index=-1, run_id="r", xcom_pull=lambda **_: value)
    ReplicationNotifier(notifiers=Told(str(tmp_path / "told"))).notify({"dag": None, "ti": ti})
    assert all_told(tmp_path / "told")[0]["title"] == "d.t failed"


def test_each_notifier_is_told_whatever_others_do(tmp_path: Path) -> None:
    """One that fails, one that is not there and one that is used twice keep nobody from being told."""
    told = Told(str(tmp_path / "told"))
    by_path = {"path": f"{Told.__module__}.Told", "kwargs": {"path": told.path}}
    notifier = ReplicationNotifier(notifiers=[Broken(), {"path": "no.such.Notifier"}, told, by_path])
    for error in ("first", "second"):
        notifier.notify({"dag": None, "exception": ValueError(error)})
    assert [each["title"] for each in all_told(tmp_path / "told")] == [
        *["a DAG failed: first"] * 2,
        *["a DAG failed: second"] * 2,
    ]


def test_what_is_no_notifier_is_refused() -> None:
    """An argument that Airflow could never call is refused when the DAG is parsed."""
    channel: Any = "#channel"
    with pytest.raises(InvalidArgument, match="is not a notifier"):
        ReplicationNotifier(notifiers=[channel])


@pytest.mark.skipif(not can_await, reason="deadline alerts came with Airflow 3.1")
def test_deadline_alert_is_told_from_a_triggerer(tmp_path: Path) -> None:
    """Airflow stores the callback, makes the notifier of what it stored, and awaits it with its own context."""
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.serde import deserialize, serialize
    from airflow.triggers.callback import CallbackTrigger

    path = str(tmp_path / "told")
    of_support = Told.__module__
    kwargs = {
        "notifiers": [
            {"path": f"{of_support}.Broken"},
            {"path": f"{of_support}.ToldInTriggerer", "kwargs": {"path": path}},
            {"path": f"{of_support}.Told", "kwargs": {"path": path, "text": "{{ crr_title }}"}},
        ]
    }
    callback = AsyncCallback(ReplicationNotifier, kwargs=kwargs)
    stored = deserialize(serialize(callback.kwargs))  # type: ignore[type-var]
    context = {
        "dag_run": {"dag_id": "orders", "dag_run_id": "manual__1"},
        "deadline": {"id": "1", "deadline_time": "2026-11-24T03:00:00Z"},
    }

    async def run() -> list[Any]:
        trigger = CallbackTrigger(callback.path, {**stored, "context": context})  # type: ignore[dict-item]
        return [event.payload["state"] async for event in trigger.run()]

    assert str(asyncio.run(run())[-1]) in ("success", "CallbackState.SUCCESS")
    title = "orders missed its deadline of 2026-11-24T03:00:00Z"
    assert [(each["by"], each["title"]) for each in all_told(tmp_path / "told")] == [
        ("ToldInTriggerer", title),
        ("Told", title),
    ]
    assert "Run: manual__1" in all_told(tmp_path / "told")[0]["text"]
    assert "context" in inspect.signature(ReplicationNotifier).parameters


def test_deadline_alert_is_told_from_an_executor(tmp_path: Path) -> None:
    """A callback that Airflow runs in a process of its own is told in the same way."""
    callbacks = pytest.importorskip("airflow.sdk.execution_time.callback_supervisor")
    path = tmp_path / "told"
    kwargs = {
        "notifiers": [{"path": f"{Told.__module__}.Told", "kwargs": {"path": str(path)}}],
        "context": {"dag_run": {"dag_id": "orders", "dag_run_id": "r"}, "deadline": {"deadline_time": "noon"}},
    }
    name = f"{ReplicationNotifier.__module__}.{ReplicationNotifier.__name__}"
    log = structlog.get_logger()
    assert callbacks.execute_callback(name, kwargs, None, None, log) == (True, None)
    assert [each["title"] for each in all_told(path)] == ["orders missed its deadline of noon"]
