"""Whatever message is raised, logged or judged by is on the page that says what to do about it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_crr
from airflow_provider_crr import errors, failures
from airflow_provider_crr.inventory.engines.duckdb_sql import DEFECTS
from airflow_provider_crr.replication import hints, rules
from airflow_provider_crr.replication.reasons import REASONS, UNCOVERED
from airflow_provider_crr.s3 import stores
from tests.docs.pages import words

PACKAGE = Path(airflow_provider_crr.__file__).parent
PAGE = words("troubleshooting")
ERRORS = sorted(
    name
    for name, found in {**vars(errors), **vars(failures)}.items()
    if isinstance(found, type) and issubclass(found, errors.CrrError) and not name.startswith("_")
)
#: Calls whose argument of this place is a message.
MESSAGES = {
    **dict.fromkeys((*ERRORS, "error_class", "denied"), 0),
    "without_answer": 1,
    **dict.fromkeys(("warning", "error", "exception"), 0),
    "Finding": 1,
    "about": 2,
}


def texts(node: ast.expr) -> Iterator[str]:
    """Yield the parts of a message that are always the same."""
    if isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from texts(value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from re.split(r"%[sd]", node.value)


def messages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in MESSAGES and len(node.args) > MESSAGES[name]:
                yield from texts(node.args[MESSAGES[name]])


def telling(text: str) -> str | None:
    """Return the words of a text that can be looked for: up to its first stop, two at least."""
    found = re.split(r"[.:;(]", text.strip(" ,:;()'\n"))[0].strip(" ,")
    return found if len(found.split()) >= 2 and not re.fullmatch(r"\w+ is", found) else None


# What a command says, it says to whoever has typed it; and a double of S3, to whoever tests a DAG.
OTHERS = {"cli", "testing"}
MODULES = [path for path in PACKAGE.rglob("*.py") if OTHERS.isdisjoint(path.relative_to(PACKAGE).parts)]
PATHS = sorted(path for path in MODULES if any(map(telling, messages(path))))


@pytest.mark.parametrize("path", PATHS, ids=[str(path.relative_to(PACKAGE)) for path in PATHS])
def test_every_message_is_on_the_page(path: Any) -> None:
    """What a module raises or warns of can be searched for on the page, in its own words."""
    assert [text for text in map(telling, messages(path)) if text and text not in PAGE] == []


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_on_the_page(name: Any) -> None:
    """Each class of the tree is named."""
    assert re.search(rf"\b{name}\b", PAGE)


@pytest.mark.parametrize("state", REASONS)
def test_every_reason_of_a_gate_is_on_the_page(state: Any) -> None:
    """What decides against a gate, or keeps it waiting, is there by its own words."""
    assert re.split(r"[.,:](?: |$)", REASONS[state])[0] in PAGE


@pytest.mark.parametrize("store", [stores.MINIO, stores.RUSTFS, stores.CEPH, stores.STORAGEGRID])
def test_every_reason_of_another_store_is_on_the_page(store: Any) -> None:
    """So is what another store's objects decide by, where that is not as on S3."""
    texts = [*store.words.values(), store.no_status]
    if store.repairs_failed:
        texts.append(UNCOVERED.format(store.doer, "…"))
    for text in texts:
        assert re.split(r"[.,:;](?: |$)| [(]", text)[0] in PAGE


@pytest.mark.parametrize("text", hints.TEXTS)
def test_every_hint_about_a_key_is_on_the_page(text: Any) -> None:
    """What a key or a pattern is warned of for is there, by its own words."""
    assert all(part.strip(" '") in PAGE for part in re.split(r"\{[^}]*\}", text.partition(". ")[0].replace("*", "")))


@pytest.mark.parametrize("code", DEFECTS)
def test_every_defect_of_a_row_is_on_the_page(code: Any) -> None:
    """Each thing that a row of a report is refused for is there."""
    assert f"it has {DEFECTS[code]}" in PAGE


def test_every_reason_for_no_status_is_on_the_page() -> None:
    """Whatever the bucket's rules explain is there."""
    explained = next(
        node
        for node in ast.parse(Path(rules.__file__).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "why_no_status"
    )
    returned = [node.value for node in ast.walk(explained) if isinstance(node, ast.Return) and node.value]
    assert len(returned) == 7
    for node in returned:
        assert any(text in PAGE for text in map(telling, texts(node)) if text), ast.unparse(node)
