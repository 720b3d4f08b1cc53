"""The documentation as it is built: every link leads somewhere, and every page fits into its window."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import DOCS
from tests.support.browser import CHROMIUM, DRIVER, NO_BROWSER, headless

#: Widths of windows: two of notebooks, a small one, a telephone's.
WIDTHS = (1360, 1440, 800, 390)
#: What is wider than its column, and not in a box that scrolls by itself.
TOO_WIDE = """
    const found = [], column = document.querySelector(".content"), right = column.getBoundingClientRect().right;
    const contents = document.querySelector(".toc-drawer").getBoundingClientRect();
    if (document.documentElement.scrollWidth > innerWidth || right > innerWidth + 1) found.push("the page");
    if (contents.width && contents.left < innerWidth && contents.left < right - 1) found.push("the list of contents");
    const scrolls = element => element !== column && element !== document.body &&
        (/auto|scroll|hidden/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    for (const element of document.querySelectorAll("article *"))
        if (element.getBoundingClientRect().right > right + 1 && element.offsetWidth && !scrolls(element.parentElement))
            found.push(`${element.tagName}: ${element.textContent.slice(0, 60)}`);
    return found;
"""


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links |= {str(given[name]) for name in ("href", "src") if given.get(name)}
        self.anchors |= {str(given[name]) for name in ("id", "name") if given.get(name)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation as `make docs` does; its folder."""
    if not (find_spec("sphinx") and find_spec("furo")):
        pytest.skip("the documentation is built with the newest Airflow only")
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "-n", "-d", str(folder / "trees"), str(DOCS)]
    ran = subprocess.run([*command, str(folder / "html")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in sorted(built.rglob("*.html"))}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (CHROMIUM and DRIVER):
        pytest.skip(NO_BROWSER)
    with headless(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def test_every_link_within_leads_to_a_file_and_an_anchor(pages: dict[Path, Page]) -> None:
    """Each href and src of a page is a file that was built, and its fragment an id in that file."""
    broken = []
    for path, page in pages.items():
        for link in page.links:
            where = urlsplit(link)
            if where.scheme or where.netloc:
                continue
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            known = pages.get(target)
            if not target.is_file() or (where.fragment and known and unquote(where.fragment) not in known.anchors):
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_every_link_to_elsewhere_has_the_form_of_one(pages: dict[Path, Page]) -> None:
    """A link to another place is https, has the name of a host, and no blank or placeholder in it."""
    elsewhere = {link for page in pages.values() for link in page.links if urlsplit(link).scheme not in ("", "data")}
    assert elsewhere
    odd = [link for link in elsewhere if not re.fullmatch(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[^\s<>{}]*)?", link)]
    assert odd == []


def test_no_page_has_a_message_of_its_theme(built: Path) -> None:
    """The theme complains in the page, not in the log: it does so in none."""
    assert [path.name for path in built.rglob("*.html") if "Furo-based documentation" in path.read_text()] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window(pages: dict[Path, Page], browser: Any, width: int) -> None:
    """Text, tables and code of every page are within the window, or in a box that scrolls by itself."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    too_wide = {}
    for path in pages:
        browser.get(path.as_uri())
        if found := browser.execute_script(TOO_WIDE):
            too_wide[path.name] = found
    assert too_wide == {}
