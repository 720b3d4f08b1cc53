"""What becomes of single objects: S3's codes of failures, and completion reports."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr.batch.failure_reasons import FAILURE_REASONS
from local_aws import LocalAws
from local_aws.batch.orders import BatchOrders
from local_aws.buckets import (
    OTHER_ACCOUNT_ID,
    ReplicatedPair,
    replication_rule,
    suspend_versioning,
    versioned_bucket,
)
from tests.support.batch_jobs import Jobs


def put(pair: ReplicatedPair, key: str = "key", **more: Any) -> str:
    """Write an object, and return its version id."""
    version: str = pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x", **more)["VersionId"]
    return version


def status(pair: ReplicatedPair, key: str = "key") -> str | None:
    """Return what S3 says of an object in the source."""
    answer: str | None = pair.source_client.head_object(Bucket=pair.source, Key=key).get("ReplicationStatus")
    return answer


def outcome(jobs: Jobs, *row: str) -> list[str]:
    """Run a job of one row, and return its row of the report: HTTP status, code and message."""
    fields = ("Bucket", "Key", "VersionId")[: len(row)]
    job = jobs.ended(jobs.csv([row], fields))
    assert job["Status"] == "Complete"
    (reported,) = jobs.report_rows(job["JobId"])
    assert reported[3] == ("failed" if reported[5] else "succeeded")
    return reported[4:]


def rules(pair: ReplicatedPair, *rules: dict[str, Any]) -> None:
    """Give the source other rules."""
    configuration = pair.source_client.get_bucket_replication(Bucket=pair.source)["ReplicationConfiguration"]
    pair.source_client.put_bucket_replication(
        Bucket=pair.source, ReplicationConfiguration={**configuration, "Rules": list(rules)}
    )


def destination_is_gone(pair: ReplicatedPair) -> None:
    pair.destination_client.delete_bucket(Bucket=pair.destination)


def destination_is_suspended(pair: ReplicatedPair) -> None:
    suspend_versioning(pair.destination_client, pair.destination)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda pair: None, "DstPutObjectNotPermitted"),
        (destination_is_gone, "DstBucketNotFound"),
        (destination_is_suspended, "DstBucketUnversioned"),
    ],
)
def test_destination_is_wrong(
    denied_pair: ReplicatedPair, jobs: Jobs, spoil: Callable[[ReplicatedPair], None], code: str
) -> None:
    """A task fails for what is wrong with the destination, and the object is FAILED."""
    version = put(denied_pair)
    spoil(denied_pair)
    assert outcome(jobs, denied_pair.source, "key", version)[1] == code
    assert status(denied_pair) == "FAILED"
    assert code in FAILURE_REASONS


def test_never_tried(pair: ReplicatedPair, jobs: Jobs) -> None:
    """An object from before the rule becomes COMPLETED, or FAILED if the destination refuses."""
    configuration = pair.source_client.get_bucket_replication(Bucket=pair.source)["ReplicationConfiguration"]
    pair.source_client.delete_bucket_replication(Bucket=pair.source)
    put(pair)
    assert status(pair) is None
    assert outcome(jobs, pair.source, "key")[1] == "SrcBucketReplicationConfigMissing"
    assert status(pair) is None
    pair.source_client.put_bucket_replication(Bucket=pair.source, ReplicationConfiguration=configuration)
    suspend_versioning(pair.destination_client, pair.destination)
    assert outcome(jobs, pair.source, "key")[1] == "DstBucketUnversioned"
    assert status(pair) == "FAILED"


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"StorageClass": "GLACIER"}, id="archived"),
        pytest.param({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:eu-west-1:1:key/1"}, id="kms"),
        pytest.param({}, id="no-rule"),
    ],
)
def test_not_eligible(pair: ReplicatedPair, jobs: Jobs, how: dict[str, Any]) -> None:
    """What no rule replicates fails with HTTP 500, and its status stays as it was."""
    if not how:
        rules(pair, replication_rule(pair.destination, "other/"))
    version = put(pair, **how)
    before = status(pair)
    assert outcome(jobs, pair.source, "key", version)[:2] == ["500", "SrcObjectNotEligible"]
    assert status(pair) == before


def test_tags_decide(pair: ReplicatedPair, jobs: Jobs) -> None:
    """A rule with a tag covers what has the tag now, and the replica has it, too."""
    tagged = replication_rule(pair.destination)
    tagged["Filter"] = {"Tag": {"Key": "keep", "Value": "yes"}}
    rules(pair, tagged)
    put(pair)
    assert outcome(jobs, pair.source, "key")[1] == "SrcObjectNotEligible"
    tags = {"TagSet": [{"Key": "keep", "Value": "yes"}]}
    pair.source_client.put_object_tagging(Bucket=pair.source, Key="key", Tagging=tags)
    assert outcome(jobs, pair.source, "key")[1] == ""
    copied = pair.destination_client.get_object_tagging(Bucket=pair.destination, Key="key")
    assert copied["TagSet"] == tags["TagSet"]


def test_source_is_wrong(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """A row that names what is not there, or may not be read, fails with the code for it."""
    put(pair)
    theirs = f"{pair.source}-theirs"
    versioned_bucket(aws.client(account_id=OTHER_ACCOUNT_ID), theirs)
    assert outcome(jobs, "nowhere-at-all", "key")[1] == "SrcBucketNotFound"
    assert outcome(jobs, theirs, "key")[1] == "InitiateReplicationNotPermitted"
    assert outcome(jobs, pair.destination, "key")[1] == "SrcBucketInvalidRegion"
    assert outcome(jobs, pair.source, "missing")[1] == "SrcObjectNotFound"
    assert outcome(jobs, pair.source, "key", "no-such-version")[1] == "SrcVersionNotFound"
    assert outcome(jobs, pair.source, "key", "")[:2] == ["400", "InvalidRequest"]
    marker = pair.source_client.delete_object(Bucket=pair.source, Key="key")["VersionId"]
    assert outcome(jobs, pair.source, "key", marker)[1] == "SrcObjectNotEligible"
    assert outcome(jobs, pair.source, "key")[1] == "SrcObjectNotFound"


def test_replicated_already(pair: ReplicatedPair, jobs: Jobs) -> None:
    """What is there already succeeds without another copy; what was deleted there by its version id fails."""
    version = put(pair)
    assert outcome(jobs, pair.source, "key", version)[1] == ""
    (copy,) = pair.destination_client.list_object_versions(Bucket=pair.destination)["Versions"]
    pair.destination_client.delete_object(Bucket=pair.destination, Key="key", VersionId=copy["VersionId"])
    assert outcome(jobs, pair.source, "key", version)[1] == "DstObjectHardDeleted"
    assert status(pair) == "COMPLETED"


def test_new_destination(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """A COMPLETED object is replicated to a destination that the rules have got since."""
    put(pair)
    another = f"{pair.source}-second"
    versioned_bucket(pair.destination_client, another)
    rules(pair, replication_rule(another))
    assert outcome(jobs, pair.source, "key")[1] == ""
    head = pair.destination_client.head_object(Bucket=another, Key="key")
    assert head["ReplicationStatus"] == "REPLICA"


def test_null_version(aws: LocalAws, jobs: Jobs) -> None:
    """An object from before versioning is the version "null"."""
    client = aws.client()
    source, destination = f"{jobs.reports}-a", f"{jobs.reports}-b"
    client.create_bucket(Bucket=source, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket=source, Key="key", Body=b"x")
    client.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    versioned_bucket(client, destination)
    client.put_bucket_replication(
        Bucket=source,
        ReplicationConfiguration={"Role": "arn:aws:iam::111111111111:role/r", "Rules": [replication_rule(destination)]},
    )
    assert outcome(jobs, source, "key", "null")[1] == ""
    assert client.head_object(Bucket=source, Key="key", VersionId="null")["ReplicationStatus"] == "COMPLETED"
    assert client.head_object(Bucket=source, Key="key")["ReplicationStatus"] == "COMPLETED"
    assert client.get_object(Bucket=destination, Key="key")["Body"].read() == b"x"


def test_each_code_can_be_ordered(pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """Any code of S3 can be ordered for keys with a prefix; others are replicated as ever."""
    put(pair, "good")
    expected = {"good": ["200", "", "success"]}
    for code in FAILURE_REASONS:
        put(pair, f"{code}/key")
        orders.end_tasks(pair.source, f"{code}/", code=code, message=f"ordered {code}", http_status=403)
        expected[f"{code}/key"] = ["403", code, f"ordered {code}"]
    job = jobs.ended(jobs.of_bucket(pair.source))
    assert {row[1]: row[4:] for row in jobs.report_rows(job["JobId"])} == expected


def test_success_that_is_none(denied_pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """A task can be ordered to succeed although nothing is replicated: the object stays FAILED."""
    put(denied_pair)
    orders.end_tasks(denied_pair.source)
    assert outcome(jobs, denied_pair.source, "key")[:2] == ["200", ""]
    assert status(denied_pair) == "FAILED"


def test_report(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """The report names its files with their MD5, echoes keys as the manifest had them, and swaps two columns."""
    version = put(denied_pair, "a b")
    job = jobs.ended(jobs.csv([(denied_pair.source, "a b", version), (denied_pair.source, "gone", "v")]))
    files = jobs.report_files(job["JobId"])
    folder = f"repair/job-{job['JobId']}/"
    manifest = files[f"{folder}manifest.json"]
    assert files[f"{folder}manifest.json.md5"].decode() == hashlib.md5(manifest, usedforsecurity=False).hexdigest()
    told = json.loads(manifest)
    assert (told["Format"], len(files)) == ("Report_CSV_20180820", 3)
    assert told["ReportSchema"].split(", ")[4:6] == ["ErrorCode", "HTTPStatusCode"]
    (result,) = told["Results"]
    assert (result["TaskExecutionStatus"], result["Bucket"]) == ("failed", jobs.reports)
    content = files[result["Key"]]
    assert result["MD5Checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    first = content.decode().splitlines()[0]
    expected = f"{denied_pair.source},a%20b,{version},failed,403,DstPutObjectNotPermitted,Access Denied"
    assert first == expected


def test_report_of_failures_only(pair: ReplicatedPair, jobs: Jobs) -> None:
    """A report can be had of the tasks that failed alone."""
    version = put(pair)
    rows = [(pair.source, "key", version), (pair.source, "gone", "v")]
    job = jobs.ended(jobs.csv(rows), Report=jobs.report(ReportScope="FailedTasksOnly"))
    assert [row[1] for row in jobs.report_rows(job["JobId"])] == ["gone"]


def test_no_report_was_asked_for(pair: ReplicatedPair, jobs: Jobs) -> None:
    """A job without a report writes none."""
    put(pair)
    job = jobs.ended(jobs.of_bucket(pair.source), Report={"Enabled": False})
    assert job["Status"] == "Complete"
    assert jobs.report_files(job["JobId"]) == {}


@pytest.mark.parametrize("how", ["swapped", "wrong-md5"])
def test_other_reports(pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders, how: str) -> None:
    """A report can be ordered to have its columns as its schema says, or the MD5 of something else."""
    put(pair)
    orders.set(report=how)
    job = jobs.ended(jobs.of_bucket(pair.source))
    (row,) = jobs.report_rows(job["JobId"])
    assert row[4:6] == (["", "200"] if how == "swapped" else ["200", ""])
    files = jobs.report_files(job["JobId"])
    (result,) = json.loads(files[f"repair/job-{job['JobId']}/manifest.json"])["Results"]
    right = result["MD5Checksum"] == hashlib.md5(files[result["Key"]], usedforsecurity=False).hexdigest()
    assert right == (how == "swapped")


def test_late_and_absent_reports(pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """A report can be ordered to come after the end of the job, or never."""
    put(pair)
    orders.set(report="late")
    late = jobs.ended(jobs.of_bucket(pair.source))["JobId"]
    assert jobs.report_files(late) == {}
    orders.set(report="written")
    deadline = time.monotonic() + 20
    while not jobs.report_files(late):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    orders.set(report="absent")
    absent = jobs.ended(jobs.of_bucket(pair.source))["JobId"]
    assert jobs.report_files(absent) == {}


def test_bucket_with_default_retention(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """S3 delivers no report to a bucket whose Object Lock has a default retention, and the job is Complete."""
    put(pair)
    locked = f"{jobs.reports}-locked"
    client = aws.client()
    client.create_bucket(
        Bucket=locked,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        ObjectLockEnabledForBucket=True,
    )
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
    )
    report = jobs.report(Bucket=f"arn:aws:s3:::{locked}")
    assert jobs.ended(jobs.of_bucket(pair.source), Report=report)["Status"] == "Complete"
    assert "Contents" not in client.list_objects_v2(Bucket=locked)
