"""A real Airflow: scheduler with LocalExecutor, DAG processor, triggerer and API server, as processes."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.airflow import EXAMPLES, Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, replicated_pair, versioned_bucket
from tests.support.statsd import StatsD

DAGS = Path(__file__).parent / "dags"
#: Example DAGs that need a real scheduler: they are about asset events.
ASSET_EXAMPLES = ("announce_replica", "load_replica", "summarize_delivered_report", "failed_replication_events")

#: Users of the REST API, and their roles.
USERS = {"admin": "admin", "region-a": "op"}
#: The example that is about all of it.
LOOP_EXAMPLE = "repair_failed"

#: Airflow's own way to change DAGs from outside.
POLICY = """\
from airflow.timetables.simple import NullTimetable


def dag_policy(dag):
    if dag.dag_id == "announce_replica":  # runs when the test says so, and only then
        dag.timetable = NullTimetable()
    for asset in getattr(getattr(dag.timetable, "asset_condition", None), "objects", ()):
        dag.is_paused_upon_creation = False  # a paused DAG's assets are not watched
        # The amazon provider's trigger needs aiobotocore, which is not installed here: the test plays it.
        asset.watchers = [watcher for watcher in asset.watchers if "airflow_provider_crr" in repr(watcher.trigger)]
        for watcher in asset.watchers:
            watcher.trigger.poke_interval = 1.0


def task_policy(task):
    if task.dag_id == "repair_failed":  # the others say themselves how often they ask
        for interval in ("poke_interval", "poll_interval"):
            if hasattr(task, interval):
                setattr(task, interval, 1.0)
        if getattr(task, "mode", None) == "reschedule":
            task.mode = "poke"  # a busy Airflow mistakes one look for another if they come within seconds
"""


@pytest.fixture(scope="session")
def example_buckets(aws: LocalAws) -> ReplicatedPair:
    """The buckets that the example DAGs name, from before anything looks at them."""
    pair = replicated_pair(aws, "my-landing-bucket", "my-landing-bucket-replica")
    versioned_bucket(pair.source_client, "my-inventory-bucket")
    return pair


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsD]:
    """Where Airflow's processes send their metrics."""
    with StatsD() as server:
        yield server


@pytest.fixture(scope="session")
def airflow(
    aws: LocalAws, example_buckets: ReplicatedPair, statsd: StatsD, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    """Airflow's processes, once for these tests."""
    root = tmp_path_factory.mktemp("airflow")
    dags = Path(shutil.copytree(DAGS, root / "dags", ignore=shutil.ignore_patterns("__pycache__")))
    for name in (*ASSET_EXAMPLES, LOOP_EXAMPLE):
        shutil.copy(EXAMPLES / f"{name}.py", dags)
    connection = aws.airflow_connection_uri_json()
    with Airflow(root / "home", connection, dags=dags, policy=POLICY, users=USERS, settings=statsd.settings) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log below a test that failed."""
    report = yield
    running = item.funcargs.get("airflow")
    if report.failed and running:
        report.sections += [(f"Airflow's {name}", tail) for name, tail in running.tails().items()]
    return report
