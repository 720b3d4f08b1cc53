"""Jobs of S3 Batch Replication at the local AWS, as boto3's client asks for them."""

from __future__ import annotations

import csv
import io
import json
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from local_aws import LocalAws
from local_aws.buckets import versioned_bucket
from local_aws.server import ACCOUNT_ID
from tests.support.batch_forms import TERMINAL


class Jobs:
    """
    Jobs of one account and Region, with a bucket for manifests and reports.

    :param aws: the local AWS.
    :param region: Region of the jobs.
    :param account_id: whose jobs they are.
    """

    def __init__(self, aws: LocalAws, region: str = "eu-west-1", account_id: str = ACCOUNT_ID) -> None:
        self.s3control = aws.client("s3control", region, account_id)
        self.s3 = aws.client("s3", region, account_id)
        self.account_id = account_id
        self.reports = f"reports-{uuid.uuid4().hex[:12]}"
        versioned_bucket(self.s3, self.reports)

    def create(self, what: dict[str, Any], **changes: Any) -> str:
        """
        Create a job, and return its id.

        :param what: ``Manifest`` or ``ManifestGenerator``, as :meth:`csv` and :meth:`of_bucket` return it.
        :param changes: other parameters of CreateJob; None leaves one out.
        """
        values = {
            "AccountId": self.account_id,
            "Operation": {"S3ReplicateObject": {}},
            "Report": self.report(),
            "ClientRequestToken": uuid.uuid4().hex,
            "Priority": 10,
            "RoleArn": f"arn:aws:iam::{self.account_id}:role/batch",
            "ConfirmationRequired": False,
            **what,
            **changes,
        }
        made = self.s3control.create_job(**{name: value for name, value in values.items() if value is not None})
        return str(made["JobId"])

    def report(self, **changes: Any) -> dict[str, Any]:
        """Return ``Report`` of CreateJob: all tasks, below "repair" of the bucket of reports."""
        return {
            "Enabled": True,
            "Bucket": f"arn:aws:s3:::{self.reports}",
            "Prefix": "repair",
            "Format": "Report_CSV_20180820",
            "ReportScope": "AllTasks",
            **changes,
        }

    def csv(self, rows: Iterable[Sequence[str]] | bytes, fields: Sequence[str] = ("Bucket", "Key", "VersionId")) -> Any:
        """Write a manifest of rows, whose second column is a key that is still to be encoded; return ``Manifest``."""
        if not isinstance(rows, bytes):
            lines = [",".join((row[0], quote(row[1]), *row[2:])) for row in rows]
            rows = "".join(f"{line}\n" for line in lines).encode()
        key = f"manifests/{uuid.uuid4().hex}.csv"
        e_tag = self.s3.put_object(Bucket=self.reports, Key=key, Body=rows)["ETag"].strip('"')
        spec = {"Format": "S3BatchOperations_CSV_20180820", "Fields": list(fields)}
        location = {"ObjectArn": f"arn:aws:s3:::{self.reports}/{key}", "ETag": e_tag}
        return {"Manifest": {"Spec": spec, "Location": location}}

    @staticmethod
    def of_bucket(bucket: str, **chosen: Any) -> dict[str, Any]:
        """Return ``ManifestGenerator`` for the objects of a bucket that a filter matches."""
        return {
            "ManifestGenerator": {
                "S3JobManifestGenerator": {
                    "SourceBucket": f"arn:aws:s3:::{bucket}",
                    "EnableManifestOutput": False,
                    "Filter": {"EligibleForReplication": True, **chosen},
                }
            }
        }

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return the job as it is."""
        job: dict[str, Any] = self.s3control.describe_job(AccountId=self.account_id, JobId=job_id)["Job"]
        return job

    def until(self, job_id: str, *statuses: str, seconds: float = 20) -> dict[str, Any]:
        """Ask until the job has one of the statuses, any terminal one by default, and return it."""
        deadline = time.monotonic() + seconds
        while (job := self.describe(job_id))["Status"] not in (statuses or TERMINAL):
            assert time.monotonic() < deadline, job["Status"]
            assert job["Status"] not in TERMINAL, job
            time.sleep(0.01)
        return job

    def ended(self, what: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Create a job, wait for its end, and return it."""
        return self.until(self.create(what, **changes))

    def update(self, job_id: str, status: str, **more: str) -> dict[str, Any]:
        """Ask for another status."""
        answer: dict[str, Any] = self.s3control.update_job_status(
            AccountId=self.account_id, JobId=job_id, RequestedJobStatus=status, **more
        )
        return answer

    def report_files(self, job_id: str) -> dict[str, bytes]:
        """Return what is written of a job's completion report, by key."""
        listed = self.s3.list_objects_v2(Bucket=self.reports, Prefix=f"repair/job-{job_id}/").get("Contents", ())
        keys = [found["Key"] for found in listed]
        return {key: self.s3.get_object(Bucket=self.reports, Key=key)["Body"].read() for key in keys}

    def report_rows(self, job_id: str) -> list[list[str]]:
        """Return the rows of a job's completion report, those of tasks that succeeded first."""
        files = self.report_files(job_id)
        manifest = json.loads(files[f"repair/job-{job_id}/manifest.json"])
        contents = (files[result["Key"]].decode() for result in manifest["Results"])
        return [row for content in contents for row in csv.reader(io.StringIO(content))]
