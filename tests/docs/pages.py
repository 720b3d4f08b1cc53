"""What the pages of the documentation hold."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:   :.*\n)*)\n((?:   .*\n|\n)+)", re.MULTILINE)


class Sample(NamedTuple):
    """A block of code on a page."""

    name: str
    options: str
    text: str


def samples(language: str) -> list[Sample]:
    """Return every sample in a language, named by its page and line."""
    return [
        Sample(f"{path.stem}-{page.count(chr(10), 0, block.start()) + 1}", block[2], textwrap.dedent(block[3]))
        for path in sorted(DOCS.rglob("*.rst"))
        for page in [path.read_text()]
        for block in _BLOCK.finditer(page)
        if block[1] == language
    ]


def words(page: str) -> str:
    """Return a page as one line of plain text."""
    return " ".join((DOCS / f"{page}.rst").read_text().replace("``", "").replace("*", "").split())
