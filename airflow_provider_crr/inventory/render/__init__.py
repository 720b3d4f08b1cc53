"""
A summary as people read it: in the task log, in a ticket, in a browser.

Strangers may have chosen the keys and prefixes. So every form escapes what would be markup, and spells out characters
that cannot be seen, such as ``U+202E``.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, cast

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.render.html import to_html
from airflow_provider_crr.inventory.render.markdown import to_markdown
from airflow_provider_crr.inventory.render.text import to_text

if TYPE_CHECKING:
    from airflow_provider_crr.inventory.summary import Summary

__all__ = ["CONTENT_TYPES", "Format", "format_for", "render"]

Format = Literal["text", "markdown", "html", "json"]

#: The Content-Type of each format.
CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}

_EXTENSIONS: dict[str, Format] = {".html": "html", ".md": "markdown", ".json": "json"}


def format_for(uri: str) -> Format:
    """
    Return the format that the extension of a URI stands for.

    :param uri: where the report is to be written.
    :raises InvalidArgument: if the extension is none of ``.html``, ``.md`` and ``.json``.
    """
    extension = PurePosixPath(uri.rpartition("/")[2]).suffix.lower()
    if extension not in _EXTENSIONS:
        raise InvalidArgument(
            f"a report cannot be written as {extension!r}" if extension else "a report needs an extension",
            uri=uri,
            remedy="End the URI in .html, .md or .json",
        )
    return _EXTENSIONS[extension]


def render(summary: Summary, format: Format) -> str:
    """
    Return a summary as text. Its size is bounded, however large the bucket is, because that of a summary is.

    :param summary: the summary.
    :param format: ``text`` for a log, ``markdown`` for a ticket, ``html`` for a browser (one file that loads nothing
        and runs nothing), ``json`` for a program.
    :raises InvalidArgument: for any other format.
    """
    if format == "json":
        return json.dumps(summary.to_dict(), indent=2) + "\n"
    renderers = {"text": to_text, "markdown": to_markdown, "html": to_html}
    if format not in renderers:
        raise InvalidArgument(
            f"{cast('str', format)!r} is not a report format", remedy="Use text, markdown, html or json"
        )
    return renderers[format](summary)
