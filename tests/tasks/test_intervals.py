"""When a deferred task polls next: Airflow's own rule, and a spread that keeps a thousand tasks from being one."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseSensorOperator

from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.deferral import seconds_to_notice
from airflow_provider_crr.tasks.intervals import Intervals, countable, instance_of
from airflow_provider_crr.triggers.base import PollingTrigger

STARTED = datetime(2026, 11, 27, 1, 2, 3, 456789, tzinfo=UTC)


def intervals(**values: Any) -> Intervals:
    return Intervals(
        **{
            "poke_interval": 60.0,
            "exponential_backoff": False,
            "max_wait": None,
            "timeout": 86400.0,
            "started_at": STARTED,
            **values,
        }
    )


def some(number: int) -> list[Intervals]:
    return [intervals(instance=f"dag\0run\0gate\0{index}") for index in range(number)]


def test_rule_is_that_of_the_airflow_that_is_installed() -> None:
    """500 random sensors, asked by Airflow's own loop for the next interval, say what their triggers will keep to."""
    chosen = random.Random(12)
    for case in range(500):
        timeout = chosen.choice([chosen.uniform(1, 100), 3600.0, 7 * 86400.0])
        own: dict[str, Any] = {
            "poke_interval": chosen.choice([0.5, 1.0, 60.0, chosen.uniform(0.01, 4000)]),
            "exponential_backoff": chosen.random() < 0.8,
            "timeout": timeout,
        }
        max_wait = chosen.choice([None, 0.5, 90.0, chosen.uniform(1, 5000)])
        started = STARTED + timedelta(seconds=chosen.uniform(0, 1e7))
        elapsed = chosen.choice([0.0, chosen.uniform(0, timeout)])
        task = BaseSensorOperator(
            task_id=f"gate_{case}",
            mode="reschedule",
            max_wait=None if max_wait is None else timedelta(seconds=max_wait),
            **own,
        )
        expected = task._get_next_poke_interval(started, partial(float, elapsed), 1)
        # A sensor outside of a DAG names itself as its DAG.
        ours = Intervals(
            poke_interval=task.poke_interval,
            exponential_backoff=task.exponential_backoff,
            max_wait=task.max_wait.total_seconds() if task.max_wait else None,
            timeout=task.timeout,
            started_at=started,
            dag_id=task.dag_id,
            task_id=task.task_id,
        )
        assert ours.by_airflow(elapsed) == expected


def test_interval_of_nothing_backs_off_to_a_second_after_any_time() -> None:
    """With poke_interval=0 Airflow's rule counts second by second, and breaks after 1,026: here it says one second."""
    none = intervals(poke_interval=0.0, exponential_backoff=True, timeout=7 * 86400.0)
    assert none.by_airflow(0) == none.by_airflow(6 * 86400) == 1
    assert intervals(poke_interval=0.0).by_airflow(0) == 0


def test_backoff_of_a_long_wait_does_not_break_a_poke() -> None:
    """The 1,026th poke of a sensor that backs off raises OverflowError in Airflow; ours goes on as at the 1,000th."""
    task = S3ReplicationSensor(
        task_id="gate",
        bucket_key="s3://b/k",
        deferrable=False,
        exponential_backoff=True,
        max_wait=timedelta(seconds=60),
    )
    assert task._get_next_poke_interval(0.0, lambda: 86400, 5000) == 60
    assert [countable(1), countable(5000)] == [1, 1000]


def test_backoff_of_nothing_does_not_break_a_rescheduled_poke() -> None:
    """With poke_interval=0 and exponential_backoff a sensor that was rescheduled for an hour goes on every second."""
    task = S3ReplicationSensor(
        task_id="gate",
        bucket_key="s3://b/k",
        deferrable=False,
        mode="reschedule",
        poke_interval=0,
        exponential_backoff=True,
    )
    began = task._started_at = datetime.now(UTC) - timedelta(hours=1)
    notice = seconds_to_notice()
    assert task._wait_here() == (1 if notice > 1 else None)
    assert task._get_next_poke_interval(began, lambda: 3600, 1) == max(1, notice)


def test_polls_of_one_gate_double_their_distance() -> None:
    """Each poll is one step of the doubling, though the spread has it come early or late."""
    for each in some(50):
        backing_off = Intervals(
            poke_interval=60.0,
            exponential_backoff=True,
            max_wait=None,
            timeout=1e7,
            started_at=STARTED,
            instance=each.instance,
        )
        elapsed, waits = 0.0, []
        waits.append(backing_off.first(elapsed))
        for _ in range(8):
            elapsed += waits[-1] + 0.1
            waits.append(backing_off.next(elapsed))
        least = [30 * 2**number for number in range(9)]
        assert all(0.95 * low <= wait <= 1.1 * 2 * low for low, wait in zip(least, waits, strict=True)), waits


def test_polls_of_many_gates_are_spread() -> None:
    """A thousand gates that began together poll within a tenth of the interval at first, and drift apart then."""
    gates = some(1000)
    first = [gate.first(0) for gate in gates]
    assert 60 <= min(first) < 60.1
    assert 65.9 < max(first) <= 66
    assert max(Counter(map(int, first)).values()) < 260  # in the fullest second: six seconds, and some luck
    later = [gate.next(100) for gate in gates]
    assert 57 <= min(later) < 57.1
    assert 62.9 < max(later) <= 63
    overdue = [gate.begin() for gate in gates]
    assert 0 <= min(overdue) < 0.1
    assert 5.9 < max(overdue) <= 6
    assert [gate.next(100) for gate in some(1000)] == later  # whichever process computes it
    assert max(replace(gate, max_wait=1.0, exponential_backoff=True).begin() for gate in gates) <= 0.1


def test_instance_is_told_by_its_key() -> None:
    """Mapped tasks and runs differ; what is not known is told by what the caller says."""
    keys = {
        instance_of(SimpleNamespace(dag_id="d", run_id=run, task_id="t", map_index=index), "?")
        for run in "ab"
        for index in (-1, 0)
    }
    assert len(keys) == 4
    assert instance_of(None, "?") == instance_of(SimpleNamespace(), "?") == "?"


class Polls:
    """A poller that notes when it was polled, and is decided at some poll."""

    def __init__(self, times: list[float], number: int) -> None:
        self._times = times
        self._number = number

    def poll(self, stop: Any = None) -> bool:
        self._times.append(time.time())
        return len(self._times) == self._number

    def failure(self) -> None:
        return None

    def progress(self) -> str:
        return f"{len(self._times)} polls"

    def warnings(self) -> list[str]:
        return []

    def value(self) -> dict[str, Any]:
        return {"polls": len(self._times)}


class PollsTrigger(PollingTrigger):
    def poller(self) -> Polls:
        return Polls(self.times, self.number)

    times: list[float]
    number: int


def polled(number: int, **kwargs: Any) -> tuple[float, list[float], dict[str, Any]]:
    """Run a trigger up to some poll; return when it began, when it polled, and its event."""
    began = time.time()
    trigger = PollsTrigger(**{"hook": {}, "poke_interval": 0.4, "started_at": began, "deadline": began + 60, **kwargs})
    trigger.times, trigger.number = [], number

    async def run() -> dict[str, Any]:
        event: dict[str, Any] = (await anext(trigger.run())).payload
        return event

    event = asyncio.run(run())
    return began, trigger.times, event


def test_trigger_polls_first_when_it_is_due() -> None:
    """A trigger waits for its first poll, keeps its interval, and one of an earlier release polls at once."""
    now = time.time()
    _, times, _ = polled(3, next_poke=now + 0.4)
    assert times[0] >= now + 0.4
    assert all(later - earlier >= 0.4 * 0.95 for earlier, later in pairwise(times))
    began, times, _ = polled(1, poke_interval=600)
    assert times[0] - began < 10


def test_trigger_polls_first_within_an_interval() -> None:
    """Where the worker's clock is ahead, or the triggerer's is set back, the first poll is an interval from now."""
    now = time.time()
    began, times, _ = polled(1, started_at=now + 3600, next_poke=now + 3600, deadline=now + 7200)
    assert 0.3 < times[0] - began < 10


def test_trigger_polls_first_before_its_deadline() -> None:
    """A first poll that is due after the deadline is made at the deadline, and a late trigger polls at once."""
    now = time.time()
    began, times, event = polled(2, poke_interval=600, next_poke=now + 600, deadline=now + 0.5)
    assert (len(times), event["status"]) == (1, "timeout")
    assert 0.4 < times[0] - began < 10
    began, times, event = polled(2, poke_interval=600, next_poke=now - 600, deadline=now - 1)
    assert (len(times), event["status"]) == (1, "timeout")
    assert times[0] - began < 10


@pytest.mark.parametrize("max_wait", [0.3, None])
def test_trigger_backs_off_by_the_rule(max_wait: float | None) -> None:
    """A trigger that backs off keeps to Airflow's rule: a second at the least, or max_wait."""
    _, times, _ = polled(2, poke_interval=0.4, exponential_backoff=True, max_wait=max_wait)
    least = (max_wait or 1.0) * 0.95
    assert times[1] - times[0] >= least
