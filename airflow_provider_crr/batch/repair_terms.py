"""What a repair needs of others, and what its author allows."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Protocol

from airflow_provider_crr.batch.completion_report import CompletionReport
from airflow_provider_crr.batch.job import Job


class Jobs(Protocol):
    """Where jobs are asked for and changed; the hook is one."""

    def describe_job(self, job_id: str) -> Job:
        """Return the job as it is now."""

    def confirm_job(self, job_id: str) -> None:
        """Let a job begin that waits to be confirmed."""

    def cancel_job(self, job_id: str, reason: str = "") -> None:
        """Cancel a job."""

    def read_completion_report(self, job: Job) -> CompletionReport | None:
        """Return the whole report; None if it is not there yet."""


class Verification(Protocol):
    """The question whether objects are replicated."""

    def poll(self, stop: Event | None = None) -> bool:
        """Ask once; return whether it is decided."""

    def failure(self) -> str | None:
        """Return why an object will never be replicated; None if the last poll does not say so."""

    def progress(self) -> str:
        """Return one line about the last poll."""

    def statuses(self) -> dict[str, int]:
        """Return the number of objects by state, as far as they were asked for."""


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """
    What is allowed, and what counts as success.

    :param confirms: whether a job that waits to be confirmed is confirmed here, if ``max_objects`` allows it.
    :param max_objects: most objects that the job may have; None for any number.
    :param max_failed: most tasks that may fail.
    :param verifies: whether S3 is asked for the status of each object afterwards.
    :param verify_timeout: seconds from the end of the job within which its report has come, and all is verified.
    """

    confirms: bool = False
    max_objects: int | None = None
    max_failed: int = 0
    verifies: bool = True
    verify_timeout: float = 12 * 3600.0
