"""The verdict of a sweep: when the gate opens, and what it tells."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.replication.gate import CHOICES, GatePolicy, Outcome
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.s3.objects import S3Object

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STATES = st.sampled_from(ObjectState)
POLICIES = st.builds(
    GatePolicy,
    **{name: st.sampled_from(choices) for name, choices in CHOICES.items()},
    max_pending_age=st.none() | st.just(60.0),
)


def answer(state: ObjectState, key: str = "k", age: float | None = 3600.0, detail: str = "") -> ObjectReplication:
    written = None if age is None else NOW - timedelta(seconds=age)
    return ObjectReplication(S3Object("b", key), state, last_modified=written, detail=detail)


def swept(policy: GatePolicy, *answers: ObjectReplication) -> Tally:
    tally = Tally(NOW)
    for each in answers:
        tally.add(each, policy.judge(each, NOW))
    return tally


@given(POLICIES, st.lists(STATES, max_size=20))
def test_gate_opens_only_on_answers_that_are_done(policy: GatePolicy, states: list[ObjectState]) -> None:
    """Whatever the policy, the gate opens only if there is an answer and every one is a state the policy calls done."""
    allowed = {ObjectState.COMPLETED}
    allowed |= {ObjectState.REPLICA} if policy.on_replica == "done" else set()
    allowed |= {ObjectState.NONE} if policy.on_none == "done" else set()
    opened = swept(policy, *map(answer, states)).outcome is Outcome.DONE
    assert opened == (bool(states) and set(states) <= allowed)


def test_empty_sweep_waits() -> None:
    """A sweep without a single answer waits: an empty list is not a replicated one."""
    assert Tally(NOW).outcome is Outcome.WAIT


def test_finished_objects_count_towards_done() -> None:
    """What earlier sweeps finished counts in the total, and opens the gate together with the rest."""
    tally = swept(GatePolicy(), answer(ObjectState.COMPLETED))
    tally.add_finished(Counter({ObjectState.REPLICA: 2}))
    verdict = tally.verdict(lambda _: "")
    assert (verdict.outcome, verdict.total, verdict.done) == (Outcome.DONE, 3, 3)
    assert verdict.statuses == {"COMPLETED": 1, "REPLICA": 2}


def test_failure_names_every_object_that_decided() -> None:
    """The message of a failed gate counts and names the objects that decided it, each with its reason."""
    tally = swept(
        GatePolicy(),
        answer(ObjectState.COMPLETED, "fine"),
        answer(ObjectState.PENDING, "slow", age=192),
        answer(ObjectState.FAILED, "lost"),
        answer(ObjectState.NONE, "outside"),
        answer(ObjectState.FORBIDDEN, "secret", detail="AccessDenied"),
    )
    text = tally.verdict(lambda found: f"no rule for {found.object.key}").failure()
    assert text.startswith("the gate stays shut: 1 FAILED, 1 NONE, 1 FORBIDDEN; replicated 1 of 5\n")
    assert "still waiting: 1 PENDING; the oldest PENDING 3m12s" in text
    assert "s3://b/lost FAILED\n  S3 does not retry" in text
    assert "s3://b/outside NONE\n  no rule for outside" in text
    assert "s3:ListBucket" in text
    assert "\n  AccessDenied\n" in text
    assert "s3://b/slow" not in text


def test_failure_says_how_many_it_does_not_name() -> None:
    """Beyond ten objects the message says how many more there are."""
    tally = swept(GatePolicy(), *(answer(ObjectState.FAILED, f"k{number}") for number in range(1250)))
    assert "and 1,240 more FAILED" in tally.verdict(lambda _: "").failure().splitlines()


def test_every_state_that_decides_has_an_object() -> None:
    """However many objects of one state there are, one of each other state is named: each has another remedy."""
    lost = [answer(ObjectState.FAILED, f"k{number}") for number in range(50)]
    tally = swept(GatePolicy(), *lost, answer(ObjectState.NONE, "outside"), answer(ObjectState.DELETED, "gone"))
    verdict = tally.verdict(lambda _: "no rule")
    assert Counter(named["status"] for named in verdict.sample) == {"FAILED": 8, "NONE": 1, "DELETED": 1}
    assert verdict.deciders == 10


def test_pattern_that_matches_nothing_says_what_to_look_at() -> None:
    """What a listing said of a pattern is no remedy: that follows it."""
    missing = answer(ObjectState.MISSING, "ordres/*", detail="no object matches the pattern")
    (named,) = swept(GatePolicy(on_missing="fail"), missing).verdict(lambda each: "").sample
    assert named["reason"].startswith("no object matches the pattern. Look at the bucket, the key")


def test_the_rule_by_which_s3_tried_is_named() -> None:
    """What is FAILED has its rule in the sample; it is asked for only where an object decides."""
    tally = swept(GatePolicy(), answer(ObjectState.FAILED, "lost"), answer(ObjectState.PENDING, "slow"))
    verdict = tally.verdict(lambda _: "", ruled=lambda found: f"by rule {found.object.key}")
    assert [named.get("rule") for named in verdict.sample] == ["by rule lost", None]
    assert "\n  by rule lost\n" in verdict.failure()


def test_progress_reads_as_designed() -> None:
    """The progress line counts what is replicated and what is not, with the age of the oldest PENDING."""
    tally = swept(GatePolicy(), *(answer(ObjectState.PENDING, age=192) for _ in range(588)))
    tally.add_finished(Counter({ObjectState.COMPLETED: 9412}))
    line = tally.verdict(lambda _: "").progress()
    assert line == "replicated 9,412 of 10,000, 588 pending, oldest 3m12s"


def test_unknown_answers_are_warned_of() -> None:
    """An answer that nobody can read is a warning with its URI and what was odd."""
    verdict = swept(GatePolicy(), answer(ObjectState.UNKNOWN, detail="S3 answered HTTP 500")).verdict(lambda _: "")
    assert verdict.outcome is Outcome.WAIT
    assert verdict.warnings() == ["s3://b/k: S3 answered HTTP 500"]


@pytest.mark.parametrize("key", ["k" * 1000, "\U0001f600" * 250, "\x01" * 1000])
def test_message_and_summary_stay_small(key: str) -> None:
    """A verdict over many objects with the longest keys fits an event of 16 KB, and names at least one object."""
    tally = swept(GatePolicy(), *(answer(ObjectState.FAILED, f"{number}{key}") for number in range(100)))
    verdict = tally.verdict(lambda _: "")
    assert len(json.dumps([verdict.failure(), verdict.summary()])) < 16_000
    assert verdict.sample


def test_failure_of_a_sweep_that_was_cut_off_says_so() -> None:
    """If no more HEADs may be sent, what FAILED is not all there may be, and the message does not claim that."""
    tally = swept(GatePolicy(), answer(ObjectState.FAILED), answer(ObjectState.COMPLETED, "fine"))
    tally.partial = True
    verdict = tally.verdict(lambda _: "")
    assert verdict.outcome is Outcome.FAIL
    assert verdict.failure().splitlines()[0] == (
        "the gate stays shut: 1 FAILED; replicated 1 of 2, not all were asked for"
    )
