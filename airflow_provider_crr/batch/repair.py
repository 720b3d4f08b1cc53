"""
A job of S3 Batch Replication, watched to its end, and what it did.

Four things are waited for, one after the other: that the job may begin, that it ends, its completion report, and that
S3 says of each object that it is replicated. Complete is not success: the report tells which tasks failed. A task that
succeeded may only have begun to replicate: only the status of the object tells whether it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from airflow_provider_crr.batch.completion_report import CompletionReport, Results
from airflow_provider_crr.batch.job import CANCELLED, COMPLETE, SUSPENDED, Job
from airflow_provider_crr.batch.price import price_line, price_usd
from airflow_provider_crr.batch.repair_terms import Jobs, RepairPolicy, Verification
from airflow_provider_crr.batch.settled import found, too_many
from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text import humanize

#: How long the report of a job that did not come to its end is waited for: it tells what the tasks failed of.
_REPORT_OF_FAILED = timedelta(minutes=10)


class Repair:
    """
    A job that is watched. It is the poller of a task, so that worker and triggerer ask the same.

    :param jobs: where to ask for it.
    :param job_id: the job.
    :param policy: what is allowed.
    :param verify: returns the question whether objects are replicated, given these and when the job ended.
    :param manifest: S3 URI of the manifest; None if S3 makes it.
    :param clock: returns the current time, UTC.
    """

    def __init__(
        self,
        jobs: Jobs,
        job_id: str,
        policy: RepairPolicy,
        verify: Callable[[Iterator[S3Object], datetime], Verification],
        *,
        manifest: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.job_id = job_id
        self._jobs = jobs
        self._policy = policy
        self._verify = verify
        self._manifest = manifest
        self._clock = clock
        self.job: Job | None = None
        self._report: CompletionReport | None = None
        self._verification: Verification | None = None
        self._failure: str | None = None
        self._warned: list[str] = []

    def poll(self, stop: Event | None = None) -> bool:
        """Go on as far as it goes now; return whether it is decided."""
        with until(stop):
            job = self._now()
            if not job.is_ended:
                if job.status == SUSPENDED:
                    self._suspended(job)
                return self._failure is not None
            if job.status != COMPLETE:
                return self._ended_badly(job)
            return self._completed(job, stop)

    def failure(self) -> str | None:
        """Return why it can never end well; None if the last poll does not say so."""
        return self._failure

    def progress(self) -> str:
        """Return one line about the last poll."""
        job = self.job
        if job is None:
            return f"S3 Batch Replication job {self.job_id}: nothing is known yet"
        if self._verification:
            return f"{self._named(job)}: {self._counts(job)}; asked for each object: {self._verification.progress()}"
        if job.status == COMPLETE and job.total and self._report is None:
            return f"{self._named(job)}: {self._counts(job)}; its completion report has not come yet"
        if job.found_nothing or (job.status == COMPLETE and not job.total):
            return f"{self._named(job)}: there was nothing to replicate"
        return f"{self._named(job)}: {job.meaning}{self._detail(job)}"

    def warnings(self) -> list[str]:
        """Return what a person should know or do, once: a job may wait for days."""
        warnings = [] if self.job is None else self._warnings(self.job)
        new = [] if warnings == self._warned else warnings
        self._warned = warnings
        return new

    def _warnings(self, job: Job) -> list[str]:
        if job.found_nothing:
            return [
                (
                    "S3 found no object that matches. It finds none either if all that match are archived (GLACIER,"
                    " DEEP_ARCHIVE), or not covered by a rule"
                )
            ]
        if job.status == SUSPENDED and not self._policy.confirms:
            counted = f" {price_line(job.total)}." if job.total is not None else ""
            return [
                (
                    f"the job waits for a person.{counted} Confirm it in the S3 console, or by"
                    f" airflow crr repair --confirm {self.job_id}"
                )
            ]
        return []

    def value(self) -> dict[str, Any]:
        """Return what goes to XCom, as far as it is known."""
        job = self.job
        if job is None:
            return found(job_id=self.job_id, manifest=self._manifest)
        results = self._report.results if self._report else Results()
        nothing = job.found_nothing
        total = 0 if nothing else job.total
        return found(
            job_id=self.job_id,
            status=job.status,
            total=total,
            succeeded=job.succeeded,
            failed=job.failed,
            failure_codes=dict(results.codes.most_common()),
            manifest=self._manifest,
            completion_report=self._report.uri if self._report else None,
            verified=self._verification.statuses() if self._verification else {},
            price_usd=None if total is None else price_usd(total),
        )

    def _now(self) -> Job:
        if self.job is None or not self.job.is_ended:
            self.job = self._jobs.describe_job(self.job_id)
        return self.job

    def _suspended(self, job: Job) -> None:
        policy = self._policy
        if policy.max_objects is not None:
            if job.total is None:
                return  # S3 tells the count before long
            if job.total > policy.max_objects:
                self._jobs.cancel_job(self.job_id, f"{job.total} objects, more than max_objects")
                self._failure = too_many(job.total, policy.max_objects, f"S3 Batch Replication job {self.job_id}")
                return
        if policy.confirms:
            self._jobs.confirm_job(self.job_id)

    def _ended_badly(self, job: Job) -> bool:
        if job.found_nothing:
            return True
        if job.run and job.report and self._report is None:
            self._report = self._jobs.read_completion_report(job)
            if self._report is None and not self._is_over(job, _REPORT_OF_FAILED):
                return False
        lines = [f"{self._named(job)}: {job.meaning}{self._detail(job)}", *job.why()]
        if job.status == CANCELLED and not job.update_reason:
            lines.append("Clear the task to ask for a new job")
        self._failure = _indented([*lines, *(self._report.results.lines() if self._report else ())])
        return True

    def _completed(self, job: Job, stop: Event | None) -> bool:
        if not job.run or job.report is None:
            return True  # no task was run: then there is no report either
        limit = timedelta(seconds=self._policy.verify_timeout)
        left = ((job.ended_at or self._clock()) + limit - self._clock()).total_seconds()
        with until(Deadline(max(2.0, left))):
            try:
                decided = self._read_report(job) or self._verified(job, stop)
            except CrrError:
                if not self._is_over(job, limit):
                    raise
                decided = False
        if not decided and self._is_over(job, limit):
            what = self._verification.progress() if self._verification else "its completion report has not come"
            waited = humanize.age(limit.total_seconds())
            self._failure = f"{self._named(job)}: {waited} after its end there is no more time: {what}"
            return True
        return decided

    def _read_report(self, job: Job) -> bool:
        """Read the report, if it is there; return whether too many tasks failed."""
        if self._report is None:
            self._report = self._jobs.read_completion_report(job)
        if self._report is None:
            return False
        failed = max(self._report.results.failed, job.failed)  # they are the same, or one of them is wrong
        if failed > self._policy.max_failed:
            lines = [
                (
                    f"{self._named(job)}: {humanize.count(failed)} of {humanize.count(job.run)} objects failed, and"
                    f" max_failed is {self._policy.max_failed}"
                ),
                *self._report.results.lines(),
            ]
            self._failure = _indented([*lines, f"the whole report: {self._report.uri}"])
        return self._failure is not None

    def _verified(self, job: Job, stop: Event | None) -> bool:
        if self._report is None:
            return False
        if not self._policy.verifies or not self._report.results.succeeded:
            return True
        if self._verification is None:
            self._verification = self._verify(self._report.objects(), job.ended_at or self._clock())
        decided = self._verification.poll(stop)
        why = self._verification.failure()
        if decided and why:
            self._failure = (
                f"{self._named(job)}: its tasks succeeded, and S3 does not say that all is replicated: {why}"
            )
        return decided

    def _is_over(self, job: Job, limit: timedelta) -> bool:
        return self._clock() >= (job.ended_at or self._clock()) + limit

    def _named(self, job: Job) -> str:
        return f"S3 Batch Replication job {self.job_id} is {job.status}"

    def _counts(self, job: Job) -> str:
        return f"{humanize.count(job.succeeded)} of {humanize.count(job.total or job.run)} tasks succeeded" + (
            f", {humanize.count(job.failed)} failed" if job.failed else ""
        )

    def _detail(self, job: Job) -> str:
        if job.total is None:
            return ""
        if not job.run:
            return f"; {price_line(job.total)}" if job.status == SUSPENDED else f"; {humanize.count(job.total)} objects"
        if job.is_ended or not job.active_seconds:
            return f"; {self._counts(job)}"
        rate = job.run / job.active_seconds
        left = (job.total - job.run) / rate
        return f"; {self._counts(job)}, {rate:,.1f} a second, {humanize.age(left)} to go"


def _indented(lines: list[str]) -> str:
    return "\n  ".join(lines)
