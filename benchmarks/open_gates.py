"""
How long gates take that are open already, beside S3KeySensor: deferrable, over replicated objects.

In a real Airflow (scheduler with LocalExecutor, triggerer and API server as processes, SQLite) each row is a run of a
DAG of 30 tasks, two at a time, from the moment when it is asked for until it has succeeded. Under ``dag.test()`` each
row is a run of a DAG of three mapped tasks. All these runs are in one process, which has run such a DAG before. In both
tables a task that does nothing shows what Airflow itself takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.lookups import connect
from benchmarks.measure import table
from benchmarks.nginx import Nginx
from demo.airflow import Airflow

TASKS = 30
MAPPED = 3
#: Seconds between two looks at a run.
_LOOK = 0.25
_DAGS = f"""\
from datetime import datetime

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk import DAG, BaseOperator

from airflow_provider_crr.sensors.replication import S3ReplicationSensor


class Nothing(BaseOperator):
    def __init__(self, *, bucket_key, bucket_name, deferrable, **kwargs):
        super().__init__(**kwargs)

    def execute(self, context):
        pass


def keys(gate):
    return [f"orders-{{gate:04d}}/part-{{number:06d}}.parquet" for number in range(10)]


WAYS = {{"nothing": Nothing, "s3_key_sensor": S3KeySensor, "ours": S3ReplicationSensor}}
COMMON = {{"bucket_name": "orders-bucket", "deferrable": True}}
dags = {{}}
for name, operator in WAYS.items():
    with DAG(f"{{name}}_single", schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks=100) as dag:
        for gate in range({TASKS}):
            operator(task_id=f"gate_{{gate}}", bucket_key=keys(gate), **COMMON)
    dags[dag.dag_id] = dag
    with DAG(f"{{name}}_mapped", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operator.partial(task_id="gate", **COMMON).expand(bucket_key=[keys(gate) for gate in range({MAPPED})])
    dags[dag.dag_id] = dag
"""
_TEST = """\
import importlib.util, json, sys, time
spec = importlib.util.spec_from_file_location("gates", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
taken = {name: [] for name in module.WAYS}
for number in range(1 + int(sys.argv[2])):
    for name in taken:
        began = time.perf_counter()
        run = module.dags[f"{name}_mapped"].test()
        if number:
            taken[name].append(time.perf_counter() - began)
        states = {str(instance.state) for instance in run.get_task_instances()}
        assert states == {"success"}, (name, states)
print("taken: " + json.dumps(taken))
"""
_NAMES = {"nothing": "tasks that do nothing", "s3_key_sensor": "S3KeySensor", "ours": "ours: S3ReplicationSensor"}


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    rounds = 3 if full else 2
    with Nginx() as server, tempfile.TemporaryDirectory(prefix="crr-bench-") as folder:
        connect(server.url)
        dags = Path(folder) / "dags"
        dags.mkdir()
        (dags / "gates.py").write_text(_DAGS)
        processes = _in_processes(server, Path(folder), rounds, say)
        tested = _under_dag_test(server, Path(folder), rounds, say)
    return f"{processes}\n\n{tested}"


def _in_processes(server: Nginx, folder: Path, rounds: int, say: Callable[[str], None]) -> str:
    taken: dict[str, list[float]] = {name: [] for name in _NAMES}
    deferred: dict[str, int] = {}
    asked: dict[str, int] = {}
    connection = os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    with Airflow(folder / "airflow", connection, dags=folder / "dags", policy="") as airflow:
        for _ in range(rounds):
            for name in _NAMES:
                server.heads()
                dag = f"{name}_single"
                began = time.perf_counter()
                run = airflow.trigger(dag)
                while (state := airflow.run_state(dag, run)) not in ("success", "failed"):
                    time.sleep(_LOOK)
                taken[name].append(time.perf_counter() - began)
                if state != "success":
                    raise AssertionError(f"{dag}: {airflow.task_states(dag, run)}")
                logs = [airflow.logged(dag, run, task) for task in airflow.task_states(dag, run)]
                deferred[name] = sum(any(".trigger." in file for file in each) for each in logs)
                asked[name] = len(server.heads())
                say(f"{dag}: {taken[name][-1]:.1f} s, {deferred[name]} deferred, {asked[name]} HEADs")
    rows = [
        [_NAMES[name], f"{median(each):,.1f}", f"{deferred[name]}", f"{asked[name]:,}"] for name, each in taken.items()
    ]
    return table([f"{TASKS} deferrable gates of 10 objects", "took, s", "deferred", "HEADs"], rows)


def _under_dag_test(server: Nginx, folder: Path, rounds: int, say: Callable[[str], None]) -> str:
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "test"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", _TEST, str(folder / "dags" / "gates.py"), str(rounds)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("taken: ")]
    if done.returncode or not told:
        raise RuntimeError(f"dag.test() failed: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    taken: dict[str, list[float]] = json.loads(told[0].removeprefix("taken: "))
    say(f"dag.test(): {taken}")
    rows = [[_NAMES[name], f"{median(each):,.1f}"] for name, each in taken.items()]
    return table([f"{MAPPED} mapped ones of 10 objects under dag.test()", "took, s"], rows)
