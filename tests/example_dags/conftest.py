"""The example DAGs, run by Airflow as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.example_runs import EXAMPLES, DagOutcome, run_example


@pytest.fixture(scope="session")
def examples() -> Path:
    """Folder of the example DAGs."""
    return EXAMPLES


@pytest.fixture(scope="session")
def metadata_database(airflow_home: Path) -> None:
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(name="run_example")
def run_example_in_airflow(metadata_database: None, airflow_home: Path, aws_conn: Any) -> Callable[..., DagOutcome]:
    """Run an example against the local AWS."""
    return partial(run_example, airflow_home / "dags")
