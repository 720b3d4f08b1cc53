"""The XML of a listing, taken apart without guessing: an element that is there twice, or unreadable, is refused."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote_to_bytes
from xml.etree.ElementTree import Element, ParseError, XMLParser


class NotAPage(Exception):
    """The answer is no page of the listing that was asked for. Its text says why."""


def parsed(body: bytes) -> Element:
    """
    Return the XML of an answer, parsed as botocore does it.

    :raises NotAPage: if the answer is empty, cut off, or no XML.
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
    The elements of an answer by their names, in any XML namespace: stores use several.

    :param root: the answer's root.
    :param called: the name that the root must have.
    :param row: the name of the elements that are its rows.
    :raises NotAPage: if the root has another name.
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
        """Return the text of an element, not decoded; None if there is no such element."""
        texts = self._texts.get(name, ())
        if len(texts) > 1:
            raise NotAPage(f"it has {name} twice")
        return texts[0] if texts else None

    def decoded(self, text: str) -> str:
        """Return a key, prefix or delimiter without the URL encoding, if the answer has any."""
        if not self._encoded:
            return text
        try:
            return unquote_to_bytes(text.replace("+", " ")).decode()
        except UnicodeDecodeError as error:
            raise NotAPage(f"{text[:80]!r} is not UTF-8") from error


#: The elements of a row that are read.
_READ = frozenset({"Key", "Prefix", "VersionId", "ETag", "LastModified", "IsLatest"})


def leaves(element: Element, what: str, *required: str) -> dict[str, str]:
    """
    Return the texts of an element's children, by their names.

    :param element: a row, or a common prefix.
    :param what: the name of the element, for messages.
    :param required: names of children that must be there, with a text.
    :raises NotAPage: if one of these is missing or empty, or any child is there twice.
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
    Return the time that a listing gives; None for an empty text.

    :raises NotAPage: if the text is no time.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
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
