"""
Jobs that S3 returns for a token, and that are not what is asked for now.

A token stays the same from one try of a task to the next. In two histories the user has asked again all the same: a
task that is cleared while it runs keeps its round, and its job was cancelled when Airflow killed it; and a DAG run that
was deleted may come again under the same id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_crr.batch.job import CANCELLED, CANCELLING, Job

#: What the clocks of Airflow and S3 may differ by: S3 refuses a request whose time is off by more than 15 minutes.
_CLOCKS = timedelta(minutes=20)
_KILLED = "the task was killed in Airflow"
_CLEAR_NUMBER = re.compile(rf"{_KILLED}, clear number (\d+)")


@dataclass(frozen=True, slots=True)
class Asking:
    """
    When a task was asked for.

    :param run_began: when its DAG run began, UTC; None if that is not known.
    :param clear_number: how often tasks of the run were cleared; None if that is not known.
    """

    run_began: datetime | None = None
    clear_number: int | None = None

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Asking:
        """Return it as Airflow's context of a task tells."""
        run = context.get("dag_run")
        return cls(getattr(run, "start_date", None), getattr(run, "clear_number", None))

    def reason(self) -> str:
        """Return the reason with which a task that is killed cancels its job."""
        return _KILLED if self.clear_number is None else f"{_KILLED}, clear number {self.clear_number}"

    def is_former(self, job: Job) -> bool:
        """Return whether a job is one of an earlier asking."""
        killed = _CLEAR_NUMBER.search(job.update_reason) if job.status in (CANCELLING, CANCELLED) else None
        if killed and self.clear_number is not None and int(killed[1]) < self.clear_number:
            return True
        # A job that is new by the clock here is none, whatever the scheduler's clock says: no job follows the other.
        began = min(self.run_began, datetime.now(UTC)) if self.run_began else None
        return bool(began and job.created_at and job.created_at < began - _CLOCKS)


#: A job of any time is taken.
ANY_TIME = Asking()
