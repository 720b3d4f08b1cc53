"""How tests and the demo order S3 Batch Operations of the local AWS about; each order is explained in ``switches``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class BatchOrders:
    """
    What may be ordered.

    :param say: sends an action with its arguments to the process that serves, and returns the answer.
    """

    def __init__(self, say: Callable[..., Any]) -> None:
        self._say = say

    def set(
        self,
        *,
        step_seconds: float | None = None,
        task_seconds: float | None = None,
        parallel_jobs: int | None = None,
        report: str | None = None,
    ) -> None:
        """
        Change what is given.

        :param step_seconds: for how long a job is in each status that it goes through, at least; 0.02 at first.
        :param task_seconds: how long a task takes; 0 at first.
        :param parallel_jobs: how many jobs of an account and Region are active at once; those with less priority pause.
        :param report: "written", "late", "absent", "swapped" (ErrorCode before HTTPStatusCode) or "wrong-md5". Reports
            that are late are written once it is another.
        """
        self._say(
            "batch-set",
            step_seconds=step_seconds,
            task_seconds=task_seconds,
            parallel_jobs=parallel_jobs,
            report=report,
        )

    def hold(self, status: str) -> None:
        """Let jobs stay in a status once they reach it."""
        self._say("batch-hold", status=status)

    def release(self, status: str | None = None) -> None:
        """Let jobs go on from a status; None: from all."""
        self._say("batch-release", status=status)

    def fail_job(self, status: str, code: str, reason: str) -> None:
        """Let the next job that reaches a status fail there, of this code and reason."""
        self._say("batch-fail-job", status=status, code=code, reason=reason)

    def refuse(self, operation: str, code: str, message: str = "", *, status: int = 400, times: int = 1) -> None:
        """Refuse the next requests for an operation, before anything is done."""
        self._say("batch-refuse", operation=operation, code=code, message=message, status=status, times=times)

    def delay(self, operation: str, seconds: float) -> None:
        """Do what is asked at once, but answer later: a client with less patience never hears of it."""
        self._say("batch-delay", operation=operation, seconds=seconds)

    def end_tasks(
        self, bucket: str, prefix: str = "", *, code: str = "", message: str = "", http_status: int = 500
    ) -> None:
        """
        Let tasks about keys that start with the prefix end so, whatever is true; nothing is replicated.

        :param bucket: of the objects.
        :param prefix: of their keys.
        :param code: S3's code of the failure; "" pretends that they succeeded.
        :param message: S3's words.
        :param http_status: of the last attempt.
        """
        self._say("batch-end-tasks", bucket=bucket, prefix=prefix, code=code, message=message, http_status=http_status)

    def reset(self) -> None:
        """Forget every order; jobs stay."""
        self._say("batch-reset")

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs, the oldest first: id, account, Region, token, the statuses they had, and their tasks."""
        jobs: list[dict[str, Any]] = self._say("batch-jobs")
        return jobs
