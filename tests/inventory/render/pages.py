"""What an HTML page consists of, as a browser would find it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "link"}


class Page(HTMLParser):
    """
    A page taken apart.

    :param text: the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.tables: list[list[int]] = []
        self.texts: list[str] = []
        self.unbalanced: list[str] = []
        self.comments: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += 1

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_pi(self, data: str) -> None:
        self.comments.append(data)

    def unknown_decl(self, data: str) -> None:
        self.comments.append(data)

    @property
    def text(self) -> str:
        """What a reader reads."""
        return "".join(self.texts)

    @property
    def skeleton(self) -> tuple[Counter[str], list[tuple[str, str]]]:
        """Elements and attribute names without what shows unseen characters and writing directions."""
        kept = Counter({tag: n for tag, n in self.elements.items() if tag not in ("span", "bdi")})
        return kept, [(tag, name) for tag, name, _ in self.attributes if tag != "span"]
