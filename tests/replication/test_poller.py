"""When a watch over patterns takes an answer for the last word: over HTTP, with a clock that the test moves."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from threading import Event

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.sweep import MAX_COLLECTS
from airflow_provider_crr.replication.targets import Targets
from tests.replication.histories import Memory
from tests.support.polling import event_of
from tests.support.s3_server import LAST_MODIFIED, Answer, Listed, Request, S3Server, stored

WRITTEN = parsedate_to_datetime(LAST_MODIFIED)
NEW = '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server


@pytest.fixture
def s3(server: S3Server) -> S3Server:
    server.reset()
    server.default = lambda bucket, key, version: stored("COMPLETED")
    return server


@pytest.fixture(scope="module")
def hook(server: S3Server) -> S3ReplicationHook:
    return S3ReplicationHook()


class Clock:
    """A clock that goes on only when it is waited for."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.waited = 0.0

    def __call__(self) -> datetime:
        return self.now

    def pause(self, seconds: float, stop: Event | None) -> None:
        self.waited += seconds
        self.now += timedelta(seconds=seconds)


def watch(hook: S3ReplicationHook, clock: Clock | None = None, *patterns: str, **more: object) -> Watch:
    clock = clock or Clock(datetime.now(UTC))
    policy = more.pop("policy", GatePolicy())
    targets = Targets.parse(list(patterns or ("s3://b/w/*",)), wildcard_match=True)
    return Watch(targets, policy, hook, clock=clock, pause=clock.pause, **more)  # type: ignore[arg-type]


def at(seconds: float, status: str = "COMPLETED", **headers: str) -> Answer:
    """Return an answer that was given some seconds after the object was written, by the store's clock."""
    date = format_datetime(WRITTEN + timedelta(seconds=seconds), usegmt=True)
    return stored(status, headers={"Date": date, **headers})


def asked(s3: S3Server) -> dict[str, int]:
    return dict(Counter(request.key for request in s3.heads()))


def lists(s3: S3Server) -> int:
    return sum("list-type" in request.query for request in list(s3.requests))


@pytest.mark.parametrize(("seconds", "heads"), [(-1, 2), (0, 2), (1, 1), (60, 1)])
def test_answer_of_the_second_in_which_it_was_written_is_asked_for_again(
    s3: S3Server, hook: S3ReplicationHook, seconds: float, heads: int
) -> None:
    """Only an answer of a later second, by the store's own clock, is not asked for again a second later."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/1"] = [at(seconds), at(seconds + 1)]
    clock = Clock(datetime.now(UTC))
    assert watch(hook, clock).sweep().outcome is Outcome.DONE
    assert (asked(s3), lists(s3)) == ({"w/1": heads}, 2)
    assert clock.waited == pytest.approx((heads - 1) * 1.1)


@pytest.mark.parametrize("written", ["2026-10-05T20:00:00.001Z", "2026-10-05T20:00:00.999Z"])
def test_parts_of_a_second_are_not_told_by_a_head(s3: S3Server, hook: S3ReplicationHook, written: str) -> None:
    """A listing with milliseconds shows the same as a HEAD with whole seconds."""
    s3.listings["b"] = {"w/1": Listed(last_modified=written)}
    assert watch(hook).sweep().outcome is Outcome.DONE
    assert asked(s3) == {"w/1": 1}


@pytest.mark.parametrize(("old", "heads"), [(timedelta(), 2), (timedelta(minutes=14), 2), (timedelta(minutes=16), 1)])
def test_store_that_names_no_time_is_taken_to_be_fifteen_minutes_late(
    s3: S3Server, hook: S3ReplicationHook, old: timedelta, heads: int
) -> None:
    """Without a Date, what was written in the last 15 minutes by our clock is asked for again, a second later."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/1"] = stored("COMPLETED", headers={"Date": ""})
    assert watch(hook, Clock(WRITTEN + old)).sweep().outcome is Outcome.DONE
    assert asked(s3) == {"w/1": heads}


def test_object_of_the_future_holds_no_gate(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Where a store says that an object is written later than it answers, the same answer a second later counts."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/1"] = at(-3600)
    assert watch(hook).sweep().outcome is Outcome.DONE
    assert asked(s3) == {"w/1": 2}


def test_second_answer_is_the_one_that_counts(s3: S3Server, hook: S3ReplicationHook) -> None:
    """What reads COMPLETED in its second and FAILED in the next, under the same ETag and time, fails the gate."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/1"] = [at(0), at(1, "FAILED")]
    assert watch(hook).sweep().outcome is Outcome.FAIL


def test_replica_and_no_status_that_are_done_are_asked_again_alike(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Whatever the author calls done is no sooner the last word than COMPLETED."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    bare = Answer(headers={name: value for name, value in at(0).headers.items() if "replication" not in name})
    s3.answers["b", "w/1"] = [at(0, "REPLICA"), at(1, "PENDING")]
    s3.answers["b", "w/2"] = [bare, at(1, "PENDING")]
    gate = watch(hook, policy=GatePolicy(on_none="done", on_replica="done"))
    assert gate.sweep().statuses == {"PENDING": 2}


def test_object_that_is_named_is_asked_once(s3: S3Server, hook: S3ReplicationHook) -> None:
    """For an object that the author named, and for a pinned version, an answer is an answer."""
    s3.answers["b", "w/1"] = at(0)
    clock = Clock(datetime.now(UTC))
    gate = Watch(Targets.parse("s3://b/w/1"), GatePolicy(), hook, clock=clock, pause=clock.pause)
    assert gate.sweep().outcome is Outcome.DONE
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/1"] = at(0, **{"x-amz-version-id": "v"})
    assert watch(hook, clock, pin_versions=True).sweep().outcome is Outcome.DONE
    assert (asked(s3), clock.waited) == ({"w/1": 2}, 0)


def test_young_object_is_not_waited_for_while_others_are(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A poll that waits anyway waits no second for a young object; the next asks for both."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    s3.answers["b", "w/1"] = [at(0), at(60)]
    s3.answers["b", "w/2"] = [at(60, "PENDING"), at(60)]
    clock = Clock(datetime.now(UTC))
    gate = watch(hook, clock)
    assert [gate.sweep().outcome for _ in range(2)] == [Outcome.WAIT, Outcome.DONE]
    assert (asked(s3), clock.waited) == ({"w/1": 2, "w/2": 2}, 0)


def test_young_object_is_not_kept_as_done(s3: S3Server, hook: S3ReplicationHook) -> None:
    """The next process asks again for what was young, and for nothing that was not."""
    s3.listings["b"] = {key: Listed() for key in ("w/1", "w/2", "w/3")}
    s3.answers["b", "w/1"] = [at(0), at(60)]
    s3.answers["b", "w/2"] = [at(60, "PENDING"), at(60)]
    store = Memory()
    for outcome in (None, "done"):
        event = event_of(watch(hook, kept=Kept(store, "0/0", each_poll=True)))
        assert (event and event["status"]) == outcome
    assert asked(s3) == {"w/1": 2, "w/2": 2, "w/3": 1}


def test_what_an_earlier_release_kept_is_asked_for_anew(
    s3: S3Server, hook: S3ReplicationHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept when an answer of any second was the last word is no answer to the question of today."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    s3.answers["b", "w/2"] = [at(60, "PENDING"), at(60)]
    store = Memory()
    with monkeypatch.context() as before:
        before.setattr("airflow_provider_crr.replication.checkpoint.value._JUDGED", 1)
        watch(hook, kept=Kept(store, "0/0", each_poll=True)).poll()
    watch(hook, kept=Kept(store, "0/0", each_poll=True)).poll()
    assert asked(s3) == {"w/1": 2, "w/2": 2}


def test_very_many_young_objects_are_asked_again_as_they_are_listed(
    s3: S3Server, hook: S3ReplicationHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more young objects than are remembered, each is asked once more, for one listing more."""
    monkeypatch.setattr("airflow_provider_crr.replication.listed_objects._MAX_YOUNG", 1)
    s3.listings["b"] = {key: Listed() for key in ("w/1", "w/2", "w/3")}
    for key in s3.listings["b"]:
        s3.answers["b", key] = [at(0), at(1)]
    assert watch(hook).sweep().outcome is Outcome.DONE
    assert (asked(s3), lists(s3)) == ({"w/1": 2, "w/2": 2, "w/3": 2}, 3)


def test_next_process_opens_on_two_listings_of_its_own(s3: S3Server, hook: S3ReplicationHook) -> None:
    """What an earlier process found done is no snapshot: the one that opens lists twice, and asks for the rest."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    s3.answers["b", "w/2"] = at(60, "PENDING")
    store = Memory()
    watch(hook, kept=Kept(store, "0/0", each_poll=True)).poll()
    s3.requests.clear()
    del s3.listings["b"]["w/2"]  # renamed: its copy, PENDING, is before what is listed already

    def rename(request: Request) -> None:
        if lists(s3) == 2:
            s3.listings["b"]["w/0"] = Listed()

    s3.before_listing = rename
    s3.answers["b", "w/0"] = at(60, "PENDING")
    gate = watch(hook, kept=Kept(store, "0/0", each_poll=True))
    assert event_of(gate) is None
    assert gate.value()["statuses"] == {"COMPLETED": 1, "PENDING": 1}
    assert asked(s3) == {"w/0": 1}


def test_key_of_two_patterns_that_changes_between_their_listings_is_asked_again(
    s3: S3Server, hook: S3ReplicationHook
) -> None:
    """Overwritten between the listings of two patterns that both match it, an object is asked for again."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    s3.answers["b", "w/2"] = [at(60), at(60, "PENDING", ETag=NEW)]

    def overwrite(request: Request) -> None:
        if lists(s3) == 4:  # the second pattern of the second collect
            s3.listings["b"]["w/2"] = Listed(etag=NEW)

    s3.before_listing = overwrite
    assert watch(hook, None, "s3://b/w/*", "s3://b/w/2").sweep().outcome is Outcome.WAIT
    assert asked(s3) == {"w/1": 1, "w/2": 2}


def test_collects_of_one_sweep_are_bounded(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A writer whose objects are done at once, and who goes on, makes a sweep wait after three listings."""
    s3.before_listing = lambda request: s3.listings.setdefault("b", {}).update({f"w/{lists(s3)}": Listed()})
    verdict = watch(hook).sweep()
    assert (verdict.outcome, verdict.statuses) == (Outcome.WAIT, {"COMPLETED": MAX_COLLECTS})
    assert lists(s3) == MAX_COLLECTS
    assert verdict.progress() == "replicated 3 of 3, what the patterns match still changes"
    assert "note" not in json.dumps(verdict.summary())


def test_pattern_that_matches_nothing_any_more_waits(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Where all that was counted is gone in the second listing, the gate waits: no object is not a replicated one."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.before_listing = lambda request: s3.listings["b"].clear() if lists(s3) == 2 else None
    verdict = watch(hook).sweep()
    assert (verdict.outcome, verdict.statuses) == (Outcome.WAIT, {"MISSING": 1})


def test_new_key_is_waited_for_though_versions_are_pinned(s3: S3Server, hook: S3ReplicationHook) -> None:
    """With pin_versions the second listing tells of new keys; what is overwritten meanwhile changes nothing."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/2"] = at(60, "PENDING", **{"x-amz-version-id": "v"})

    def change(request: Request) -> None:
        if lists(s3) == 2:
            s3.listings["b"] = {"w/1": Listed(etag=NEW), "w/2": Listed()}

    s3.before_listing = change
    gate = watch(hook, pin_versions=True)
    assert gate.sweep().statuses == {"COMPLETED": 1, "PENDING": 1}
    s3.answers["b", "w/2", "v"] = at(60, **{"x-amz-version-id": "v"})
    assert gate.sweep().outcome is Outcome.DONE
    assert asked(s3) == {"w/1": 1, "w/2": 2}


def test_stop_ends_the_wait_for_a_young_object(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A trigger that is stopped while a poll waits for the next second ends with an error, and does not open."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.answers["b", "w/1"] = at(0)
    stop = threading.Event()
    targets = Targets.parse("s3://b/w/*", wildcard_match=True)
    gate = Watch(targets, GatePolicy(), hook, pause=lambda seconds, event: event.set() if event else None)
    with pytest.raises(LookupFailed):
        gate.sweep(stop)
    assert asked(s3) == {"w/1": 1}


def test_stop_is_what_the_wait_listens_to(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Without another one, the wait is the machine's, and over as soon as it is stopped."""
    s3.listings["b"] = {"w/1": Listed()}
    stop = threading.Event()

    def answer() -> Answer:
        stop.set()
        return at(0)

    s3.answers["b", "w/1"] = answer
    with pytest.raises(LookupFailed):
        Watch(Targets.parse("s3://b/w/*", wildcard_match=True), GatePolicy(), hook).sweep(stop)
