"""How far a gate is, as a value that people look at while it waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.progress import MAX_HISTORY, MAX_VALUE, Progress, Wait, news
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Verdict
from tests.support.s3_server import Answer, Listed, S3Server, stored

START = datetime(2026, 11, 27, 9, tzinfo=UTC)
TARGETS = Targets.parse("s3://b/p/*", wildcard_match=True)


def verdict(done: int, total: int, **more: Any) -> Verdict:
    waiting = {"PENDING": total - done} if total > done else {}
    statuses = {"COMPLETED": done, **waiting}
    outcome = Outcome.WAIT if waiting else Outcome.DONE
    found = {"oldest_pending_seconds": 60.0 if waiting else None, "sample": (), "waiting": waiting, **more}
    return Verdict(outcome, total, done, statuses, {}, **found)


def wait(seconds: float = 0, **more: Any) -> Wait:
    at = START + timedelta(seconds=seconds)
    return Wait(at, START + timedelta(hours=2), "worker", "host-1", **more)


def value(progress: Progress, found: Verdict | None, seconds: float = 0, **more: Any) -> dict[str, Any]:
    return progress.value(wait(seconds, **more), found, started_at=START, head_requests=7, lag=None)


def swept(*points: tuple[float, int, int]) -> dict[str, Any]:
    """Return the value after sweeps at these seconds, with so many objects done of so many."""
    progress = Progress(TARGETS, GatePolicy(), "prod")
    for seconds, done, total in points:
        progress.swept(verdict(done, total), seconds)
    seconds, done, total = points[-1]
    return value(progress, verdict(done, total), seconds)


def test_value_has_the_form_that_is_promised() -> None:
    """Every part of the value, of a gate that waits in its first sweep."""
    progress = Progress(TARGETS, GatePolicy(on_none="done"), "prod", pin_versions=False, max_head_requests=100)
    found = verdict(1, 2, sample=({"uri": "s3://b/p/1", "status": "PENDING"},))
    progress.swept(found, 1.0)
    assert value(progress, found, 1, next_look=START + timedelta(seconds=61), message="waiting") == {
        "schema": 1,
        "kind": "gate",
        "state": "waiting",
        "at": "2026-11-27T09:00:01Z",
        "started_at": "2026-11-27T09:00:00Z",
        "deadline": "2026-11-27T11:00:00Z",
        "next_look": "2026-11-27T09:01:01Z",
        "targets": {"objects": 0, "patterns": 1, "sample": ["s3://b/p/*"]},
        "connection": "prod",
        "policy": {"on_none": "done", "max_pending_age": None, "max_head_requests": 100},
        "rules": None,
        "where": "worker",
        "host": "host-1",
        "total": 2,
        "done": 1,
        "statuses": {"COMPLETED": 1, "PENDING": 1},
        "waiting": [{"uri": "s3://b/p/1", "status": "PENDING"}],
        "oldest_pending_seconds": 60.0,
        "head_requests": 7,
        "expected_done_at": None,
        "unmoved_since": None,
        "history": [[1.0, 1, 2]],
        "replication_lag": None,
        "unasked": None,
        "message": "waiting",
    }


def test_value_before_the_first_answer() -> None:
    """Before anything was asked there is nothing counted, and why S3 could not be asked."""
    found = value(Progress(TARGETS, GatePolicy(), None), None, unasked="SlowDown")
    counted = {
        name: found[name] for name in ("total", "done", "statuses", "waiting", "history", "unasked", "connection")
    }
    empty: dict[str, Any] = {"total": 0, "done": 0, "statuses": {}, "waiting": [], "history": []}
    assert counted == {**empty, "unasked": "SlowDown", "connection": None}


@pytest.mark.parametrize("state", ["done", "failed", "timeout", "error"])
def test_wait_that_has_ended_says_nothing_of_the_future(state: str) -> None:
    """There is no next look, and no end in sight, once the wait has ended."""
    progress = Progress(TARGETS, GatePolicy(), "prod")
    for seconds, done in ((0, 10), (60, 20), (120, 20)):
        progress.swept(verdict(done, 30), seconds)
    found = value(progress, verdict(20, 30), 120, state=state, next_look=START)
    assert found["state"] == state
    assert (found["next_look"], found["expected_done_at"], found["unmoved_since"]) == (None, None, None)


def test_end_is_foreseen_by_the_last_sweeps() -> None:
    """At 10 objects a minute the last 20 take two minutes more."""
    assert swept((0, 0, 50), (60, 10, 50), (120, 20, 50), (180, 30, 50))["expected_done_at"] == "2026-11-27T09:05:00Z"


@pytest.mark.parametrize(
    "points",
    [
        ((0, 10, 30),),  # one sweep is no rate
        ((0, 10, 30), (60, 20, 30), (120, 20, 30)),  # nothing moved in the last one
        ((0, 10, 30), (60, 20, 40)),  # as many came as went
        ((0, 10, 30), (86400, 11, 1_000_000_000)),  # more came than went
        ((0, 10, 10_000_000), (60, 11, 10_000_000)),  # in years
    ],
)
def test_end_is_not_foreseen_without_a_rate(points: tuple[tuple[float, int, int], ...]) -> None:
    """Where the last sweeps show no rate, or none that ends within a month, nothing is said."""
    assert swept(*points)["expected_done_at"] is None


def test_end_that_will_be_after_a_growth_counts_what_is_left() -> None:
    """A pattern that grows is done when what is left is, at the rate at which that becomes less."""
    assert swept((0, 0, 40), (60, 20, 50))["expected_done_at"] == "2026-11-27T09:04:00Z"


def test_gate_that_does_not_move_says_since_when() -> None:
    """From the second sweep with the same number of objects done on, since the first of them."""
    assert swept((0, 1, 9), (60, 5, 9))["unmoved_since"] is None
    assert swept((0, 1, 9), (60, 5, 9), (120, 5, 9), (180, 5, 9))["unmoved_since"] == "2026-11-27T09:01:00Z"
    assert swept((0, 1, 9), (60, 5, 9), (120, 5, 9), (180, 6, 9))["unmoved_since"] is None


def test_history_keeps_what_a_small_picture_needs() -> None:
    """Of a long wait: the ends of each level, no more than 60 points, the first and the last among them."""
    flat = swept(*((seconds, 5, 9) for seconds in range(1000)))["history"]
    assert flat == [[0, 5, 9], [999, 5, 9]]
    steep = swept(*((seconds, seconds, 5000) for seconds in range(1000)))["history"]
    assert MAX_HISTORY // 2 <= len(steep) <= MAX_HISTORY
    assert (steep[0], steep[-1]) == ([0, 0, 5000], [999, 999, 5000])
    assert steep == sorted(steep)


def test_next_process_goes_on_with_the_history() -> None:
    """What was seen before is in the value of the next process, and counts for what has not moved."""
    before = Progress(TARGETS, GatePolicy(), "prod")
    before.swept(verdict(5, 9), 60)
    after = Progress(TARGETS, GatePolicy(), "prod")
    after.recall(json.loads(json.dumps(before.to_stored())))
    after.swept(verdict(5, 9), 120)
    found = value(after, verdict(5, 9), 120)
    assert found["history"] == [[60, 5, 9], [120, 5, 9]]
    assert found["unmoved_since"] == "2026-11-27T09:01:00Z"


@pytest.mark.parametrize("reason", ["r", "é"])
@pytest.mark.parametrize("key", ["k" * 1000, "\U0001f600" * 250, "\x01" * 1000])
def test_value_is_bounded(key: str, reason: str) -> None:
    """Whatever the names are, the value has 16,000 characters at most, and still counts and an example."""
    targets = Targets.parse([f"s3://b/{number}{key}"[:1000] for number in range(20)])
    progress = Progress(targets, GatePolicy(), "prod")
    sample = tuple(
        {"uri": f"s3://b/{number}{key}", "status": "PENDING", "reason": reason * 1000} for number in range(10)
    )
    found = verdict(0, 20, sample=sample)
    for seconds in range(200):
        progress.swept(verdict(seconds, 1000), seconds * 1e6)
    shown = value(progress, found, message=f"waiting {key}\n" * 20, unasked=key * 10)
    assert len(json.dumps(shown)) <= MAX_VALUE
    assert shown["waiting"]
    assert shown["targets"]["sample"] or reason == "é"  # which takes six characters for each of a thousand
    assert shown["message"].startswith("waiting ")


def test_what_is_cut_from_one_value_is_there_for_the_next() -> None:
    """Rules are read once: if there is no room for all of them now, there may be later."""
    progress = Progress(TARGETS, GatePolicy(), "prod")
    progress.rules = [{"bucket": "b", "rule": f"{n}" * 255, "destination": "west"} for n in range(10)]
    sample = ({"uri": "s3://b/p/1", "status": "PENDING", "reason": "r" * 12_000},)
    assert len(value(progress, verdict(0, 20, sample=sample), message="m" * 4000)["rules"]) < 10
    assert len(value(progress, verdict(0, 20))["rules"]) == 10


def test_news_are_what_has_happened() -> None:
    """Time that passes is no news; another count, another example, another state is."""
    progress = Progress(TARGETS, GatePolicy(), "prod")
    found = verdict(1, 3)
    progress.swept(found, 0)
    first = value(progress, found, 0, next_look=START, message="oldest 1m")
    progress.swept(found, 600)
    found = verdict(1, 3, oldest_pending_seconds=660.0)
    later = value(progress, found, 600, next_look=START + timedelta(seconds=900), message="oldest 11m")
    assert news(first) == news({**later, "unmoved_since": None})
    assert news(later) != news(value(progress, verdict(2, 3), 600))
    assert news(later) != news(value(progress, found, 600, state="timeout"))
    assert news(later) != news(value(progress, found, 600, unasked="SlowDown"))


RULES = """<ReplicationConfiguration><Role>arn:aws:iam::1:role/r</Role>
<Rule><ID>orders</ID><Status>Enabled</Status><Prefix>orders/</Prefix><Destination><Bucket>arn:aws:s3:::west</Bucket>
</Destination></Rule>
<Rule><ID>off</ID><Status>Disabled</Status><Prefix>orders/</Prefix><Destination><Bucket>arn:aws:s3:::west</Bucket>
</Destination></Rule>
<Rule><ID>logs</ID><Status>Enabled</Status><Prefix>logs/</Prefix><Destination><Bucket>arn:aws:s3:::north</Bucket>
</Destination></Rule></ReplicationConfiguration>"""


def watch(hook: S3ReplicationHook, targets: Targets = TARGETS, **more: Any) -> Watch:
    return Watch(targets, GatePolicy(), hook, connection="aws_default", **more)


def test_rules_that_cover_what_is_waited_for_are_shown(server: S3Server, hook: S3ReplicationHook) -> None:
    """While the gate waits the bucket's enabled rules are read, once; those of other prefixes are left out."""
    server.reset()
    server.listings["b"] = {"orders/1": Listed()}
    server.default = lambda bucket, key, version: stored("PENDING")
    server.replication["b"] = RULES
    gate = watch(hook, Targets.parse("s3://b/orders/*", wildcard_match=True), reads_rules=True)
    for _ in range(3):
        gate.poll()
    assert gate.shown(wait())["rules"] == [{"bucket": "b", "rule": "orders", "destination": "west"}]
    assert len([request for request in server.requests if "replication" in request.query]) == 1


@pytest.mark.parametrize("reads", [True, False])
def test_rules_that_cannot_be_read_are_not_shown(server: S3Server, hook: S3ReplicationHook, reads: bool) -> None:
    """Without the permission the gate waits and opens as ever; without onlookers nothing is read."""
    server.reset()
    server.answers["b", "k"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    server.replication["b"] = Answer(403, code="AccessDenied")
    gate = watch(hook, Targets.parse("s3://b/k"), reads_rules=reads)
    assert [gate.poll() for _ in range(3)] == [False, False, True]
    assert gate.shown(wait())["rules"] is None
    assert len([request for request in server.requests if "replication" in request.query]) == reads


def test_gate_measures_how_long_replication_takes(server: S3Server, hook: S3ReplicationHook) -> None:
    """What was PENDING in one sweep and COMPLETED in a later one is measured; what was done at once is not."""
    server.reset()
    written = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
    at = {"headers": {"Last-Modified": f"{written:%a, %d %b %Y %H:%M:%S} GMT"}}
    server.answers["b", "a"] = [stored("PENDING", **at), stored("PENDING", **at), stored("COMPLETED", **at)]
    server.answers["b", "c"] = stored("COMPLETED", **at)
    gate = watch(hook, Targets.parse(["s3://b/a", "s3://b/c"]))
    assert [gate.poll(), gate.value()["replication_lag"]] == [False, None]
    assert [gate.poll(), gate.poll()] == [False, True]
    lag = gate.value()["replication_lag"]
    assert lag == gate.shown(wait())["replication_lag"]
    assert lag["objects"] == 1
    assert 99 <= lag["median"] == lag["p95"] == lag["max"] <= 160
    assert 0 <= lag["error"] <= 60


def test_poll_that_cannot_ask_shows_what_was_found_before(server: S3Server, hook: S3ReplicationHook) -> None:
    """After an error the counts are those of the last sweep."""
    server.reset()
    server.listings["b"] = {"p/1": Listed()}
    server.default = lambda bucket, key, version: stored("PENDING")
    gate = watch(hook)
    gate.poll()
    server.missing_buckets.add("b")
    with pytest.raises(Exception, match="s3://b"):
        gate.poll()
    assert gate.shown(wait())["statuses"] == {"PENDING": 1}
    assert gate.progress().startswith("waiting for 1 of 1 in s3://b/p/*")
