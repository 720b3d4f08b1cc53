"""Keys and patterns that are probably not what their author meant."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.replication.hints import hints
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.patterns import matches

MORE = "x" * 900


def told(bucket_key: Any, **arguments: Any) -> list[str]:
    return hints(Targets.parse(bucket_key, **arguments))


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("s3://b/p/*", "* is part of this key, for wildcard_match is False. For a pattern, set wildcard_match=True"),
        ("s3://b/p/part-?.csv", "? is part of this key"),
        ("s3://b/p/part-[0-9].csv", "[ is part of this key"),
        ("s3://b/p/", "write 'p/*' with wildcard_match=True"),
        ("s3://b/k?versionId=abc", "Give the version as version_id"),
        ("s3://b/k,s3://b/l", "For several objects, give a list"),
        ("s3://b/dt={ ds }/k", "write a template with four: {{{{ ds }}}}"),
        ("s3://b/ k", "the end of a line"),
        ("s3://b//p/k", "write 'p/k'"),
        ("s3://b/p///k", "write 'p/k'"),
    ],
)
def test_key_that_looks_like_something_else(key: str, fix: str) -> None:
    """A key that looks like a pattern, a folder or a version is told, with the fix, and is a key all the same."""
    (hint,) = told(key)
    assert hint.startswith(f"{key}: ")
    assert fix in hint
    assert [str(obj) for obj in Targets.parse(key).objects] == [key]


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("s3://b/p/", "write 'p/*'"),
        ("s3://b/*/", "write '*/*'"),
        ("s3://b/p/k.csv", "Leave wildcard_match out"),
        (["s3://b/p/k.csv", "s3://b/p/l.csv"], "Leave wildcard_match out"),
        ("s3://b/data[1].csv", "[1] matches one character, and not itself"),
        ("s3://b/report [draft].pdf", "write [[] for it"),
        ("s3://b/[2026-11-24]/*", "[2026-11-24] matches one character"),
        ("s3://b/[eu-west-1]/*", "matches one character"),
        ("s3://b/p/**/*.csv", "does not match a/b"),
        ("s3://b/**/k?", "does not match a/b"),
        ("s3://b/p/.*\\.csv", "not regular expressions"),
        ("s3://b/{p,q}/*", "braces are parts of this key"),
        ("s3://b/p//*", "write 'p/*'"),
    ],
)
def test_pattern_that_matches_something_else(pattern: Any, fix: str) -> None:
    """A pattern of a folder, one without any wildcard, and a name in brackets are told, with the fix."""
    (hint,) = told(pattern, wildcard_match=True)
    assert fix in hint


@pytest.mark.parametrize(
    "pattern",
    [
        "s3://b/p/*",
        "s3://b/part-[0-9].csv",
        "s3://b/part-[0-9a-f][abc].csv",
        "s3://b/part-[!1].csv",
        "s3://b/what[?].csv",
        "s3://b/data[[]1].csv",
        "s3://b/open[1*",
        ["s3://b/p/*", "s3://b/p/_SUCCESS"],
        "s3://b/p/**",
        "s3://b/p**/k",
        "s3://b/{p/*",
    ],
)
def test_pattern_that_is_meant(pattern: Any) -> None:
    """Sets of characters in their order, what is escaped, and the writer's marker beside a pattern are no mistake."""
    assert told(pattern, wildcard_match=True) == []


@pytest.mark.parametrize(
    "key",
    ["s3://b/k", "s3://b/open[1.csv", {"bucket": "b", "key": "/p//{*}", "version_id": "v"}, ["s3://b/k", "s3://b/l"]],
)
def test_key_that_is_meant(key: Any) -> None:
    """A plain key, a bracket that is never closed, and a key whose version is known are no mistake."""
    assert told(key) == []


def test_each_kind_is_told_once_and_bounded() -> None:
    """Of many keys, the first of each kind is named, with the number of the others, in a line that can be read."""
    found = told([f"s3://b/{MORE}{number}*" for number in range(1500)] + ["s3://b/p/", "s3://b/k"])
    assert len(found) == 2
    assert "(1,499 more like it)" in found[0]
    assert all(len(hint) < 600 and "\n" not in hint for hint in found)


def test_pattern_of_folders_misses_what_is_directly_there() -> None:
    """What is said of ``**`` is so: it needs a folder in its place, and the fix does not."""
    assert not matches("a/**/b", "a/b")
    assert all(matches("a/*b", key) for key in ("a/b", "a/c/b", "a/c/d/b"))


def test_hostile_text_is_told_legibly() -> None:
    """What cannot be seen of a key is spelled out."""
    (hint,) = told("s3://b/a\x1b[2J\u202e*/")
    assert not {"\x1b", "\u202e"} & set(hint)


def test_escape_that_is_recommended_matches() -> None:
    """The fix for a bracket in a key matches that key, and the key as it is does not match itself."""
    assert not matches("data[1].csv", "data[1].csv")
    assert matches("data[[]1].csv", "data[1].csv")
