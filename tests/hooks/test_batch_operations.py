"""The hook of S3 Batch Operations, against a scripted s3control: what it asks, and what refusals mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_crr.batch.job_request import JobRequest
from airflow_provider_crr.batch.selection import Listed
from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from tests.support.batch_forms import ACCOUNT_ID, JOB_ID, created, described, listed, updated
from tests.support.http_server import Asked, HttpServer, Said
from tests.support.s3control_server import LOST, S3ControlServer

REQUEST = JobRequest(
    Listed("s3://work/m.csv", "60e460c9d1046e73f7dde5043ac3ae85"),
    "arn:aws:iam::111122223333:role/batch",
    "s3://reports/repair/",
    "crr-1",
    "airflow",
)


@pytest.fixture
def s3control(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3ControlServer]:
    """A scripted s3control, as what the connection aws_default leads to."""
    with S3ControlServer() as server:
        connect(monkeypatch, {"s3control": server.url})
        yield server


def connect(monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, str]) -> None:
    extra = {
        "region_name": "eu-west-1",
        "service_config": {service: {"endpoint_url": url} for service, url in endpoints.items()},
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


def hook(**more: Any) -> S3BatchOperationsHook:
    return S3BatchOperationsHook(**{"account_id": ACCOUNT_ID, **more})


def test_job_is_created_and_described(s3control: S3ControlServer) -> None:
    """The id of the new job is returned, and the job can be asked for by it, in its account."""
    s3control.answers = {"CreateJob": [created()], "DescribeJob": [described("Active", total=5, succeeded=2)]}
    assert hook().create_job(REQUEST) == JOB_ID
    job = hook().describe_job(JOB_ID)
    assert (job.status, job.total, job.succeeded) == ("Active", 5, 2)
    assert {call.account_id for call in s3control.calls} == {ACCOUNT_ID}


def test_argument_that_botocore_does_not_know_is_an_error_of_this_tree(
    s3control: S3ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old botocore refuses what it does not know, before anything is sent; nothing is left out silently."""
    ask = JobRequest.to_api
    monkeypatch.setattr(JobRequest, "to_api", lambda *asked: {**ask(*asked), "NotYetKnown": 1})
    with pytest.raises(InvalidArgument, match=r"this release of botocore cannot ask for the job: .*NotYetKnown"):
        hook().create_job(REQUEST)
    assert s3control.calls == []


def test_job_is_confirmed_and_cancelled(s3control: S3ControlServer) -> None:
    """Both change the status, with a reason that people see."""
    s3control.answers = {"UpdateJobStatus": [updated("Ready"), updated("Cancelling")]}
    hook().confirm_job(JOB_ID)
    hook().cancel_job(JOB_ID, "no longer needed")
    asked = [(call.query["requestedJobStatus"], call.query["statusUpdateReason"]) for call in s3control.calls]
    assert asked == [("Ready", "confirmed by airflow-provider-crr"), ("Cancelled", "no longer needed")]


@pytest.mark.parametrize("answer", ["throttled", "slow down", "internal", "unavailable", LOST], ids=str)
@pytest.mark.parametrize("operation", ["CreateJob", "DescribeJob", "UpdateJobStatus"])
def test_throttling_and_lost_answers_pass_by_themselves(
    s3control: S3ControlServer, operation: str, answer: Any
) -> None:
    """What passes by itself is no failure: a task that waits goes on."""
    s3control.answers = {operation: [answer]}
    asked = hook()
    with pytest.raises(LookupFailed) as caught:
        {"CreateJob": lambda: asked.create_job(REQUEST), "DescribeJob": lambda: asked.describe_job(JOB_ID)}.get(
            operation, lambda: asked.confirm_job(JOB_ID)
        )()
    assert caught.value.passing


@pytest.mark.parametrize("operation", ["CreateJob", "DescribeJob"])
def test_answer_of_somebody_else_passes(s3control: S3ControlServer, operation: str) -> None:
    """A page of a proxy is no answer of S3."""
    s3control.answers = {operation: [Said(body="<html><body>Welcome</body></html>")]}
    with pytest.raises(LookupFailed, match="not one of S3 Batch Operations") as caught:
        hook().create_job(REQUEST) if operation == "CreateJob" else hook().describe_job(JOB_ID)
    assert caught.value.passing


@pytest.mark.parametrize("answer", ["forbidden", "pass role", "foreign role", "bare"])
def test_permissions_of_create_job_are_named(s3control: S3ControlServer, answer: str) -> None:
    """A 403 names the permission that is missing: the job's, or that to hand it its role."""
    s3control.answers = {"CreateJob": [answer]}
    with pytest.raises(LookupFailed) as caught:
        hook().create_job(REQUEST)
    said = str(caught.value)
    assert ("s3:CreateJob" in said) == (answer in ("forbidden", "bare"))
    assert ("Allow iam:PassRole for arn:aws:iam::111122223333:role/batch" in said) == (answer == "pass role")
    assert ("and iam:PassRole for arn:aws:iam::111122223333:role/batch" in said) == (answer == "bare")
    assert ("Name a role of the account that owns the job" in said) == (answer == "foreign role")
    assert not caught.value.passing


@pytest.mark.parametrize(
    ("operation", "permission"), [("DescribeJob", "s3:DescribeJob"), ("UpdateJobStatus", "s3:UpdateJobStatus")]
)
def test_other_permissions_are_named(s3control: S3ControlServer, operation: str, permission: str) -> None:
    """Each operation needs its own."""
    s3control.answers = {operation: ["bare"]}
    with pytest.raises(LookupFailed, match=f"Allow {permission} to the connection"):
        hook().describe_job(JOB_ID) if operation == "DescribeJob" else hook().cancel_job(JOB_ID)


@pytest.mark.parametrize("answer", ["no such job", "not found"])
def test_job_of_another_account_is_not_there(s3control: S3ControlServer, answer: str) -> None:
    """The message names job, account and Region, and what may be wrong with each."""
    s3control.answers = {"DescribeJob": [answer]}
    with pytest.raises(LookupFailed, match="there is no such job") as caught:
        hook().describe_job(JOB_ID)
    for part in (JOB_ID, ACCOUNT_ID, "eu-west-1", "account_id", "Region"):
        assert part in str(caught.value)
    assert not caught.value.passing


def test_job_whose_status_changes_is_asked_again(s3control: S3ControlServer) -> None:
    """S3 refuses to confirm a job that just began: that passes."""
    s3control.answers = {"UpdateJobStatus": ["job status"]}
    with pytest.raises(LookupFailed) as caught:
        hook().confirm_job(JOB_ID)
    assert caught.value.passing


def test_token_that_was_used_with_other_arguments_leads_to_its_job(s3control: S3ControlServer) -> None:
    """The job of an earlier try is found again by its description, on whatever page of the list."""
    other = "00000000-0000-0000-0000-000000000001"
    s3control.answers = {
        "CreateJob": ["token used"],
        "ListJobs": [
            listed([(other, "Active")], next_token="more"),
            listed([(JOB_ID, "Active")]).replace(">airflow<", f">{REQUEST.description}<"),
        ],
    }
    assert hook().create_job(REQUEST) == JOB_ID
    assert s3control.count("ListJobs") == 2


def test_token_that_was_used_and_whose_job_is_not_listed(s3control: S3ControlServer) -> None:
    """No second job is created in its place."""
    s3control.answers = {"CreateJob": ["token used"], "ListJobs": [listed([])]}
    with pytest.raises(LookupFailed, match="clear the task to ask for a new one"):
        hook().create_job(REQUEST)
    assert s3control.count("CreateJob") == 1


def test_list_of_jobs_that_does_not_go_on_is_an_error(s3control: S3ControlServer) -> None:
    """A page that is given again and again, as by a cache, is not read for ever."""
    s3control.answers = {"ListJobs": [listed([("other", "Active")], next_token="more")] * 9}
    with pytest.raises(LookupFailed, match="the same jobs again and again") as caught:
        hook().find_job(REQUEST.description)
    assert caught.value.passing
    assert s3control.count("ListJobs") == 2


def test_account_is_that_of_the_connection(s3control: S3ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless one is given, STS tells it, once."""
    identity = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        "<Arn>arn:aws:iam::444455556666:user/x</Arn><UserId>x</UserId><Account>444455556666</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    s3control.answers = {"DescribeJob": [described("Ready")]}
    with HttpServer(lambda asked: Said(body=identity)) as sts:
        connect(monkeypatch, {"s3control": s3control.url, "sts": sts.url})
        asking = S3BatchOperationsHook()
        asking.describe_job(JOB_ID)
        asking.describe_job(JOB_ID)
        assert len(sts.requests) == 1
    assert {call.account_id for call in s3control.calls} == {"444455556666"}


def test_account_that_sts_does_not_tell(s3control: S3ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names STS, and the argument that makes it unnecessary is known."""

    def refuse(asked: Asked) -> Said:
        body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>No</Message></Error></ErrorResponse>"
        return Said(403, body)

    with HttpServer(refuse) as sts:
        connect(monkeypatch, {"s3control": s3control.url, "sts": sts.url})
        with pytest.raises(LookupFailed, match="GetCallerIdentity"):
            S3BatchOperationsHook().describe_job(JOB_ID)


@pytest.mark.parametrize("account", ["1", "11112222333a", ""])
def test_account_that_is_none(account: str) -> None:
    """Twelve digits are needed."""
    with pytest.raises(InvalidArgument, match="account_id is"):
        hook(account_id=account)
