"""How fast requests leave, and what happens to those that must be sent again."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.lookup import choice
from airflow_provider_crr.lookup.choice import choose_lookup
from airflow_provider_crr.lookup.pace import CATCH_UP, CUT, FLOOR, Pacer
from airflow_provider_crr.s3.objects import S3Object
from tests.lookup.conftest import BOTO3
from tests.support.s3_server import CUT as CUT_OFF
from tests.support.s3_server import Answer, S3Server, stored
from tests.support.s3_server import Script as Scripted

pytestmark = pytest.mark.usefixtures("crt")


def objects(count: int) -> Iterator[S3Object]:
    return (S3Object("b", f"k{number}") for number in range(count))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def send(pacer: Pacer, clock: Clock, seconds: float, answer: int = 200, tick: float = 0.001) -> int:
    """Send whatever the pacer lets through, each answered at once; return how many that were."""
    sent, end = 0, clock.now + seconds
    while clock.now < end:
        if pacer.delay() == 0:
            pacer.claim()
            pacer.answered(answer)
            sent += 1
        else:
            clock.now += max(pacer.delay(), tick)
    return sent


def test_the_pace_is_kept(server: S3Server, way: str) -> None:
    """A capped lookup is never faster than its cap, but for one burst; how close it comes is for the benchmark."""
    ask = choose_lookup(server.client(), max_requests_per_second=200)
    list(ask(objects(2)))
    started = time.monotonic()
    assert len(list(ask(objects(400)))) == 400
    assert 2.0 - CATCH_UP - 0.01 <= time.monotonic() - started < 10


def test_a_pause_is_caught_up_by_a_bounded_burst() -> None:
    """After a pause no more leaves at once than 50 ms are worth, and then the pace is kept exactly."""
    clock = Clock()
    pacer = Pacer(1000, clock)
    clock.now += 100
    burst = 0
    while pacer.delay() == 0:
        pacer.claim()
        burst += 1
    assert burst == pytest.approx(CATCH_UP * 1000, abs=2)
    assert send(pacer, clock, 10) == pytest.approx(10_000, rel=0.001)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_cap_that_lets_nothing_through_is_refused(server: S3Server, rate: float) -> None:
    """A rate of nothing would wait for ever."""
    with pytest.raises(InvalidArgument, match="max_requests_per_second"):
        choose_lookup(server.client(), max_requests_per_second=rate)


def test_the_pace_holds_for_retries_too(server: S3Server, way: str) -> None:
    """Every attempt counts: a lookup full of retries takes the time that the cap gives to all of them."""
    answered: Counter[str] = Counter()
    times: list[float] = []

    def first_an_error(bucket: str, key: str, version: str | None) -> Answer:
        times.append(time.monotonic())
        answered[key] += 1
        return Answer(500) if answered[key] == 1 else stored("COMPLETED")

    server.default = first_an_error
    found = list(choose_lookup(server.client(), max_requests_per_second=100)(objects(150)))
    assert {each.state for each in found} == {"COMPLETED"}
    assert set(answered.values()) == {2}
    assert max(times) - min(times) >= 0.95 * (len(times) - 1) / 100 - CATCH_UP


@pytest.mark.parametrize("script", [Answer(503), Answer(500), CUT_OFF], ids=["503", "500", "cut"])
@pytest.mark.parametrize("attempts", [1, 3])
def test_an_object_is_asked_as_often_as_boto3_was_told_to(
    server: S3Server, way: str, script: Scripted, attempts: int
) -> None:
    """What a connection says about retries is what S3 sees, whichever way it is asked."""
    server.answers["b", "odd"] = script
    client = server.client(retries={"total_max_attempts": attempts})
    found = list(choose_lookup(client)([S3Object("b", "odd"), S3Object("b", "even")]))
    assert {each.object.key: each.state.value for each in found} == {"odd": "UNKNOWN", "even": "COMPLETED"}
    assert len(server.heads("b", "odd")) == attempts


def test_an_answer_that_does_not_come_is_given_up(server: S3Server, way: str) -> None:
    """The client's read_timeout holds: a silent S3 leaves an object unknown, and the lookup ends."""
    from threading import Event

    server.answers["b", "odd"] = stored("COMPLETED", gate=Event())
    client = server.client(read_timeout=0.5, retries={"total_max_attempts": 1})
    found = {each.object.key: each for each in choose_lookup(client)([S3Object("b", "odd"), S3Object("b", "even")])}
    assert (found["odd"].state, found["even"].state) == ("UNKNOWN", "COMPLETED")
    assert "no answer" in found["odd"].detail


@pytest.mark.parametrize("most", [1000.0, None])
def test_throttling_slows_down_and_its_end_speeds_up(most: float | None) -> None:
    """A 503 or 429 cuts the rate that was really reached, once a second at most; without them it grows again."""
    clock = Clock()
    pacer = Pacer(most, clock)
    for _ in range(1000):  # a second at 1,000 a second, whatever the cap
        clock.now += max(pacer.delay(), 0.001)
        pacer.claim()
    pacer.answered(503)
    pacer.answered(429)  # of a request from before the cut
    assert send(pacer, clock, 0.9) == pytest.approx(0.9 * CUT * 1000, rel=0.03)
    assert send(pacer, clock, 20) > 0.9 * 20 * 1000
    if most is not None:
        assert send(pacer, clock, 5) == pytest.approx(5 * most, rel=0.01)


def test_a_pause_is_not_taken_for_a_slow_rate() -> None:
    """A 503 right after a pause, such as between two lookups, cuts the rate of the lookup, not that of the pause."""
    clock = Clock()
    pacer = Pacer(1000, clock)
    send(pacer, clock, 2)
    clock.now += 60
    send(pacer, clock, 0.3)
    pacer.answered(503)
    assert send(pacer, clock, 0.9) == pytest.approx(0.9 * CUT * 1000, rel=0.05)


def test_a_server_that_only_throttles_is_spared_down_to_a_floor() -> None:
    """However long S3 goes on, the rate falls geometrically, and never to nothing."""
    clock = Clock()
    pacer = Pacer(1000, clock)
    send(pacer, clock, 1, 503)
    assert send(pacer, clock, 5, 503) < 1000 * sum(CUT**n for n in range(5)) * 1.05
    send(pacer, clock, 20, 503)
    assert send(pacer, clock, 10, 503) == pytest.approx(10 * FLOOR, rel=0.05)


def test_a_cap_below_the_floor_is_kept() -> None:
    """A user's own cap is never exceeded, whatever S3 answers."""
    clock = Clock()
    pacer = Pacer(5, clock)
    assert send(pacer, clock, 10, 503) <= 52


def test_a_connection_that_is_closed_after_an_answer_loses_none(server: S3Server, way: str) -> None:
    """S3 may close any connection once it has answered, unannounced: the next question is asked again."""
    raw = (
        b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 4\r\nConnection: keep-alive\r\n"
        b"x-amz-replication-status: COMPLETED\r\n\r\n"
    )
    server.default = lambda bucket, key, version: Answer(raw=raw)
    found = list(choose_lookup(server.client(max_pool_connections=5))(objects(300)))
    assert {(each.object.key, each.state.value) for each in found} == {(f"k{n}", "COMPLETED") for n in range(300)}


def test_an_endpoint_that_nobody_serves_leaves_everything_unknown(server: S3Server, way: str) -> None:
    """No connection is no answer: every object is unknown, and the lookup ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = boto3.Session("id", "secret", region_name="eu-west-1").client(
        "s3", endpoint_url=nobody, config=Config(retries={"total_max_attempts": 2})
    )
    found = list(choose_lookup(client)(objects(50)))
    assert [each.state.value for each in found] == ["UNKNOWN"] * 50
    assert all("no " in each.detail for each in found)


def test_no_timeouts_are_a_setting_too(server: S3Server, way: str) -> None:
    """Botocore takes None for "wait for ever"; so does a lookup, and ends when S3 answers."""
    client = server.client(read_timeout=None, connect_timeout=None)
    found = list(choose_lookup(client)(objects(20)))
    assert [each.state.value for each in found] == ["COMPLETED"] * 20
    assert choice.why_not_crt(client) == (BOTO3 if way == "boto3" else None)
