"""What a gate keeps for its next process: asked over HTTP, kept in a store that holds JSON as Airflow's do."""

from __future__ import annotations

import json
import logging
import random
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache, partial
from typing import Any

import pytest

from airflow_provider_crr.errors import BucketNotFound, InvalidArgument
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.checkpoint.packed import from_text, to_text
from airflow_provider_crr.replication.checkpoint.store import KEY, MAX_PARTS, Kept
from airflow_provider_crr.replication.checkpoint.value import Checkpoint, Question
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from tests.support.polling import event_of
from tests.support.s3_server import Listed, S3Server, stored

NEW = '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'
DONE = frozenset({ObjectState.COMPLETED, ObjectState.REPLICA})
TARGETS = Targets.parse(["s3://b/a", "s3://b/b", "s3://b/c"])
PATTERNS = Targets.parse("s3://b/*", wildcard_match=True)


class Store:
    """A store that holds JSON text, counts writes, and can be out of order."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes: list[str] = []
        self.broken: set[str] = set()

    def get(self, key: str) -> Any:
        self._check("get")
        return json.loads(self.values.get(key, "null"))

    def set(self, key: str, value: Any) -> None:
        self._check("set")
        self.writes.append(key)
        self.values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._check("delete")
        self.values.pop(key, None)

    def _check(self, method: str) -> None:
        if method in self.broken:
            raise RuntimeError(f"{method} answered 500")


@cache
def shared(**arguments: Any) -> S3ReplicationHook:
    """Return a hook that all tests share, because its clients take a while to make and know nothing of a gate."""
    return S3ReplicationHook(**arguments)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        environment.setenv("AIRFLOW_CONN_OTHER", server.airflow_connection_json())
        yield server
        shared.cache_clear()


@pytest.fixture
def s3(server: S3Server) -> S3Server:
    server.reset()
    return server


@pytest.fixture
def store() -> Store:
    return Store()


def process(
    store: Store,
    bucket_key: object = ("s3://b/a", "s3://b/b"),
    *,
    round: str = "0/0",
    each_poll: bool = False,
    policy: GatePolicy | None = None,
    pin_versions: bool = False,
    hook: Callable[[], S3ReplicationHook] = shared,
    **targets: Any,
) -> Watch:
    """Return the gate as a new process makes it."""
    return Watch(
        Targets.parse(list(bucket_key) if isinstance(bucket_key, tuple) else bucket_key, **targets),
        policy or GatePolicy(),
        hook(),
        pin_versions=pin_versions,
        kept=Kept(store, round, each_poll=each_poll),
    )


def asked(s3: S3Server) -> dict[str, int]:
    """Return how many HEADs each key got since the last call."""
    found = Counter(request.key + (f"@{request.version_id}" if request.version_id else "") for request in s3.heads())
    s3.requests.clear()
    return dict(found)


def bound(
    store: Store, targets: Targets, *, round: str = "0/0", each_poll: bool = False, pin_versions: bool = False
) -> Kept:
    """Return what is kept of a question that no process asks, after it was looked for."""
    kept = Kept(store, round, each_poll=each_poll)
    kept.load(Question(targets, GatePolicy(), pin_versions, {}))
    return kept


def half_done(s3: S3Server, store: Store, **arguments: Any) -> None:
    """Let one process find a COMPLETED and b PENDING."""
    s3.answers["b", "a"] = stored("COMPLETED")
    s3.answers["b", "b"] = stored("PENDING")
    assert event_of(process(store, **arguments)) is None
    asked(s3)


def question_of_half_done() -> Question:
    """Return what the process of half_done asks."""
    return Question(Targets.parse(["s3://b/a", "s3://b/b"]), GatePolicy(), False, shared().whereabouts())


def test_next_process_asks_only_for_the_rest(s3: S3Server, store: Store) -> None:
    """The next process asks for what is unfinished only, and counts objects, HEADs and time of both."""
    half_done(s3, store)
    s3.answers["b", "b"] = stored("COMPLETED")
    ended = event_of(process(store))
    assert asked(s3) == {"b": 1}
    assert ended is not None
    assert (ended["status"], ended["value"]["statuses"]) == ("done", {"COMPLETED": 2})
    assert ended["value"]["head_requests"] == 3


def test_states_of_finished_objects_are_kept(s3: S3Server, store: Store) -> None:
    """COMPLETED, REPLICA and, where the policy says so, NONE are counted as such by the next process."""
    for key, status in {"a": "COMPLETED", "b": "REPLICA", "c": None, "d": "PENDING"}.items():
        s3.answers["b", key] = stored(status)
    arguments: dict[str, Any] = {
        "bucket_key": tuple(f"s3://b/{key}" for key in "abcd"),
        "policy": GatePolicy(on_none="done"),
    }
    process(store, **arguments).poll()
    asked(s3)
    gate = process(store, **arguments)
    gate.poll()
    assert asked(s3) == {"d": 1}
    assert gate.value()["statuses"] == {"PENDING": 1, "COMPLETED": 1, "REPLICA": 1, "NONE": 1}


def test_failed_object_is_asked_again(s3: S3Server, store: Store) -> None:
    """What made a gate fail is asked again by the next process, and opens the gate only when S3 says so."""
    half_done(s3, store)
    s3.answers["b", "b"] = [stored("FAILED"), stored("FAILED"), stored("COMPLETED")]
    ends = [(event_of(process(store)) or {})["status"] for _ in range(3)]
    assert ends == ["failed", "failed", "done"]
    assert asked(s3) == {"b": 3}


def test_pattern_asks_new_and_overwritten_objects_only(s3: S3Server, store: Store) -> None:
    """The next process lists a pattern again, and asks for objects that are new, overwritten or unfinished."""
    s3.listings["b"] = {key: Listed() for key in ("t/a", "t/b", "t/c")}
    s3.default = lambda bucket, key, version: stored("PENDING" if key == "t/b" else "COMPLETED")
    process(store, "s3://b/t/*", wildcard_match=True).poll()
    assert asked(s3) == {"t/a": 1, "t/b": 1, "t/c": 1}
    s3.listings["b"] |= {"t/c": Listed(etag=NEW), "t/d": Listed()}
    s3.default = lambda bucket, key, version: stored("PENDING")
    gate = process(store, "s3://b/t/*", wildcard_match=True)
    assert event_of(gate) is None
    assert asked(s3) == {"t/b": 1, "t/c": 1, "t/d": 1}
    assert gate.value()["statuses"] == {"COMPLETED": 1, "PENDING": 3}


@pytest.mark.parametrize("wildcard_match", [False, True])
def test_pinned_version_is_pinned_for_the_next_process(s3: S3Server, store: Store, wildcard_match: bool) -> None:
    """With pin_versions the next process waits for the version that answered first, though it is overwritten."""
    s3.listings["b"] = {"k": Listed(), "l": Listed()}
    s3.answers["b", "k"] = stored("PENDING", headers={"x-amz-version-id": "v1"})
    s3.answers["b", "l"] = stored("PENDING", headers={"x-amz-version-id": "w1"})
    s3.answers["b", "k", "v1"] = [stored("PENDING"), stored("COMPLETED")]
    s3.answers["b", "l", "w1"] = [stored("COMPLETED")]
    arguments: dict[str, Any] = {
        "bucket_key": "s3://b/*" if wildcard_match else ("s3://b/k", "s3://b/l"),
        "wildcard_match": wildcard_match,
        "pin_versions": True,
    }
    assert event_of(process(store, **arguments)) is None
    s3.listings["b"]["k"] = Listed(etag=NEW)
    assert event_of(process(store, **arguments)) is None
    ended = event_of(process(store, **arguments))
    assert asked(s3) == {"k": 1, "l": 1, "k@v1": 2, "l@w1": 1}
    assert ended is not None
    assert ended["value"]["statuses"] == {"COMPLETED": 2}


def test_cleared_task_asks_anew_for_what_may_have_changed(s3: S3Server, store: Store) -> None:
    """After the user asks again, keys without version are asked anew; named versions that are done are not."""
    s3.default = lambda bucket, key, version: stored("PENDING" if key == "wait" else "COMPLETED")
    targets = ("s3://b/plain", {"bucket": "b", "key": "named", "version_id": "v"}, "s3://b/wait")
    process(store, targets).poll()
    asked(s3)
    gate = process(store, targets, round="1/1")
    gate.poll()
    assert asked(s3) == {"plain": 1, "wait": 1}
    assert gate.value()["head_requests"] == 2  # counted from when the user asked again
    process(store, targets, round="1/1").poll()
    assert asked(s3) == {"wait": 1}


@pytest.mark.parametrize("pin_versions", [False, True])
def test_cleared_task_asks_a_pattern_for_what_changed(s3: S3Server, store: Store, pin_versions: bool) -> None:
    """After the user asks again, listed objects that did not change are not asked again; pinned ones all are."""
    s3.listings["b"] = {key: Listed() for key in ("a", "b", "c")}
    s3.default = lambda bucket, key, version: stored("FAILED" if key == "c" else "COMPLETED")
    arguments: dict[str, Any] = {"bucket_key": "s3://b/*", "wildcard_match": True, "pin_versions": pin_versions}
    assert (event_of(process(store, **arguments)) or {})["status"] == "failed"
    asked(s3)
    s3.listings["b"]["b"] = Listed(etag=NEW)
    process(store, **arguments, round="1/1").poll()
    assert asked(s3) == ({"a": 1, "b": 1, "c": 1} if pin_versions else {"b": 1, "c": 1})


OTHER: dict[str, dict[str, Any]] = {
    "another key": {"bucket_key": ("s3://b/a", "s3://b/b", "s3://b/c")},
    "a version": {"bucket_key": ({"bucket": "b", "key": "a", "version_id": "v"}, "s3://b/b")},
    "a pattern": {"bucket_key": "s3://b/*", "wildcard_match": True},
    "another policy": {"policy": GatePolicy(on_replica="fail")},
    "pinned versions": {"pin_versions": True},
    "another connection": {"hook": partial(shared, aws_conn_id="other")},
    "another region": {"hook": partial(shared, region_name="us-east-2")},
    "another owner": {"hook": partial(shared, expected_bucket_owner="111122223333")},
}


@pytest.mark.parametrize("name", OTHER)
def test_other_question_is_asked_anew(s3: S3Server, store: Store, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """What was kept for one set of arguments, connection, region or owner answers no other question."""
    half_done(s3, store)
    s3.listings["b"] = {"a": Listed(), "b": Listed()}
    caplog.set_level(logging.INFO)
    s3.default = lambda bucket, key, version: stored("PENDING")
    del s3.answers["b", "a"]
    gate = process(store, **OTHER[name])
    assert event_of(gate) is None
    assert gate.value()["statuses"] == {"PENDING": gate.value()["total"]}
    assert "asking for all again" in caplog.text


def test_endpoint_behind_a_connection_is_part_of_the_question(
    s3: S3Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection of the same name that leads to another endpoint has answered nothing yet."""
    half_done(s3, store)
    with S3Server() as moved:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moved.airflow_connection_json())
        moved.default = lambda bucket, key, version: stored("PENDING")
        process(store, hook=S3ReplicationHook).poll()
        assert asked(moved) == {"a": 1, "b": 1}


def head(store: Store, **changes: Any) -> None:
    """Change fields of what is kept."""
    store.values[KEY] = json.dumps({**json.loads(store.values[KEY]), **changes})


CORRUPT: dict[str, Callable[[Store], None]] = {
    "null in the head": lambda store: head(store, text=None),
    "a number": lambda store: store.values.update({KEY: "7"}),
    "a list": lambda store: store.values.update({KEY: "[]"}),
    "an empty mapping": lambda store: store.values.update({KEY: "{}"}),
    "a later schema": lambda store: head(store, schema=2),
    "no digest": lambda store: head(store, digest=""),
    "text of something else": lambda store: head(store, text='{"done": {}, "listed": {}, "pinned": ""}'),
    "a part that is missing": lambda store: head(store, parts=2),
    "parts without end": lambda store: head(store, parts=10**9),
    "parts below one": lambda store: head(store, parts=-1),
    "another round": lambda store: head(store, round="1/1"),
    "another question": lambda store: head(store, question="0" * 32),
    "requests below zero": lambda store: head(store, head_requests=-1),
    "requests as text": lambda store: head(store, head_requests="3"),
    "no beginning": lambda store: head(store, started_at=None),
    "a beginning out of this world": lambda store: head(store, started_at=1e300),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_record_that_cannot_be_read_is_asked_anew(
    s3: S3Server, store: Store, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A record that is corrupt, foreign or of another release is dropped with a warning, and replaced."""
    half_done(s3, store)
    CORRUPT[name](store)
    assert event_of(process(store, each_poll=True)) is None
    assert asked(s3) == {"a": 1, "b": 1}
    assert "cannot read what was kept" in caplog.text
    process(store).poll()
    assert asked(s3) == {"b": 1}


KNOWN = Checkpoint({ObjectState.COMPLETED: [S3Object("b", "a")]}, {}, [S3Object("b", "b", "v")])
UNBELIEVABLE: dict[str, tuple[Targets, Checkpoint]] = {
    "all is done": (TARGETS, Checkpoint({ObjectState.COMPLETED: list(TARGETS.objects)})),
    "a state that is not done": (TARGETS, Checkpoint({ObjectState.FAILED: [S3Object("b", "a")]})),
    "an object in two states": (
        TARGETS,
        Checkpoint({ObjectState.COMPLETED: [S3Object("b", "a")], ObjectState.REPLICA: [S3Object("b", "a")]}),
    ),
    "listed objects without a pattern": (TARGETS, Checkpoint({}, {b"x" * 16: ObjectState.COMPLETED})),
    "listed objects that are not done": (PATTERNS, Checkpoint({}, {b"x" * 16: ObjectState.PENDING})),
    "half a fingerprint": (PATTERNS, Checkpoint({}, {b"x" * 8: ObjectState.COMPLETED})),
    "a pin of no target": (TARGETS, Checkpoint({}, {}, [S3Object("b", "d", "v")])),
    "a pin of no match": (PATTERNS, Checkpoint({}, {}, [S3Object("c", "d", "v")])),
    "a pin without version": (PATTERNS, Checkpoint({}, {}, [S3Object("b", "d")])),
    "a pin of what is done": (
        TARGETS,
        Checkpoint({ObjectState.COMPLETED: [S3Object("b", "a")]}, {}, [S3Object("b", "a", "v")]),
    ),
}


@pytest.mark.parametrize("name", UNBELIEVABLE)
def test_text_that_cannot_be_true_is_refused(name: str) -> None:
    """Well-formed text that no gate could have written, or that would open it without a question, is refused."""
    targets, known = UNBELIEVABLE[name]
    with pytest.raises(ValueError):
        from_text(to_text(known, targets, 60_000), targets, DONE)


def test_text_of_more_or_fewer_targets_is_refused() -> None:
    """Marks of one list are no marks of another, also if a fingerprint of the question ever failed to tell them."""
    text = to_text(KNOWN, TARGETS, 60_000)
    assert from_text(text, TARGETS, DONE) == KNOWN
    for count in (1, 2, 9, 300):
        other = Targets(objects=tuple(S3Object("b", f"z{number}") for number in range(count)))
        with pytest.raises(ValueError):
            from_text(text, other, DONE)


def test_mutated_text_never_tells_of_what_was_not_done() -> None:
    """Of 2,000 damaged texts, each is refused, or leaves something to ask and tells of targets only."""
    chance = random.Random(7)
    text = to_text(KNOWN, TARGETS, 60_000)
    refused = 0
    for _ in range(2000):
        letters = list(text)
        for _ in range(chance.randint(1, 3)):
            letters[chance.randrange(len(letters))] = chr(chance.randrange(32, 127))
        try:
            found = from_text("".join(letters), TARGETS, DONE)
        except ValueError:
            refused += 1
            continue
        told = [obj for objects in found.done.values() for obj in objects]
        assert len(set(told)) == len(told) < 3
        assert set(told) <= set(TARGETS.objects)
    assert refused > 1900


def test_text_that_says_all_is_done_does_not_open_the_gate(
    s3: S3Server, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that says that everything is done is asked for all the same, and S3 decides."""
    half_done(s3, store)
    half = store.values[KEY]
    everything = Checkpoint({ObjectState.COMPLETED: [S3Object("b", "a"), S3Object("b", "b")]})
    forged = Kept(store, "0/0")
    assert forged.load(question_of_half_done())
    forged.save(everything)
    assert store.values[KEY] != half
    s3.answers["b", "a"] = stored("FAILED")
    assert (event_of(process(store)) or {})["status"] == "failed"
    assert asked(s3) == {"a": 1, "b": 1}
    assert "nothing is left to ask" in caplog.text


@pytest.mark.parametrize(("broken", "says"), [("get", "cannot read"), ("set", "cannot keep")])
def test_store_that_fails_neither_fails_nor_opens_the_gate(
    s3: S3Server, store: Store, caplog: pytest.LogCaptureFixture, broken: str, says: str
) -> None:
    """A store that answers with errors costs requests and a warning, and changes no verdict."""
    store.broken = {broken}
    half_done(s3, store)
    gate = process(store)
    assert event_of(gate) is None
    assert asked(s3) == {"a": 1, "b": 1}
    assert f"{says} what" in caplog.text
    s3.answers["b", "b"] = stored("COMPLETED")
    assert (event_of(gate) or {})["status"] == "done"


def test_record_that_cannot_be_deleted_is_left(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A store that refuses to delete costs a warning."""
    store.broken = {"delete"}
    bound(store, TARGETS).save(KNOWN)
    Kept(store, "0/0").forget()
    assert list(store.values) == [KEY]
    assert "cannot delete what was kept" in caplog.text


def test_record_is_there_until_the_result_is_stored(s3: S3Server, store: Store) -> None:
    """A gate that opens deletes its record no sooner than its result is stored: a next try asks only for the rest."""
    half_done(s3, store)
    s3.answers["b", "b"] = stored("COMPLETED")
    stored_by_now: list[Callable[[], None]] = []
    for _ in range(2):
        kept = Kept(store, "0/0", later=stored_by_now.append)
        gate = Watch(Targets.parse(["s3://b/a", "s3://b/b"]), GatePolicy(), shared(), kept=kept)
        assert (event_of(gate) or {})["status"] == "done"
        assert asked(s3) == {"b": 1}
        assert list(store.values) == [KEY]
    stored_by_now[-1]()
    assert store.values == {}


def test_nothing_is_written_when_nothing_changed(s3: S3Server, store: Store) -> None:
    """A poll writes once at most, and only if more is known; where each poll is a process, so that HEADs count on."""
    half_done(s3, store)
    assert store.writes == [KEY]
    process(store).poll()
    assert store.writes == [KEY]
    process(store, each_poll=True).poll()
    assert store.writes == [KEY, KEY]
    s3.answers["b", "b"] = stored("COMPLETED")
    process(store).poll()  # the gate opens: what is kept is of no more use
    assert store.writes == [KEY, KEY]
    assert store.values == {}


def test_gate_that_breaks_off_keeps_what_it_found(s3: S3Server, store: Store) -> None:
    """What was finished in a poll that then failed is not asked again by the next."""
    s3.missing_buckets.add("gone")
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    with pytest.raises(BucketNotFound):
        process(store, ("s3://b/a", "s3://gone/x")).poll()
    assert asked(s3) == {"a": 1, "x": 1}
    s3.missing_buckets.clear()
    assert (event_of(process(store, ("s3://b/a", "s3://gone/x"))) or {})["status"] == "done"
    assert asked(s3) == {"x": 1}


def test_hundred_thousand_objects_take_little(store: Store) -> None:
    """100,000 random keys, every second done, are kept in one value; each value stays below Airflow's 65,535 bytes."""
    objects = [S3Object("b", str(uuid.UUID(int=number * 7919))) for number in range(100_000)]
    known = Checkpoint({ObjectState.COMPLETED: objects[::2]})
    targets = Targets(objects=tuple(objects))
    bound(store, targets).save(known)
    assert list(store.values) == [KEY]
    assert len(store.values[KEY]) < 65_535
    found = Kept(store, "0/0").load(Question(targets, GatePolicy(), False, {}))
    assert found is not None
    assert set(found.done[ObjectState.COMPLETED]) == set(objects[::2])


def test_listed_objects_beyond_the_bound_are_left_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Of a million listed objects some 48,000 are kept, in 16 values; the log says that the others are asked again."""
    marks = {number.to_bytes(16, "big"): ObjectState.COMPLETED for number in range(1_000_000)}
    bound(store, PATTERNS).save(Checkpoint({}, marks))
    assert "asks for the others again" in caplog.text
    assert len(store.values) == MAX_PARTS
    assert max(map(len, store.values.values())) < 65_535
    again = Kept(store, "0/0", each_poll=True)
    found = again.load(Question(PATTERNS, GatePolicy(), False, {}))
    assert found is not None
    assert 47_000 < len(found.listed) <= 48_000
    assert found.listed.items() <= marks.items()
    store.writes.clear()
    again.save(found)
    assert store.writes == [KEY]  # parts that did not change are not written again
    again.forget()
    assert store.values == {}


def test_parts_of_two_writers_do_not_fit_together(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Parts that another process overwrote meanwhile are noticed, and nothing of them is believed."""
    second: list[str] = []
    for start in (0, 5000):
        marks = {number.to_bytes(16, "big"): ObjectState.COMPLETED for number in range(start, start + 4000)}
        bound(store, PATTERNS).save(Checkpoint({}, marks))
        second.append(store.values[f"{KEY}_1"])
    store.values[f"{KEY}_1"] = second[0]
    assert Kept(store, "0/0").load(Question(PATTERNS, GatePolicy(), False, {})) is None
    assert "do not fit together" in caplog.text


def test_pins_beyond_the_bound_are_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Pinned versions that take more than the bound are not kept for a retry, and the log says so; all else is."""
    pins = [S3Object("b", str(uuid.uuid4()), str(uuid.uuid4())) for _ in range(2000)]
    marks = {number.to_bytes(16, "big"): ObjectState.COMPLETED for number in range(100)}
    text = to_text(Checkpoint({}, marks, pins), PATTERNS, 10_000)
    assert "a retry takes the current ones" in caplog.text
    found = from_text(text, PATTERNS, frozenset({ObjectState.COMPLETED}))
    assert (found.listed, found.pinned) == (marks, [])
    assert to_text(Checkpoint({}, marks, pins), PATTERNS, 100) == ""


def test_gate_whose_pins_the_next_poke_would_not_know_fails(store: Store) -> None:
    """Where each poke is a process of its own, pins that do not fit fail the gate: another version might open it."""
    targets = Targets.parse([f"s3://b/{number}" for number in range(40_000)])
    pins = [S3Object(obj.bucket, obj.key, secrets.token_urlsafe(24)) for obj in targets.objects]
    with pytest.raises(InvalidArgument, match="40,000 keys are too many"):
        bound(store, targets, each_poll=True, pin_versions=True).save(Checkpoint({}, {}, pins))
    marks = {number.to_bytes(16, "big"): ObjectState.COMPLETED for number in range(50_000)}
    with pytest.raises(InvalidArgument, match="50,000 keys are too many"):
        bound(store, PATTERNS, each_poll=True, pin_versions=True).save(Checkpoint({}, marks))
    assert store.values == {}
    # A gate that does not go on needs them no more: nothing takes the place of its verdict.
    bound(store, targets, each_poll=True, pin_versions=True).save(Checkpoint({}, {}, pins), waits=False)


def test_gate_without_pins_never_fails_for_them() -> None:
    """Where not even what is done fits, nothing is kept, and nothing is said of versions."""
    done = [S3Object("b", f"k{number}") for number in range(2000)]
    known = Checkpoint({ObjectState.COMPLETED: done[::3]})
    assert to_text(known, Targets(objects=tuple(done)), 100, whole=True) == ""


def test_waited_time_counts_from_the_first_process(s3: S3Server, store: Store) -> None:
    """The next process counts the time from when the first one asked."""
    half_done(s3, store)
    record = Kept(store, "0/0", each_poll=True)
    known = record.load(question_of_half_done())
    assert known is not None
    assert known.started_at is not None
    known.started_at -= timedelta(seconds=1000)
    record.save(known)
    gate = process(store)
    gate.poll()
    assert 1000 <= gate.value()["waited_seconds"] < 1300
