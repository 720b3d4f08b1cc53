"""``python -m benchmarks.soak_gates SECONDS``: one soak, in the environment of one Airflow; ``soak.py`` says which."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import linear_regression
from typing import Any

import psutil
from airflow.models.dag_version import DagVersion
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select, update

from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from benchmarks.lookups import connection_to
from benchmarks.nginx import Nginx
from benchmarks.pace import fastest
from benchmarks.soak import DAG, GATES, MARK, RUN, TASK

BUCKETS = 10
OBJECTS = 10
#: Seconds between two steps, and what happens in each.
STEP = 10.0
OPENED, TAKEN = 15, 5
#: Seconds that the last gates have to open.
_PATIENCE = 600.0
_FIGURES = (lambda process: process.memory_info().rss / 1e6, psutil.Process.num_threads, psutil.Process.num_fds)


class Gates:
    """
    The gates in Airflow's tables: instances of one task in one run, each with a map index of its own.

    :param server: the S3 of their objects.
    """

    def __init__(self, server: Nginx) -> None:
        self._server = server
        self._numbers = count()
        #: The numbers of those that wait, in the order in which they came.
        self.waiting: dict[int, None] = {}
        #: When the objects of each were replicated, or when it was taken away.
        self._told: dict[int, datetime] = {}
        self.early: list[int] = []
        self.ended: Counter[str] = Counter()
        with create_session() as session:
            session.add(connection_to(server.url))
            dag: Any = SerializedDagModel.get(DAG, session=session)
            version = DagVersion.get_latest_version(DAG, session=session)
            assert version
            now = datetime.now(UTC)
            dag.dag.create_dagrun(
                run_id=RUN,
                logical_date=now,
                data_interval=(now, now),
                run_after=now,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
            )
            self._task, self._version = dag.dag.get_task(TASK), version.id

    def add(self, number: int) -> None:
        """Let new gates wait, as ``ti_update_state`` of the execution API does with a task that defers."""
        with create_session() as session:
            for _ in range(number):
                gate = next(self._numbers)
                path, kwargs = _trigger(gate).serialize()
                row = Trigger(path, kwargs)
                session.add(row)
                session.flush()
                task = TaskInstance(self._task, self._version, RUN, TaskInstanceState.DEFERRED, map_index=gate)
                task.start_date, task.try_number = datetime.now(UTC), 1
                task.trigger_id, task.next_method, task.next_kwargs = row.id, "execute_complete", {}
                task.trigger_timeout = datetime.now(UTC) + timedelta(days=7)
                session.add(task)
                self.waiting[gate] = None

    def open(self, number: int) -> None:
        """Let the objects of those that wait longest be replicated."""
        for gate in [gate for gate in self.waiting if gate not in self._told][:number]:
            self._told[gate] = datetime.now(UTC)
            self._server.complete(_folder(gate))

    def take_away(self, number: int) -> None:
        """Mark some as successful, as a user does."""
        gates = [gate for gate in self.waiting if gate not in self._told][-number:]
        self._told.update(dict.fromkeys(gates, datetime.now(UTC)))
        with create_session() as session:
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.map_index.in_(gates), TaskInstance.state == TaskInstanceState.DEFERRED)
                .values(state=TaskInstanceState.SUCCESS)
            )

    def look(self) -> list[int]:
        """Take note of those that have ended; return which have opened."""
        with create_session() as session:
            rows = session.execute(
                select(
                    TaskInstance.map_index, TaskInstance.state, TaskInstance.next_kwargs, TaskInstance.scheduled_dttm
                ).where(
                    TaskInstance.run_id == RUN,
                    TaskInstance.map_index >= 0,
                    TaskInstance.map_index.in_(list(self.waiting)),
                    TaskInstance.state.is_not(None),
                    TaskInstance.state != TaskInstanceState.DEFERRED,
                )
            ).all()
        opened = []
        for gate, state, kwargs, resumed in rows:
            del self.waiting[gate]
            how = "taken away"
            if state != TaskInstanceState.SUCCESS:
                event = (kwargs or {}).get("event") or {}
                done = event.get("status") == "done" and event["value"]["statuses"] == {"COMPLETED": OBJECTS}
                how = "opened" if done else f"ended otherwise ({str(kwargs)[:300]})"
                opened += [gate] if done else []
            if gate not in self._told or (how == "opened" and resumed < self._told[gate]):
                self.early.append(gate)
            self.ended[how] += 1
        return opened


def _folder(gate: int) -> str:
    return f"gate-{gate:06d}"


def _trigger(gate: int) -> S3ReplicationTrigger:
    keys = [f"{_folder(gate)}/part-{number:04d}.parquet" for number in range(OBJECTS)]
    now = time.time()
    return S3ReplicationTrigger(
        targets=Targets.parse(keys, bucket_name=f"bucket-{gate % BUCKETS}").to_stored(),
        policy={},
        hook={"aws_conn_id": "aws_default", "max_requests_per_second": 1_000.0},
        poke_interval=60.0,
        started_at=now,
        deadline=now + 7 * 86400,
    )


class Triggerer:
    """The processes of ``airflow triggerer``, and what was seen of them."""

    def __init__(self) -> None:
        self._log = (Path(os.environ["AIRFLOW_HOME"]) / "triggerer.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._began = time.monotonic()
        self._seen: dict[str, list[list[float]]] = {"triggerer": [], "runner": []}

    def see(self) -> str:
        """Write down what its processes have; return it as a line."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the triggerer ended with exit code {self._process.returncode}")
        parent = psutil.Process(self._process.pid)
        runners = parent.children()
        for name, process in (("triggerer", parent), *(("runner", each) for each in runners[:1])):
            self._seen[name].append([time.monotonic() - self._began, *(float(figure(process)) for figure in _FIGURES)])
        return ", ".join(
            f"{name} {seen[-1][1]:,.0f} MB, {seen[-1][2]:.0f} threads, {seen[-1][3]:,.0f} descriptors"
            for name, seen in self._seen.items()
            if seen
        )

    def kill(self) -> None:
        """End all its processes as a machine that fails does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def figures(self, warm: float) -> dict[str, list[dict[str, float]]]:
        """
        Return how memory (MB), threads and descriptors of each process went.

        :param warm: seconds after its start that are left out.
        """
        found: dict[str, list[dict[str, float]]] = {}
        for name, seen in self._seen.items():
            moments, *figures = zip(*(each for each in seen if each[0] >= warm), strict=True)
            minutes = [moment / 60 for moment in moments]
            found[name] = [
                {"first": figure[0], "last": figure[-1], "slope": linear_regression(minutes, figure).slope}
                for figure in figures
            ]
        return found


def soak(seconds: float) -> dict[str, Any]:
    """Return what came of it."""
    half, warm = seconds / 2, min(240.0, seconds / 4)
    parts, rate, resumed = [], 0.0, 0.0
    with Nginx(pending=True) as server:
        gates = Gates(server)
        gates.add(GATES)
        for when in ("before the kill", "after it"):
            triggerer, left = Triggerer(), set(gates.waiting)
            began = time.monotonic()
            try:
                while time.monotonic() < began + half:
                    time.sleep(STEP)
                    opened = gates.look()
                    if left.intersection(opened) and when == "after it" and not resumed:
                        resumed = time.monotonic() - began
                    gates.add(GATES - len(gates.waiting))
                    rate = max(rate, fastest(server.heads() or [0.0]))
                    print(f"{time.monotonic() - began:.0f} s: {dict(gates.ended)}; {triggerer.see()}", flush=True)
                    gates.open(OPENED)
                    gates.take_away(TAKEN)
                if when == "after it":
                    waiting, drained = len(gates.waiting), _drained(gates)
            finally:
                triggerer.kill()
            parts.append({"when": when, "processes": triggerer.figures(warm)})
    return {
        "parts": parts,
        "ended": gates.ended,
        "early": len(gates.early),
        "waiting": waiting,
        "drained": drained,
        "resumed": resumed,
        "fastest": rate,
    }


def _drained(gates: Gates) -> float:
    """Let all gates open; return how many seconds the last of them took."""
    began = time.monotonic()
    gates.open(len(gates.waiting))
    while gates.waiting:
        gates.look()
        if time.monotonic() > began + _PATIENCE:
            raise RuntimeError(f"{len(gates.waiting)} gates did not open, such as {list(gates.waiting)[:5]}")
        time.sleep(1)
    return time.monotonic() - began


if __name__ == "__main__":
    print(MARK + json.dumps(soak(float(sys.argv[1]))), flush=True)
