"""Run the tasks of a DAG in a Python process of its own, with an Airflow configuration and plugins of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SCRIPT = """
import importlib.util, sys
from airflow.models.asset import AssetActive, AssetModel
from airflow.utils.session import create_session
spec = importlib.util.spec_from_file_location(sys.argv[2], sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with create_session() as session:  # dag.test() of Airflow 3.0 does not let Airflow know the assets
    for outlet in [outlet for task in module.dag.tasks for outlet in task.outlets]:
        asset = AssetModel(name=outlet.name, uri=outlet.uri)
        session.add_all([asset, AssetActive(name=asset.name, uri=asset.uri)])
run = module.dag.test()
print("STATES", *(f"{ti.task_id}={ti.state}" for ti in run.get_task_instances()))
"""


def run_dag(folder: Path, dag_id: str, tasks: str, environment: Mapping[str, str]) -> dict[str, str]:
    """
    Run a DAG with ``dag.test()``.

    :param folder: Airflow's DAG folder.
    :param dag_id: its id, and the name of its file.
    :param tasks: Python that makes its tasks; each of their outlets is an asset that no other task has.
    :param environment: what is added to this process's environment.
    :return: task id -> state.
    """
    path = folder / f"{dag_id}.py"
    head = "from datetime import datetime\nfrom airflow.sdk import DAG, Asset, task\n"
    body = "".join(f"    {line}\n" for line in tasks.strip().splitlines())
    path.write_text(f"{head}\nwith DAG({dag_id!r}, schedule=None, start_date=datetime(2026, 1, 1)) as dag:\n{body}")
    try:
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path), dag_id],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.unlink()
    told = [line for line in ran.stdout.splitlines() if line.startswith("STATES ")]
    assert told, f"{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    return dict(pair.split("=") for pair in told[-1].split()[1:])
