"""Tasks run by Airflow's own task runner, triggers included, against SQLite."""

from __future__ import annotations

import importlib.util
import inspect
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.tasks import endings

#: XComs that are there for people: the value, and what the link to the S3 console is made of.
_SHOWN = {"return_value", "crr_progress", "s3_console", "_link_S3ConsoleLink"}


@dataclass(frozen=True)
class TaskRun:
    """
    How a task ended: its state, what it pushed to XCom, what it raised, the keys of what it left behind, and what its
    asset events tell.
    """

    state: str
    xcom: Any
    error: BaseException | None
    left: list[str]
    events: list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _unhurried_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll here is never cut by the end of a short wait: S3 answers all of them, on a slow machine too."""
    monkeypatch.setattr(endings, "LEAST", 60.0)
    monkeypatch.setattr(endings, "LATE", 60.0)


@pytest.fixture(scope="session")
def database(airflow_home: Path) -> None:
    """Airflow's tables, in SQLite."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.utils.db import initdb

    initdb()
    answer = RuntimeTaskInstance.get_first_reschedule_date

    def parsed(self: Any, context: Any) -> datetime | None:
        # In Airflow 3.0, dag.test() hands this date on as text; a real worker parses it.
        found = answer(self, context)
        return datetime.fromisoformat(found) if isinstance(found, str) else found

    RuntimeTaskInstance.get_first_reschedule_date = parsed  # type: ignore[method-assign]


@pytest.fixture
def run_task(database: None, airflow_home: Path) -> Callable[..., TaskRun]:
    """Run one task of a DAG file of its own through ``dag.test()``."""

    def run(
        task_class: type,
        *,
        outlet: str | None = None,
        then_clear: Callable[[], None] | None = None,
        native: bool = False,
        before: str = "",
        written: str = "",
        expanded: str = "",
        **arguments: Any,
    ) -> TaskRun:
        """
        Run it, and tell how it ended.

        :param before: a statement of the DAG file before the task, such as a task upstream.
        :param written: arguments as the DAG file has them, such as ``version_id=upstream``.
        :param expanded: arguments of ``expand`` for a mapped task, as the DAG file has them.
        """
        dag_id = f"test_{uuid.uuid4().hex[:12]}"
        path = airflow_home / "dags" / f"{dag_id}.py"
        path.write_text(
            f"""
from datetime import datetime, timedelta
from airflow.sdk import DAG, Asset, task
from {task_class.__module__} import {task_class.__name__}

with DAG(
    {dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1), render_template_as_native_obj={native}
) as dag:
    {before}
    {task_class.__name__}{".partial" if expanded else ""}(
        task_id="task", outlets={f"[Asset({outlet!r})]" if outlet else []}, **{arguments!r}, {written}
    ){f".expand({expanded})" if expanded else ""}
"""
        )
        try:
            return _run(path, dag_id, then_clear)
        finally:
            path.unlink()

    return run


def _run(path: Path, dag_id: str, then_clear: Callable[[], None] | None) -> TaskRun:
    from airflow.models.asset import AssetEvent
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    spec = importlib.util.spec_from_file_location(dag_id, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    task: Any = module.dag.get_task("task")
    raised = _record_errors(task)
    _activate([] if task.is_mapped else task.outlets)
    run = module.dag.test()
    if then_clear:
        then_clear()
        _clear_and_run(module.dag, run)
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_id, task_id="task").all()
        xcoms = {row.key: _plain(row.value) for row in rows}
        left = [key for key in xcoms if key not in _SHOWN] + _state_keys(session, dag_id)
        events = [event.extra for event in session.query(AssetEvent).filter_by(source_dag_id=dag_id)]
    (instance,) = [instance for instance in run.get_task_instances() if instance.task_id == "task"]
    return TaskRun(str(instance.state), xcoms.get("return_value"), raised[0] if raised else None, left, events)


def _clear_and_run(dag: Any, run: Any) -> None:
    """Clear the task as a user does, and run it as ``dag.test()`` runs it."""
    from airflow.models.taskinstance import clear_task_instances
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session

    task = dag.get_task("task")
    given = {"task": task} if "task" in inspect.signature(_run_task).parameters else {}
    with create_session() as session:
        clear_task_instances(run.get_task_instances(session=session), session)
        session.refresh(run := session.merge(run))
        run.set_state("running")
        run.start_date = run.start_date or datetime.now(UTC)  # as the scheduler does before a task of it starts
        session.commit()
        (instance,) = run.get_task_instances(session=session)
        instance.try_number += 1
        session.commit()
        state = ""
        while state in ("", "up_for_reschedule"):
            instance.task = task  # where Airflow 3.0 looks for it
            _run_task(ti=instance, run_triggerer=True, **given)
            state = getattr(instance.state, "value", instance.state)


def _state_keys(session: Any, dag_id: str) -> list[str]:
    """Return the keys in Airflow's task state store, if it has one."""
    try:
        from airflow.models.task_state_store import TaskStateStoreModel
    except ImportError:
        return []
    return [row.key for row in session.query(TaskStateStoreModel).filter_by(dag_id=dag_id)]


def _activate(outlets: Sequence[Any]) -> None:
    """Let Airflow know the assets, as its DAG processor does; ``dag.test()`` of Airflow 3.0 does not."""
    from airflow.models.asset import AssetActive, AssetModel
    from airflow.utils.session import create_session

    for outlet in outlets:
        with create_session() as session:
            if not session.query(AssetModel).filter_by(name=outlet.name).count():
                asset = AssetModel(name=outlet.name, uri=outlet.uri)
                session.add_all([asset, AssetActive(name=asset.name, uri=asset.uri)])


def _plain(stored: Any) -> Any:
    """Return an XCom as the task pushed it; Airflow stores mappings as text, and text as it is."""
    if isinstance(stored, str) and stored.startswith(("{", "[", '"')):
        return json.loads(stored)
    return stored


def _record_errors(task: Any) -> list[BaseException]:
    """Note what the task's methods raise; Airflow 3.0 does not hand it to callbacks."""
    from airflow.exceptions import AirflowRescheduleException

    from airflow_provider_crr.tasks.compat import TaskDeferred

    raised: list[BaseException] = []

    def recorded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except (AirflowRescheduleException, TaskDeferred):
                raise
            except Exception as error:
                raised.append(error)
                raise

        return call

    # In a class of its own: Airflow runs a copy of the task, whose fields are rendered.
    kind = task.operator_class if task.is_mapped else type(task)
    methods = {name: recorded(getattr(kind, name)) for name in ("execute", "execute_complete") if hasattr(kind, name)}
    recording: Any = type(kind.__name__, (kind,), {"__module__": kind.__module__, **methods})
    if task.is_mapped:
        task.operator_class = recording
    else:
        task.__class__ = recording
    return raised
