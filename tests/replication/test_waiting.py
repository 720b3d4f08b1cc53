"""What a gate waits for, in a few lines for its log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Tally, Verdict
from airflow_provider_crr.replication.waiting import WaitedFor
from airflow_provider_crr.s3.objects import S3Object

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
FOLDER = "s3://stuck/orders/dt=2026-11-24"


def verdict(*answers: ObjectReplication, done: int = 0, **policy: Any) -> Verdict:
    """Return what a sweep with these answers, and so many objects done before, has found."""
    tally, judge = Tally(NOW), GatePolicy(**policy)
    for each in answers:
        tally.add(each, judge.judge(each, NOW))
    tally.states[ObjectState.COMPLETED] += done
    tally.outcomes[Outcome.DONE] += done
    return tally.verdict(lambda _: "")


def answer(uri: str, state: str = "PENDING", age: float = 60, server: str = "AmazonS3") -> ObjectReplication:
    written = NOW - timedelta(seconds=age)
    return ObjectReplication(S3Object.parse(uri), ObjectState(state), last_modified=written, server=server)


def lines(asked: str | list[str], found: Verdict, connection: str | None = "prod") -> list[str]:
    wildcard = any("*" in key for key in ([asked] if isinstance(asked, str) else asked))
    return WaitedFor(Targets.parse(asked, wildcard_match=wildcard), connection).lines(found)


def test_waiting_gate_says_for_what() -> None:
    """How many of how many, where, by which connection, in which state, how old, for example which, and what next."""
    waiting = [answer(f"{FOLDER}/part-{4000 + n:05}", age=7380 - n) for n in range(12)]
    found = lines(f"{FOLDER}/*", verdict(*reversed(waiting), done=4001))
    assert found == [
        "waiting for 12 of 4,013 in s3://stuck/orders/dt=2026-11-24/* (connection prod)",
        "12 PENDING, oldest 2h3m (most take less than 15 min)",
        "  e.g. .../part-04000, .../part-04011",
        "PENDING too long? Look at the destination's Region and bucket; S3 goes on by itself once they answer",
        "Next: airflow crr explain --conn-id prod s3://stuck/orders/dt=2026-11-24/part-04000",
    ]


def test_oldest_pending_object_is_named_however_many_wait() -> None:
    """Of 5,000 that wait the one that is PENDING for longest is the first example, whenever its answer came."""
    waiting = [answer(f"{FOLDER}/{number}") for number in range(5000)]
    found = lines(f"{FOLDER}/*", verdict(*waiting, answer(f"{FOLDER}/old", age=900)))
    assert found[2].startswith("  e.g. .../old, ")
    assert found[-1].endswith("/old")


def test_version_is_named_only_if_the_gate_asks_for_it() -> None:
    """A version makes the command longer than the log is wide; a key that contains such text stays whole."""
    plain, versioned = f"{FOLDER}/part-1", f"{FOLDER}/part-1?versionId=c6d161bf-b50a-4540-9cb5-cb712293d10e"
    by_pattern = lines(f"{FOLDER}/*", verdict(answer(versioned)), None)
    assert by_pattern[2] == "  e.g. .../part-1"
    assert by_pattern[-1] == f"Next: airflow crr explain {plain}"
    obj = S3Object.parse(plain).in_version("c6d161bf-b50a-4540-9cb5-cb712293d10e")
    found = WaitedFor(Targets.parse([obj.to_dict(), "s3://b/k"]), None).lines(verdict(answer(versioned)))
    assert found[-1] == f"Next: airflow crr explain '{versioned}'"
    missing = ObjectReplication(S3Object("b", "k?versionId=1"), ObjectState.MISSING)
    assert lines("s3://b/k*", verdict(missing), None)[-1] == "Next: airflow crr explain 's3://b/k?versionId=1'"


def test_one_object_is_named_once() -> None:
    """A gate for one object names it in the first line, and in the command."""
    found = lines("s3://b/k", verdict(answer("s3://b/k")), "aws_default")
    assert found == [
        "waiting for 1 of 1: s3://b/k (connection aws_default)",
        "1 PENDING, oldest 1m (most take less than 15 min)",
        "Next: airflow crr explain s3://b/k",
    ]


@pytest.mark.parametrize(
    ("state", "policy", "line"),
    [
        ("MISSING", {}, "1 MISSING (not written yet)"),
        ("FAILED", {"on_failed": "wait"}, "1 FAILED (to be repaired)"),
        ("NONE", {"on_none": "wait"}, "1 NONE (no replication status yet)"),
        ("UNKNOWN", {}, "1 UNKNOWN (no readable answer)"),
    ],
)
def test_every_state_that_is_waited_for_is_counted(state: str, policy: dict[str, Any], line: str) -> None:
    """Whatever a gate may wait for is named, with what it has in store."""
    found = verdict(answer("s3://b/k", state), **policy)
    assert found.outcome is Outcome.WAIT
    assert lines("s3://b/k", found)[1] == line


def test_what_is_done_is_not_waited_for() -> None:
    """REPLICA and NONE that the policy calls done are no part of the counts, nor of the examples."""
    answers = [answer("s3://b/a", "REPLICA"), answer("s3://b/c", "NONE"), answer("s3://b/d")]
    found = lines(["s3://b/a", "s3://b/c", "s3://b/d"], verdict(*answers, on_none="done"))
    assert found[:3] == [
        "waiting for 1 of 3 in s3://b/ (connection prod)",
        "1 PENDING, oldest 1m (most take less than 15 min)",
        "  e.g. .../d",
    ]


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (["s3://b/x/1", "s3://b/x/2"], "s3://b/x/"),
        (["s3://b/x/1", "s3://b/y/2"], "s3://b/"),
        (["s3://b/x/1", "s3://b/x/1/2"], "s3://b/x/"),
        (["s3://b/x/day=1*", "s3://b/x/day=2*"], "s3://b/x/"),
        (["s3://b/x", "s3://c/x"], "s3://b and 1 more bucket"),
        (["s3://b/x", "s3://c/x", "s3://d/x"], "s3://b and 2 more buckets"),
    ],
)
def test_several_objects_are_told_by_their_folder(asked: list[str], where: str) -> None:
    """The folder that all keys are in; where there are several buckets, the first one and how many more."""
    found = lines(asked, verdict(answer(asked[0].rstrip("*"))), None)
    assert found[0] == f"waiting for 1 of 1 in {where} (no connection)"


def test_usual_time_is_only_said_of_s3() -> None:
    """What AWS says of most objects is not said of MinIO, whose own advice is given instead."""
    found = lines("s3://b/k", verdict(answer("s3://b/k", age=4000, server="MinIO")))
    assert "most take" not in "".join(found)
    assert "MinIO goes on by itself" in found[2]


def test_pattern_without_match_is_asked_of_as_a_pattern() -> None:
    """The command for a pattern that matches nothing is the one that takes patterns."""
    nothing = ObjectReplication(S3Object("b", "p/*"), ObjectState.MISSING, http_status=0)
    found = lines("s3://b/p/*", verdict(nothing))
    assert found[0] == "waiting for 1 of 1 in s3://b/p/* (connection prod)"
    assert found[-1] == "Next: airflow crr status --conn-id prod 's3://b/p/*'"


def test_strange_keys_stay_in_their_line() -> None:
    """Quotes, line breaks and what cannot be seen neither break a line nor the command."""
    key = "a b'c\n\u202ed"
    found = lines(
        [f"s3://b/{key}", "s3://b/x"],
        verdict(answer("s3://b/x"), ObjectReplication(S3Object("b", key), ObjectState.PENDING)),
    )
    assert all("\n" not in line and "\u202e" not in line for line in found)
    only = lines(f"s3://b/{key}", verdict(ObjectReplication(S3Object("b", key), ObjectState.PENDING)))
    assert only[-1] == "Next: airflow crr explain --conn-id prod 's3://b/a b'\"'\"'c[U+000A U+202E]d'"


def test_strange_connection_stays_in_its_line() -> None:
    """The name of a connection may come from the conf of a run: it can neither add lines to the log nor commands."""
    found = lines("s3://b/k", verdict(answer("s3://b/k")), "prod\nNext: rm -rf $HOME; \u202e")
    assert all("\n" not in line and "\u202e" not in line for line in found)
    assert len(found) == 3
    assert found[-1] == "Next: airflow crr explain --conn-id 'prod Next: rm -rf $HOME; [U+202E]' s3://b/k"


def test_lines_are_short() -> None:
    """Lines of usual names have 100 characters at most, whatever is in them; the command may be longer."""
    keys = [f"{FOLDER}/region=eu-central-1/hour=12/part-{n:05}-{'c' * 40}.parquet" for n in range(12)]
    waiting = [answer(key, age=1e6) for key in keys]
    found = lines(f"{FOLDER}/region=*", verdict(*waiting, answer(f"{FOLDER}/z", "UNKNOWN"), done=1_000_000))
    assert max(map(len, found[:-1])) <= 100


def test_gate_that_has_no_answer_says_for_what_it_waits() -> None:
    """Before the first sweep has ended, the objects and the connection are known."""
    waited_for = WaitedFor(Targets.parse("s3://b/k"), "prod")
    assert waited_for.unasked(0) == ["waiting for s3://b/k (connection prod)", "no answer came yet"]
    assert waited_for.unasked(1000)[1] == "1,000 answers came, but not all"


def test_examples_are_the_same_in_each_sweep() -> None:
    """Of objects of the same second the first by name is the example, in whichever order their answers come."""
    answers = [answer(f"{FOLDER}/{number:03}") for number in range(300)]
    assert lines(f"{FOLDER}/*", verdict(*answers))[-1] == lines(f"{FOLDER}/*", verdict(*reversed(answers)))[-1]
