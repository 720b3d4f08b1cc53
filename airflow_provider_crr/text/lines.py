"""Lines that people see: Airflow's log view does not wrap them."""

from __future__ import annotations

from textwrap import wrap

#: Most characters of a line, unless a word, such as a URI, is longer.
WIDTH = 100
#: What stands before a line that belongs to the one above.
INDENT = "  "


def wrapped(text: str, indent: str = "") -> list[str]:
    """
    Return a text as lines of at most :data:`WIDTH` characters; those after the first are indented once more.

    :param text: one line.
    :param indent: what stands before each line.
    """
    return wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
