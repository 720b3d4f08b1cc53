"""What s3control takes and refuses: tokens, accounts, Regions, lists of jobs, and orders to misbehave."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from local_aws import LocalAws, LocalAwsError
from local_aws.batch.endpoint import reach_by_address
from local_aws.batch.orders import BatchOrders
from local_aws.buckets import OTHER_ACCOUNT_ID, ReplicatedPair, replicated_pair
from tests.support.batch_jobs import Jobs


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """Return code and HTTP status of a refusal."""
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def count(aws: LocalAws, token: str) -> int:
    """Return how many jobs were made for a token."""
    return sum(job["token"] == token for job in aws.batch.jobs())


def test_same_token_is_the_same_job(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """A request that is repeated, even after the job has ended, is answered with the job that is there."""
    what, token = jobs.of_bucket(pair.source), "once-" + pair.source
    first = jobs.create(what, ClientRequestToken=token)
    jobs.until(first)
    assert jobs.create(what, ClientRequestToken=token) == first
    assert count(aws, token) == 1


def test_same_token_for_something_else(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """A token that was used with other parameters is refused."""
    what, token = jobs.of_bucket(pair.source), "other-" + pair.source
    jobs.create(what, ClientRequestToken=token)
    with pytest.raises(ClientError) as caught:
        jobs.create(what, ClientRequestToken=token, Description="another")
    assert refused(caught) == ("IdempotencyException", 400)
    assert count(aws, token) == 1


def test_tokens_belong_to_account_and_region(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """Another account, or another Region, has tokens of its own."""
    what, token = jobs.of_bucket(pair.source), "mine-" + pair.source
    ids = {
        each.create(what, ClientRequestToken=token)
        for each in (jobs, Jobs(aws, "us-east-1"), Jobs(aws, account_id=OTHER_ACCOUNT_ID))
    }
    assert len(ids) == 3


@pytest.mark.parametrize(("region", "account_id"), [("us-east-1", None), ("eu-west-1", OTHER_ACCOUNT_ID)])
def test_job_is_known_where_it_was_made(
    aws: LocalAws, pair: ReplicatedPair, jobs: Jobs, region: str, account_id: str | None
) -> None:
    """Elsewhere, or for another account, there is no such job."""
    job_id = jobs.create(jobs.of_bucket(pair.source))
    elsewhere = Jobs(aws, region, account_id or jobs.account_id)
    for ask in (elsewhere.describe, lambda job_id: elsewhere.update(job_id, "Cancelled")):
        with pytest.raises(ClientError) as caught:
            ask(job_id)
        assert refused(caught) == ("NoSuchJobException", 404)


def test_account_of_somebody_else(jobs: Jobs) -> None:
    """A caller may ask for the jobs of its own account alone."""
    with pytest.raises(ClientError) as caught:
        jobs.s3control.list_jobs(AccountId=OTHER_ACCOUNT_ID)
    assert refused(caught) == ("AccessDenied", 403)


def without(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a report without one of its elements."""
    return {key: value for key, value in report.items() if key != name}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RoleArn": "batch"}, "InvalidRequest"),
        ({"RoleArn": "arn:aws:iam::111111111111:user/batch"}, "InvalidRequest"),
        ({"RoleArn": "arn:aws:iam::222222222222:role/batch"}, "AccessDenied"),
        ({"ManifestGenerator": None}, "InvalidRequest"),
        ({"ClientRequestToken": "x" * 65}, "InvalidRequest"),
        ({"Description": "x" * 257}, "InvalidRequest"),
        ({"Operation": {"S3DeleteObjectTagging": {}}}, "NotImplemented"),
        ({"Operation": {}}, "InvalidRequest"),
        ({"Report": {"Enabled": True, "Bucket": "arn:aws:s3:::reports"}}, "InvalidRequest"),
    ],
)
def test_bad_requests(pair: ReplicatedPair, jobs: Jobs, changes: dict[str, Any], code: str) -> None:
    """What S3 can see at once is refused before there is a job."""
    with pytest.raises(ClientError) as caught:
        jobs.create(jobs.of_bucket(pair.source), **changes)
    assert refused(caught)[0] == code


@pytest.mark.parametrize("statuses", [["PENDING"], ["COMPLETED", "UNKNOWN"]])
def test_statuses_that_cannot_be_chosen(pair: ReplicatedPair, jobs: Jobs, statuses: list[str]) -> None:
    """S3 does not select PENDING objects, nor what is no status."""
    with pytest.raises(ClientError) as caught:
        jobs.create(jobs.of_bucket(pair.source, ObjectReplicationStatuses=statuses))
    assert refused(caught) == ("InvalidRequest", 400)


def test_both_ways_to_say_which_objects(pair: ReplicatedPair, jobs: Jobs) -> None:
    """A manifest and a generator of one exclude each other."""
    with pytest.raises(ClientError, match="Exactly one"):
        jobs.create(jobs.csv([]), **jobs.of_bucket(pair.source))


def test_two_prefixes(pair: ReplicatedPair, jobs: Jobs) -> None:
    """A constraint on names takes one string."""
    with pytest.raises(ClientError, match="one string"):
        jobs.create(jobs.of_bucket(pair.source, KeyNameConstraint={"MatchAnyPrefix": ["a", "b"]}))


def test_jobs_are_listed(aws: LocalAws, pair: ReplicatedPair) -> None:
    """Jobs are listed page by page, the newest first, and by status."""
    jobs = Jobs(aws, "ap-south-1")
    ids = [jobs.create(jobs.of_bucket(pair.source), Description=str(number)) for number in range(3)]
    for job_id in ids:
        jobs.until(job_id)
    first = jobs.s3control.list_jobs(AccountId=jobs.account_id, MaxResults=2)
    second = jobs.s3control.list_jobs(AccountId=jobs.account_id, MaxResults=2, NextToken=first["NextToken"])
    found = [*first["Jobs"], *second["Jobs"]]
    assert [job["JobId"] for job in found] == ids[::-1]
    assert [job["Description"] for job in found] == ["2", "1", "0"]
    assert "NextToken" not in second
    ended = jobs.s3control.list_jobs(AccountId=jobs.account_id, JobStatuses=["Complete", "Failed"])["Jobs"]
    assert len(ended) == 3
    assert jobs.s3control.list_jobs(AccountId=jobs.account_id, JobStatuses=["Active"]).get("Jobs", []) == []
    with pytest.raises(ClientError) as caught:
        jobs.s3control.list_jobs(AccountId=jobs.account_id, NextToken="no")
    assert refused(caught)[0] == "InvalidNextTokenException"


def test_refusals_to_order(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """A refusal that was ordered comes as often as it was ordered, and nothing is done."""
    token = "later-" + pair.source
    orders.refuse("CreateJob", "TooManyRequestsException", "Rate exceeded", times=2)
    orders.refuse("CreateJob", "SlowDown", status=503)
    codes = []
    for _ in range(3):
        with pytest.raises(ClientError) as caught:
            jobs.create(jobs.of_bucket(pair.source), ClientRequestToken=token)
        codes.append(refused(caught))
    assert codes == [("TooManyRequestsException", 400)] * 2 + [("SlowDown", 503)]
    assert count(aws, token) == 0
    jobs.create(jobs.of_bucket(pair.source), ClientRequestToken=token)
    assert count(aws, token) == 1


def test_lost_answer(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """A job whose answer comes too late for its client is there all the same, and found again by its token."""
    token, what = "lost-" + pair.source, jobs.of_bucket(pair.source)
    patient = jobs.s3control
    orders.delay("CreateJob", 30)
    jobs.s3control = reach_by_address(
        aws._session.client(
            "s3control",
            region_name="eu-west-1",
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=jobs.account_id,
            aws_secret_access_key="secret",
            config=Config(read_timeout=0.5, retries={"total_max_attempts": 1}),
        )
    )
    with pytest.raises(ReadTimeoutError):
        jobs.create(what, ClientRequestToken=token)
    assert count(aws, token) == 1
    orders.reset()
    jobs.s3control = patient
    jobs.create(what, ClientRequestToken=token)
    assert count(aws, token) == 1


def test_account_in_the_host_name(aws: LocalAws, pair: ReplicatedPair, jobs: Jobs) -> None:
    """The account may be said by the name of the host alone, as S3 has one for each."""
    job_id = jobs.create(jobs.of_bucket(pair.source))
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint_url).netloc, timeout=30)
    try:
        host = f"{jobs.account_id}.s3-control.eu-west-1.amazonaws.com"
        connection.request("GET", f"/v20180820/jobs/{job_id}", headers={"Host": host})
        answer = connection.getresponse()
        assert (answer.status, job_id in answer.read().decode()) == (200, True)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "", b"no XML", "MalformedXML"),
        ("POST", "", b"<CreateJobRequest><Priority>high</Priority></CreateJobRequest>", "MalformedXML"),
        ("POST", "", b"<CreateJobRequest/>", "InvalidRequest"),
        ("DELETE", "/0123456789", b"", "MethodNotAllowed"),
        ("GET", "?maxResults=5000", b"", "InvalidRequest"),
        ("POST", "/0123456789/status?requestedJobStatus=Paused", b"", "InvalidRequest"),
    ],
)
def test_requests_that_boto3_does_not_send(aws: LocalAws, method: str, path: str, body: bytes, expected: str) -> None:
    """What no client of AWS sends is refused with a code, too."""
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint_url).netloc, timeout=30)
    try:
        connection.request(method, f"/v20180820/jobs{path}", body, {"x-amz-account-id": "111111111111"})
        answer = connection.getresponse()
        assert (answer.status in (400, 405), f"<Code>{expected}</Code>" in answer.read().decode()) == (True, True)
    finally:
        connection.close()


def test_with_auth() -> None:
    """Where MiniStack checks signatures, an account still has its jobs."""
    with LocalAws(auth=True) as local:
        pair, jobs = replicated_pair(local), Jobs(local)
        pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")
        assert jobs.ended(jobs.of_bucket(pair.source))["Status"] == "Complete"


def test_what_ministack_knows_of_s3control_stays(aws: LocalAws) -> None:
    """Operations that are not about jobs are still MiniStack's."""
    assert aws.client("s3control").list_access_points(AccountId="111111111111")["AccessPointList"] == []


def test_unknown_order(aws: LocalAws) -> None:
    """An order that is none is refused."""
    with pytest.raises(LocalAwsError, match="no such order"):
        aws._say("batch-explode")
    with pytest.raises(LocalAwsError, match="a report is one of"):
        aws.batch.set(report="eaten")
