"""How a job goes from New to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from local_aws.batch.generator import generated_rows
from local_aws.batch.job import Job, JobFailed, Stopwatch
from local_aws.batch.manifest import decoded, rows_of
from local_aws.batch.report import completion_report, location
from local_aws.batch.store import Store
from local_aws.batch.switches import BatchSwitches

#: S3 gives a job up that has so many tasks and more than half of them failed.
TOO_MANY_TASKS = 1000


class Run:
    """
    The life of a job.

    :param job: the job.
    :param jobs: all jobs, by id.
    :param store: what S3 keeps.
    :param switches: the orders in force.
    """

    def __init__(self, job: Job, jobs: Mapping[str, Job], store: Store, switches: BatchSwitches) -> None:
        self._job = job
        self._jobs = jobs
        self._store = store
        self._switches = switches

    async def to_the_end(self) -> None:
        """Run the job, until it is complete, cancelled or failed, and its report is written."""
        try:
            end = await self._end()
        except JobFailed as failure:
            end = await self._fail(failure)
        except Exception as error:
            # A mistake of ours: whoever waits for the job shall read of it.
            end = await self._fail(JobFailed("InternalError", f"The local AWS itself failed: {error!r}"[:256]))
        late = self._switches.report == "late"
        if not late:
            self._report()
        self._job.become(end)
        while self._switches.report == "late":
            await self._pause()
        if late:
            self._report()

    async def _end(self) -> str:
        if await self._stay() and await self._step("Preparing"):
            self._prepare()
            if await self._when_confirmed() and await self._step("Active"):
                await self._tasks()
                await self._step("Completing")
        if self._is_cancelled:
            await self._stay()
            return "Cancelled"
        return "Complete"

    async def _fail(self, failure: JobFailed) -> str:
        self._job.failure = failure
        await self._step("Failing")
        return "Failed"

    def _prepare(self) -> None:
        job, generator = self._job, self._job.values.get("ManifestGenerator")
        if generator is None:
            fetch = self._store.fetcher(job.account_id)
            job.rows = rows_of(job.values["Manifest"], fetch)
        else:
            job.rows, job.generated = generated_rows(job, generator["S3JobManifestGenerator"], self._store)

    async def _when_confirmed(self) -> bool:
        if self._job.values.get("ConfirmationRequired") and not await self._step("Suspended"):
            return False
        while self._job.status == "Suspended" and self._job.requested != "Ready":
            if self._is_cancelled:
                return False
            await self._pause()
        return await self._step("Ready")

    async def _tasks(self) -> None:
        job = self._job
        for row in job.rows or ():
            await self._let_others_go_first()
            if self._is_cancelled:
                return
            with Stopwatch(job):
                key = decoded(row)
                outcome = self._switches.ordered(row.bucket, key)
                outcome = outcome or self._store.replicate(job.account_id, job.region, row.bucket, key, row.version_id)
                job.done.append((row, outcome))
                await asyncio.sleep(self._switches.task_seconds)
            if len(job.done) >= TOO_MANY_TASKS and job.failed > len(job.done) / 2:
                raise JobFailed("JobFailureThreshold", "Job failure rate is above 50%")

    async def _let_others_go_first(self) -> None:
        if not self._must_wait():
            return
        for status in ("Pausing", "Paused"):
            if not await self._step(status):
                return
        while self._must_wait() and not self._is_cancelled:
            await self._pause()
        await self._step("Active")

    def _must_wait(self) -> bool:
        job = self._job
        first = [
            other
            for other in self._jobs.values()
            if (other.account_id, other.region) == (job.account_id, job.region)
            and other.status in ("Ready", "Active")
            and other.priority > job.priority
        ]
        return len(first) >= self._switches.parallel_jobs

    async def _step(self, status: str) -> bool:
        """Take on a status and stay in it for its time; return whether the job goes on."""
        if self._is_cancelled:
            return False
        self._job.become(status)
        return await self._stay()

    async def _stay(self) -> bool:
        await asyncio.sleep(self._switches.step_seconds)
        status = self._job.status
        while status in self._switches.held and self._job.status == status:
            await self._pause()
        if not self._is_cancelled and status in self._switches.failing:
            raise JobFailed(*self._switches.failing.pop(status))
        return not self._is_cancelled

    @property
    def _is_cancelled(self) -> bool:
        return self._job.requested == "Cancelled"

    async def _pause(self) -> None:
        await asyncio.sleep(0.005)

    def _report(self) -> None:
        job, how = self._job, self._switches.report
        if how == "absent" or not (job.done and job.values["Report"]["Enabled"]):
            return
        files = completion_report(job, swapped=how == "swapped", wrong_md5=how == "wrong-md5")
        for key, content in files.items():
            self._store.put(job.account_id, location(job)[0], key, content)
