"""
What a release is held to; used by ``workflows/release.yml``.

``tag NAME REPOSITORY``: before anything is built, in the checkout. The tag is the version, the changelog has a dated
entry for it, and ``pyproject.toml`` names the repository.

``wheel NAME``: in a clean environment in which the wheel is installed, away from the checkout. Every module imports,
and Airflow lists the provider.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

PACKAGE = "airflow_provider_crr"


def check_tag(name: str, repository: str) -> None:
    """Hold the tree to the tag of a release."""
    root = Path(__file__).parents[1]
    version = name.removeprefix("v")
    assert f'__version__ = "{version}"' in (root / PACKAGE / "__init__.py").read_text(), "another __version__"
    dated = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    assert re.search(dated, (root / "CHANGELOG.md").read_text(), re.MULTILINE), "no dated entry in CHANGELOG.md"
    urls = tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]
    assert urls.get("Repository") == repository, f"Repository in [project.urls] of pyproject.toml is not {repository}"


def check_wheel(name: str) -> None:
    """Hold what is installed to its metadata."""
    package = importlib.import_module(PACKAGE)
    installed = distribution("airflow-provider-crr")
    assert package.__version__ == installed.version == name.removeprefix("v"), installed.version
    assert "site-packages" in str(package.__file__), package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if not module.name.endswith(("__main__", ".pytest_plugin")):  # pytest loads the latter, and is not there
            importlib.import_module(module.name)

    info = importlib.import_module(f"{PACKAGE}.provider_info").get_provider_info()
    for kind in ("hooks", "sensors", "triggers", "operators"):
        for module_name in info[kind][0]["python-modules"]:
            importlib.import_module(module_name)
    for path in (*info["cli"], *info["extra-links"]):
        module_name, _, attribute = path.rpartition(".")
        assert hasattr(importlib.import_module(module_name), attribute), path

    from airflow.providers_manager import ProvidersManager

    assert ProvidersManager().providers["airflow-provider-crr"].version == installed.version


if __name__ == "__main__":
    {"tag": check_tag, "wheel": check_wheel}[sys.argv[1]](*sys.argv[2:])
