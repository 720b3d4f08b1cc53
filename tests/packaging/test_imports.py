"""What imports what: the inner modules need the standard library only, and the Airflow faces stay light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_crr

ROOT = Path(airflow_provider_crr.__file__).parent
#: The modules that speak Airflow.
FACES = ("hooks", "sensors", "triggers", "operators", "notifications", "links", "plugins", "cli", "failures")
#: Modules beside them that speak Airflow, too, or pytest.
SPEAKING = {
    f"airflow_provider_crr.tasks.{name}"
    for name in ("connection", "deferral", "last_words", "lasting", "threads", "told_failures")
} | {f"airflow_provider_crr.testing.{name}" for name in ("standing_in", "pytest_plugin")}
#: Modules that are pure by design, each tried in an interpreter of its own; all others together.
PURE = [
    "airflow_provider_crr",
    "airflow_provider_crr.tasks.asset_events",
    "airflow_provider_crr.tasks.notice",
    "airflow_provider_crr.errors",
    "airflow_provider_crr.provider_info",
    "airflow_provider_crr.replication.status",
    "airflow_provider_crr.replication.gate",
    "airflow_provider_crr.replication.rules",
    "airflow_provider_crr.replication.rules_check.check",
    "airflow_provider_crr.replication.events",
    "airflow_provider_crr.replication.targets",
    "airflow_provider_crr.replication.checkpoint.store",
    "airflow_provider_crr.replication.poller",
    "airflow_provider_crr.inventory.delivery",
    "airflow_provider_crr.inventory.manifest",
    "airflow_provider_crr.inventory.engines.duckdb_sql",
    "airflow_provider_crr.inventory.summary",
    "airflow_provider_crr.inventory.render",
    "airflow_provider_crr.s3.listing",
    "airflow_provider_crr.s3.listing_page",
    "airflow_provider_crr.testing",
]
SCRIPT = """
import importlib, json, sys
before = set(sys.modules)  # what the environment loads into every interpreter
for module in sys.argv[1:]:
    importlib.import_module(module)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded_by(*modules: str) -> set[str]:
    """Import modules in an interpreter of their own; return the names of all modules that this loaded."""
    run = subprocess.run([sys.executable, "-c", SCRIPT, *modules], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def foreign(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"airflow_provider_crr"}


@pytest.mark.parametrize("module", PURE)
def test_pure_module_imports_standard_library_only(module: Any) -> None:
    """A pure module, imported by itself, loads nothing but the standard library and this package."""
    assert foreign(loaded_by(module)) == set()


def test_everything_but_the_airflow_faces_imports_standard_library_only() -> None:
    """No module outside the Airflow faces loads a third-party package before it is used."""
    paths = [path.relative_to(ROOT.parent).with_suffix("") for path in ROOT.rglob("*.py")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.parts[1] not in FACES]
    assert len(modules) > len(PURE)
    assert set(modules) > SPEAKING
    assert foreign(loaded_by(*(module for module in modules if module not in SPEAKING))) == set()


def test_airflow_faces_import_no_engine() -> None:
    """Parsing a DAG loads neither DuckDB nor pyarrow, nor the module that drives the AWS Common Runtime."""
    found = loaded_by(
        "airflow_provider_crr.sensors.replication",
        "airflow_provider_crr.sensors.inventory",
        "airflow_provider_crr.operators.deletion",
        "airflow_provider_crr.operators.inventory",
        "airflow_provider_crr.operators.rules",
    )
    # Not awscrt itself: botocore imports it wherever it is installed.
    assert found & {"duckdb", "pyarrow", "airflow_provider_crr.lookup.crt.asker"} == set()


def test_command_line_is_light() -> None:
    """To what every `airflow` command imports, the definition of our commands adds itself and nothing else."""
    found = loaded_by("airflow_provider_crr.cli.definition")
    added = found - loaded_by("airflow.cli.cli_config")
    assert "airflow_provider_crr.cli.definition" in added
    assert added <= {"airflow_provider_crr", "airflow_provider_crr.cli", "airflow_provider_crr.cli.definition"}
    assert found & {"boto3", "botocore", "awscrt", "duckdb", "pyarrow"} == set()


def test_pytest_plugin_adds_next_to_nothing_to_the_start_of_pytest() -> None:
    """What every run of pytest imports adds two empty modules and itself: no Airflow, no boto3, not even our errors."""
    added = loaded_by("pytest", "airflow_provider_crr.testing.pytest_plugin") - loaded_by("pytest")
    assert {name for name in added if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "airflow_provider_crr",
        "airflow_provider_crr.testing",
        "airflow_provider_crr.testing.pytest_plugin",
        "airflow_provider_crr.testing.records",
    }
