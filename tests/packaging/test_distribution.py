"""What is installed: the entry point, its metadata, and the files of the wheel."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from importlib import import_module
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def provider_info() -> Any:
    (entry_point,) = entry_points(group="apache_airflow_provider", name="provider_info").select(
        value="airflow_provider_crr.provider_info:get_provider_info"
    )
    return entry_point.load()()


def test_provider_info_fits_the_schema_of_airflow(provider_info: Any) -> None:
    """Airflow's provider manager takes what the entry point returns."""
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text())
    jsonschema.validate(provider_info, schema)


def test_provider_info_names_this_distribution(provider_info: Any) -> None:
    """Airflow refuses a provider whose package-name is not the name of its distribution."""
    found = distribution("airflow-provider-crr")
    assert provider_info["package-name"] == found.metadata["Name"]
    assert provider_info["versions"][0] == found.version


def test_every_module_in_provider_info_imports(provider_info: Any) -> None:
    """Everything that Airflow lists for this provider is there."""
    named = [
        module
        for section in ("hooks", "sensors", "triggers", "operators")
        for integration in provider_info[section]
        for module in integration["python-modules"]
    ]
    for module in named:
        import_module(module)
    for named_object in (*provider_info["extra-links"], *provider_info["cli"], *provider_info["notifications"]):
        module, _, name = named_object.rpartition(".")
        assert hasattr(import_module(module), name)
    faces = {"hooks", "sensors", "triggers", "operators"}
    public = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "airflow_provider_crr").rglob("*.py")
        if path.parent.name in faces and path.name not in ("__init__.py", "base.py")
    }
    assert set(named) == public


def test_provider_manager_of_airflow_finds_the_provider() -> None:
    """A running Airflow lists the provider."""
    from airflow.providers_manager import ProvidersManager

    assert ProvidersManager().providers["airflow-provider-crr"].version == distribution("airflow-provider-crr").version


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> list[str]:
    """Names of the files of a wheel built from this tree."""
    with zipfile.ZipFile(wheel_file) as archive:
        return archive.namelist()


def test_wheel_has_the_whole_package_and_nothing_else(wheel: list[str]) -> None:
    """
    Every file of the package is in the wheel, py.typed, style sheets and scripts among them; so are the example DAGs,
    and nothing else.
    """
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "airflow_provider_crr").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    in_package = {name for name in wheel if not re.match(r"airflow_provider_crr-[^/]+\.dist-info/", name)}
    examples = {f"airflow_provider_crr/{path.relative_to(ROOT)}" for path in (ROOT / "example_dags").glob("*.py")}
    assert examples
    assert in_package == package | examples
    assert "airflow_provider_crr/py.typed" in in_package
    assert {".css", ".html", ".js", ".svg"} <= {Path(name).suffix for name in in_package}


def test_wheel_declares_the_entry_point_and_the_license(wheel: list[str]) -> None:
    """The metadata that pip and Airflow read is there."""
    metadata = {name.partition(".dist-info/")[2] for name in wheel if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= metadata


def test_no_file_names_a_package_index() -> None:
    """Pins and scripts install by name: where from is the business of the machine."""
    # Written so that this line does not match itself.
    hosts = re.compile(r"pypi[.]org|python[h]osted|[-]-(extra-)?index-url|[-]-find-links")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = tracked.stdout.splitlines() or [
        str(path.relative_to(ROOT))
        for folder in ("requirements", ".github", ".ci")
        for path in (ROOT / folder).rglob("*")
    ]
    texts = [ROOT / name for name in names if (ROOT / name).is_file()]
    assert texts
    assert [str(path) for path in texts if hosts.search(path.read_text(errors="replace"))] == []
