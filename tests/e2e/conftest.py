"""A real Airflow: scheduler with LocalExecutor, DAG processor, triggerer and API server, as processes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.airflow import Airflow
from local_aws import LocalAws

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def airflow(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Airflow's processes, once for these tests."""
    home = tmp_path_factory.mktemp("airflow") / "home"
    with Airflow(home, aws.airflow_connection_uri_json(), dags=DAGS, policy="") as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log below a test that failed."""
    report = yield
    running = item.funcargs.get("airflow")
    if report.failed and running:
        report.sections += [(f"Airflow's {name}", tail) for name, tail in running.tails().items()]
    return report
