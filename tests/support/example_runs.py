"""The example DAGs, run by Airflow as they are: only their params, their pace and their retries are set."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


@dataclass(frozen=True)
class DagOutcome:
    """How a run ended: its state, and of each task the state and what it returned."""

    state: str
    states: dict[str, str]
    returned: dict[str, Any]


def run_example(dags: Path, name: str, **params: Any) -> DagOutcome:
    """
    Run an example through ``dag.test()``, triggers included.

    :param dags: Airflow's folder of DAGs, because a task of it is loaded from there.
    :param name: of the DAG and of its file.
    :param params: of the run.
    """
    path = Path(shutil.copy(EXAMPLES / f"{name}.py", dags))
    try:
        spec = importlib.util.spec_from_file_location(f"example_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for task in module.dag.tasks:
            task.retry_delay = timedelta(seconds=0.1)
            for interval in ("poke_interval", "poll_interval"):
                if hasattr(task, interval):
                    setattr(task, interval, 0.2)
        return _outcome(module.dag.test(logical_date=datetime.now(UTC), run_conf=params))
    finally:
        path.unlink()


def _outcome(run: Any) -> DagOutcome:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(XComModel).filter_by(dag_id=run.dag_id, run_id=run.run_id, key="return_value")
        returned = {row.task_id: XComModel.deserialize_value(row) for row in found}
    states = {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
    return DagOutcome(str(run.state), states, returned)
