"""What DescribeJob tells of a job, by the wire forms of S3, and what each status and failure means in words."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.batch.job import ENDED, MEANINGS, Job, report_place
from airflow_provider_crr.errors import InvalidArgument
from tests.support.batch_forms import JOB_FAILURES, JOB_ID, STATUSES, TERMINAL, described
from tests.support.s3control_server import S3ControlServer, client_of


def job(body: str) -> Job:
    """Return the job that boto3 reads of an answer."""
    with S3ControlServer(DescribeJob=[body]) as server:
        answer: dict[str, Any] = client_of(server).describe_job(AccountId="111122223333", JobId=JOB_ID)["Job"]
    return Job.from_api(answer)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_told_in_words(status: str) -> None:
    """Each status of S3's model has a meaning, and those that end a job are known."""
    found = job(described(status, total=3, succeeded=2, failed=1))
    assert (found.status, found.is_ended) == (status, status in TERMINAL)
    assert found.meaning == MEANINGS[status]
    assert (found.total, found.succeeded, found.failed, found.run) == (3, 2, 1, 3)
    assert (found.ended_at is not None) == (status in ENDED)


def test_status_that_nobody_knows_is_no_end() -> None:
    """A status that S3 adds is shown as it is, and waited out."""
    found = Job(JOB_ID, "Reviewing")
    assert not found.is_ended
    assert "does not know" in found.meaning


def test_job_without_count_has_none() -> None:
    """As long as S3 has not counted, the total is not known; that is not 0."""
    assert job(described("New")).total is None


@pytest.mark.parametrize(
    ("what", "remedy"),
    {
        "manifest forbidden": "s3:GetObject and s3:GetObjectVersion on the manifest",
        "manifest changed": "written again after the job was created",
        "row": "bucket, key and version id",
        "fields": "bucket, key and version id",
        "too many failures": "what most of the tasks failed of",
        "role": "batchoperations.s3.amazonaws.com",
        "expired": "within 30 days",
    }.items(),
)
def test_each_failure_of_a_job_names_its_remedy(what: str, remedy: str) -> None:
    """What S3 gives as a reason is told, with what to do."""
    found = job(described("Failed", reasons=[what]))
    said = "\n".join(found.why())
    assert JOB_FAILURES[what][1].rstrip(".") in said
    assert remedy in said


def test_job_that_found_nothing_is_known_by_its_reason() -> None:
    """Only a job with a generated manifest that ran no task has found nothing."""
    assert job(described("Failed", reasons=["nothing found"], generated=True)).found_nothing
    assert not job(described("Failed", reasons=["nothing found"])).found_nothing
    assert not job(described("Failed", reasons=["too many failures"], generated=True)).found_nothing
    assert not job(described("Complete", total=0, generated=True)).found_nothing


@pytest.mark.parametrize(
    ("uri", "place", "folder"),
    [
        ("s3://reports/repair/", ("reports", "repair"), f"s3://reports/repair/job-{JOB_ID}/"),
        ("s3://reports/a/b", ("reports", "a/b"), f"s3://reports/a/b/job-{JOB_ID}/"),
        ("s3://reports", ("reports", ""), f"s3://reports/job-{JOB_ID}/"),
        ("s3://reports/", ("reports", ""), f"s3://reports/job-{JOB_ID}/"),
    ],
)
def test_folder_of_the_report(uri: str, place: tuple[str, str], folder: str) -> None:
    """The report is in a folder of its job, below what the author named, or at the root of the bucket."""
    assert report_place(uri) == place
    assert job(described("Complete", total=1, succeeded=1, report="s3://" + "/".join(place))).report == folder


def test_job_without_report_has_no_folder() -> None:
    """A job that somebody else created may write no report."""
    assert job(described("Complete", total=1, succeeded=1, report=None)).report is None


@pytest.mark.parametrize(
    "uri", ["", "reports/x", "s3://", "http://reports/x", "s3://arn:aws:s3:eu-west-1:111122223333:accesspoint/a/x"]
)
def test_report_needs_a_bucket(uri: str) -> None:
    """Nothing but a folder of a bucket can take a report."""
    with pytest.raises(InvalidArgument):
        report_place(uri)
