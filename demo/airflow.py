"""An Airflow for the demo: API server, scheduler and triggerer as processes, and how the demo controls them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.guard import Guard, end_session

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "example_dags"

#: Airflow's own way to change DAGs from outside: the examples have schedules, and poll every 30 seconds or more.
POLICY = """\
from airflow.timetables.simple import NullTimetable


def dag_policy(dag):
    dag.timetable = NullTimetable()


def task_policy(task):
    for interval in ("poke_interval", "poll_interval"):
        if hasattr(task, interval):
            setattr(task, interval, 2.0)
    if getattr(task, "mode", None) == "reschedule":
        task.mode = "poke"  # a busy Airflow mistakes one look for another if they come within seconds
"""


#: Seconds that a process may take to start, or to do what it is for: a machine may be slow.
_PATIENCE = 240.0

#: The processes that stay, and their commands.
_COMMANDS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


class DemoFailed(Exception):
    """Something in the demo did not happen as expected."""


class Airflow:
    """
    Airflow with SQLite and LocalExecutor below one directory, for the time of a ``with`` block.

    :param home: directory that is made anew, for the database and all logs.
    :param connection: value of ``AIRFLOW_CONN_AWS_DEFAULT``.
    :param dags: folder of the DAG files.
    :param policy: Python text of the cluster policies.
    :param settings: more of Airflow's settings, such as ``{"TRIGGERER__CAPACITY": "2000"}``.
    :param users: role of each user of the REST API, by name; the demo is the first, an admin. By default Airflow asks
        for no password, and takes everybody for an admin.
    :param throwaway: a folder around ``home`` that is deleted if this process is killed; None deletes nothing.
    """

    def __init__(
        self,
        home: Path,
        connection: str,
        *,
        dags: Path = EXAMPLES,
        policy: str = POLICY,
        settings: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        throwaway: Path | None = None,
    ) -> None:
        self._dags = dags
        self._policy = policy
        self._settings = settings or {}
        self._users = users or {}
        #: The password of each user, by name.
        self.passwords = {name: secrets.token_urlsafe(16) for name in self._users}
        self._throwaway = throwaway
        self.logs = home / "logs"
        self._home = home
        self._reserved = _reserve_port()
        self._port = int(self._reserved.getsockname()[1])
        self._connection = connection
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = ""

    @property
    def url(self) -> str:
        """Address of the web interface."""
        return f"http://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        """Make the database, start the processes, and wait until they answer."""
        self._guard = Guard(self._throwaway)
        try:
            shutil.rmtree(self._home, ignore_errors=True)
            (self._home / "config").mkdir(parents=True)
            (self._home / "config" / "airflow_local_settings.py").write_text(self._policy)
            (self._home / "config" / "passwords.json").write_text(json.dumps(self.passwords))
            self.logs.mkdir()
            self._finish("db-migrate", self._start("db-migrate", "db", "migrate"))
            for name in _COMMANDS:
                self.start(name)
            self.parse()  # once: the examples do not change while the demo runs
            self._wait_until_healthy()
        except BaseException as error:
            self._stop()
            error.add_note("\n".join(f"== Airflow's {name}\n{tail}" for name, tail in self.tails().items()))
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes."""
        self._stop()

    def tails(self, characters: int = 3000) -> dict[str, str]:
        """Return the end of what each process has said."""
        return {path.stem: path.read_text(errors="replace")[-characters:] for path in sorted(self.logs.glob("*.log"))}

    def parse(self) -> None:
        """Let Airflow parse the DAG files."""
        self._finish("dag-processor", self._start("dag-processor", "dag-processor", "--num-runs", "1"))

    def run(self, module: str, *arguments: str) -> None:
        """Run a Python module where Airflow's processes run, and wait for its end."""
        self._finish(module, self._start(module, *arguments, module=module))

    def start(self, name: str, *command: str, **settings: str) -> None:
        """
        Start one of Airflow's processes.

        :param name: which; any name that is free, if it comes with a command.
        :param command: its arguments; by default those of the process that has this name.
        :param settings: of Airflow, for this process, such as ``TRIGGERER__CAPACITY``.
        """
        self._processes[name] = self._start(name, *(command or _COMMANDS[name]), **settings)

    def running(self, prefix: str = "") -> list[str]:
        """Return the names of the processes that were started, and not ended."""
        return [name for name in self._processes if name.startswith(prefix)]

    def stop(self, name: str) -> int:
        """Ask one of Airflow's processes to end, as an upgrade does; return its exit code."""
        process = self._processes[name]
        process.terminate()
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"Airflow's {name} did not end within {_PATIENCE:.0f} seconds") from error
        self.kill(name)  # what it has left behind
        return code

    def kill(self, name: str) -> None:
        """End one of Airflow's processes as a machine that fails does: with SIGKILL, its children with it."""
        process = self._processes.pop(name)
        end_session(process.pid)
        process.wait()
        self._guard.forget(process.pid)

    def trigger(self, dag_id: str, run_id: str | None = None, /, **params: Any) -> str:
        """Start a run of a DAG, and return its id, which Airflow makes if none is given."""
        self._ask("PATCH", f"dags/{dag_id}", {"is_paused": False})
        body = {"logical_date": datetime.now(UTC).isoformat(), "conf": params}
        if run_id:
            body["dag_run_id"] = run_id
        return str(self._ask("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def add_connection(self, conn_id: str, connection: dict[str, Any]) -> None:
        """Store a connection in Airflow's database; its ``extra`` is a mapping."""
        body = {**connection, "connection_id": conn_id, "extra": json.dumps(connection["extra"])}
        self._ask("POST", "connections", body)

    def runs(self, dag_id: str) -> dict[str, str]:
        """Return the state of every run of a DAG, by its id, in the order in which they were made."""
        found = self._ask("GET", f"dags/{dag_id}/dagRuns?order_by=run_after")["dag_runs"]
        return {run["dag_run_id"]: str(run["state"]) for run in found}

    def asset_events(self, asset: str) -> list[dict[str, Any]]:
        """Return the ``extra`` of each event of an asset, in the order in which they were recorded."""
        deadline = time.monotonic() + 30
        while True:
            try:
                found = self._ask("GET", "assets/events?limit=100")["asset_events"]
                break
            except DemoFailed as error:
                # Airflow 3.3.2 does, as long as a run that an event made has not started.
                if "HTTP 500" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        found.sort(key=lambda event: event["id"])
        return [event["extra"] for event in found if event["name"] == asset]

    def add_asset_event(self, asset: str, extra: dict[str, Any]) -> None:
        """Record an event of an asset, as a user may in the web interface."""
        found = self._ask("GET", "assets?limit=100")["assets"]
        (asset_id,) = (each["id"] for each in found if each["name"] == asset)
        self._ask("POST", "assets/events", {"asset_id": asset_id, "extra": extra})

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of every task of a run, in the order in which they started."""
        self.check_alive()
        found = self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        found.sort(key=lambda instance: instance["start_date"] or "~")
        return {instance["task_id"]: str(instance["state"]) for instance in found}

    def mapped_states(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        """Return the state of every instance of a mapped task, by its index."""
        self.check_alive()
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/listMapped"
        found = self._ask("GET", path)["task_instances"]
        found.sort(key=lambda instance: instance["map_index"])
        return [str(instance["state"]) for instance in found]

    def tries(self, dag_id: str, run_id: str, task_id: str) -> int:
        """Return how often a task was tried."""
        return int(self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")["try_number"])

    def returned(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, *, key: str = "return_value"
    ) -> Any:
        """Return what a task pushed to XCom."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}?deserialize=true"
        path += f"&map_index={map_index}"
        return self._ask("GET", path)["value"]

    def messages(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        """Return what the provider has logged in a task so far, on a worker or in the triggerer."""
        found = chain.from_iterable(self.logged(dag_id, run_id, task_id).values())
        lines = sorted(found, key=lambda line: str(line.get("timestamp")))
        return [str(line["event"]) for line in lines if "airflow_provider_crr" in str(line.get("logger"))]

    def logged(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, list[dict[str, Any]]]:
        """Return the lines of a task's log files: one file for each try, and one for each triggerer that ran it."""
        folder = self.logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        paths = sorted(folder.glob("attempt=*"), key=lambda path: path.stat().st_ctime)
        return {path.name: list(_json_lines(path)) for path in paths}

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                health = self._ask("GET", "monitor/health")
                if all(health[name]["status"] == "healthy" for name in ("scheduler", "triggerer")):
                    self._token = self._new_token()
                    return
            except DemoFailed:
                pass
            time.sleep(0.2)
        raise DemoFailed(f"Airflow did not become healthy within {_PATIENCE:.0f} seconds")

    def _new_token(self) -> str:
        for name, password in self.passwords.items():
            user = {"username": name, "password": password}
            return str(self._send("POST", f"{self.url}/auth/token", user)["access_token"])
        # Without a password: this Airflow listens on the loopback only, and takes everybody for an admin.
        return str(self._send("GET", f"{self.url}/auth/token", None)["access_token"])

    def check_alive(self) -> None:
        """Raise DemoFailed if one of Airflow's processes has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise DemoFailed(f"Airflow's {name} ended with exit code {process.returncode}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._send(method, f"{self.url}/api/v2/{path.replace('+', '%2B')}", body)

    def _send(self, method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        # No proxy for the loopback, whatever the environment says.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_PATIENCE) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise DemoFailed(f"{method} {url}: HTTP {error.code}: {said}") from error
        except OSError as error:
            raise DemoFailed(f"Airflow's API server did not answer {method} {url}: {error}") from error

    def _start(self, name: str, *command: str, module: str = "airflow", **settings: str) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment() | {f"AIRFLOW__{name}": value for name, value in settings.items()},
                cwd=self._home,
                start_new_session=True,  # so that its children can be ended with it
            )
        self._guard.watch(process.pid)
        return process

    def _finish(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self._processes[name] = process
        try:
            if process.wait(_PATIENCE):
                raise DemoFailed(f"{name} ended with exit code {process.returncode}")
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"{name} did not end within {_PATIENCE:.0f} seconds") from error
        self.kill(name)  # what it has left behind

    def _stop(self) -> None:
        # At once: nobody reads the database again, and the scheduler would wait for its tasks.
        for name in list(self._processes):
            self.kill(name)
        self._reserved.close()
        self._guard.close()

    def environment(self) -> dict[str, str]:
        """Return the environment of Airflow's processes; with it, its command line asks the same Airflow."""
        # COVERAGE_*: it would slow the start of each process, and what is killed saves nothing.
        dropped = ("AIRFLOW", "AWS_", "COVERAGE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        settings = {
            "CORE__DAGS_FOLDER": str(self._dags),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "2",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": str(not self._users),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(map(":".join, self._users.items())) or "admin:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._home / "config" / "passwords.json"),
            "API__HOST": HOST,
            "API__PORT": str(self._port),
            "API__WORKERS": "1",
            "API__SECRET_KEY": self._secret,
            "API_AUTH__JWT_SECRET": self._secret,
            # Without one, Airflow 3.0 asks PyJWT 2.10 and later for a token that they refuse to make.
            "API_AUTH__JWT_ISSUER": "airflow",
            "API__ENABLE_XCOM_DESERIALIZE_SUPPORT": "True",  # Airflow 3.0 refuses it otherwise
            "LOGGING__BASE_LOG_FOLDER": str(self.logs),
            "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            **self._settings,
        }
        return {
            **kept,
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW_CONN_AWS_DEFAULT": self._connection,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": HOST,
            "no_proxy": HOST,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTHONWARNINGS": "ignore",
            **_bytecode(self._home),
        }

    _secret = secrets.token_urlsafe(48)


def _bytecode(home: Path) -> dict[str, str]:
    """Let the processes share compiled modules if Python is told to write none: that halves the time of their start."""
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(home / "bytecode")}


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # a line that is being written
            continue
        yield line


def _reserve_port() -> socket.socket:
    """Return a socket that reserves a port. With SO_REUSEADDR the server can bind it, too, and listen on it."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((HOST, 0))
    return reserved
