"""Plain English: words that readers stumbled over do not come back, and a word of our own is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

ROOT = DOCS.parent
#: Phrases that were in messages, pages or docstrings, and that people had to read twice.
GONE = (
    "believed of two answers",
    "concerns no single object",
    "in vain",
    "anew",
    "amid",
    "for want of",
    "as it seems",
    "out of a cache",
    "whose answer is whose",
    "what is no ",
    "how old what is",
    "of which none is known",
)
#: What people read.
PAGES = [*sorted(DOCS.rglob("*.rst")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
PACKAGE = ROOT / "airflow_provider_crr"
MODULES = sorted(PACKAGE.rglob("*.py"))


def found(text: str) -> list[str]:
    plain = " ".join(text.split())
    return [phrase for phrase in GONE if re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", plain)]


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module: docstrings, messages, and comments."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
    yield from re.findall(r"(?m)^\s*#:? (.*)$", source)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_is_in_plain_words(path: Path) -> None:
    """No page has one of the phrases, but for messages that it quotes: these are looked at where they are made."""
    assert found(re.sub(r"``.*?``", "", path.read_text(), flags=re.DOTALL)) == []


def test_messages_docstrings_and_comments_are_in_plain_words() -> None:
    """Neither has any text of the package."""
    assert {str(path.relative_to(PACKAGE)): said for path in MODULES if (said := found("\n".join(texts(path))))} == {}


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.rst")), ids=lambda path: path.stem)
def test_sweep_is_explained_where_it_is_read_first(path: Path) -> None:
    """A page that speaks of a sweep leads, at the first of them, to where the word is explained."""
    text = path.read_text()
    first = re.search(r"\bsweeps?\b", text)
    if first and path.stem not in ("gate", "changelog"):
        assert text[: first.end()].endswith(":ref:`sweep"), "link the first sweep to where it is explained"
