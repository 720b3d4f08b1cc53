"""A worker in a process of its own that is killed, with SIGKILL, when it comes to a certain place."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_crr.hooks.base import ConnectedHook
from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from airflow_provider_crr.tasks.compat import TaskDeferred
from tests.support.task_context import TaskContext

#: The places, in the order in which a worker comes to them: events of botocore, or what is done beside AWS.
PLACES = (
    "before-call.s3.GetObjectLockConfiguration",
    "before-call.s3.GetObject",  # whether the manifest is there
    "before-call.s3.PutObject",
    "after-call.s3.PutObject",
    "before-call.s3.HeadBucket",
    "before-call.s3-control.CreateJob",
    "under way: CreateJob",  # S3 has created the job, and its answer has not come
    "after-call.s3-control.CreateJob",
    "before the job is kept",
    "after the job is kept",
    "after-call.s3-control.DescribeJob",
    "deferred",
)


class FileStore:
    """A task state store that outlives a process."""

    def __init__(self, path: Path, visit: Callable[[str], None] = lambda place: None) -> None:
        self._path = path
        self._visit = visit

    def get(self, key: str) -> Any:
        return json.loads(self._path.read_text()).get(key) if self._path.exists() else None

    def set(self, key: str, value: Any) -> None:
        self._visit("before the job is kept")
        self._path.write_text(json.dumps({key: value}))
        self._visit("after the job is kept")


class Try(TaskContext):
    """The context of one try of a task."""

    def __init__(self, run_id: str, store: FileStore | None) -> None:
        super().__init__()
        self.dag_id, self.task_id, self.run_id, self.map_index = "dag", "repair", run_id, -1
        self.try_number, self.max_tries = 1, 3
        if store:
            self["task_state_store"] = store


def run_and_kill(place: str, connection: str, arguments: dict[str, Any], run_id: str, store: Path | None) -> int | None:
    """
    Run a task in a process that is killed at a place; return the exit code of the process.

    :param place: one of :data:`PLACES`.
    :param connection: Airflow's connection, as JSON.
    :param arguments: of the operator.
    :param run_id: of the DAG run.
    :param store: file of the task state store; None for an Airflow that has none.
    """
    processes = multiprocessing.get_context("forkserver")  # which imports once, and has no threads
    processes.set_forkserver_preload(["tests.conftest", __name__])
    process = processes.Process(target=_work, args=(place, connection, arguments, run_id, store))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the process has not ended"
    return process.exitcode


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # nothing else is done in this thread


def _work(place: str, connection: str, arguments: dict[str, Any], run_id: str, path: Path | None) -> None:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection

    def visit(where: str) -> None:
        if where == place:
            _kill()

    make = ConnectedHook.get_client_type

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        client = make(self, *args, **kwargs)
        if place.startswith(("before-call.", "after-call.")):
            client.meta.events.register(place, lambda **_: _kill())
        elif place == "under way: CreateJob":
            client.meta.events.register("before-call.s3-control.CreateJob", lambda **_: _kill_soon())
        return client

    ConnectedHook.get_client_type = watched  # type: ignore[method-assign]
    store = FileStore(path, visit) if path else None
    try:
        S3BatchReplicationOperator(task_id="repair", **arguments).execute(Try(run_id, store))  # type: ignore[arg-type]
    except TaskDeferred:
        visit("deferred")


def _kill_soon() -> None:
    """Kill this process while the answer is waited for, which the server delays."""
    threading.Timer(0.5, _kill).start()
