"""``airflow crr status`` with patterns and folders, ``--only``, and what ``explain`` says of a pattern."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_crr.replication.status import ObjectState
from tests.cli.conftest import Ended
from tests.support.s3_server import MISSING, Answer, Listed, S3Server, stored


@pytest.fixture
def listed(s3: S3Server) -> Callable[..., None]:
    """Put keys into bucket b, each with the status that S3 answers."""

    def put(**statuses: str | None) -> None:
        s3.listings["b"] = {key.replace("__", "/"): Listed() for key in statuses}
        for key, status in statuses.items():
            s3.answers["b", key.replace("__", "/")] = stored(status)

    return put


def rows(run: Ended) -> dict[str, str]:
    """Return the rows of a table: object -> state."""
    table = run.out.split("\n\n")[0].splitlines()[1:]
    return {row.split()[2]: row.split()[0] for row in table}


def test_pattern_asks_for_what_it_matches(crr: Callable[..., Ended], s3: S3Server, listed: Callable[..., None]) -> None:
    """A pattern is listed, and what it matches is asked for; nothing is asked for by the pattern's own name."""
    listed(p__1="COMPLETED", p__2="PENDING", q__3="FAILED")
    run = crr("status", "s3://b/p/*")
    assert rows(run) == {"s3://b/p/1": "COMPLETED", "s3://b/p/2": "PENDING"}
    assert (run.code, run.err) == (3, "")
    assert "replicated 1 of 2, 1 pending" in run.out
    assert sorted(request.key for request in s3.heads()) == ["p/1", "p/2"]


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("s3://b/p/part-?", {"p/part-1"}),
        ("s3://b/p/part-[0-5]", {"p/part-1"}),
        ("s3://b/*/part-1", {"p/part-1", "q/part-1"}),
        ("s3://b/p/", {"p/", "p/part-1", "p/x/deep"}),
        ("s3://b/", {"p/", "p/part-1", "p/x/deep", "q/part-1"}),
        ("s3://b/*/x/", {"p/x/deep"}),
        ("S3A://b/p/*-1", {"p/part-1"}),
    ],
)
def test_patterns_and_folders(crr: Callable[..., Ended], s3: S3Server, pattern: str, keys: set[str]) -> None:
    """*, ? and [...] match as in a gate, and a folder is everything below it."""
    s3.listings["b"] = dict.fromkeys(("p/", "p/part-1", "p/x/deep", "q/part-1"), Listed())
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    run = crr("status", pattern, "--json")
    assert (run.code, run.err) == (0, "")
    assert {json.loads(line)["key"] for line in run.out.splitlines()} == keys
    assert len(run.out.splitlines()) == len(keys)


@pytest.mark.parametrize("key", ["p/*", "p/", "data[1].csv", "what?"])
def test_literal_takes_patterns_and_folders_as_keys(crr: Callable[..., Ended], s3: S3Server, key: str) -> None:
    """With --literal a key is a key, whatever is in it; so it is in JSON, and with a version."""
    s3.default = lambda bucket, key, version: stored("COMPLETED", headers={"x-amz-version-id": version or "v"})
    uri = f"s3://b/{key}"
    for words in (("--literal", uri), (json.dumps({"bucket": "b", "key": key}),), (f"{uri}?versionId=v",)):
        s3.requests.clear()
        run = crr("status", *words)
        assert (run.code, run.err) == (0, "")
        assert [(request.method, request.key) for request in s3.requests] == [("HEAD", key)]


def test_lines_are_keys(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A line of standard input is a key. One that looks like something else is told, each kind once."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    lines = ["s3://b/1", "s3://b/p/*", "s3://b/p/", "s3://b/q*", "s3://b/k?versionId=v", '{"bucket": "b", "key": "*"}']
    run = crr("status", "-", stdin="\n".join(lines).encode())
    assert run.code == 0
    assert sorted(request.key for request in s3.heads()) == sorted(["1", "p/*", "p/", "q*", "k?versionId=v", "*"])
    said = run.err.splitlines()
    assert len(said) == 4
    assert said[0].startswith("line 2 of standard input: s3://b/p/*: lines are keys, so * is part of it")
    assert said[1].startswith("line 3 of standard input: s3://b/p/: lines are keys, so this is the marker of a folder")
    assert '{"bucket": ..., "key": ..., "version_id": ...}' in said[2]
    assert said[3] == "1 more lines look like a pattern, and are taken as keys, too"


def test_line_that_may_be_a_row_of_a_table_is_told(crr: Callable[..., Ended], s3: S3Server) -> None:
    """What is beside a URI is a part of the key, which is said if a tab or a quote makes a column of it."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    lines = ["s3://b/1,2", "s3://b/k\tCOMPLETED", 's3://b/k,"COMPLETED"']
    run = crr("status", "-", stdin="\n".join(lines).encode())
    assert run.code == 0
    assert sorted(request.key for request in s3.heads()) == ["1,2", "k\tCOMPLETED", 'k,"COMPLETED"']
    first, more = run.err.splitlines()
    assert first.startswith("line 2 of standard input: s3://b/k[U+0009]COMPLETED: lines are keys, so all after")
    assert more == "1 more lines look like a row of a table, and are taken as keys, too"


@pytest.mark.parametrize("pattern", ["s3://b/none/*", "s3://b/none/"])
def test_pattern_that_matches_nothing_is_no_success(crr: Callable[..., Ended], s3: S3Server, pattern: str) -> None:
    """Nothing matches: that is said, and the command ends as a gate would, which waits; also beside objects."""
    s3.listings["b"] = {"k": Listed()}
    s3.answers["b", "k"] = stored("COMPLETED")
    shown = pattern if pattern.endswith("*") else f"{pattern}*"
    for words in ((pattern,), ("s3://b/k", pattern), ("s3://b/k*", pattern)):
        run = crr("status", *words)
        assert run.code == 3
        assert f"{shown}  (no object matches the pattern)" in run.out
        assert rows(run)[shown] == "MISSING"
    assert crr("status", pattern, "--json", "--only", "completed").code == 3


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", "cannot list objects: S3 answered AccessDenied"),
        (404, "NoSuchBucket", "there is no such bucket"),
        (200, "", "could not list"),
    ],
)
def test_listing_that_fails_is_an_error(
    crr: Callable[..., Ended], s3: S3Server, status: int, code: str, says: str
) -> None:
    """What cannot be listed is not known, and never said to match nothing, whatever else was found."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    body = f"<Error><Code>{code}</Code><Message>scripted</Message></Error>" if code else ""
    s3.on_list = lambda request, page: (Answer(status), body)
    run = crr("status", "s3://b/k", "s3://b/p/*")
    assert run.code == 1
    assert says in run.err
    assert "no object matches" not in run.out


def test_replicas_that_a_pattern_matches_fail_as_in_a_gate(
    crr: Callable[..., Ended], s3: S3Server, listed: Callable[..., None]
) -> None:
    """Replicas that a pattern matched are no success, and why is said; one that is named beside them is."""
    listed(p__1="REPLICA")
    run = crr("status", "s3://b/p/*")
    assert run.code == 4
    assert "REPLICA: it is itself a replica, and matched by a pattern" in run.out
    assert crr("status", "s3://b/p/1").code == 0


def test_objects_and_patterns_together(crr: Callable[..., Ended], s3: S3Server, listed: Callable[..., None]) -> None:
    """Objects and patterns of one command line are counted together, and the worst of all decides."""
    listed(p__1="COMPLETED", p__2="FAILED")
    s3.answers["b", "k"] = stored("PENDING")
    run = crr("status", "s3://b/p/*", "s3://b/k", "-", stdin=b"s3://b/p/1\n")
    assert run.code == 4
    assert "replicated 2 of 4, 1 pending, oldest" in run.out
    assert "1 failed" in run.out


def test_object_that_is_written_meanwhile_is_asked_for(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A pattern is listed again after the answers: what was written meanwhile decides, too."""
    s3.default = lambda bucket, key, version: stored("PENDING" if key == "p/2" else "COMPLETED")
    s3.listings["b"] = {"p/1": Listed()}

    def write(request: object) -> None:
        if s3.heads():
            s3.listings["b"]["p/2"] = Listed()

    s3.before_listing = write
    run = crr("status", "s3://b/p/*")
    assert run.code == 3
    assert rows(run) == {"s3://b/p/1": "COMPLETED", "s3://b/p/2": "PENDING"}


def test_only_some_states_are_shown_and_all_are_counted(
    crr: Callable[..., Ended], s3: S3Server, listed: Callable[..., None]
) -> None:
    """--only leaves out rows and lines, and no counts; the exit code is of all."""
    listed(p__1="COMPLETED", p__2="PENDING", p__3="FAILED", p__4=None)
    run = crr("status", "s3://b/p/*", "--only", "pending, Failed")
    assert rows(run) == {"s3://b/p/2": "PENDING", "s3://b/p/3": "FAILED"}
    assert "replicated 1 of 4, 1 pending" in run.out
    assert run.code == 4
    shown = crr("status", "s3://b/p/1", "s3://b/p/2", "--json", "--only", "COMPLETED")
    assert [json.loads(line)["key"] for line in shown.out.splitlines()] == ["p/1"]
    assert shown.code == 3
    assert rows(crr("status", "s3://b/p/*", "--only", "unknown")) == {}


@pytest.mark.parametrize("states", ["pendin", "", "pending,,failed", "done", "*"])
def test_state_that_does_not_exist_is_refused(crr: Callable[..., Ended], s3: S3Server, states: str) -> None:
    """A state that is none ends with 2 and the list of all, before S3 is asked."""
    run = crr("status", "s3://b/k", "--only", states)
    assert run.code == 2
    assert all(state.value.lower() in run.err for state in ObjectState)
    assert s3.requests == []


def test_explain_takes_one_object(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Of a pattern or a folder, explain says what to do; a key that only looks like one is explained."""
    for uri, look in (("s3://b/p/*", "pattern"), ("s3://b/p/", "folder")):
        run = crr("explain", uri)
        assert run.code == 2
        assert f"it looks like a {look}" in run.err
        assert f"airflow crr status {uri.replace('s3://b/p/*', repr('s3://b/p/*'))} --only failed,none" in run.err
        assert crr("explain", uri, "--literal").code == 3
    s3.answers["b", "data[1].csv"] = stored("COMPLETED")
    assert crr("explain", "s3://b/data[1].csv").code == 0
    assert MISSING.status == 404


def test_pattern_and_version_do_not_go_together(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Whoever gives a version means one key, and so it is asked for."""
    s3.answers["b", "p*", "v"] = stored("COMPLETED", headers={"x-amz-version-id": "v"})
    assert crr("status", "s3://b/p*", "--version-id", "v").code == 0
    assert crr("status", "s3://b/p*", "s3://b/q*", "--version-id", "v").code == 2
