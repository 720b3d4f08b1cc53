"""Unix shell-style patterns of keys, as amazon's ``S3KeySensor`` takes them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

#: What a pattern may hold: ``*``, ``?``, and a set of characters, closed. An open "[" matches itself.
_WILDCARD = re.compile(r"[*?]|\[!?\]?[^\]]*\]")
_SPECIAL = re.compile(r"[\[*?]")


def literal_prefix(pattern: str) -> str:
    """Return the part of a pattern that S3 can list by."""
    return _SPECIAL.split(pattern, maxsplit=1)[0]


def matches(pattern: str, key: str) -> bool:
    """Return whether a key matches a pattern, case-sensitively, as ``S3KeySensor`` does on Linux."""
    return fnmatchcase(key, pattern)


def first_special(key: str) -> str | None:
    """Return the first of ``*``, ``?`` and ``[`` in a text, by which it looks like a pattern; None if there is none."""
    found = _SPECIAL.search(key)
    return found[0] if found else None


def wildcards(pattern: str) -> list[str]:
    """Return the parts of a pattern that match more than themselves: ``*``, ``?``, ``[abc]``."""
    return _WILDCARD.findall(pattern)


def below(folder: str) -> str:
    """
    Return the pattern of everything below a folder.

    :param folder: a key, or a pattern, that is empty or ends in "/".
    """
    return f"{folder}*"
