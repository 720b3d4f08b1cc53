"""How far a repair is, as people see it while it waits: in the form of a gate's progress, with tasks for objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_crr.batch.job import Job
from airflow_provider_crr.batch.repair import Repair
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.progress import Progress, Wait, bounded
from airflow_provider_crr.replication.targets import Targets


@dataclass(frozen=True, slots=True)
class _Tasks:
    """The tasks of a job, as a gate's verdict counts objects."""

    total: int
    done: int
    statuses: Mapping[str, int]
    failed: list[dict[str, str]] = field(default_factory=list)
    oldest_pending_seconds: float | None = None

    def waited_for(self) -> list[dict[str, str]]:
        """Return the tasks that failed."""
        return self.failed


class ShownRepair(Repair):
    """
    A job that people can look at while it is watched.

    :param args: those of :class:`.Repair`.
    :param what: what the job replicates, in words.
    :param started_at: when the task began, UTC.
    :param connection: id of the Airflow connection; None for boto3's own credentials.
    :param policy_shown: what the author allows, by argument.
    :param kwargs: those of :class:`.Repair`.
    """

    def __init__(
        self,
        *args: Any,
        what: str,
        started_at: datetime,
        connection: str | None,
        policy_shown: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._what = what
        self._started_at = started_at
        self._policy_shown = {name: value for name, value in policy_shown.items() if value not in (None, False)}
        self._progress = Progress(Targets(), GatePolicy(), connection)

    def poll(self, stop: Any = None) -> bool:
        """Go on as far as it goes now, and note how far that is."""
        decided = super().poll(stop)
        if self.job is not None:
            self._progress.swept(_tasks(self.job), (self._clock() - self._started_at).total_seconds())  # type: ignore[arg-type]
        return decided

    def shown(self, wait: Wait) -> dict[str, Any]:
        """
        Return how far it is.

        :param wait: what whoever polls knows of the wait.
        """
        job = self.job
        tasks: Any = None if job is None else _tasks(job, self.failed_sample())
        value = self._progress.value(wait, tasks, started_at=self._started_at, head_requests=0, lag=None)
        known = self.value()
        return bounded(
            {
                **value,
                "kind": "batch_replication",
                "policy": self._policy_shown,
                "targets": {"objects": 0, "patterns": 0, "sample": [self._what] if self._what else []},
                "job_id": self.job_id,
                "job_status": job.status if job else None,
                "verified": known["verified"],
                "completion_report": known["completion_report"],
            }
        )


def _tasks(job: Job, failed: list[dict[str, str]] | None = None) -> _Tasks:
    counts = {"SUCCEEDED": job.succeeded, "FAILED": job.failed}
    return _Tasks(
        total=job.total or 0,
        done=job.run,
        statuses={name: count for name, count in counts.items() if count},
        failed=failed or [],
    )
