"""DAGs of somebody who tests them with the doubles: nothing here leads to an AWS, not even a local one."""

from __future__ import annotations

import importlib.util
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ended:
    """How a run ended: of each task the state, and what it returned."""

    states: dict[str, str]
    returned: dict[str, Any]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves the process: no socket of the Internet is connected."""

    def connect(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"{address} was to be asked")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def database(airflow_home: Path) -> None:
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def dag_of(database: None, airflow_home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Make a DAG of one task, and of one after it."""

    def make(task_class: type, **arguments: Any) -> Any:
        dag_id = f"tested_{uuid.uuid4().hex[:12]}"
        path = airflow_home / "dags" / f"{dag_id}.py"  # where Airflow looks for DAGs: a task of it is loaded from there
        path.write_text(
            f"""
import datetime
from airflow.sdk import DAG, task
from {task_class.__module__} import {task_class.__name__}

with DAG({dag_id!r}, schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:

    @task
    def after():
        return "ran"

    {task_class.__name__}(task_id="task", **{arguments!r}) >> after()
"""
        )
        spec = importlib.util.spec_from_file_location(dag_id, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.dag

    return make


def ended(run: Any) -> Ended:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=run.dag_id, run_id=run.run_id, key="return_value").all()
        returned = {row.task_id: XComModel.deserialize_value(row) for row in rows}
    return Ended({each.task_id: str(each.state) for each in run.get_task_instances()}, returned)


@pytest.fixture
def run(dag_of: Callable[..., Any]) -> Callable[..., Ended]:
    """Run a DAG of such a task by ``dag.test()``."""
    return lambda task_class, **arguments: ended(dag_of(task_class, **arguments).test())
