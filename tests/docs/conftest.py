"""An Airflow that the samples run in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def load_dags(airflow_home: Path) -> Callable[[str], dict[str, Any]]:
    """Have Airflow read the text of a DAG file; return the DAGs."""
    from airflow.utils.db import initdb

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.0
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    initdb()

    def load(text: str) -> dict[str, Any]:
        path = airflow_home / "dags" / "sample.py"  # where Airflow looks for DAGs: a task of it is loaded from there
        path.write_text(text)
        bag = DagBag(str(path))
        assert bag.import_errors == {}
        return dict(bag.dags)

    return load
