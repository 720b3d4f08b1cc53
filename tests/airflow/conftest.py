"""Tasks run by Airflow's own task runner, triggers included, against SQLite."""

from __future__ import annotations

import importlib.util
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class TaskRun:
    """How a task ended: its state, what it pushed to XCom, and what it raised."""

    state: str
    xcom: Any
    error: BaseException | None


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

    RuntimeTaskInstance.get_first_reschedule_date = parsed


@pytest.fixture
def run_task(database: None, airflow_home: Path) -> Callable[..., TaskRun]:
    """Run one task of a DAG file of its own through ``dag.test()``."""

    def run(task_class: type, **arguments: Any) -> TaskRun:
        dag_id = f"test_{uuid.uuid4().hex[:12]}"
        path = airflow_home / "dags" / f"{dag_id}.py"
        path.write_text(
            f"""
from datetime import datetime, timedelta
from airflow.sdk import DAG
from {task_class.__module__} import {task_class.__name__}

with DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    {task_class.__name__}(task_id="task", **{arguments!r})
"""
        )
        try:
            return _run(path, dag_id)
        finally:
            path.unlink()

    return run


def _run(path: Path, dag_id: str) -> TaskRun:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    spec = importlib.util.spec_from_file_location(dag_id, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    raised = _record_errors(module.dag.get_task("task"))
    run = module.dag.test()
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_id, task_id="task", key="return_value").all()
        values = [_plain(row.value) for row in rows]
    (instance,) = run.get_task_instances()
    return TaskRun(str(instance.state), values[0] if values else None, raised[0] if raised else None)


def _plain(stored: Any) -> Any:
    """Return an XCom as the task pushed it; Airflow stores mappings as text, and text as it is."""
    if isinstance(stored, str) and stored.startswith(("{", "[", '"')):
        return json.loads(stored)
    return stored


def _record_errors(task: Any) -> list[BaseException]:
    """Note what the task's methods raise; Airflow 3.0 does not hand it to callbacks."""
    from airflow.exceptions import AirflowRescheduleException
    from airflow.providers.common.compat.sdk import TaskDeferred

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

    for name in ("execute", "execute_complete"):
        if hasattr(task, name):
            setattr(task, name, recorded(getattr(task, name)))
    return raised
