"""Whose question is sent next, and how fast a bucket is asked, without anything being sent."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider_crr.lookup.asker import NotAsked
from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.pace import CATCH_UP, REACTION, Pacer
from airflow_provider_crr.lookup.shared_pace import SharedPace
from airflow_provider_crr.lookup.turns import Turns
from airflow_provider_crr.replication.status import without_answer
from airflow_provider_crr.s3.objects import S3Object


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """Turns with a clock, and lookups that wait in them."""

    def __init__(self, limit: int = 512) -> None:
        self.clock = Clock()
        self.pace = SharedPace(self.clock)
        self.turns = Turns(self.pace, limit, self.clock)

    def lookup(self, objects: list[S3Object], limit: float | None = None) -> Inquiry:
        inquiry = Inquiry(limit, Pacer(limit, self.clock))
        inquiry.put(objects)
        inquiry.receive()
        for bucket in {obj.bucket for obj in objects}:
            self.pace.enter(bucket, limit)
        self.turns.line_up(inquiry)
        return inquiry

    def sent(self, count: int = 10_000) -> list[tuple[Inquiry, S3Object]]:
        """Send what may leave now, so many at most."""
        sent: list[tuple[Inquiry, S3Object]] = []
        while len(sent) < count and (turn := self.turns.next()):
            self.pace.claim(turn[1].bucket)
            sent.append(turn)
        return sent

    def sent_in(self, seconds: float, tick: float = 0.005) -> list[tuple[float, S3Object]]:
        """Send for some seconds; each question is answered at once."""
        sent: list[tuple[float, S3Object]] = []
        end = self.clock.now + seconds
        while self.clock.now < end:
            for inquiry, obj in self.sent():
                sent.append((self.clock.now, obj))
                self.turns.ended(inquiry, obj)
            self.clock.now += tick
        return sent


def objects(count: int, bucket: str = "b", prefix: str = "k") -> list[S3Object]:
    return [S3Object(bucket, f"{prefix}{number}") for number in range(count)]


def test_lookups_of_one_bucket_take_turns() -> None:
    """Of three lookups of one bucket each sends every third question, in its own order."""
    asked = Asked()
    lookups = [asked.lookup(objects(100, prefix=f"{number}-")) for number in range(3)]
    sent = asked.sent(9)
    assert [inquiry for inquiry, _ in sent] == lookups * 3
    assert [obj.key for inquiry, obj in sent if inquiry is lookups[0]] == ["0-0", "0-1", "0-2"]


def test_buckets_take_turns() -> None:
    """A bucket with a hundred lookups sends no more than a bucket with one."""
    asked = Asked()
    for number in range(100):
        asked.lookup(objects(10, "many", f"{number}-"))
    asked.lookup(objects(10, "one"))
    assert Counter(obj.bucket for _, obj in asked.sent(12)) == {"many": 6, "one": 6}


def test_a_lookup_of_two_buckets_goes_from_line_to_line() -> None:
    """Its questions stay in order, and each waits for the pace of its own bucket."""
    asked = Asked()
    asked.lookup([*objects(2, "a"), *objects(2, "c"), *objects(1, "a", "l")], 1000)
    sent = [(obj.bucket, obj.key) for _, obj in asked.sent_in(1)]
    assert sent == [("a", "k0"), ("a", "k1"), ("c", "k0"), ("c", "k1"), ("a", "l0")]


def test_buckets_that_hang_leave_room_for_others() -> None:
    """However many questions wait for buckets that give no answers, one that does is asked, and soon at full width."""
    asked = Asked(limit=512)
    for number in range(12):
        asked.lookup(objects(600, f"silent{number}"))
        asked.lookup(objects(600, f"silent{number}", "other"))
    silent = Counter(obj.bucket for _, obj in asked.sent())
    assert min(silent.values()) >= 3
    assert max(silent.values()) <= 103
    assert silent.total() < 500
    asked.lookup(objects(600, "good"))
    first = asked.sent()
    assert {obj.bucket for _, obj in first} == {"good"}
    for inquiry, obj in first:
        asked.turns.ended(inquiry, obj)
    assert len(asked.sent()) > len(first)


def test_a_bucket_that_stops_to_answer_leaves_room_too() -> None:
    """What took most of the room while it answered gets no more once it is silent, so that room comes back."""
    asked = Asked(limit=512)
    asked.lookup(objects(5000))
    (first,) = asked.sent(1)
    asked.turns.ended(*first)
    held = asked.sent()
    assert 300 < len(held) < 400
    asked.clock.now += 3
    for turn in held[:300]:
        asked.turns._under_way.give_back(turn[1].bucket)
    assert asked.sent() == []


def test_lookups_of_a_silent_bucket_leave_room_for_each_other() -> None:
    """Where some objects of a bucket get no answers, the lookup of another object is sent all the same."""
    asked = Asked(limit=512)
    asked.lookup(objects(600, prefix="silent"))
    assert len(asked.sent()) == 51
    good = asked.lookup(objects(3, prefix="good"))
    assert [inquiry for inquiry, _ in asked.sent()] == [good] * 3


@pytest.mark.parametrize("gates", [1, 2, 40])
def test_a_bucket_keeps_one_limit(gates: int) -> None:
    """However many lookups ask for it, any five seconds see no more than the limit, and not much less."""
    asked = Asked()
    for number in range(gates):
        asked.lookup(objects(12_000 // gates, prefix=f"{number}-"), 1000)
    sent = [at for at, _ in asked.sent_in(11)]
    for start in range(100, 106):
        within = sum(start <= at < start + 5 for at in sent)
        assert 4900 <= within <= 5000 + 1000 * CATCH_UP


def test_the_largest_limit_counts_while_it_is_there() -> None:
    """A bucket is asked as its least limited lookup may ask, each lookup keeps its own limit, and leaving lowers it."""
    asked = Asked()
    slow = asked.lookup(objects(5000, prefix="slow"), 100)
    asked.lookup(objects(2000, prefix="quick"), 1000)
    first = Counter(obj.key[:4] for _, obj in asked.sent_in(1))
    assert 95 <= first["slow"] <= 106
    assert 850 <= first["quic"] <= 951
    asked.sent_in(2)
    asked.pace.leave("b", 1000)
    assert 95 <= len(asked.sent_in(1)) <= 101
    slow.questions.clear()
    asked.pace.leave("b", 100)
    asked.lookup(objects(50, prefix="free"))
    assert len(asked.sent_in(0.1)) == 50, "no limit is no limit"


def test_a_throttled_bucket_slows_down_itself_alone() -> None:
    """After a 503 its bucket is asked more slowly by every lookup, and the other one as before."""
    asked = Asked()
    for bucket in ("busy", "calm"):
        for number in range(3):
            asked.lookup(objects(5000, bucket, f"{number}-"), 1000)
    asked.sent_in(2)
    asked.pace.answered("busy", 503)
    sent = Counter(obj.bucket for _, obj in asked.sent_in(0.9 * REACTION))
    assert sent["busy"] < 0.8 * sent["calm"]
    assert sent["calm"] > 850


def test_a_bucket_that_nobody_asks_for_is_forgotten() -> None:
    """Thousands of buckets, one after the other, do not stay in memory."""
    asked = Asked()
    for number in range(1000):
        asked.pace.enter(f"b{number}", 10)
        asked.pace.leave(f"b{number}", 10)
        asked.clock.now += 1
    assert len(asked.pace._buckets) < 310


def test_a_lookup_that_ended_is_passed_over() -> None:
    """Its line goes on with the next lookup, and it may stand there again."""
    asked = Asked()
    ended, other = asked.lookup(objects(3)), asked.lookup(objects(3, prefix="o"))
    ended.questions.clear()
    assert [inquiry for inquiry, _ in asked.sent()] == [other] * 3
    assert not ended.is_in_line


def test_a_lookup_is_woken_once_for_what_it_expects() -> None:
    """The call comes with the last expected answer, once; an object that cannot be asked wakes at once."""
    calls: list[str] = []
    inquiry = Inquiry(None, Pacer(None))
    inquiry.expects(2)
    inquiry.then(lambda: calls.append("two"))
    first, second, third = (without_answer(obj, "no answer") for obj in objects(3))
    inquiry.deliver(first)
    assert not calls
    assert not inquiry.wait(0)
    inquiry.deliver(second)
    inquiry.deliver(third)
    assert calls == ["two"]
    assert inquiry.take() == [first, second, third]
    inquiry.expects(5)
    inquiry.then(lambda: calls.append("error"))
    inquiry.deliver(NotAsked(first.object, ValueError("no")))
    assert calls == ["two", "error"]
    inquiry.expects(1)
    inquiry.then(lambda: calls.append("there already"))
    assert calls == ["two", "error", "there already"]
