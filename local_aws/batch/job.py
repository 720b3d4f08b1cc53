"""One job of S3 Batch Operations: what was asked for, how far it is, and what became of each of its tasks."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: A job in one of these never changes again.
TERMINAL = frozenset({"Complete", "Cancelled", "Failed"})


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of a manifest.

    :param bucket: of the object.
    :param key: as the manifest has it: URL-encoded.
    :param version_id: as the manifest has it; None if it has no such column.
    """

    bucket: str
    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a task.

    :param code: S3's code of the failure; "" if it succeeded.
    :param http_status: of the last attempt.
    :param message: S3's words.
    """

    code: str = ""
    http_status: int = 200
    message: str = "success"


class JobFailed(Exception):
    """
    The whole job cannot go on.

    :param code: S3's code.
    :param reason: S3's words.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class Job:
    """
    A job.

    :param values: CreateJob's parameters, by the names that boto3 has for them.
    :param account_id: whose job it is.
    :param region: where it is.
    """

    values: dict[str, Any]
    account_id: str
    region: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "New"
    #: All statuses that it had, in order.
    history: list[str] = field(default_factory=lambda: ["New"])
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    suspended_at: datetime | None = None
    status_reason: str | None = None
    failure: JobFailed | None = None
    #: None until the manifest was read.
    rows: list[Row] | None = None
    done: list[tuple[Row, Outcome]] = field(default_factory=list)
    generated: dict[str, Any] | None = None
    active_seconds: float = 0.0
    #: What the account asked of it, and it did not do yet: "Ready" or "Cancelled".
    requested: str | None = None
    #: The higher is run first. It may change, while the parameters are those of the token for ever.
    priority: int = 0

    def __post_init__(self) -> None:
        """Begin with the priority that was asked for."""
        self.priority = int(self.values["Priority"])

    @property
    def is_over(self) -> bool:
        """Whether it never changes again."""
        return self.status in TERMINAL

    @property
    def failed(self) -> int:
        """Number of tasks that failed."""
        return sum(bool(outcome.code) for _, outcome in self.done)

    def become(self, status: str) -> None:
        """Take on a status."""
        self.status = status
        self.history.append(status)
        if status in TERMINAL:
            self.ended_at = datetime.now(UTC)
        if status == "Suspended":
            self.suspended_at = datetime.now(UTC)

    def described(self) -> dict[str, Any]:
        """Return what DescribeJob tells."""
        asked = self.values
        return {
            **self.listed(),
            "ConfirmationRequired": asked.get("ConfirmationRequired", False),
            "JobArn": f"arn:aws:s3:{self.region}:{self.account_id}:job/{self.id}",
            "Manifest": asked.get("Manifest"),
            "Operation": asked["Operation"],
            "StatusUpdateReason": self.status_reason,
            "FailureReasons": (
                [{"FailureCode": self.failure.code, "FailureReason": self.failure.reason}] if self.failure else []
            ),
            "Report": asked["Report"],
            "RoleArn": asked["RoleArn"],
            "SuspendedDate": self.suspended_at,
            "SuspendedCause": "Awaiting confirmation" if self.suspended_at else None,
            "ManifestGenerator": asked.get("ManifestGenerator"),
            "GeneratedManifestDescriptor": self.generated,
        }

    def listed(self) -> dict[str, Any]:
        """Return what ListJobs tells."""
        return {
            "JobId": self.id,
            "Description": self.values.get("Description"),
            "Operation": next(iter(self.values["Operation"])),
            "Priority": self.priority,
            "Status": self.status,
            "CreationTime": self.created_at,
            "TerminationDate": self.ended_at,
            "ProgressSummary": self._progress(),
        }

    def _progress(self) -> dict[str, Any]:
        return {
            "TotalNumberOfTasks": len(self.rows or ()),
            "NumberOfTasksSucceeded": len(self.done) - self.failed,
            "NumberOfTasksFailed": self.failed,
            "Timers": {"ElapsedTimeInActiveSeconds": int(self.active_seconds)},
        }


class Stopwatch:
    """Counts the time that a job is active, for the time of a ``with`` block."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._job.active_seconds += time.monotonic() - self._since
