"""README.md as a package index shows it."""

from __future__ import annotations

import re
import tomllib
import zipfile
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr import __version__

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
#: Where a link or a picture of Markdown leads.
LEADS = re.compile(r"\]\(([^)]*)\)")


@pytest.fixture(scope="module")
def for_an_index() -> Any:
    if not find_spec("hatchling"):
        pytest.skip("wheels are built with hatchling")
    spec = spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.for_an_index


def test_description_of_the_wheel_has_no_link_that_leads_nowhere(wheel_file: Path) -> None:
    """In the metadata of a wheel every link is absolute; what names no file is as in README.md."""
    with zipfile.ZipFile(wheel_file) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    headers, _, description = metadata.partition("\n\n")
    assert "Description-Content-Type: text/markdown" in headers
    assert [place for place in LEADS.findall(description) if not place.startswith("https://")] == []
    text = README.partition("## See it run")[2].partition("##")[0]
    assert text
    assert text in description


def test_links_lead_to_the_files_of_this_version_in_the_repository(for_an_index: Any) -> None:
    """Once the repository has an address, each link leads to its file at the tag, a picture to the file itself."""
    shown = for_an_index(README, "https://git.example/crr", __version__)
    before, after = LEADS.findall(README), LEADS.findall(shown)
    assert len(before) == len(after) > 10
    for old, new in zip(before, after, strict=True):
        kind = "raw" if old.endswith(".png") else "blob"
        assert new == (old if old.startswith("https:") else f"https://git.example/crr/{kind}/v{__version__}/{old}")


def test_without_an_address_links_are_their_text(for_an_index: Any) -> None:
    """Before the repository has an address, nothing looks like a link that is none, and no word of one is lost."""
    shown = for_an_index("a [page](docs/a.rst), [S3](https://s3.example)\n\n![picture](b.png)\n\nend", None, "1")
    assert shown == "a page, [S3](https://s3.example)\n\nend"


def test_address_of_the_repository_is_one(for_an_index: Any) -> None:
    """If the project names its repository, no slash is at its end: it would be in every link twice."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert not urls.get("Repository", "").endswith("/")
