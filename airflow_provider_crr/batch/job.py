"""
A job of S3 Batch Operations, as DescribeJob tells of it, and what each of its statuses means.

`Job statuses <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html>`__. ``Complete`` says
that every task was run, not that one of them succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import is_s3_uri, split_uri
from airflow_provider_crr.text.legible import told

COMPLETE, FAILED, CANCELLED, SUSPENDED = "Complete", "Failed", "Cancelled", "Suspended"
CANCELLING = "Cancelling"
#: Statuses that never change again.
ENDED = frozenset({COMPLETE, FAILED, CANCELLED})

#: Status -> what it means, in words.
MEANINGS = {
    "New": "S3 has taken the job and not begun",
    "Preparing": "S3 reads the manifest, or makes it",
    SUSPENDED: "the job waits to be confirmed",
    "Ready": "the job waits for its turn",
    "Active": "S3 replicates",
    "Pausing": "the job makes way for one of a higher priority",
    "Paused": "the job has made way for one of a higher priority, and goes on after it",
    "Completing": "every task was run, and S3 writes the completion report",
    COMPLETE: "every task was run",
    CANCELLING: "somebody cancels the job",
    CANCELLED: "somebody cancelled the job",
    "Failing": "the job fails",
    FAILED: "the job failed",
}

#: S3's words in the reason of a failure -> what to do.
_REMEDIES = (
    (
        ("assume", "trust"),
        "Let the trust policy of the job's role name batchoperations.s3.amazonaws.com, with sts:AssumeRole",
    ),
    (
        ("etag", "changed"),
        "The manifest was written again after the job was created: clear the task to take it as it is",
    ),
    (("report",), "Allow s3:PutObject below completion_report_uri to the job's role"),
    (("inventory configuration", "putinventoryconfiguration"), "Allow s3:PutInventoryConfiguration to the job's role"),
    (
        ("replication configuration", "getreplicationconfiguration"),
        "Allow s3:GetReplicationConfiguration on the source bucket to the job's role",
    ),
    (
        ("manifest is forbidden", "accessing the manifest", "reading the manifest", "accessdenied", "access denied"),
        (
            "Allow s3:GetObject and s3:GetObjectVersion on the manifest to the job's role; with a generated manifest"
            " s3:GetReplicationConfiguration and s3:PutInventoryConfiguration on the source bucket"
        ),
    ),
    (("task fields", "schema"), "Give each row of the manifest bucket, key and version id, and no header"),
    (("failure rate", "above 50"), "Mend what most of the tasks failed of, then clear the task"),
    (("suspended",), "Confirm a job within 30 days: clear the task to ask for a new one"),
)
_NO_KEYS = "found no keys"


@dataclass(frozen=True, slots=True)
class Job:
    """
    A job as it is now.

    :param job_id: its id.
    :param status: as S3 calls it; one that S3 added since stays as it is.
    :param arn: its ARN; empty if S3 told none.
    :param total: number of tasks, one for each object; None as long as S3 has not counted.
    :param succeeded: tasks that succeeded.
    :param failed: tasks that failed.
    :param active_seconds: for how long it was active.
    :param reasons: code and words of each thing that it failed of.
    :param update_reason: what whoever changed its status last gave as a reason.
    :param created_at: when it was created, UTC; None if S3 told nothing of it.
    :param ended_at: when it ended, UTC; None if it goes on.
    :param report: folder of its completion report, an S3 URI that ends in "/"; None if it writes none, or one of
        the tasks that failed alone.
    :param generated: whether S3 makes its manifest.
    """

    job_id: str
    status: str
    arn: str = ""
    total: int | None = None
    succeeded: int = 0
    failed: int = 0
    active_seconds: int = 0
    reasons: tuple[tuple[str, str], ...] = ()
    update_reason: str = ""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    report: str | None = None
    generated: bool = False

    @classmethod
    def from_api(cls, job: Mapping[str, Any]) -> Job:
        """
        Return the job that an answer describes.

        :param job: ``Job`` of boto3's answer to DescribeJob.
        """
        progress = job.get("ProgressSummary") or {}
        report = job.get("Report") or {}
        return cls(
            job_id=str(job["JobId"]),
            status=str(job["Status"]),
            arn=str(job.get("JobArn") or ""),
            total=progress.get("TotalNumberOfTasks"),
            succeeded=progress.get("NumberOfTasksSucceeded") or 0,
            failed=progress.get("NumberOfTasksFailed") or 0,
            active_seconds=(progress.get("Timers") or {}).get("ElapsedTimeInActiveSeconds") or 0,
            reasons=tuple(
                (told(reason.get("FailureCode") or ""), told(reason.get("FailureReason") or ""))
                for reason in (job.get("FailureReasons") or ())[:10]
            ),
            update_reason=told(job.get("StatusUpdateReason") or ""),
            created_at=job.get("CreationTime"),
            ended_at=job.get("TerminationDate") if job["Status"] in ENDED else None,
            report=_report_folder(report, str(job["JobId"])),
            generated=bool(job.get("ManifestGenerator")),
        )

    @property
    def is_ended(self) -> bool:
        """Whether its status never changes again."""
        return self.status in ENDED

    @property
    def run(self) -> int:
        """How many tasks were run."""
        return self.succeeded + self.failed

    @property
    def is_counted(self) -> bool:
        """Whether S3 says of every task that it was run. Where it does not, nothing is known of the others."""
        return self.total is not None and self.run >= self.total

    @property
    def found_nothing(self) -> bool:
        """Whether it failed because nothing in the bucket matches its filter. S3 says the same of archived objects."""
        words = " ".join(reason.lower() for _, reason in self.reasons)
        return self.status == FAILED and self.generated and not self.run and _NO_KEYS in words

    @property
    def meaning(self) -> str:
        """What its status means, in words."""
        return MEANINGS.get(self.status, "this release does not know what that means")

    def why(self) -> list[str]:
        """Return what it failed of, a line each, and what to do, in lines of their own."""
        lines = []
        for code, reason in self.reasons:
            lines.append(": ".join(filter(None, (code, reason))).rstrip("."))
            said = f"{code} {reason}".lower()
            remedy = next((remedy for words, remedy in _REMEDIES if any(word in said for word in words)), None)
            if remedy and remedy not in lines:
                lines.append(remedy)
        if self.update_reason:
            lines.append(f"the reason that was given: {self.update_reason}")
        return lines


def _report_folder(report: Mapping[str, Any], job_id: str) -> str | None:
    bucket = str(report.get("Bucket") or "").rpartition(":")[2]
    if not report.get("Enabled") or not bucket or report.get("ReportScope") == "FailedTasksOnly":
        return None
    prefix = str(report.get("Prefix") or "").strip("/")
    return f"s3://{bucket}/{prefix}/job-{job_id}/" if prefix else f"s3://{bucket}/job-{job_id}/"


def report_place(uri: str) -> tuple[str, str]:
    """
    Return bucket and prefix that a folder of completion reports is given by.

    :param uri: ``s3://bucket/prefix/``; the last "/" may be left out, and so may the prefix.
    :raises InvalidArgument: if it is something else, or the bucket is not given by its name.
    """
    if not is_s3_uri(uri):
        raise InvalidArgument(f"{uri!r} is not an S3 URI of a folder", remedy="Write s3://bucket/prefix/")
    bare = uri.rstrip("/")
    bucket, key = split_uri(f"{bare}/" if bare.count("/") > 2 else f"{bare}//")
    if ":" in bucket:
        raise InvalidArgument(
            "a completion report cannot be written through an access point", uri=uri, remedy="Name the bucket"
        )
    return bucket, key.strip("/")
