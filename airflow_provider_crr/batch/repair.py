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

from airflow_provider_crr.batch import repair_lines
from airflow_provider_crr.batch.completion_report import CompletionReport, Results, invalid_objects
from airflow_provider_crr.batch.failure_reasons import explain
from airflow_provider_crr.batch.job import COMPLETE, SUSPENDED, Job
from airflow_provider_crr.batch.price import price_usd
from airflow_provider_crr.batch.repair_terms import Jobs, RepairPolicy, Verification
from airflow_provider_crr.batch.settled import found, too_many
from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text import humanize

#: How long the report of a job that did not come to its end is waited for: it tells what the tasks failed of.
_REPORT_OF_FAILED = timedelta(minutes=10)
#: Said in the place of what the report tells.
_UNREAD = "why is not known: {}"


class Repair:
    """
    A job that is watched. It is the poller of a task, so that worker and triggerer ask the same.

    :param jobs: where to ask for it.
    :param job_id: the job.
    :param policy: what is allowed.
    :param verify: returns the question whether objects are replicated, given these and when the job ended.
    :param manifest: S3 URI of the manifest; None if S3 makes it.
    :param tell: is told, in words, what has to be known before the job is confirmed: its price.
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
        tell: Callable[[str], object] = lambda line: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.job_id = job_id
        self._jobs = jobs
        self._policy = policy
        self._verify = verify
        self._manifest = manifest
        self._tell = tell
        self._told_price = False
        self._clock = clock
        self.job: Job | None = None
        self._report: CompletionReport | None = None
        self._verification: Verification | None = None
        self._objects_read = 0
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
        if self.job is None:
            return f"S3 Batch Replication job {self.job_id}: nothing is known yet"
        verification = self._verification.progress() if self._verification else None
        return repair_lines.line(self.job, verification=verification, has_report=self._report is not None)

    def warnings(self) -> list[str]:
        """Return what a person should know or do, once: a job may wait for days."""
        warnings = repair_lines.warnings(self.job, self._policy) if self.job else []
        new = [] if warnings == self._warned else warnings
        self._warned = warnings
        return new

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

    def failed_sample(self) -> list[dict[str, str]]:
        """Return some of the tasks that failed, as far as the report is read: ``{"uri", "status", "reason"}``."""
        sample = self._report.results.sample if self._report else []
        return [{"uri": str(each.object), "status": "FAILED", "reason": explain(each.code)} for each in sample]

    def _now(self) -> Job:
        job = self.job
        if job is None or not job.is_ended or (job.status == COMPLETE and not job.is_counted):
            job = self.job = self._jobs.describe_job(self.job_id)
        return job

    def _suspended(self, job: Job) -> None:
        policy = self._policy
        if policy.max_objects is not None:
            if not job.total:  # it would be 0 of a job that waits only as long as S3 has not counted
                return
            if job.total > policy.max_objects:
                said = [too_many(job.total, policy.max_objects, f"S3 Batch Replication job {self.job_id}")]
                try:
                    self._jobs.cancel_job(self.job_id, f"{job.total} objects, more than max_objects")
                except CrrError as error:
                    if error.passing:
                        raise
                    said.append(f"it waits to be confirmed, and could not be cancelled: {error}")
                self._failure = "\n  ".join(said)
                return
        if policy.confirms:
            if not self._told_price:
                self._told_price = True
                self._tell(repair_lines.before_confirming(job))
            self._jobs.confirm_job(self.job_id)

    def _ended_badly(self, job: Job) -> bool:
        """Fail once the report tells what the tasks failed of, or cannot be read: the verdict does not need it."""
        if job.found_nothing:
            return True
        why: list[str] | None = []
        if job.run and job.report:
            over = self._is_over(job, _REPORT_OF_FAILED)
            try:
                why = self._why_tasks_failed(job)
            except CrrError as error:
                if error.passing and not over:
                    raise
                why = [_UNREAD.format(error)]
            if why is None and not over:
                return False
        self._failure = repair_lines.ended_badly(job, why or [])
        return True

    def _completed(self, job: Job, stop: Event | None) -> bool:
        if job.total == 0 and not job.run:
            return True  # then there is no report either
        if job.report is None and job.is_counted:  # somebody else's job, which writes none
            if job.failed > self._policy.max_failed:
                self._failure = repair_lines.tasks_failed(job, job.failed, self._policy.max_failed, (), None)
            elif self._policy.verifies:
                self._failure = f"{repair_lines.line(job)}: which objects it replicated is not known"
            return True
        limit = timedelta(seconds=self._policy.verify_timeout)
        left = ((job.ended_at or self._clock()) + limit - self._clock()).total_seconds()
        with until(Deadline(max(2.0, left))):
            try:
                decided = job.is_counted and (self._read_report(job) or self._verified(job, stop))
            except CrrError:
                if not self._is_over(job, limit):
                    raise
                decided = False
        if not decided and self._is_over(job, limit):
            what = repair_lines.lacking(job, self._verification.progress() if self._verification else None)
            waited = humanize.age(limit.total_seconds())
            self._failure = f"{repair_lines.named(job)}: {waited} after its end there is no more time: {what}"
            return True
        return decided

    def _why_tasks_failed(self, job: Job) -> list[str] | None:
        """Read the report, and return why tasks failed, a line each; None as long as it is not there."""
        if self._report is None:
            self._report = self._jobs.read_completion_report(job)
        return None if self._report is None else self._report.results.lines()

    def _read_report(self, job: Job) -> bool:
        """Read the report, if it is there; return whether too many tasks failed, which the job itself may tell, too."""
        most = self._policy.max_failed
        try:
            why = self._why_tasks_failed(job)
        except CrrError as error:
            if error.passing or job.failed <= most:
                raise
            why = [_UNREAD.format(error)]
        # Both count the same, or one of them is wrong.
        failed = max(self._report.results.failed if self._report else 0, job.failed)
        if why is not None and failed > most:
            self._failure = repair_lines.tasks_failed(job, failed, most, why, f"{job.report}manifest.json")
        return self._failure is not None

    def _verified(self, job: Job, stop: Event | None) -> bool:
        if self._report is None:
            return False
        if not self._policy.verifies or not self._report.results.succeeded:
            return True
        if self._verification is None:
            self._verification = self._verify(self._objects(self._report), job.ended_at or self._clock())
        decided = self._verification.poll(stop)
        why = self._verification.failure()
        if decided and why:
            self._failure = (
                f"{repair_lines.named(job)}: its tasks succeeded, and S3 does not say that all is replicated: {why}"
            )
        elif decided and self._objects_read != self._report.results.succeeded:
            raise invalid_objects(self._objects_read, self._report.results.succeeded, self._report.uri)
        return decided

    def _objects(self, report: CompletionReport) -> Iterator[S3Object]:
        """Yield the objects to verify, and count them: reading that broke off must not look like the end."""
        for obj in report.objects():
            self._objects_read += 1
            yield obj

    def _is_over(self, job: Job, limit: timedelta) -> bool:
        return self._clock() >= (job.ended_at or self._clock()) + limit
