"""HTML and SVG elements as values. Whatever is not an element is text, which is escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeAlias

from airflow_provider_crr.text.legible import legible, pieces


class Markup(str):
    """Text that is markup already. Only the functions of this module make it."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"

_VOID = frozenset({"meta", "link", "br"})


def element(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """
    Return one element.

    :param name: tag name.
    :param children: elements, texts, or iterables of them; None is left out.
    :param attributes: a ``_`` at the end is dropped, and every other ``_`` becomes ``-``, as in ``class_`` and
        ``aria_label``. None leaves the attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(legible(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{together(*children)}</{name}>")


def together(*children: Child) -> Markup:
    """Return children one after the other, without an element around them."""
    return Markup("".join(map(_markup, children)))


def code(text: str) -> Markup:
    """Return a key, a prefix or a URI as code; characters that cannot be seen are spelled out."""
    shown = (
        element("span", piece, class_="unseen") if is_unseen else _in_order(piece) for piece, is_unseen in pieces(text)
    )
    return element("code", shown, dir="ltr")


def muted(text: str) -> Markup:
    """Return text that needs no attention: a zero, or words in the place of a name."""
    return element("i", text)


def section(title: str, *children: Child) -> Markup:
    """Return a section with its heading."""
    return element("section", element("h2", title), children)


def table(class_: str, head: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """
    Return a table whose first column names the row.

    :param class_: its class in the style sheet.
    :param head: the names of the columns; ``""`` for a column of bars.
    :param rows: the rows, each with a cell for each column.
    """
    names = (
        element("th", name or element("span", "Bar", class_="spoken"), scope="col", role="columnheader")
        for name in head
    )
    # On a small screen the style sheet stacks the cells. With the roles it is still a table for a screen reader.
    return element(
        "table",
        element("thead", element("tr", names, role="row"), role="rowgroup"),
        element("tbody", (_row(head, row) for row in rows), role="rowgroup"),
        class_=class_,
        role="table",
    )


def _row(head: Sequence[str], row: Sequence[Child]) -> Markup:
    cells = (
        element("td", cell, role="cell", data_name=name or None) for name, cell in zip(head[1:], row[1:], strict=True)
    )
    return element("tr", element("th", row[0], scope="row", role="rowheader"), cells, role="row")


def _in_order(text: str) -> Child:
    """Return text whose segments stay in their order, even if some are written from right to left."""
    if not any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        return text
    first, *others = text.split("/")
    return [element("bdi", first), (["/", element("bdi", segment)] for segment in others)]


def _markup(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(child)
    return "".join(map(_markup, child))
