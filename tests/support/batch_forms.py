"""
What S3 Batch Operations says, as it is on the wire: answers of s3control, and completion reports.

The XML has the elements and the order of the `API reference
<https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_DescribeJob.html>`__, and names that boto3 knows.
The reports are those of `Completion report examples
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html>`__ and of jobs that others ran.
S3's codes of failed *jobs* are not documented: those here are examples, and nothing may depend on them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

ACCOUNT_ID = "111122223333"
JOB_ID = "00e123a4-c0d8-41f4-a0eb-b46f9ba5b07c"
REGION = "eu-west-1"
NAMESPACE = "http://awss3control.amazonaws.com/doc/2018-08-20/"
CREATED_AT = datetime(2026, 11, 27, 9, 0, 0, 48_000, tzinfo=UTC)

#: All that a job can be, in the order in which it is so.
STATUSES = (
    "New", "Preparing", "Suspended", "Ready", "Active", "Pausing", "Paused",
    "Completing", "Complete", "Cancelling", "Cancelled", "Failing", "Failed",
)  # fmt: skip
#: Those that never change again.
TERMINAL = ("Complete", "Cancelled", "Failed")

#: What a job fails of -> code and reason, as DescribeJob tells them.
JOB_FAILURES = {
    # Nothing in the bucket matches the filter; or all that does is archived.
    "nothing found": ("400", "Manifest generation found no keys matching the filter criteria."),
    "manifest forbidden": ("403", "Reading the manifest is forbidden: AccessDenied"),
    "manifest changed": ("412", "The ETag of the manifest does not match the one given."),
    "row": ("InvalidManifestContent", "Unexpected number of task fields"),
    "fields": ("InvalidManifestContent", "Required fields are missing in the schema: [Key]"),
    "too many failures": ("JobFailureThreshold", "Job failure rate is above 50%"),
    "role": ("AssumeRoleNotPermitted", "S3 Batch Operations cannot assume the role of the job."),
    "expired": ("Expired", "The job was suspended for more than 30 days."),
}  # fmt: skip

_WHO = f"User: arn:aws:iam::{ACCOUNT_ID}:user/airflow is not authorized to perform:"
#: What is wrong -> HTTP status, code and message of s3control's refusal.
REFUSALS = {
    "no such job": (404, "NoSuchJobException", "The specified job does not exist"),
    "not found": (404, "NotFoundException", "The specified job does not exist"),  # the name in botocore's model
    "bad request": (400, "BadRequestException", "Request invalid"),
    "invalid request": (400, "InvalidRequest", "Missing role arn"),
    "token used": (400, "IdempotencyException", "The ClientRequestToken was used with other parameters"),
    "job status": (400, "JobStatusException", "The job is Complete and cannot become Ready"),
    "forbidden": (
        403,
        "AccessDenied",
        f"{_WHO} s3:CreateJob because no identity-based policy allows the s3:CreateJob action",
    ),
    "pass role": (
        403,
        "AccessDenied",
        f"{_WHO} iam:PassRole on resource: arn:aws:iam::{ACCOUNT_ID}:role/batch",
    ),
    "foreign role": (403, "AccessDenied", "Cross-account pass role is not allowed"),
    "bare": (403, "AccessDenied", "Access Denied"),
    "throttled": (400, "TooManyRequestsException", "Rate exceeded"),
    "slow down": (503, "SlowDown", "Please reduce your request rate."),
    "internal": (500, "InternalServiceException", "We encountered an internal error. Please try again."),
    "unavailable": (503, "ServiceUnavailable", "Service is unable to handle request."),
}  # fmt: skip


def refusal(what: str) -> tuple[int, str]:
    """Return HTTP status and body of one of :data:`REFUSALS`."""
    status, code, message = REFUSALS[what]
    return status, error(code, message)


def error(code: str, message: str) -> str:
    """Return the body of a refusal."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="{NAMESPACE}"><Error><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>8D6B7E36A3CE5B3F</RequestId><HostId>aG9zdA==</HostId>"
        "</ErrorResponse>"
    )


def created(job_id: str = JOB_ID) -> str:
    """Return the answer to CreateJob."""
    return _document("CreateJobResult", f"<JobId>{job_id}</JobId>")


def updated(status: str, job_id: str = JOB_ID, reason: str | None = None) -> str:
    """Return the answer to UpdateJobStatus."""
    parts = [f"<JobId>{job_id}</JobId><Status>{status}</Status>"]
    parts += [f"<StatusUpdateReason>{escape(reason)}</StatusUpdateReason>"] if reason else []
    return _document("UpdateJobStatusResult", "".join(parts))


def listed(jobs: Iterable[tuple[str, str]], next_token: str | None = None) -> str:
    """Return the answer to ListJobs for jobs that are each an id and a status."""
    members = "".join(
        f"<member><JobId>{job_id}</JobId><Description>airflow</Description><Operation>S3ReplicateObject</Operation>"
        f"<Priority>10</Priority><Status>{status}</Status><CreationTime>{_time(CREATED_AT)}</CreationTime>"
        f"{_progress(1, 0, 0)}</member>"
        for job_id, status in jobs
    )
    token = f"<NextToken>{next_token}</NextToken>" if next_token else ""
    return _document("ListJobsResult", f"{token}<Jobs>{members}</Jobs>")


def described(
    status: str,
    *,
    total: int | None = None,
    succeeded: int = 0,
    failed: int = 0,
    active_seconds: int = 0,
    reasons: Iterable[str] = (),
    job_id: str = JOB_ID,
    generated: bool = False,
    account_id: str = ACCOUNT_ID,
    report: str | None = "s3://reports/repair",
    status_reason: str | None = None,
) -> str:
    """
    Return the answer to DescribeJob.

    :param status: one of :data:`STATUSES`.
    :param total: number of tasks; None as long as S3 does not know, when the answer has no progress.
    :param succeeded: tasks that succeeded.
    :param failed: tasks that failed.
    :param active_seconds: for how long the job was active.
    :param reasons: names of :data:`JOB_FAILURES`.
    :param job_id: the job.
    :param generated: S3 made the manifest.
    :param account_id: the account of the job.
    :param report: where the completion report goes; None is a job without one.
    :param status_reason: why somebody changed the status.
    """
    failures = "".join(
        f"<member><FailureCode>{code}</FailureCode><FailureReason>{escape(reason)}</FailureReason></member>"
        for code, reason in (JOB_FAILURES[name] for name in reasons)
    )
    parts = [
        f"<JobId>{job_id}</JobId>",
        f"<ConfirmationRequired>{'true' if status == 'Suspended' else 'false'}</ConfirmationRequired>",
        "<Description>airflow repair/landing</Description>",
        f"<JobArn>arn:aws:s3:{REGION}:{account_id}:job/{job_id}</JobArn>",
        f"<Status>{status}</Status>",
        "" if generated else _MANIFEST,
        "<Operation><S3ReplicateObject/></Operation><Priority>10</Priority>",
        _progress(total, succeeded, failed, active_seconds),
        f"<StatusUpdateReason>{escape(status_reason)}</StatusUpdateReason>" if status_reason else "",
        f"<FailureReasons>{failures}</FailureReasons>",
        _report(report),
        f"<CreationTime>{_time(CREATED_AT)}</CreationTime>",
        "<TerminationDate>2026-11-27T09:03:20.112Z</TerminationDate>" if status in TERMINAL else "",
        f"<RoleArn>arn:aws:iam::{account_id}:role/batch</RoleArn>",
    ]
    if status == "Suspended":
        parts.append("<SuspendedDate>2026-11-27T09:00:31.000Z</SuspendedDate>")
        parts.append("<SuspendedCause>Awaiting confirmation</SuspendedCause>")
    parts += [_GENERATOR] if generated else []
    return _document("DescribeJobResult", f"<Job>{''.join(parts)}</Job>")


@dataclass(frozen=True)
class Task:
    """
    One row of a completion report.

    :param bucket: of the object.
    :param key: as the manifest has it: URL-encoded.
    :param version_id: "" for a manifest without versions.
    :param code: S3's code of why the task failed; "" if it succeeded.
    :param http_status: of the last attempt.
    :param message: S3's words.
    """

    bucket: str
    key: str
    version_id: str = ""
    code: str = ""
    http_status: int = 200
    message: str = "success"

    @property
    def outcome(self) -> str:
        """How it ended: "succeeded" or "failed"."""
        return "failed" if self.code else "succeeded"

    def row(self, *, swapped: bool = False) -> str:
        """
        Return the row.

        :param swapped: code before HTTP status, as the report's own ``ReportSchema`` has it; S3 writes them the other
            way round.
        """
        columns = [self.bucket, self.key, self.version_id, self.outcome]
        columns += [self.code, str(self.http_status)] if swapped else [str(self.http_status), self.code]
        return ",".join([*columns, self.message])


#: Rows as S3 wrote them: one that succeeded, and two that failed.
TASKS = (
    Task("landing", "orders/dt%3D2026-11-27/part-00000", "imHf3FAiRsvBW_EHB8GOu.NHunHO1gVs"),
    Task(
        "landing", "archived%20key", "9HkPvDaZY5MVbMhn6TMn1YTb5ArQAo3w",
        "SrcObjectNotEligible", 500, "Object is not eligible for replication",
    ),
    Task(
        "landing", "denied", "6EqlikJJxLTsHsnbZbSRffn24_eh5Ny4",
        "DstPutObjectNotPermitted", 403, "Replication role is not permitted to put the object",
    ),
)  # fmt: skip


def completion_report(
    tasks: Sequence[Task],
    *,
    bucket: str = "reports",
    prefix: str = "repair",
    job_id: str = JOB_ID,
    swapped: bool = False,
) -> dict[str, bytes]:
    """
    Return the objects of a completion report by their keys: results first, manifest last, as they are written.

    :param tasks: its rows; without any, S3 writes no report.
    :param bucket: where it is.
    :param prefix: ``Report.Prefix`` of the job.
    :param job_id: the job.
    :param swapped: see :meth:`Task.row`.
    """
    if not tasks:
        return {}
    folder = f"{prefix}/job-{job_id}" if prefix else f"job-{job_id}"
    files: dict[str, bytes] = {}
    results = []
    for outcome in ("succeeded", "failed"):
        rows = [task.row(swapped=swapped) for task in tasks if task.outcome == outcome]
        if not rows:
            continue
        content = "".join(f"{row}\n" for row in rows).encode()
        key = f"{folder}/results/{hashlib.sha1(content, usedforsecurity=False).hexdigest()}.csv"
        files[key] = content
        results.append({"TaskExecutionStatus": outcome, "Bucket": bucket, "MD5Checksum": _md5(content), "Key": key})
    manifest = {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": "2026-11-27T09:03:20.112Z",
        "Results": results,
        # What it says, not what the rows are: there HTTPStatusCode is before ErrorCode.
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    }
    content = json.dumps(manifest).encode()
    return {**files, f"{folder}/manifest.json": content, f"{folder}/manifest.json.md5": _md5(content).encode()}


_MANIFEST = (
    "<Manifest><Spec><Format>S3BatchOperations_CSV_20180820</Format><Fields><member>Bucket</member><member>Key</member>"
    "<member>VersionId</member></Fields></Spec><Location><ObjectArn>arn:aws:s3:::reports/repair/manifest.csv</ObjectArn>"
    "<ETag>60e460c9d1046e73f7dde5043ac3ae85</ETag></Location></Manifest>"
)
_GENERATOR = (
    "<ManifestGenerator><S3JobManifestGenerator><SourceBucket>arn:aws:s3:::landing</SourceBucket><Filter>"
    "<EligibleForReplication>true</EligibleForReplication><ObjectReplicationStatuses><member>FAILED</member>"
    "</ObjectReplicationStatuses></Filter><EnableManifestOutput>false</EnableManifestOutput></S3JobManifestGenerator>"
    "</ManifestGenerator>"
)


def _document(root: str, content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{content}</{root}>'


def _progress(total: int | None, succeeded: int, failed: int, active_seconds: int = 0) -> str:
    if total is None:
        return ""
    return (
        f"<ProgressSummary><TotalNumberOfTasks>{total}</TotalNumberOfTasks><NumberOfTasksSucceeded>{succeeded}"
        f"</NumberOfTasksSucceeded><NumberOfTasksFailed>{failed}</NumberOfTasksFailed><Timers>"
        f"<ElapsedTimeInActiveSeconds>{active_seconds}</ElapsedTimeInActiveSeconds></Timers></ProgressSummary>"
    )


def _report(uri: str | None) -> str:
    if uri is None:
        return "<Report><Enabled>false</Enabled></Report>"
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return (
        f"<Report><Bucket>arn:aws:s3:::{bucket}</Bucket><Format>Report_CSV_20180820</Format><Enabled>true</Enabled>"
        f"<Prefix>{prefix}</Prefix><ReportScope>AllTasks</ReportScope></Report>"
    )


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
