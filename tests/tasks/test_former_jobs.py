"""Which job belongs to an earlier asking, though it has the token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_crr.batch.job import Job
from airflow_provider_crr.tasks.former_jobs import Asking

NOW = timedelta()
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "killed_at", "now", "former"),
    [
        ("Cancelled", 0, 1, True),
        ("Cancelling", 0, 1, True),
        ("Cancelled", 1, 1, False),  # a retry after a kill that nobody asked for
        ("Cancelled", 0, None, False),
        ("Cancelled", None, 1, False),
        ("Complete", 0, 1, False),
    ],
)
def test_job_that_was_cancelled_for_a_task_that_is_cleared_is_former(
    status: str, killed_at: int | None, now: int | None, former: bool
) -> None:
    """Only the kill of a task cancels it with such a reason, and only a clear increases the number."""
    job = Job("j", status, update_reason=Asking(clear_number=killed_at).reason())
    assert Asking(clear_number=now).is_former(job) == former


def test_job_that_somebody_else_cancelled_is_not_former() -> None:
    """A person who cancels it has decided."""
    assert not Asking(clear_number=1).is_former(Job("j", "Cancelled", update_reason="too expensive"))


@pytest.mark.parametrize(
    ("created", "began", "former"),
    [
        (-HOUR, NOW, True),
        (NOW, -HOUR, False),
        (-timedelta(minutes=5), NOW, False),  # clocks differ
        (NOW, 2 * HOUR, False),  # the scheduler's clock is wrong: a new job would be former at once, for ever
        (None, NOW, False),
        (-HOUR, None, False),
    ],
)
def test_job_from_before_the_run_is_former(created: timedelta | None, began: timedelta | None, former: bool) -> None:
    """The run was deleted, and came again under its id."""
    now = datetime.now(UTC)
    created_at, run_began = (None if each is None else now + each for each in (created, began))
    assert Asking(run_began=run_began).is_former(Job("j", "Complete", created_at=created_at)) == former
