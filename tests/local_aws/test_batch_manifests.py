"""Manifests of jobs: rows of CSV, inventory reports, and those that S3 makes itself."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws import LocalAws
from local_aws.buckets import OTHER_ACCOUNT_ID, ReplicatedPair
from local_aws.inventory import deliver, scan, write_report
from tests.support.batch_jobs import Jobs


def put(pair: ReplicatedPair, *keys: str, **more: Any) -> list[str]:
    """Write objects, and return their version ids."""
    client = pair.source_client
    return [client.put_object(Bucket=pair.source, Key=key, Body=b"x", **more)["VersionId"] for key in keys]


def statuses(pair: ReplicatedPair) -> dict[str, str | None]:
    """Return the status of each object of the source."""
    listed = pair.source_client.list_objects_v2(Bucket=pair.source)["Contents"]
    heads = {found["Key"]: pair.source_client.head_object(Bucket=pair.source, Key=found["Key"]) for found in listed}
    return {key: head.get("ReplicationStatus") for key, head in heads.items()}


def reason(job: dict[str, Any]) -> str:
    """Return why a job failed."""
    assert job["Status"] == "Failed"
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 0
    text: str = job["FailureReasons"][0]["FailureReason"]
    return text


def test_rows_with_versions(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """The versions that the rows name are replicated, whatever characters the keys have, and no others."""
    keys = ["plain", "a b+c/ü&%", "line,\n"]
    versions = put(denied_pair, *keys, "another")
    denied_pair.allow()
    job = jobs.ended(jobs.csv((denied_pair.source, key, version) for key, version in zip(keys, versions, strict=False)))
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 3
    assert statuses(denied_pair) == {**dict.fromkeys(keys, "COMPLETED"), "another": "FAILED"}


def test_rows_without_versions(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """Without versions the current one is replicated; columns that are to be ignored are."""
    put(denied_pair, "key")
    denied_pair.allow()
    rows = f"x,{denied_pair.source},key\n".encode()
    job = jobs.ended(jobs.csv(rows, fields=("Ignore", "Bucket", "Key")))
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 1


def test_older_version(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """An older version is replicated, too, and does not become the newest at the destination."""
    old, new = put(denied_pair, "key", "key")
    denied_pair.allow()
    for version in (new, old):
        jobs.ended(jobs.csv([(denied_pair.source, "key", version)]))
    client, bucket = denied_pair.source_client, denied_pair.source
    for version in (old, new):
        head = client.head_object(Bucket=bucket, Key="key", VersionId=version)
        assert head["ReplicationStatus"] == "COMPLETED"
    listed = denied_pair.destination_client.list_object_versions(Bucket=denied_pair.destination)["Versions"]
    assert len(listed) == 2
    newest = next(version for version in listed if version["IsLatest"])
    newer = client.head_object(Bucket=bucket, Key="key")["LastModified"]
    assert newest["LastModified"].replace(microsecond=0) == newer


@pytest.mark.parametrize(
    ("rows", "fields", "expected"),
    [
        (b"b,k,v\nb,k\n", ("Bucket", "Key", "VersionId"), "Unexpected number of task fields"),
        (b"b,k,v,x\n", ("Bucket", "Key", "VersionId"), "Unexpected number of task fields"),
        (b"Bucket,Key\n\n", ("Bucket", "Key"), "Unexpected number of task fields"),
        (b"b,k\n", ("Bucket", "Ignore"), "Required fields are missing in the schema: ['Key']"),
        (b"b,\xff\n", ("Bucket", "Key"), "Invalid Manifest Content"),
        (b"b,\n", ("Bucket", "Key"), "Invalid object key format"),
    ],
)
def test_rows_that_are_wrong(jobs: Jobs, rows: bytes, fields: tuple[str, ...], expected: str) -> None:
    """What is wrong with one row fails the job before anything is done, and there is no report."""
    job = jobs.ended(jobs.csv(rows, fields=fields))
    assert reason(job) == expected
    assert job["FailureReasons"][0]["FailureCode"] == "InvalidManifestContent"
    assert jobs.report_files(job["JobId"]) == {}


def test_empty_manifest(jobs: Jobs) -> None:
    """A manifest without rows is a job without tasks."""
    job = jobs.ended(jobs.csv([]))
    assert (job["Status"], job["ProgressSummary"]["TotalNumberOfTasks"]) == ("Complete", 0)
    assert jobs.report_files(job["JobId"]) == {}


def test_manifest_that_changed(jobs: Jobs) -> None:
    """A manifest that was written again is another than the job was created for."""
    what = jobs.csv(b"b,k,v\n")
    key = what["Manifest"]["Location"]["ObjectArn"].partition("/")[2]
    jobs.s3.put_object(Bucket=jobs.reports, Key=key, Body=b"b,other,v\n")
    assert "ETag" in reason(jobs.ended(what))


def test_manifest_of_a_version(jobs: Jobs) -> None:
    """With a version id, it is that version that is read."""
    what = jobs.csv(b"b,k,v\n")
    location = what["Manifest"]["Location"]
    key = location["ObjectArn"].partition("/")[2]
    version = jobs.s3.head_object(Bucket=jobs.reports, Key=key)["VersionId"]
    jobs.s3.put_object(Bucket=jobs.reports, Key=key, Body=b"b,other,v\n")
    location["ObjectVersionId"] = version
    assert jobs.ended(what)["ProgressSummary"]["TotalNumberOfTasks"] == 1


def test_manifest_that_is_not_there(aws: LocalAws, jobs: Jobs) -> None:
    """A manifest that does not exist, or is somebody else's, fails the job."""
    what = jobs.csv(b"b,k,v\n")
    theirs = Jobs(aws, account_id=OTHER_ACCOUNT_ID).csv(b"b,k,v\n")
    what["Manifest"]["Location"]["ObjectArn"] += "-gone"
    assert reason(jobs.ended(what)) == "The manifest object does not exist"
    assert reason(jobs.ended(theirs)) == "Reading the manifest is forbidden: AccessDenied"


def test_encrypted_manifest(jobs: Jobs) -> None:
    """S3 reads no rows that are encrypted with a KMS key."""
    what = jobs.csv(b"b,k,v\n")
    key = what["Manifest"]["Location"]["ObjectArn"].partition("/")[2]
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:eu-west-1:111111111111:key/1"}
    jobs.s3.put_object(Bucket=jobs.reports, Key=key, Body=b"b,k,v\n", **kms)
    assert reason(jobs.ended(what)).startswith("Reading the manifest is forbidden")


def test_inventory_report(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """The manifest.json of a CSV report is a manifest: all versions that it lists are replicated."""
    put(denied_pair, "a", "b c")
    denied_pair.allow()
    report = write_report(
        scan(denied_pair.source_client, denied_pair.source),
        file_format="CSV",
        source_bucket=denied_pair.source,
        destination_bucket=jobs.reports,
        created_at=datetime.now(UTC),
    )
    deliver(jobs.s3, report)
    e_tag = jobs.s3.head_object(Bucket=jobs.reports, Key=report.manifest_key)["ETag"].strip('"')
    location = {"ObjectArn": f"arn:aws:s3:::{jobs.reports}/{report.manifest_key}", "ETag": e_tag}
    what = {"Manifest": {"Spec": {"Format": "S3InventoryReport_CSV_20161130"}, "Location": location}}
    assert jobs.ended(what)["ProgressSummary"]["NumberOfTasksSucceeded"] == 2
    assert statuses(denied_pair) == {"a": "COMPLETED", "b c": "COMPLETED"}


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"files": 1}', b"{}"])
def test_report_that_is_none(jobs: Jobs, content: bytes) -> None:
    """What is no report fails the job."""
    what = jobs.csv(content)
    what["Manifest"]["Spec"] = {"Format": "S3InventoryReport_CSV_20161130"}
    assert reason(jobs.ended(what)) == "Manifest file is not properly formatted"


def test_report_in_another_format(jobs: Jobs) -> None:
    """S3 takes reports in CSV alone."""
    manifest = {"destinationBucket": "arn:aws:s3:::b", "files": [], "fileSchema": "x", "fileFormat": "Parquet"}
    what = jobs.csv(json.dumps(manifest).encode())
    what["Manifest"]["Spec"] = {"Format": "S3InventoryReport_CSV_20161130"}
    assert "Parquet" in reason(jobs.ended(what))


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, ["a/failed", "b/failed", "done", "none"]),
        ({"ObjectReplicationStatuses": ["FAILED"]}, ["a/failed", "b/failed"]),
        ({"ObjectReplicationStatuses": ["NONE"]}, ["none"]),
        ({"ObjectReplicationStatuses": ["NONE", "COMPLETED"]}, ["done", "none"]),
        ({"KeyNameConstraint": {"MatchAnyPrefix": ["a/"]}}, ["a/failed"]),
        ({"KeyNameConstraint": {"MatchAnySuffix": ["ne"]}}, ["done", "none"]),
        ({"KeyNameConstraint": {"MatchAnySubstring": ["/f"]}}, ["a/failed", "b/failed"]),
        ({"CreatedAfter": timedelta(hours=1)}, []),
        ({"CreatedBefore": timedelta(hours=-1)}, []),
        ({"CreatedAfter": timedelta(hours=-1), "CreatedBefore": timedelta(hours=1)}, "all"),
        ({"ObjectSizeGreaterThanBytes": 1}, []),
        ({"ObjectSizeLessThanBytes": 2}, "all"),
        ({"MatchAnyStorageClass": ["STANDARD_IA"]}, []),
        ({"ObjectReplicationStatuses": ["REPLICA"]}, []),
    ],
)
def test_filters(denied_pair: ReplicatedPair, jobs: Jobs, chosen: dict[str, Any], found: list[str] | str) -> None:
    """Each filter of a generated manifest chooses what it says; nothing archived, and no delete marker, is chosen."""
    client, bucket = denied_pair.source_client, denied_pair.source
    rules = client.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    client.delete_bucket_replication(Bucket=bucket)
    put(denied_pair, "none")
    client.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=rules)
    put(denied_pair, "a/failed", "b/failed")
    put(denied_pair, "archived", StorageClass="DEEP_ARCHIVE")
    denied_pair.allow()
    put(denied_pair, "done")
    client.delete_object(Bucket=bucket, Key="deleted")
    now = client.head_object(Bucket=bucket, Key="done")["LastModified"]
    chosen = {name: now + value if isinstance(value, timedelta) else value for name, value in chosen.items()}
    job_id = jobs.create(jobs.of_bucket(bucket, **chosen), ConfirmationRequired=True)
    if not found:
        assert reason(jobs.until(job_id)) == "Manifest generation found no keys matching the filter criteria."
        return
    jobs.until(job_id, "Suspended")
    jobs.update(job_id, "Ready")
    jobs.until(job_id)
    expected = ["a/failed", "b/failed", "done", "none"] if found == "all" else found
    assert sorted(row[1] for row in jobs.report_rows(job_id)) == expected


def test_generated_manifest_is_written(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """On demand S3 writes the manifest that it made, and tells where it is."""
    versions = put(denied_pair, "b c")
    what = jobs.of_bucket(denied_pair.source)
    generator = what["ManifestGenerator"]["S3JobManifestGenerator"]
    generator["EnableManifestOutput"] = True
    place = {"Bucket": f"arn:aws:s3:::{jobs.reports}", "ManifestFormat": "S3InventoryReport_CSV_20211130"}
    generator["ManifestOutputLocation"] = {**place, "ManifestPrefix": "made"}
    job = jobs.ended(what)
    described = job["GeneratedManifestDescriptor"]
    key = described["Location"]["ObjectArn"].partition("/")[2]
    assert key.startswith("made/")
    manifest = jobs.s3.get_object(Bucket=jobs.reports, Key=key)
    assert manifest["ETag"].strip('"') == described["Location"]["ETag"]
    (file,) = json.loads(manifest["Body"].read())["files"]
    rows = gzip.decompress(jobs.s3.get_object(Bucket=jobs.reports, Key=file["key"])["Body"].read())
    assert rows.decode() == f'"{denied_pair.source}","b+c","{versions[0]}"\n'


def test_source_that_is_not_there(jobs: Jobs) -> None:
    """A bucket that does not exist fails the job; one of another owner than expected does, too."""
    assert "does not exist" in reason(jobs.ended(jobs.of_bucket("nowhere-at-all")))
    what = jobs.of_bucket(jobs.reports)
    what["ManifestGenerator"]["S3JobManifestGenerator"]["ExpectedBucketOwner"] = OTHER_ACCOUNT_ID
    assert "another account" in reason(jobs.ended(what))
