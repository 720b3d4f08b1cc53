"""
Keys and patterns that are probably not what their author meant, each with the fix.

All of them can be meant: S3 takes almost anything as a key. So they are warned of, and refused nowhere. A gate that is
given one by mistake waits for an object that nobody will write, which may take days to notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, pairwise

from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import below, first_special, wildcards
from airflow_provider_crr.text.legible import shortened

#: Most characters of a URI in a hint.
_SHOWN = 200
#: A version in a URI, as S3's own tools write it.
_VERSION = "?versionId="
_NO_WILDCARD = (
    "wildcard_match is True, and there is neither *, ? nor [...] in it. Leave wildcard_match out: a key that is named"
    " costs no listing"
)
_FOLDERS_ONLY = (
    'a pattern that ends in "/" matches the markers of folders, and not what is in them. For everything below, write'
    " {below!r}"
)
_BRACKETS = (
    "in a pattern {name} matches one character, and not itself. If the key really contains [, write [[] for it, or"
    " leave wildcard_match out"
)


class KeyWarning(UserWarning):
    """A key or a pattern that is probably not what the author of a DAG meant."""


class Look(StrEnum):
    """What a text that is taken for a key looks like instead."""

    VERSION = "version"
    PATTERN = "pattern"
    FOLDER = "folder"


_FIXES = {
    Look.VERSION: "?versionId= is part of this key. Give the version as version_id",
    Look.PATTERN: "{special} is part of this key, for wildcard_match is False. For a pattern, set wildcard_match=True",
    Look.FOLDER: 'a key that ends in "/" is the marker of a folder, and not what is in it. For everything below, write'
    " {below!r} with wildcard_match=True",
}

_Kind = tuple[Callable[[str], object], str]
_BRACES = re.compile(r"\{[^{}]+\}")
_SLASHES = re.compile(r"//+")
_FOLDERS_BETWEEN = re.compile(r"(^|/)\*\*/")
#: Of keys and patterns alike: how it looks, and what is said. Of each, the first that applies.
_ODD: tuple[_Kind, ...] = (
    (lambda key: "s3://" in key, "s3:// is part of this key. For several objects, give a list"),
    (lambda key: key != key.strip(), "the space or the end of a line at an end of this key is a part of it"),
    (_BRACES.search, "braces are parts of this key. In an f-string, write a template with four: {{{{{{{{ ds }}}}}}}}"),
    (
        lambda key: key.startswith("/") or "//" in key,
        'a "/" that follows another, or the bucket\'s, is a folder without a name. If it is not meant, write {one!r}',
    ),
)
#: The same of patterns alone.
_ODD_PATTERNS: tuple[_Kind, ...] = (
    (
        _FOLDERS_BETWEEN.search,
        "** is no more than *, so a/**/b does not match a/b. For both, write a/*b",
    ),
    (
        lambda key: "\\" in key,
        "a backslash in a pattern stands for itself. Patterns are those of a shell, not regular expressions",
    ),
)


#: All that is said of keys and patterns.
TEXTS = (*_FIXES.values(), _NO_WILDCARD, _FOLDERS_ONLY, _BRACKETS, *(text for _, text in (*_ODD, *_ODD_PATTERNS)))


def looks_like(obj: S3Object) -> Look | None:
    """
    Return what a key looks like instead; None if it looks like a key.

    :param obj: the object. Whoever knows its version knows its key.
    """
    if obj.version_id is not None:
        return None
    if _VERSION in obj.key:
        return Look.VERSION
    if wildcards(obj.key):
        return Look.PATTERN
    return Look.FOLDER if obj.key.endswith("/") else None


def hints(targets: Targets) -> list[str]:
    """
    Return what is probably a mistake in what a task names, each kind once, with the fix.

    :param targets: the objects, or the patterns.
    """
    found = chain(
        _of_objects(targets.objects),
        _of_patterns(targets.patterns),
        _odd(targets.objects, _ODD),
        _odd(targets.patterns, (*_ODD_PATTERNS, *_ODD)),
    )
    return [f"{shortened(str(obj), _SHOWN)}: {text}" for obj, text in found]


def _of_objects(objects: Iterable[S3Object]) -> Iterator[tuple[S3Object, str]]:
    alike: dict[Look, list[S3Object]] = {}
    for obj in objects:
        look = looks_like(obj)
        if look is not None:
            alike.setdefault(look, []).append(obj)
    for look, (obj, *others) in alike.items():
        yield obj, _FIXES[look].format(special=first_special(obj.key), below=below(_tail(obj.key))) + _also(others)


def _of_patterns(patterns: Sequence[S3Object]) -> Iterator[tuple[S3Object, str]]:
    folder = next((pattern for pattern in patterns if pattern.key.endswith("/")), None)
    if folder is not None:
        yield folder, _FOLDERS_ONLY.format(below=below(_tail(folder.key)))
    elif patterns and not any(wildcards(pattern.key) for pattern in patterns):
        yield patterns[0], _NO_WILDCARD
    for pattern in patterns:
        name = next(filter(_is_of_a_name, wildcards(pattern.key)), None)
        if name is not None:
            yield pattern, _BRACKETS.format(name=shortened(name))
            return


def _odd(named: Sequence[S3Object], kinds: Sequence[_Kind]) -> Iterator[tuple[S3Object, str]]:
    """Yield the first of each kind. Whoever knows the version of an object knows its key."""
    alike: dict[str, list[S3Object]] = {}
    for obj in named:
        text = next((text for applies, text in kinds if applies(obj.key)), None) if obj.version_id is None else None
        if text is not None:
            alike.setdefault(text, []).append(obj)
    for text, (obj, *others) in alike.items():
        yield obj, text.format(one=_tail(_SLASHES.sub("/", obj.key).lstrip("/"))) + _also(others)


def _also(others: Sequence[S3Object]) -> str:
    return f" ({len(others):,} more like it)" if others else ""


def _is_of_a_name(wildcard: str) -> bool:
    """
    Return whether a set of characters is rather a piece of a name in brackets, such as ``[1]`` or ``[draft]``.

    Those who mean a set write it in order: ``[abc]``, ``[0-9a-f]``. One character alone needs no set, unless it is
    special itself.
    """
    if not wildcard.startswith("[") or wildcard.startswith("[!"):
        return False
    inner = wildcard[1:-1]
    if len(inner) == 1:
        return inner not in "*?["
    ranges = [(inner[at - 1], inner[at + 1]) for at in range(1, len(inner) - 1) if inner[at] == "-"]
    if ranges:
        return any(low > high for low, high in ranges)
    return any(one >= other for one, other in pairwise(inner))


def _tail(key: str) -> str:
    """Return the end of a key, by which its author recognizes it."""
    return key if len(key) <= _SHOWN // 2 else f"...{key[-_SHOWN // 2 :]}"
