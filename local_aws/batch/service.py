"""S3 Batch Operations: the operations of s3control on jobs, and the jobs themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from local_aws.batch.job import Job
from local_aws.batch.run import Run
from local_aws.batch.store import Store
from local_aws.batch.switches import BatchSwitches
from local_aws.batch.wire import ACCOUNT_HEADER, JOBS_PATH, ControlError, Request, read, written

#: S3 lists so many jobs at most.
PAGE = 1000


class BatchOperations:
    """
    All jobs of all accounts and Regions.

    :param region: of requests whose signature names none.
    :param store: what S3 keeps.
    """

    def __init__(self, region: str, store: Store) -> None:
        self.switches = BatchSwitches()
        self._region = region
        self._store = store
        self._jobs: dict[str, Job] = {}
        self._tokens: dict[tuple[str, str, str], str] = {}
        self._runs: set[asyncio.Task[None]] = set()

    @staticmethod
    def is_asked(path: str, headers: Mapping[str, str]) -> bool:
        """Tell whether a request is about jobs of s3control, and not about an object with such a key."""
        return path.startswith(JOBS_PATH) and (ACCOUNT_HEADER in headers or ".s3-control." in headers.get("host", ""))

    async def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Return HTTP status and body of the answer to a request; headers have lower-case names."""
        try:
            request = read(method, path, query, headers, body, self._region)
            if refusals := self.switches.refusals.get(request.operation):
                raise ControlError(*refusals.pop(0))
            if self._store.account_of(request.access_key) != request.account_id:
                raise ControlError("AccessDenied", "Access Denied", 403)
            values = getattr(self, _METHODS[request.operation])(request)
        except ControlError as error:
            return error.status, error.body()
        if seconds := self.switches.delays.get(request.operation):
            await asyncio.sleep(seconds)
        return 200, written(request.operation, values)

    def order(self, order: str, arguments: dict[str, Any]) -> Any:
        """Do what :class:`local_aws.batch.orders.BatchOrders` was told; an order that is none is a ValueError."""
        if order == "jobs":
            return self.jobs()
        if order == "reset":
            self.switches.reset()
            return None
        if order not in ("set", "hold", "release", "fail-job", "refuse", "delay", "end-tasks"):
            raise ValueError("no such order")
        return getattr(self.switches, order.replace("-", "_"))(**arguments)

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs as plain values, the oldest first: for tests that count them."""
        return [
            {
                "id": job.id,
                "account_id": job.account_id,
                "region": job.region,
                "token": job.values["ClientRequestToken"],
                "history": job.history,
                "tasks": [[row.bucket, row.key, row.version_id, outcome.code] for row, outcome in job.done],
            }
            for job in self._jobs.values()
        ]

    def _create(self, request: Request) -> dict[str, Any]:
        values = {name: value for name, value in request.values.items() if name != "AccountId"}
        token = (request.account_id, request.region, values["ClientRequestToken"])
        if token in self._tokens:
            job = self._jobs[self._tokens[token]]
            if job.values != values:
                raise ControlError("IdempotencyException", "The request token was used with other parameters")
            return {"JobId": job.id}
        _check(values, request.account_id)
        job = Job(values, request.account_id, request.region)
        self._jobs[job.id] = job
        self._tokens[token] = job.id
        run = asyncio.create_task(Run(job, self._jobs, self._store, self.switches).to_the_end())
        # The loop itself keeps no reference to it.
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return {"JobId": job.id}

    def _describe(self, request: Request) -> dict[str, Any]:
        return {"Job": self._job(request).described()}

    def _update_status(self, request: Request) -> dict[str, Any]:
        job, wanted = self._job(request), request.values["RequestedJobStatus"]
        may = job.status == "Suspended" if wanted == "Ready" else not job.is_over
        if not may:
            raise ControlError("JobStatusException", f"A job that is {job.status} cannot become {wanted}")
        job.requested = wanted
        job.status_reason = request.values.get("StatusUpdateReason")
        if wanted == "Cancelled" and job.status != "Cancelling":
            job.become("Cancelling")
        return {"JobId": job.id, "Status": wanted if wanted == "Ready" else job.status} | (
            {"StatusUpdateReason": job.status_reason} if job.status_reason else {}
        )

    def _update_priority(self, request: Request) -> dict[str, Any]:
        job = self._job(request)
        job.priority = request.values["Priority"]
        return {"JobId": job.id, "Priority": job.priority}

    def _list(self, request: Request) -> dict[str, Any]:
        wanted = request.values.get("JobStatuses") or None
        jobs = [
            job.listed()
            for job in reversed(self._jobs.values())
            if (job.account_id, job.region) == (request.account_id, request.region)
            and (wanted is None or job.status in wanted)
        ]
        token, size = request.values.get("NextToken", "0"), request.values.get("MaxResults") or PAGE
        if not token.isdigit():
            raise ControlError("InvalidNextTokenException", "The next token is not valid")
        end = int(token) + size
        return {"Jobs": jobs[int(token) : end], "NextToken": str(end) if end < len(jobs) else None}

    def _job(self, request: Request) -> Job:
        job = self._jobs.get(request.values["JobId"])
        if job is None or (job.account_id, job.region) != (request.account_id, request.region):
            raise ControlError("NoSuchJobException", "The specified job does not exist", 404)
        return job


_METHODS = {
    "CreateJob": "_create",
    "DescribeJob": "_describe",
    "UpdateJobStatus": "_update_status",
    "UpdateJobPriority": "_update_priority",
    "ListJobs": "_list",
}


def _check(values: dict[str, Any], account_id: str) -> None:
    """Refuse what S3 refuses before it makes a job; what is in the manifest it reads later."""
    if ("Manifest" in values) == ("ManifestGenerator" in values):
        raise ControlError("InvalidRequest", "Exactly one of Manifest and ManifestGenerator must be given")
    if len(values["Operation"]) != 1:
        raise ControlError("InvalidRequest", "Exactly one operation must be given")
    if "S3ReplicateObject" not in values["Operation"]:
        raise ControlError("NotImplemented", "Only S3ReplicateObject is served here", 501)
    if values["RoleArn"].split(":")[4] != account_id:
        raise ControlError("AccessDenied", "Cross-account pass role is not allowed", 403)
    report = values["Report"]
    if report["Enabled"] and not {"Bucket", "Format", "ReportScope"} <= report.keys():
        raise ControlError("InvalidRequest", "Missing report bucket, format or scope")
    if "Manifest" in values:
        spec = values["Manifest"]["Spec"]
        if (spec["Format"] == "S3BatchOperations_CSV_20180820") != bool(spec.get("Fields")):
            raise ControlError("InvalidRequest", "Fields must be given for CSV manifests, and for these alone")
        return
    generator = values["ManifestGenerator"].get("S3JobManifestGenerator")
    if generator is None:
        raise ControlError("InvalidRequest", "Missing S3JobManifestGenerator")
    if generator["EnableManifestOutput"] and "ManifestOutputLocation" not in generator:
        raise ControlError("InvalidRequest", "Missing ManifestOutputLocation")
    for words in generator.get("Filter", {}).get("KeyNameConstraint", {}).values():
        if len(words) != 1:
            raise ControlError("InvalidRequest", "Key name constraints take one string each")
