"""
When a deferred task polls next: by Airflow's own rule, and not in the same second as a thousand others.

Airflow's rule is its method ``BaseSensorOperator._get_next_poke_interval``, which is called here and not copied. It is
asked as in ``mode="reschedule"``, where it tells from the time that has passed how many polls there were. So a
triggerer that takes a task over goes on where the one before it was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import inf
from types import SimpleNamespace
from typing import Any

log = logging.getLogger(__name__)

#: By which part of the interval a poll is earlier or later than Airflow's rule says.
SPREAD = 0.05
#: By which part of the interval the first poll after the worker's is later, at most.
FIRST_SPREAD = 0.1
#: From this poll on, Airflow's rule says the same of every poll; from the 1,026th on it raises OverflowError.
_MOST_POKES = 1000


@dataclass(frozen=True, slots=True)
class Intervals:
    """
    The intervals of one task, in seconds.

    :param poke_interval: the sensor's own.
    :param exponential_backoff: whether the interval doubles from poll to poll, with a jitter, as Airflow has it.
    :param max_wait: longest interval that this may lead to, but for the spread, which may add a twentieth, and a tenth
        to the first one; None for no bound.
    :param timeout: how long the task waits.
    :param started_at: when it first asked, UTC.
    :param dag_id: the jitter depends on it, on the task's id and on ``started_at``.
    :param task_id: the task's id.
    :param instance: whatever tells this task instance from others, so that they poll at different moments.
    """

    poke_interval: float
    exponential_backoff: bool
    max_wait: float | None
    timeout: float
    started_at: datetime
    dag_id: str = ""
    task_id: str = ""
    instance: str = ""

    def by_airflow(self, elapsed: float) -> float:
        """
        Return the interval to the next poll by Airflow's rule for ``mode="reschedule"``.

        :param elapsed: how long the task has waited.
        """
        from airflow.sdk import BaseSensorOperator

        # Where the interval is 0 Airflow's rule says one second each time, after counting all seconds that have passed.
        reschedule = self.poke_interval > 0
        task: Any = SimpleNamespace(
            poke_interval=self.poke_interval,
            exponential_backoff=self.exponential_backoff,
            max_wait=None if self.max_wait is None else timedelta(seconds=self.max_wait),
            timeout=self.timeout,
            dag_id=self.dag_id,
            task_id=self.task_id,
            mode="reschedule" if reschedule else "poke",
            reschedule=reschedule,
            log=_Quiet,
        )
        return float(BaseSensorOperator._get_next_poke_interval(task, self.started_at, lambda: elapsed, 1))

    def first(self, elapsed: float) -> float:
        """
        Return the interval to the first poll after the worker's: up to a tenth longer, and another for each task.

        :param elapsed: how long the task has waited.
        """
        return self.by_airflow(elapsed) * (1 + FIRST_SPREAD * self._share())

    def next(self, elapsed: float) -> float:
        """
        Return the interval to any later poll: up to a twentieth shorter or longer, always the same for one task.

        :param elapsed: how long the task has waited.
        """
        # A poll that came early counts as one that was in time: else its interval would come twice. The end of the
        # wait is the caller's.
        counted = replace(self, timeout=inf).by_airflow(max(0.0, elapsed) / (1 - SPREAD))
        return counted * (1 - SPREAD + 2 * SPREAD * self._share())

    def begin(self) -> float:
        """Return how long to wait before a poll that is overdue, as after a triggerer's restart."""
        return self.by_airflow(0) * FIRST_SPREAD * self._share()

    def _share(self) -> float:
        """Return a number from 0 to 1 that stays the same for one task instance."""
        digest = sha256(self.instance.encode()).digest()[:4]
        return int.from_bytes(digest, "big") / 0xFFFFFFFF


class _Quiet:
    """A logger for Airflow's rule, which tells each interval."""

    info = staticmethod(log.debug)


def countable(poke_count: int) -> int:
    """Return a number of pokes for which Airflow's rule says what it would say of this one, if it could."""
    return min(poke_count, _MOST_POKES)


def instance_of(ti: Any, otherwise: str) -> str:
    """
    Return a text that tells a task instance from others.

    :param ti: the task instance; None if it is not known.
    :param otherwise: the text if it is not known.
    """
    names = [getattr(ti, name, None) for name in ("dag_id", "run_id", "task_id", "map_index")]
    return "\0".join(map(str, names)) if names[0] and names[2] else otherwise


def of_trigger(trigger: Any) -> Intervals:
    """
    Return the intervals of a deferred task.

    :param trigger: a :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """
    ti: Any = trigger.task_instance
    return Intervals(
        poke_interval=trigger.poke_interval,
        exponential_backoff=trigger.exponential_backoff,
        max_wait=trigger.max_wait,
        timeout=trigger.deadline - trigger.started_at,
        started_at=datetime.fromtimestamp(trigger.started_at, UTC),
        dag_id=getattr(ti, "dag_id", ""),
        task_id=getattr(ti, "task_id", ""),
        instance=instance_of(ti, "") or f"{trigger.started_at}{trigger.question}",
    )
