"""What a wait costs: a gate sends no more HEADs than it may, never opens for want of them, and tells their number."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.checkpoint.handover import Handover
from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.targets import MAX_STORED, Targets
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.s3.prices import Prices
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.telling import Teller
from tests.support.s3_server import Answer, Listed, S3Server, stored

TEN = Targets.parse([f"s3://b/{number}" for number in range(10)])
PATTERN = Targets.parse("s3://b/*", wildcard_match=True)


@pytest.fixture
def s3(server: S3Server) -> S3Server:
    server.reset()
    server.listings["b"] = {str(number): Listed() for number in range(10)}
    return server


def watch(hook: S3ReplicationHook, most: int | None, targets: Targets = TEN, **more: Any) -> Watch:
    return Watch(targets, more.pop("policy", GatePolicy()), hook, max_head_requests=most, **more)


def polled(gate: Watch) -> dict[str, Any] | None:
    """Poll once; return the event if that ends the wait."""
    return endings.after(gate, decided=gate.poll())


def waited_for(gate: Watch) -> dict[str, Any]:
    """Poll to the end."""
    for _ in range(100):
        if ended := polled(gate):
            return ended
    raise AssertionError("it does not end")


@pytest.mark.parametrize("targets", [TEN, PATTERN], ids=["named", "pattern"])
def test_last_head_may_open_the_gate(s3: S3Server, hook: S3ReplicationHook, targets: Targets) -> None:
    """A gate that needs as many HEADs as it may send opens; one that may send one less stays shut, and says why."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    assert waited_for(watch(hook, 10, targets))["status"] == endings.DONE
    assert len(s3.heads()) == 10
    s3.requests.clear()
    ended = waited_for(watch(hook, 9, targets))
    left = "1 of 10 in s3://b/" if targets is TEN else "s3://b/*"  # what is not listed yet, nobody knows
    assert ended["status"] == endings.TIMEOUT
    used_up = "9 HEADs were sent, as many as max_head_requests allows"
    assert ended["message"].startswith(f"{used_up}: waiting for {left}")
    assert "\nnot all were asked for\n" in ended["message"]
    assert ended["value"]["head_requests"] == 9
    assert ended["value"]["statuses"] == {"COMPLETED": 9}
    assert len(s3.heads()) == 9


def test_sweep_asks_as_far_as_the_heads_go(s3: S3Server, hook: S3ReplicationHook) -> None:
    """What is PENDING is asked again until the HEADs are used up, in the middle of a sweep, too."""
    s3.default = lambda bucket, key, version: stored("COMPLETED" if int(key) < 7 else "PENDING")
    ended = waited_for(watch(hook, 14))
    assert len(s3.heads()) == 14  # 10, 3, and 1 of 3
    assert ended["message"].startswith("14 HEADs were sent, as many as max_head_requests allows: waiting for 3 of 10 ")
    s3.requests.clear()
    assert "3 PENDING" in waited_for(watch(hook, 13))["message"]
    assert len(s3.heads()) == 13


def test_gate_that_waits_without_heads_ends_at_once(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Nothing is gained by another poll once no HEAD is left: the poll that used the last one ends the wait."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    gate = watch(hook, 10)
    assert (polled(gate) or {})["status"] == endings.TIMEOUT
    assert polled(watch(hook, 11)) is None


def test_failed_object_fails_a_gate_that_has_no_heads_left(s3: S3Server, hook: S3ReplicationHook) -> None:
    """An object that can never be replicated decides, though not all were asked for."""
    s3.default = lambda bucket, key, version: stored("FAILED")
    ended = waited_for(watch(hook, 3))
    assert (ended["status"], len(s3.heads())) == (endings.FAILED, 3)


def test_pattern_that_was_not_listed_is_not_missing(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Where the HEADs end before the second pattern, nothing is said of that one."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    two = Targets.parse(["s3://b/*", "s3://c/*"], wildcard_match=True)
    s3.listings["c"] = {"k": Listed()}
    ended = waited_for(watch(hook, 5, two, policy=GatePolicy(on_missing="fail")))
    assert (ended["status"], ended["value"]["statuses"]) == (endings.TIMEOUT, {"COMPLETED": 5})


def test_young_objects_cost_what_they_cost(s3: S3Server, hook: S3ReplicationHook) -> None:
    """An object that is asked about a second time, because it was just written, counts twice."""
    now = datetime.now(UTC)
    fresh, date = now.strftime("%Y-%m-%dT%H:%M:%S.000Z"), now.strftime("%a, %d %b %Y %H:%M:%S GMT")
    s3.listings["b"] = {key: Listed(last_modified=fresh) for key in ("a", "b")}
    s3.default = lambda bucket, key, version: stored("COMPLETED", headers={"Last-Modified": date, "Date": date})
    for most, status in ((4, endings.DONE), (3, endings.TIMEOUT)):
        s3.requests.clear()
        assert waited_for(watch(hook, most, PATTERN))["status"] == status
        assert len(s3.heads()) == most


def test_heads_are_never_too_many_and_never_open_a_gate(s3: S3Server, hook: S3ReplicationHook) -> None:
    """100 random gates: at the server there are no more HEADs than allowed, and a gate opens only on all objects."""
    chosen = random.Random(4)
    for _ in range(100):
        polls = {str(number): chosen.choice([0, 0, 1, 2, 3]) for number in range(10)}
        most = chosen.randint(1, 45)
        s3.reset()
        s3.listings["b"] = {key: Listed() for key in polls}
        for key, number in polls.items():
            s3.answers["b", key] = [stored("PENDING")] * number + [stored("COMPLETED")]
        ended = waited_for(watch(hook, most, chosen.choice([TEN, PATTERN])))
        need = sum(polls.values()) + 10
        assert len(s3.heads()) <= most
        assert (ended["status"] == endings.DONE) == (need <= most)
        assert len(s3.heads()) == min(need, most)


def half_answered(s3: S3Server) -> threading.Event:
    opened = threading.Event()
    s3.default = lambda bucket, key, version: stored("PENDING", gate=None if int(key) < 5 else opened)
    return opened


def test_what_was_sent_before_counts(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A triggerer may send what the worker has left over; HEADs of a look that was cut count, answered or not."""
    opened, handover = half_answered(s3), Handover()
    with pytest.raises(LookupFailed):
        watch(hook, 12, kept=handover).poll(Deadline(1))
    assert handover.counts == {"head_requests": 5, "unanswered": 5}
    opened.set()
    again = Handover(handover.to_stored(MAX_STORED), **handover.counts)
    ended = waited_for(watch(hook, 12, kept=again))
    assert ended["status"] == endings.TIMEOUT
    assert len(s3.heads()) == 12


class Store(dict[str, Any]):
    """A store of Airflow's, in memory."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def test_pokes_count_together_where_there_is_a_record(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Each poke of a rescheduled gate is a process of its own, and knows what those before it have sent."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    store = Store()
    ends = [polled(watch(hook, 25, kept=Kept(store, "0/0", each_poll=True))) for _ in range(3)]
    assert [bool(end) for end in ends] == [False, False, True]
    assert len(s3.heads()) == 25


class Log:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    warning = info


def test_cost_is_told_once_an_hour(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Whatever the interval, the log says once in each full hour how many HEADs were sent, and about what they cost."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    now = [datetime.now(UTC)]
    gate, log = watch(hook, None, clock=lambda: now[0]), Log()
    for _ in range(10):  # at 0, 20, 40 minutes, ...
        gate.poll()
        Teller(log).tell(gate)
        now[0] += timedelta(minutes=20)
    costs = [line for line in log.lines if "$" in line]
    assert costs == [
        f"in {hours}h this wait has sent {heads} HEADs, less than $0.01 in us-east-1"
        for hours, heads in ((1, 40), (2, 70), (3, 100))
    ]


def test_cost_is_told_once_an_hour_across_pokes(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Pokes that are processes of their own tell it once an hour together; a triggerer does not when it begins."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    now, store, log = datetime.now(UTC), Store(), Log()
    for minutes in range(0, 200, 20):
        moment = now + timedelta(minutes=minutes)
        kept = Kept(store, "0/0", each_poll=True)
        gate = watch(hook, None, kept=kept, started_at=now, clock=lambda moment=moment: moment)  # type: ignore[misc]
        gate.poll()
        Teller(log).tell(gate)
    assert len([line for line in log.lines if "$" in line]) == 3
    begun, log = watch(hook, None, started_at=datetime.now(UTC) - timedelta(hours=5), kept=Handover()), Log()
    begun.poll()
    Teller(log).tell(begun)
    assert not [line for line in log.lines if "$" in line]


def test_changed_question_does_not_give_heads_back(s3: S3Server, hook: S3ReplicationHook) -> None:
    """If the DAG is edited between two pokes, all is asked anew, with the HEADs that are left; a clear begins anew."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    store = Store()
    policies = [GatePolicy(), GatePolicy(max_pending_age=1e9), GatePolicy(on_missing="fail")]
    ends = [polled(watch(hook, 25, policy=policy, kept=Kept(store, "0/0", each_poll=True))) for policy in policies]
    assert [bool(end) for end in ends] == [False, False, True]
    assert len(s3.heads()) == 25
    assert polled(watch(hook, 25, kept=Kept(store, "1/0", each_poll=True))) is None


def broken_from(s3: S3Server, poll: int) -> None:
    """Let the second page of a listing fail, from some poll on."""
    pages = [0]

    def page(request: Any, listing: str) -> tuple[Answer, str]:
        if "continuation-token" in request.query:
            pages[0] += 1
            if pages[0] > poll:
                return Answer(403, code="AccessDenied"), ""
        return Answer(), listing

    s3.page_size, s3.on_list = 5, page


def test_sweep_without_heads_leaves_the_evidence(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A poll that may not ask any more does not take the place of what the one before has shown."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    gate = watch(hook, 10)
    gate.poll()
    gate.poll()
    assert gate.value()["statuses"] == {"PENDING": 10}


def test_cost_is_told_though_polls_fail(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Polls that send HEADs and then cannot list have their cost told, too."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    broken_from(s3, 0)
    now = [datetime.now(UTC)]
    gate, log = watch(hook, None, PATTERN, clock=lambda: now[0]), Log()
    for _ in range(5):  # at 0, 30, 60 minutes, ...
        with pytest.raises(LookupFailed):
            gate.poll()
        endings.tell_cost(gate, log)
        endings.tell_cost(gate, log)
        now[0] += timedelta(minutes=30)
    assert [line.split(" this ")[0] for line in log.lines] == ["in 1h", "in 2h"]


def test_cost_is_not_told_for_clocks_that_differ(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Where a triggerer's clock is behind the worker's, no hour is over."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    now = datetime.now(UTC)
    moments = [now]
    gate = watch(hook, None, started_at=now + timedelta(seconds=1), clock=lambda: moments[-1])
    gate.poll()
    moments.append(now + timedelta(seconds=60))
    gate.poll()
    assert gate.cost() is None


def test_prices_are_those_of_s3() -> None:
    """A day of a million objects that stay PENDING, at a thousand HEADs a second, costs $35."""
    assert Prices().of_heads(86_400_000) == "about $34.56 in us-east-1"
    assert Prices().of_heads(10_000_000) == "about $4.00 in us-east-1"
    assert Prices().of_heads(24_999) == "less than $0.01 in us-east-1"
    assert Prices().of_heads(0) == "less than $0.01 in us-east-1"


def test_error_in_between_does_not_give_heads_back(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A listing that fails after some objects were asked for ends that sweep; what it may have sent stays sent."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    s3.page_size = 5
    broken = [True]

    def page(request: Any, listing: str) -> tuple[Answer, str]:
        if broken[0] and "continuation-token" in request.query:
            return Answer(403, code="AccessDenied"), ""
        return Answer(), listing

    s3.on_list = page
    gate = watch(hook, 12, PATTERN)
    with pytest.raises(LookupFailed):
        gate.poll()
    broken[0] = False
    ended = waited_for(gate)
    assert ended["message"].startswith("12 HEADs were sent, of which 5 were not answered, as many as")
    assert 7 <= len(s3.heads()) <= 12
