"""What a worker hands to the triggerer: asked over HTTP, carried as the JSON of a trigger's kwargs."""

from __future__ import annotations

import json
import logging
import secrets
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.checkpoint.handover import SCHEMA, Handover
from airflow_provider_crr.replication.checkpoint.packed import digest, to_text
from airflow_provider_crr.replication.checkpoint.value import Checkpoint, Question
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import MAX_STORED, Targets
from airflow_provider_crr.s3.objects import S3Object
from tests.support.polling import event_of
from tests.support.s3_server import Listed, S3Server, stored

TWO = Targets.parse(["s3://b/a", "s3://b/b"])
PATTERN = Targets.parse("s3://b/*", wildcard_match=True)


@pytest.fixture
def s3(server: S3Server) -> S3Server:
    server.reset()
    return server


def watch(hook: S3ReplicationHook, handover: Handover, targets: Targets = TWO, **more: Any) -> Watch:
    return Watch(targets, more.pop("policy", GatePolicy()), hook, kept=handover, **more)


def carried(handover: Handover, room: int = MAX_STORED) -> Handover:
    """Return a handover as the next process has it."""
    stored = json.loads(json.dumps(handover.to_stored(room)))
    return Handover(stored, **handover.counts)


def asked(s3: S3Server) -> dict[str, int]:
    """Return how many HEADs each key got since the last call."""
    found = Counter(request.key + (f"@{request.version_id}" if request.version_id else "") for request in s3.heads())
    s3.requests.clear()
    return dict(found)


def half_done(s3: S3Server, hook: S3ReplicationHook, **more: Any) -> Handover:
    """Let one process find a COMPLETED and b PENDING; return what it hands over."""
    s3.answers["b", "a"] = stored("COMPLETED")
    s3.answers["b", "b"] = stored("PENDING")
    handover = Handover()
    assert event_of(watch(hook, handover, **more)) is None
    asked(s3)
    return handover


def question(targets: Targets, hook: S3ReplicationHook | None = None, *, pin_versions: bool = False) -> Question:
    return Question(targets, GatePolicy(), pin_versions, hook.whereabouts() if hook else {})


def of(checkpoint: Checkpoint, targets: Targets, **more: Any) -> Handover:
    """Return a handover that knows something."""
    handover = Handover()
    handover.load(question(targets, **more))
    handover.save(checkpoint)
    return handover


def test_next_process_asks_only_for_the_rest(s3: S3Server, hook: S3ReplicationHook) -> None:
    """What was found done is not asked again, by any later process, and all HEADs are counted."""
    handover = half_done(s3, hook)
    for _ in range(2):  # a triggerer, and the one that takes over from it
        assert event_of(watch(hook, carried(handover))) is None
        assert asked(s3) == {"b": 1}
    s3.answers["b", "b"] = stored("COMPLETED")
    ended = event_of(watch(hook, carried(handover)))
    assert asked(s3) == {"b": 1}
    assert ended is not None
    assert (ended["status"], ended["value"]["statuses"]) == ("done", {"COMPLETED": 2})
    assert ended["value"]["head_requests"] == 3


def test_pattern_is_listed_again(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A pattern is listed by the next process, which asks for what is new, overwritten or unfinished."""
    s3.listings["b"] = {key: Listed() for key in ("a", "b", "c")}
    s3.default = lambda bucket, key, version: stored("PENDING" if key == "b" else "COMPLETED")
    handover = Handover()
    assert event_of(watch(hook, handover, PATTERN)) is None
    assert asked(s3) == {"a": 1, "b": 1, "c": 1}
    s3.listings["b"]["c"] = Listed(etag='"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"')
    s3.listings["b"]["d"] = Listed()
    assert event_of(watch(hook, carried(handover), PATTERN)) is None
    assert asked(s3) == {"b": 1, "c": 1, "d": 1}


def test_pinned_version_stays_pinned(s3: S3Server, hook: S3ReplicationHook) -> None:
    """The next process waits for the version that answered first, though its key was overwritten."""
    s3.answers["b", "a"] = stored("PENDING", headers={"x-amz-version-id": "v1"})
    s3.answers["b", "b"] = stored("COMPLETED", headers={"x-amz-version-id": "w1"})
    handover = Handover()
    assert event_of(watch(hook, handover, pin_versions=True)) is None
    s3.answers["b", "a", "v1"] = stored("COMPLETED")
    asked(s3)
    ended = event_of(watch(hook, carried(handover), pin_versions=True))
    assert (ended or {})["status"] == "done"
    assert asked(s3) == {"a@v1": 1}


def test_pins_that_do_not_fit_are_not_handed_over_by_halves(caplog: pytest.LogCaptureFixture) -> None:
    """Versions that answered first go along all together or not at all; then nothing does, and the log says so."""
    targets = Targets.parse([f"s3://b/{number}" for number in range(3000)])
    ordered = list(targets.objects)
    pinned = [obj.in_version(secrets.token_hex(16)) for obj in ordered[1:]]
    handover = of(Checkpoint({ObjectState.COMPLETED: ordered[:1]}, pinned=pinned), targets, pin_versions=True)
    assert handover.to_stored(MAX_STORED) is None
    assert "the versions that answered first are too many to hand over" in caplog.text
    assert handover.to_stored(10 * MAX_STORED) is not None
    caplog.clear()
    marks = {secrets.token_bytes(16): ObjectState.COMPLETED for _ in range(3000)}
    handover = of(Checkpoint(listed=marks, pinned=[S3Object("b", "k", "v")]), PATTERN, pin_versions=True)
    assert handover.to_stored(MAX_STORED) is None
    assert "the versions that answered first are too many to hand over" in caplog.text
    assert handover.to_stored(10 * MAX_STORED) is not None


def test_nothing_is_said_of_what_is_not_handed_over(caplog: pytest.LogCaptureFixture) -> None:
    """Without room, or with nothing done, the log has neither a size below zero nor a number of nothing."""
    caplog.set_level(logging.INFO)
    assert of(Checkpoint(pinned=list(TWO.objects)), TWO).to_stored(100) is None
    assert caplog.messages == []
    assert of(Checkpoint({ObjectState.COMPLETED: [TWO.objects[0]]}), TWO).to_stored(100) is None
    assert caplog.messages == ["what is known takes more than 0 characters to keep: the next process asks again"]
    caplog.clear()
    pins = Checkpoint(pinned=[TWO.objects[0].in_version("v")])
    found = carried(of(pins, TWO, pin_versions=True)).load(question(TWO, pin_versions=True))
    assert (found.pinned, caplog.messages) == (pins.pinned, [])


def test_handover_fits_into_what_targets_leave(caplog: pytest.LogCaptureFixture) -> None:
    """100,000 named objects and half a million listed ones take no more than there is room; no warning is needed."""
    caplog.set_level(logging.INFO)
    targets = Targets.parse([f"s3://b/part-{number:06}" for number in range(100_000)])
    done = [obj for obj in targets.objects if int.from_bytes(secrets.token_bytes(1), "big") % 2]
    known = of(Checkpoint({ObjectState.COMPLETED: done}), targets)
    room = MAX_STORED - len(json.dumps(targets.to_stored()))
    stored = known.to_stored(room)
    assert stored is not None
    assert len(json.dumps(stored)) <= room
    again = Handover(stored).load(question(targets))
    assert set(again.done[ObjectState.COMPLETED]) == set(done)
    marks = {secrets.token_bytes(16): ObjectState.COMPLETED for _ in range(500_000)}
    stored = of(Checkpoint(listed=marks), PATTERN).to_stored(MAX_STORED)
    assert 0.9 * MAX_STORED < len(json.dumps(stored)) <= MAX_STORED
    again = Handover(stored).load(question(PATTERN))
    assert 2000 < len(again.listed) < len(marks)
    assert again.listed.items() <= marks.items()
    assert of(Checkpoint(listed=marks), PATTERN).to_stored(200) is None
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_random_names_leave_room_for_what_fits() -> None:
    """However much the targets take, targets and handover stay within the bound together."""
    for number in (100, 1000, 1400, 1700):
        targets = Targets.parse([f"s3://b/{uuid.uuid4()}" for _ in range(number)])
        taken = len(json.dumps(targets.to_stored()))
        handed = of(Checkpoint({ObjectState.COMPLETED: list(targets.objects[::2])}), targets)
        stored = handed.to_stored(MAX_STORED - taken)
        assert taken + (len(json.dumps(stored)) if stored else 0) <= MAX_STORED


@pytest.mark.parametrize(
    "other",
    [
        {"targets": Targets.parse(["s3://b/a", "s3://b/c"])},
        {"policy": GatePolicy(on_failed="wait")},
        {"pin_versions": True},
        {"whereabouts": {"endpoint_url": "http://elsewhere"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_question_is_asked_anew(caplog: pytest.LogCaptureFixture, other: dict[str, Any]) -> None:
    """Nothing that is known of one question counts for another; only the HEADs that were sent do."""
    caplog.set_level(logging.INFO)
    handover = of(Checkpoint({ObjectState.COMPLETED: [TWO.objects[0]]}, head_requests=7), TWO)
    asks: dict[str, Any] = {"targets": TWO, "policy": GatePolicy(), "pin_versions": False, "whereabouts": {}, **other}
    found = carried(handover).load(Question(**asks))
    assert (found.done, found.listed, found.pinned, found.head_requests) == ({}, {}, [], 7)
    assert "what the worker found is of other arguments or another connection, asking for all again" in caplog.text


def all_done(targets: Targets, hook: S3ReplicationHook) -> dict[str, Any]:
    """Return what no worker hands over, in its very form: everything that was named is done."""
    text = to_text(Checkpoint({ObjectState.COMPLETED: list(targets.objects)}), targets, MAX_STORED)
    head = {"schema": SCHEMA, "question": question(targets, hook).fingerprint()}
    return {**head, "digest": digest(head, text), "text": text}


def spoiled(stored: dict[str, Any]) -> Iterator[Any]:
    """Yield what is no handover, or no whole one."""
    yield {**stored, "text": stored["text"].replace("COMPLETED", "PENDING")}
    yield {**stored, "schema": SCHEMA + 1}
    yield {**stored, "digest": "0" * 32}
    yield {name: value for name, value in stored.items() if name != "text"}
    yield {**stored, "text": None}
    yield {}
    yield "handover"
    yield [1]


def test_handover_that_cannot_be_read_is_asked_anew(
    s3: S3Server, hook: S3ReplicationHook, caplog: pytest.LogCaptureFixture
) -> None:
    """What is spoiled, of another form, or says that nothing is left to ask, opens no gate: all objects are asked."""
    stored_half = half_done(s3, hook).to_stored(MAX_STORED)
    assert stored_half is not None
    for each in (all_done(TWO, hook), *spoiled(stored_half)):
        caplog.clear()
        assert event_of(watch(hook, Handover(each, head_requests=2))) is None
        assert asked(s3) == {"a": 1, "b": 1}
        assert "cannot read what the worker found, asking for all again" in caplog.text


def test_nothing_is_handed_over_where_nothing_is_known(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A gate of which nothing is done, or that was never asked, hands over nothing but the number of its HEADs."""
    assert Handover().to_stored(MAX_STORED) is None
    s3.default = lambda bucket, key, version: stored("PENDING")
    handover = Handover()
    assert event_of(watch(hook, handover)) is None
    assert (handover.to_stored(MAX_STORED), handover.counts) == (None, {"head_requests": 2, "unanswered": 0})
    again = watch(hook, carried(handover), started_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert event_of(again) is None
    assert again.value()["head_requests"] == 4
    assert again.value()["waited_seconds"] > 1e6


def test_next_poller_knows_what_this_one_found(s3: S3Server, hook: S3ReplicationHook) -> None:
    """With other credentials a poller of the same process goes on: nothing done is asked again, and pins stay."""
    s3.default = lambda bucket, key, version: stored("PENDING", headers={"x-amz-version-id": version or "v1"})
    first = Handover()
    assert event_of(watch(hook, first, pin_versions=True)) is None
    s3.answers["b", "a", "v1"] = stored("COMPLETED", headers={"x-amz-version-id": "v1"})
    second = first.next()
    assert event_of(watch(hook, second, pin_versions=True)) is None
    s3.default = lambda bucket, key, version: stored("COMPLETED" if version == "v1" else "FAILED")
    asked(s3)
    ended = event_of(watch(hook, second.next().next(), pin_versions=True))
    assert asked(s3) == {"b@v1": 1}
    assert (ended or {})["value"]["head_requests"] == 5


def test_next_poller_elsewhere_knows_nothing(s3: S3Server, hook: S3ReplicationHook) -> None:
    """By another connection all is asked anew; only the HEADs and the hours of the wait go on."""
    first = half_done(s3, hook)
    second = S3ReplicationHook(region_name="us-east-2")
    assert event_of(watch(second, first.next())) is None
    assert asked(s3) == {"a": 1, "b": 1}


def test_object_that_is_not_waited_for_is_refused(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A pinned version of a key that nobody named is no handover of this gate."""
    text = to_text(Checkpoint(pinned=[S3Object("b", "z", "v")]), TWO, MAX_STORED)
    head = {"schema": SCHEMA, "question": question(TWO, hook, pin_versions=True).fingerprint()}
    s3.default = lambda bucket, key, version: stored("PENDING")
    forged = Handover({**head, "digest": digest(head, text), "text": text})
    assert event_of(watch(hook, forged, pin_versions=True)) is None
    assert asked(s3) == {"a": 1, "b": 1}
