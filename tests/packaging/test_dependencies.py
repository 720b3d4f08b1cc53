"""What is needed: every import is declared, and no range leaves out what images of Airflow pin."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airflow_provider_crr.tasks import compat

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = [
    Requirement(line)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in group
]
#: What imports a module of ours, and therefore is there: the plugin of pytest is loaded by pytest alone.
LOADED_BY = {"pytest": "testing/pytest_plugin.py"}
DISTRIBUTIONS = {
    "airflow.providers.amazon": "apache-airflow-providers-amazon",
    "airflow.providers.common.compat": "apache-airflow-providers-common-compat",
    "airflow.providers.openlineage": "apache-airflow-providers-openlineage",
}


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def imported() -> set[str]:
    names = set()
    package = ROOT / "airflow_provider_crr"
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
        names -= {name for name, loaded in LOADED_BY.items() if path == package / loaded}
    return names


def test_what_is_imported_is_declared() -> None:
    """Every distribution that a module of the package imports is named in pyproject.toml."""
    needed = set()
    for name in imported():
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "airflow_provider_crr":
            continue
        provider = [dist for prefix, dist in DISTRIBUTIONS.items() if f"{name}.".startswith(f"{prefix}.")]
        needed.add(provider[0] if provider else "apache-airflow" if top == "airflow" else canonicalize_name(top))
    assert needed <= {canonicalize_name(requirement.name) for requirement in NEEDED}


@pytest.mark.parametrize(
    "image", sorted((ROOT / "requirements" / "constraints").glob("*.txt")), ids=lambda path: path.stem
)
def test_ranges_allow_what_images_pin(image: Path) -> None:
    """What an image of Amazon MWAA pins is within our ranges, and is what its set installs."""
    pinned, installed = pins(image), pins(ROOT / "requirements" / image.name)
    for requirement in NEEDED:
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(installed[name])
        assert installed[name] == pinned.get(name, installed[name])


def test_floors_are_what_their_set_installs() -> None:
    """The list of the floors has the lowest release of everything that pyproject.toml names."""
    installed = pins(ROOT / "requirements" / "floors.txt")
    for requirement in NEEDED:
        (floor,) = [part.version for part in requirement.specifier if part.operator == ">="]
        assert Requirement(f"x=={floor}").specifier.contains(installed[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("name", compat.PLACES)
def test_what_moved_is_found(name: str) -> None:
    """Each name is found in the Airflow that is installed."""
    assert getattr(compat, name) is not None


def test_what_never_was_is_no_attribute() -> None:
    """A name that is not listed is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = compat.Nothing
