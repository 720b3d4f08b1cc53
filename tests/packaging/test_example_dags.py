"""The example DAGs of an installed wheel, as Airflow finds them."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS

ROOT = Path(__file__).resolve().parents[2]
finds_examples_of_providers = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 3)
#: Prints the bundles that Airflow has, by name, with the DAGs of one of them.
LOOK = """
import json, sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
import airflow_provider_crr
bundles = {bundle.name: str(bundle.path) for bundle in DagBundlesManager().get_all_dag_bundles()}
found = DagBag(bundles[sys.argv[1]]) if sys.argv[1] in bundles else None
print(json.dumps({
    "package": airflow_provider_crr.__file__,
    "bundles": bundles,
    "dags": sorted(found.dags) if found else None,
    "errors": found.import_errors if found else None,
}))
"""


@pytest.fixture(scope="module")
def installed(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel where Python looks first; the folder."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel_file) as archive:
        archive.extractall(folder)
    return folder


def look(installed: Path, home: Path, bundle: str, **config: str) -> Any:
    """Return what an Airflow in a process of its own finds."""
    ran = subprocess.run(
        [sys.executable, "-c", LOOK, bundle],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(installed), "AIRFLOW_HOME": str(home), **config},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["package"].startswith(str(installed))
    return found


EXAMPLES = sorted(path.stem for path in (ROOT / "example_dags").glob("*.py"))


@pytest.mark.skipif(not finds_examples_of_providers, reason="Airflow looks for examples of providers from 3.3 on")
def test_airflow_shows_them_with_its_examples(installed: Path, tmp_path: Path) -> None:
    """With [core] load_examples Airflow has a bundle of them, in which it finds every one."""
    found = look(installed, tmp_path, "airflow-provider-crr-example-dags", AIRFLOW__CORE__LOAD_EXAMPLES="True")
    assert found["errors"] == {}
    assert found["dags"] == EXAMPLES


def test_bundle_of_the_page_shows_them(installed: Path, tmp_path: Path) -> None:
    """On every release, the configuration of the page makes Airflow find them, beside the DAGs that are there."""
    (block,) = (part for part in (DOCS / "examples.rst").read_text().split("::\n\n") if "[dag_processor]" in part)
    config = configparser.ConfigParser()
    config.read_string("\n".join(line[4:] for line in block.split("\n\n")[0].splitlines()))
    bundles = config["dag_processor"]["dag_bundle_config_list"].replace("/path/to/site-packages", str(installed))
    assert [bundle["name"] for bundle in json.loads(bundles)] == ["dags-folder", "crr-examples"]
    found = look(
        installed,
        tmp_path,
        "crr-examples",
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=bundles,
    )
    assert set(found["bundles"]) == {"dags-folder", "crr-examples"}
    assert found["errors"] == {}
    assert found["dags"] == EXAMPLES
