"""
A soak: 1,000 gates in a real triggerer, coming and going, killed in the middle; on SQLite and on PostgreSQL.

``MINUTES`` in the environment says how long each soak takes, 20 by default. The triggerer is the process that
``airflow triggerer`` starts, with its default capacity. A scheduler that starts a worker process for each gate would
need most of an hour for the first thousand, on two cores; so the gates are written into Airflow's tables through its
own models, as its API server writes a task that defers, and nobody runs what a trigger resumes
(``benchmarks/soak_gates.py``).

Each gate waits for ten objects and polls every 60 seconds. Every ten seconds 15 gates have their objects replicated,
5 are taken away as a user does who marks them as successful, and as many new ones come as have ended. In the middle
the triggerer and its children are killed with SIGKILL, and another one is started.

The runner is the process in which the triggers run, a child of the triggerer. What grows is told as the slope of a
straight line through what was seen every ten seconds, the first part after each start left out. A gate opens too early
if it ends before its objects were said to be replicated.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, table
from benchmarks.postgres import Postgres

GATES = 1_000
#: Name of the DAG, of its run, and of its task.
DAG, RUN, TASK = "soak", "soak", "gate"
#: Begins the line that holds the outcome.
MARK = "soaked: "
_DAG = f"""\
from datetime import datetime

from airflow.sdk import DAG

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

with DAG({DAG!r}, schedule=None, start_date=datetime(2026, 1, 1)):
    S3ReplicationSensor(task_id={TASK!r}, bucket_key="s3://bucket/key", deferrable=True)
"""


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the tables of this benchmark."""
    minutes = float(os.environ.get("MINUTES", "20"))
    return "\n\n".join(soaked(database, minutes, say) for database in ("SQLite", "PostgreSQL"))


def soaked(database: str, minutes: float, say: Callable[[str], None]) -> str:
    """Return the table of one soak."""
    say(f"-- {database}, {minutes:g} minutes")
    with tempfile.TemporaryDirectory(prefix="crr-bench-") as folder, _database(database, Path(folder)) as url:
        home = Path(folder)
        (home / "dags").mkdir()
        (home / "dags" / "soak.py").write_text(_DAG)
        environment = _environment(home, url)
        for command in (("db", "migrate"), ("dag-processor", "--num-runs", "1")):
            subprocess.run(
                [sys.executable, "-m", "airflow", *command],
                env=environment,
                cwd=home,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
            )
        found: dict[str, Any] = {}
        child = [sys.executable, "-m", "benchmarks.soak_gates", str(minutes * 60)]
        with subprocess.Popen(child, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith(MARK):
                    found = json.loads(line.removeprefix(MARK))
                else:
                    say(line.rstrip())
        if not found:
            raise RuntimeError("the soak did not come to its end; its own words are above")
    return f"### {database}, {minutes:g} minutes\n\n{_told(found)}"


@contextlib.contextmanager
def _database(name: str, home: Path) -> Iterator[str]:
    if name == "SQLite":
        yield f"sqlite:///{home}/airflow.db"
        return
    with Postgres() as server:
        yield server.url


def _environment(home: Path, database: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
    settings = {
        "CORE__DAGS_FOLDER": str(home / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        **kept,
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "AIRFLOW_HOME": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def _told(found: dict[str, Any]) -> str:
    rows = [
        [f"{part['when']}, {process}", *map(_went, figures)]
        for part in found["parts"]
        for process, figures in part["processes"].items()
    ]
    ended = ", ".join(f"{number:,} {how}" for how, number in found["ended"].items())
    sentences = (
        f"Gates that ended: {ended}.",
        f"Opened too early: {found['early']}.",
        f"The first gate of the killed triggerer opened in the next one after {found['resumed']:,.0f} s.",
        f"The {found['waiting']:,} that waited at the end opened within {found['drained']:,.0f} s.",
        f"Most HEADs in any 5 s: {found['fastest']:,.0f} a second.",
    )
    return f"{table(['', 'memory, MB', 'threads', 'descriptors'], rows)}\n\n{' '.join(sentences)}"


def _went(figure: dict[str, float]) -> str:
    return f"{figure['first']:,.0f} to {figure['last']:,.0f}, {figure['slope']:+.2f} a minute"
