"""What tests and the demo may order of S3 Batch Operations: to be slow, to stop, to fail, to lose reports."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from local_aws.batch.job import Outcome

#: What can become of completion reports.
REPORTS = ("written", "late", "absent", "swapped", "wrong-md5")


@dataclass(slots=True)
class BatchSwitches:
    """
    The orders in force.

    :param step_seconds: for how long a job is in each status that it goes through, at least.
    :param task_seconds: how long a task takes.
    :param parallel_jobs: how many jobs of an account and Region are active at once; those with less priority pause.
    :param report: one of :data:`REPORTS`. Reports that are late are written once this says otherwise.
    """

    step_seconds: float = 0.02
    task_seconds: float = 0.0
    parallel_jobs: int = 6
    report: str = "written"
    #: Statuses in which jobs stay.
    held: set[str] = field(default_factory=set)
    #: Operation -> the refusals that come next: code, message, HTTP status.
    refusals: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    #: Operation -> seconds between what it does and its answer.
    delays: dict[str, float] = field(default_factory=dict)
    #: Status -> code and reason of which the next job fails that reaches it.
    failing: dict[str, tuple[str, str]] = field(default_factory=dict)
    _tasks: list[tuple[str, str, Outcome]] = field(default_factory=list)

    def set(
        self,
        step_seconds: float | None = None,
        task_seconds: float | None = None,
        parallel_jobs: int | None = None,
        report: str | None = None,
    ) -> None:
        """Change what is given; see the class."""
        if report not in (None, *REPORTS):
            raise ValueError(f"a report is one of {', '.join(REPORTS)}")
        self.step_seconds = self.step_seconds if step_seconds is None else step_seconds
        self.task_seconds = self.task_seconds if task_seconds is None else task_seconds
        self.parallel_jobs = self.parallel_jobs if parallel_jobs is None else parallel_jobs
        self.report = self.report if report is None else report

    def reset(self) -> None:
        """Forget all orders."""
        fresh = BatchSwitches()
        for switch in fields(self):
            setattr(self, switch.name, getattr(fresh, switch.name))

    def hold(self, status: str) -> None:
        """Let jobs stay in a status once they reach it."""
        self.held.add(status)

    def release(self, status: str | None = None) -> None:
        """Let jobs go on from a status; None: from all."""
        self.held.difference_update(self.held.copy() if status is None else (status,))

    def fail_job(self, status: str, code: str, reason: str) -> None:
        """Let the next job that reaches a status fail there."""
        self.failing[status] = (code, reason)

    def refuse(self, operation: str, code: str, message: str = "", status: int = 400, times: int = 1) -> None:
        """Refuse the next requests for an operation, before anything is done."""
        self.refusals.setdefault(operation, []).extend([(code, message, status)] * times)

    def delay(self, operation: str, seconds: float) -> None:
        """Do what is asked at once, but answer later: a client with less patience never hears of it."""
        self.delays[operation] = seconds

    def end_tasks(
        self, bucket: str, prefix: str = "", code: str = "", message: str = "", http_status: int = 500
    ) -> None:
        """
        Let tasks end so, whatever is true; the latest order about a key wins. Nothing is replicated.

        :param bucket: of the objects.
        :param prefix: of their keys.
        :param code: S3's code of the failure; "" pretends that they succeeded.
        :param message: S3's words.
        :param http_status: of the last attempt.
        """
        outcome = Outcome(code, http_status, message or code) if code else Outcome()
        self._tasks.append((bucket, prefix, outcome))

    def ordered(self, bucket: str, key: str) -> Outcome | None:
        """Return how the task of an object has to end; None is by itself."""
        for of_bucket, prefix, outcome in reversed(self._tasks):
            if bucket == of_bucket and key.startswith(prefix):
                return outcome
        return None
