"""README.md is short, what it links to is there, what it shows works, and what it says was run is what is pinned."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAX_WORDS = 700
#: Text, and where it leads; a picture begins with "!".
LINKS = re.findall(r"(!?)\[([^\]]+)\]\(([^)\s]+)\)", README)


def test_it_is_read_in_three_minutes() -> None:
    """It has at most 700 words, code and all. What else there is to say stands in the documentation."""
    assert len(README.split()) <= MAX_WORDS


def test_picture_stands_above_the_fold() -> None:
    """One picture, with words for those who cannot see it, comes before the first heading but the title."""
    (picture,) = (words for mark, words, _ in LINKS if mark)
    assert len(picture.split()) > 5
    assert README.index(picture) < README.index("\n## ")


@pytest.mark.parametrize("target", sorted({target for _, _, target in LINKS}))
def test_link_leads_to_a_file_and_a_heading(target: str) -> None:
    """Each link is to a file of the project, and to a heading in it, or to another place by https."""
    if not target.startswith("https://"):
        path, _, fragment = target.partition("#")
        assert (ROOT / path).is_file()
        lines = (ROOT / path).read_text().splitlines() if fragment else []
        headings = [text for text, below in pairwise(lines) if re.fullmatch(r"([=~-])\1{3,}", below)]
        assert not fragment or fragment in {re.sub(r"\W+", "-", text.lower()).strip("-") for text in headings}


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.rst")))
def test_page_is_linked_or_in_the_list(page: str) -> None:
    """From README each page is one or two clicks away."""
    listed = (ROOT / "docs" / "index.rst").read_text()
    assert f"docs/{page}" in README or f"   {page.removesuffix('.rst')}\n" in listed or page == "index.rst"


def test_commands_are_targets_of_make() -> None:
    """Whatever it tells to `make` can be made."""
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "docs"} == set(re.findall(r"\bmake (\w+)", README)) & targets


def test_dag_is_one_of_ten_lines_that_airflow_takes(load_dags: Callable[[str], dict[str, Any]]) -> None:
    """The sample is a DAG file of about ten lines: Airflow finds its gate upstream of what loads."""
    (text,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in text.splitlines() if line.strip()]) <= 12
    (dag,) = load_dags(text).values()
    assert dag.task_dict["gate"].downstream_task_ids == {"load"}
    assert dag.timetable.can_be_scheduled


def test_what_was_run_is_what_is_pinned() -> None:
    """The releases that it names are those of the pinned sets, which the tests run on."""

    def pinned(name: str, package: str) -> str:
        (found,) = re.findall(rf"^{package}==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
        return str(found)

    said = " ".join(README.partition("## What was run")[2].split())
    newest, oldest = (
        (pinned(name, "apache-airflow"), pinned(name, "apache-airflow-providers-amazon"))
        for name in ("dev.txt", "mwaa-3.0.6.txt")
    )
    assert f"on Airflow {newest[0]} with the amazon provider {newest[1]}" in said
    assert f"Amazon MWAA's pins of Airflow {oldest[0]} with {oldest[1]}" in said
    assert "None of it ran against S3 itself" in said
