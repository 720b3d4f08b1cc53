"""The wire forms of S3 Batch Operations, read by boto3 from a scripted s3control over a real socket."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from local_aws.batch.endpoint import reach_by_address
from tests.support.batch_forms import (
    ACCOUNT_ID,
    JOB_FAILURES,
    JOB_ID,
    REFUSALS,
    STATUSES,
    TASKS,
    TERMINAL,
    completion_report,
    created,
    described,
    listed,
    updated,
)
from tests.support.s3control_server import LOST, S3ControlServer

MANIFEST = {
    "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key", "VersionId"]},
    "Location": {"ObjectArn": "arn:aws:s3:::reports/repair/manifest.csv", "ETag": "60e460c9d1046e73f7dde5043ac3ae85"},
}


def client(endpoint_url: str) -> Any:
    """Return boto3's client of a scripted s3control."""
    return reach_by_address(
        boto3.client(
            "s3control",
            region_name="eu-west-1",
            endpoint_url=endpoint_url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )
    )


def describe(body: str) -> dict[str, Any]:
    """Return what boto3 makes of an answer to DescribeJob."""
    with S3ControlServer(DescribeJob=[body]) as server:
        job: dict[str, Any] = client(server.url).describe_job(AccountId=ACCOUNT_ID, JobId=JOB_ID)["Job"]
    return job


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_is_read(status: str) -> None:
    """boto3 reads a job in each status, with its progress, and its end only where it has ended."""
    job = describe(described(status, total=3, succeeded=1, failed=2, active_seconds=7))
    assert job["Status"] == status
    assert job["ProgressSummary"] == {
        "TotalNumberOfTasks": 3,
        "NumberOfTasksSucceeded": 1,
        "NumberOfTasksFailed": 2,
        "Timers": {"ElapsedTimeInActiveSeconds": 7},
    }
    assert ("TerminationDate" in job) == (status in TERMINAL)
    assert ("SuspendedCause" in job) == (status == "Suspended")
    assert job["Manifest"] == MANIFEST


def test_job_without_progress_and_with_generated_manifest() -> None:
    """Before S3 has counted there is no progress, and a generated manifest is told by its generator alone."""
    job = describe(described("Preparing", generated=True))
    assert "ProgressSummary" not in job
    assert "Manifest" not in job
    assert job["ManifestGenerator"]["S3JobManifestGenerator"]["Filter"]["ObjectReplicationStatuses"] == ["FAILED"]


@pytest.mark.parametrize("name", JOB_FAILURES)
def test_each_failure_of_a_job_is_read(name: str) -> None:
    """boto3 reads code and reason of why a job failed."""
    code, reason = JOB_FAILURES[name]
    job = describe(described("Failed", total=0, reasons=[name]))
    assert job["FailureReasons"] == [{"FailureCode": code, "FailureReason": reason}]


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_is_read(name: str) -> None:
    """boto3 raises the code, the message and the HTTP status of a refusal."""
    status, code, message = REFUSALS[name]
    with S3ControlServer(DescribeJob=[name]) as server, pytest.raises(ClientError) as caught:
        client(server.url).describe_job(AccountId=ACCOUNT_ID, JobId=JOB_ID)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"] == message
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_requests_are_told_as_the_operations_they_are() -> None:
    """The server tells which operation was asked for, of which job and account, and what is in the request."""
    report = {
        "Enabled": True,
        "Bucket": "arn:aws:s3:::reports",
        "Prefix": "repair",
        "Format": "Report_CSV_20180820",
        "ReportScope": "AllTasks",
    }
    with S3ControlServer(
        CreateJob=[created()], UpdateJobStatus=[updated("Ready")], ListJobs=[listed([(JOB_ID, "Active")], "more")]
    ) as server:
        s3control = client(server.url)
        made = s3control.create_job(
            AccountId=ACCOUNT_ID,
            Operation={"S3ReplicateObject": {}},
            Report=report,
            ClientRequestToken="token",
            Manifest=MANIFEST,
            Priority=10,
            RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/batch",
            ConfirmationRequired=False,
        )
        changed = s3control.update_job_status(AccountId=ACCOUNT_ID, JobId=JOB_ID, RequestedJobStatus="Ready")
        jobs = s3control.list_jobs(AccountId=ACCOUNT_ID)
    assert (made["JobId"], changed["Status"]) == (JOB_ID, "Ready")
    assert (jobs["Jobs"][0]["Status"], jobs["NextToken"]) == ("Active", "more")
    create, update, _ = server.calls
    assert create.text("ClientRequestToken") == "token"
    assert create.text("Report/Bucket") == report["Bucket"]
    assert (create.account_id, update.account_id) == (ACCOUNT_ID, ACCOUNT_ID)
    assert (update.operation, update.job_id, update.query) == (
        "UpdateJobStatus",
        JOB_ID,
        {"requestedJobStatus": "Ready"},
    )


def test_answers_come_in_order_and_may_be_lost() -> None:
    """Answers come in their order, the last of them again and again; a lost one closes the connection."""
    with S3ControlServer(DescribeJob=[described("Active", total=1), LOST, described("Complete", total=1)]) as server:
        s3control = client(server.url)
        assert s3control.describe_job(AccountId=ACCOUNT_ID, JobId=JOB_ID)["Job"]["Status"] == "Active"
        with pytest.raises(ConnectionClosedError):
            s3control.describe_job(AccountId=ACCOUNT_ID, JobId=JOB_ID)
        for _ in range(2):
            assert s3control.describe_job(AccountId=ACCOUNT_ID, JobId=JOB_ID)["Job"]["Status"] == "Complete"
    assert server.count("DescribeJob") == 4


@pytest.mark.parametrize("swapped", [False, True])
def test_completion_report(swapped: bool) -> None:
    """A report has a file for each outcome, whose MD5 its manifest has, and the manifest's own MD5 beside it."""
    files = completion_report(TASKS, swapped=swapped)
    manifest = files.pop(f"repair/job-{JOB_ID}/manifest.json")
    md5 = files.pop(f"repair/job-{JOB_ID}/manifest.json.md5").decode()
    assert md5 == hashlib.md5(manifest, usedforsecurity=False).hexdigest()
    rows: dict[str, list[list[str]]] = {}
    for result in json.loads(manifest)["Results"]:
        content = files.pop(result["Key"])
        assert result["MD5Checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
        rows[result["TaskExecutionStatus"]] = list(csv.reader(io.StringIO(content.decode())))
    assert not files
    assert [row[1] for row in rows["succeeded"]] == ["orders/dt%3D2026-11-27/part-00000"]
    failed = rows["failed"][0]
    assert failed[4:6] == (["SrcObjectNotEligible", "500"] if swapped else ["500", "SrcObjectNotEligible"])


def test_no_report_without_tasks() -> None:
    """Where no task ran, S3 writes nothing."""
    assert completion_report([]) == {}
