"""The example DAGs, run by Airflow as they are: only their params are set."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


@dataclass(frozen=True)
class DagOutcome:
    """How a run ended: its state, and of each task the state and what it returned."""

    state: str
    states: dict[str, str]
    returned: dict[str, Any]


@pytest.fixture(scope="session")
def examples() -> Path:
    """Folder of the example DAGs."""
    return EXAMPLES


@pytest.fixture(scope="session")
def metadata_database(airflow_home: Path) -> None:
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_example(metadata_database: None, airflow_home: Path, aws_conn: Any) -> Callable[..., DagOutcome]:
    """Run an example through ``dag.test()``, triggers included, against the local AWS."""

    def run(name: str, **params: Any) -> DagOutcome:
        # Where Airflow looks for DAGs, because a task of it is loaded from there.
        path = Path(shutil.copy(EXAMPLES / f"{name}.py", airflow_home / "dags"))
        try:
            spec = importlib.util.spec_from_file_location(f"example_{name}", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for task in module.dag.tasks:
                if hasattr(task, "poke_interval"):
                    task.poke_interval = 0.2
            return _outcome(module.dag.test(logical_date=datetime.now(UTC), run_conf=params))
        finally:
            path.unlink()

    return run


def _outcome(run: Any) -> DagOutcome:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(XComModel).filter_by(dag_id=run.dag_id, run_id=run.run_id, key="return_value")
        returned = {row.task_id: XComModel.deserialize_value(row) for row in found}
    states = {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
    return DagOutcome(str(run.state), states, returned)
