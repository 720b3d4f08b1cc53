"""The XML of a listing's answer, taken apart without a guess: what is there twice, or cannot be read, is refused."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote_to_bytes
from xml.etree.ElementTree import Element, ParseError, XMLParser


class NotAPage(Exception):
    """The answer is no page of the listing that was asked for; says why."""


def parsed(body: bytes) -> Element:
    """
    Return the XML of an answer, read as botocore reads it.

    :raises NotAPage: if it is empty, cut off, or something else.
    """
    if not body:
        raise NotAPage("the answer is empty")
    parser = XMLParser(encoding="utf-8")  # noqa: S314 - as botocore parses what S3 answers
    try:
        parser.feed(body)
        return parser.close()
    except ParseError as error:
        raise NotAPage(f"the answer is not whole XML ({error})") from error


class Answer:
    """
    The parts of an answer by their names, whatever namespace a store gives them.

    :param root: the answer.
    :param called: what its root must be called.
    :param row: what its rows are called.
    :raises NotAPage: if it is something else.
    """

    def __init__(self, root: Element, called: str, row: str) -> None:
        if _name(root) != called:
            raise NotAPage(f"it is a {_name(root)[:40]!r} instead of a {called}")
        self.rows: list[Element] = []
        self.folders: list[Element] = []
        self.delete_markers: list[Element] = []
        self._texts: dict[str, list[str]] = {}
        repeated = {row: self.rows, "CommonPrefixes": self.folders, "DeleteMarker": self.delete_markers}
        for element in root:
            name = _name(element)
            if name in repeated:
                repeated[name].append(element)
            else:
                self._texts.setdefault(name, []).append("" if len(element) else element.text or "")
        encoding = self.text("EncodingType")
        if encoding not in (None, "", "url"):
            raise NotAPage(f"its EncodingType is {encoding[:40]!r}")
        self._encoded = bool(encoding)

    def text(self, name: str) -> str | None:
        """Return the text of an element, as it is; None if it is not there."""
        found = self._texts.get(name, ())
        if len(found) > 1:
            raise NotAPage(f"it has {name} twice")
        return found[0] if found else None

    def decoded(self, text: str) -> str:
        """Return a key, prefix or delimiter as it was before it was encoded."""
        if not self._encoded:
            return text
        try:
            return unquote_to_bytes(text.replace("+", " ")).decode()
        except UnicodeDecodeError as error:
            raise NotAPage(f"{text[:80]!r} is not UTF-8") from error


#: What is read of a row.
_READ = frozenset({"Key", "Prefix", "VersionId", "ETag", "LastModified", "IsLatest"})


def leaves(element: Element, what: str, *required: str) -> dict[str, str]:
    """
    Return the texts of an element's children.

    :param element: a row, or a common prefix.
    :param what: what it is called.
    :param required: those that must be there.
    :raises NotAPage: if one of them is missing or empty, or there twice.
    """
    texts: dict[str, str] = {}
    for child in element:
        name = _name(child)
        if name in _READ:
            if name in texts or len(child):
                raise NotAPage(f"a {what} has {name} twice")
            texts[name] = child.text or ""
    for name in required:
        if not texts.get(name):
            raise NotAPage(f"a {what} has no {name}")
    return texts


def time(text: str) -> datetime | None:
    """
    Return a time of a listing; None for none.

    :raises NotAPage: if it cannot be read.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found
    except ValueError:
        pass
    from botocore.utils import parse_timestamp

    try:  # as other stores write it
        other: datetime = parse_timestamp(text)
    except (ValueError, RuntimeError) as error:
        raise NotAPage(f"the time {text[:40]!r} cannot be read") from error
    return other


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
