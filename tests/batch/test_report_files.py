"""The files of a completion report, read from S3: each object once, as it is called, or none at all."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_crr.batch import report_files
from airflow_provider_crr.batch.job import Job
from airflow_provider_crr.batch.report_files import read_manifest, read_report
from airflow_provider_crr.errors import BatchManifestInvalid, CompletionReportInvalid, DiskFull, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.s3.objects import S3Object
from tests.inventory.engines.test_worker_faults import full_disk
from tests.inventory.test_broken_answers import BROKEN, http
from tests.support.s3_server import S3Server

JOB = Job("job-1", "Complete", total=1, succeeded=1, report="s3://reports/repair/job-1/")
#: What botocore says of an answer that is whole. Its length is checked by botocore's own body.
WHOLE = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-length": "1"}}}


class Files:
    """A client whose bucket has these files."""

    def __init__(self, *results: bytes) -> None:
        self.files = {f"repair/job-1/results/{number}.csv": content for number, content in enumerate(results)}
        listed = [
            {"Bucket": "reports", "Key": key, "MD5Checksum": hashlib.md5(content, usedforsecurity=False).hexdigest()}
            for key, content in self.files.items()
        ]
        self.files["repair/job-1/manifest.json"] = json.dumps({"Results": listed}).encode()

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        if Key not in self.files:
            raise ClientError(
                {"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "GetObject"
            )
        return {"Body": io.BytesIO(self.files[Key]), **WHOLE}


@pytest.mark.parametrize("key", ["a", "a\nb", "a\r\nb\n", "a\u2028b", 'a"b', "ü %+&"])
@pytest.mark.parametrize("version", ["null", "9HkPvDaZY5MVbMhn6TMn1YTb5ArQAo3w"])
def test_objects_are_called_as_they_are(key: str, version: str) -> None:
    """Whatever is in a key, the object that is verified is the one whose task succeeded."""
    row = f"landing,{quote(key, safe='/')},{version},succeeded,200,,success\n".encode()
    report = read_report(Files(row), JOB)
    assert report is not None
    assert list(report.objects()) == [S3Object("landing", key, version)]


@pytest.mark.parametrize("missing", ["repair/job-1/manifest.json", "repair/job-1/results/1.csv"])
def test_report_of_which_a_file_is_missing_is_waited_for(missing: str) -> None:
    """It is no report without it."""
    row = b"landing,a,null,succeeded,200,,success\n"
    files = Files(row, row)
    del files.files[missing]
    assert read_report(files, replace(JOB, total=2, succeeded=2)) is None


def test_report_with_fewer_rows_than_tasks_is_waited_for() -> None:
    """It does not tell what became of the others."""
    row = b"landing,a,null,succeeded,200,,success\n"
    assert read_report(Files(row), replace(JOB, total=2, succeeded=2)) is None


def test_report_with_more_rows_than_tasks_is_none_of_this_job() -> None:
    """Which of its rows are those of the job is not known."""
    row = b"landing,a,null,succeeded,200,,success\n"
    with pytest.raises(CompletionReportInvalid, match="2 rows, and the job ran 1 task"):
        read_report(Files(row, row), JOB)


def test_names_in_messages_are_legible() -> None:
    """A key is somebody else's text: it begins no line of the log, and colors nothing."""
    row = b"landing,a%0AINFO all is well%1b[31m,null,failed,500,SrcObjectNotEligible,No\n"
    report = read_report(Files(row), replace(JOB, succeeded=0, failed=1))
    assert report is not None
    assert not any("\n" in line or "\x1b" in line for line in report.results.lines())


def test_report_of_failed_tasks_alone_is_none() -> None:
    """A job that somebody else created may ask for that. No row tells what succeeded: it is not waited for in vain."""
    asked = {"Enabled": True, "Bucket": "arn:aws:s3:::reports", "Prefix": "repair", "ReportScope": "FailedTasksOnly"}
    job = Job.from_api({"JobId": "job-1", "Status": "Complete", "Report": asked})
    assert job.report is None
    assert Job.from_api({"JobId": "job-1", "Status": "New", "Report": asked | {"ReportScope": "AllTasks"}}).report


class Endless(io.RawIOBase):
    """Many bytes without the end of a line; how many of them were read is known."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return b"x" * size if self.given < 1_000_000_000 else b""


class Answers(Files):
    """A client that answers with one body, whatever is asked for."""

    def __init__(self, body: Any, **more: Any) -> None:
        self.answer = {"Body": body, "ETag": '"e"', **WHOLE, **more}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return self.answer


def test_manifest_without_the_end_of_a_line_is_not_read_into_memory() -> None:
    """No row is that long: it is refused at once."""
    body = Endless()
    with pytest.raises(BatchManifestInvalid, match="no row of S3's is that long"):
        read_manifest(Answers(body), "s3://b/m.csv")
    assert body.given < 10_000_000


@pytest.mark.parametrize(
    ("encryption", "refused"),
    [
        ({"ServerSideEncryption": "aws:kms"}, "aws:kms"),
        ({"ServerSideEncryption": "aws:kms:dsse"}, "aws:kms:dsse"),
        ({"SSECustomerAlgorithm": "AES256"}, "a key of the customer"),
        ({"ServerSideEncryption": "AES256"}, None),
    ],
)
def test_manifest_that_is_encrypted_with_kms_is_refused(encryption: dict[str, str], refused: str | None) -> None:
    """S3 Batch Operations would not read it."""
    client = Answers(io.BytesIO(b"b,k,v\n"), **encryption)
    if refused is None:
        assert read_manifest(client, "s3://b/m.csv")[0].objects == 1
        return
    with pytest.raises(BatchManifestInvalid, match=f"it is encrypted with {refused}"):
        read_manifest(client, "s3://b/m.csv")


def test_full_disk_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for the names of what was replicated: the report is not blamed, and nothing raw is raised."""
    monkeypatch.setattr(report_files, "_IN_MEMORY", 100)
    rows = b"".join(b"landing,a%d,null,succeeded,200,,success\n" % number for number in range(2000))
    job = replace(JOB, total=2000, succeeded=2000)
    with full_disk(1000), pytest.raises(DiskFull, match="temporary file") as raised:
        read_report(Files(rows), job)
    assert "TMPDIR" in str(raised.value.remedy)
    assert isinstance(raised.value.__cause__, OSError)
    report = read_report(Files(rows), job)
    assert report is not None
    assert len(list(report.objects())) == 2000


def test_no_more_objects_are_kept_than_the_job_had_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of very many rows is refused, and does not fill the disk before that."""
    monkeypatch.setattr(report_files, "_IN_MEMORY", 100)
    rows = b"landing,a,null,succeeded,200,,success\n" * 2000
    with full_disk(1000), pytest.raises(CompletionReportInvalid, match="2,000 rows, and the job ran 1 task"):
        read_report(Files(rows), JOB)


REPORT = "repair/job-1/manifest.json"
RESULTS = "repair/job-1/results/0.csv"
MANIFEST = "manifest.csv"


@pytest.mark.parametrize("which", [REPORT, RESULTS, MANIFEST])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_answer_passes_by_itself(monkeypatch: pytest.MonkeyPatch, kind: str, which: str) -> None:
    """Whatever comes in the place of a file, no part of it is taken for the whole; it can be asked for again."""
    right = Files(b"landing,a,null,succeeded,200,,success\n").files | {MANIFEST: b"landing,a,null\nlanding,b,null\n"}
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        client = S3ReplicationHook().get_conn()
        server.answers.update({("reports", key): http(content) for key, content in right.items()})
        server.answers["reports", which] = BROKEN[kind](right[which])
        with pytest.raises(LookupFailed) as raised:
            read_manifest(client, f"s3://reports/{MANIFEST}") if which == MANIFEST else read_report(client, JOB)
    assert raised.value.passing
    assert raised.value.uri == f"s3://reports/{which}"
    assert len(server.requests) < 10


def test_manifest_of_a_report_is_bounded() -> None:
    """It names a few files; one of megabytes is not read."""
    files = Files(b"landing,a,null,succeeded,200,,success\n")
    files.files[REPORT] += b" " * 10_000_000
    with pytest.raises(CompletionReportInvalid, match="more than"):
        read_report(files, JOB)
