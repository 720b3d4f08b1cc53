"""What a job replicates, its request, and the token that makes one job of several tries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import botocore.session
import pytest

from airflow_provider_crr.batch.job_request import JobRequest, role, token_of
from airflow_provider_crr.batch.price import price_line, price_usd
from airflow_provider_crr.batch.selection import Found, Listed, selectable
from airflow_provider_crr.errors import InvalidArgument
from tests.support.batch_forms import created
from tests.support.s3control_server import S3ControlServer, client_of

ROLE = "arn:aws:iam::111122223333:role/batch"
LISTED = Listed("s3://work/m.csv", "60e460c9d1046e73f7dde5043ac3ae85")
REPORT: Any = botocore.session.get_session().get_service_model("s3control").shape_for("JobReport")
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


def request(selection: Any = LISTED, **more: Any) -> JobRequest:
    return JobRequest(
        **{
            "selection": selection,
            "role_arn": ROLE,
            "report_uri": "s3://reports/repair/",
            "token": "crr-1",
            "label": "Airflow d/t run",
            **more,
        }
    )


def sent(asked: JobRequest) -> Any:
    """Return the request as S3 receives it of boto3, which checks it by S3's model."""
    with S3ControlServer(CreateJob=[created()]) as server:
        client_of(server).create_job(**asked.to_api("111122223333", "aws"))
    return server.calls[0]


def test_request_with_a_manifest() -> None:
    """Format, columns, place and ETag of the manifest are named, and so is all else that S3 needs."""
    call = sent(request())
    assert call.account_id == "111122223333"
    assert call.text("Manifest/Spec/Format") == "S3BatchOperations_CSV_20180820"
    assert call.text("Manifest/Location/ObjectArn") == "arn:aws:s3:::work/m.csv"
    assert call.text("Manifest/Location/ETag") == LISTED.etag
    assert call.text("Report/Bucket") == "arn:aws:s3:::reports"
    assert call.text("Report/Prefix") == "repair"
    assert call.text("Report/ReportScope") == "AllTasks"
    assert call.text("ConfirmationRequired") == "false"
    assert call.text("ClientRequestToken") == "crr-1"
    assert call.text("RoleArn") == ROLE
    assert call.text("ManifestGenerator/S3JobManifestGenerator/SourceBucket") is None


def test_request_with_a_search() -> None:
    """S3 makes the manifest of what is eligible, and has the statuses, times and prefix that were asked for."""
    search = Found("landing", ("FAILED", "NONE"), MOMENT, MOMENT + timedelta(days=1), "orders/", "111122223333")
    call = sent(request(search, confirmation_required=True, report_uri="s3://reports"))
    generator = "ManifestGenerator/S3JobManifestGenerator"
    assert call.text(f"{generator}/SourceBucket") == "arn:aws:s3:::landing"
    assert call.text(f"{generator}/ExpectedBucketOwner") == "111122223333"
    assert call.text(f"{generator}/Filter/EligibleForReplication") == "true"
    assert call.text(f"{generator}/Filter/CreatedAfter") == "2026-11-01T00:00:00Z"
    assert call.text(f"{generator}/Filter/CreatedBefore") == "2026-11-02T00:00:00Z"
    assert b"<ObjectReplicationStatuses><member>FAILED</member><member>NONE</member>" in call.body
    assert b"<MatchAnyPrefix><member>orders/</member></MatchAnyPrefix>" in call.body
    assert call.text("Report/Prefix") is None
    assert call.text("ConfirmationRequired") == "true"


@pytest.mark.skipif("ExpectedBucketOwner" not in REPORT.members, reason="this botocore does not know it")
def test_request_names_the_owner_of_the_report() -> None:
    """S3 writes the report only into a bucket of the account that is expected."""
    assert sent(request(report_owner="111122223333")).text("Report/ExpectedBucketOwner") == "111122223333"


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_partitions(partition: str) -> None:
    """ARNs are of the connection's partition."""
    api = request().to_api("111122223333", partition)
    assert api["Report"]["Bucket"] == f"arn:{partition}:s3:::reports"
    assert api["Manifest"]["Location"]["ObjectArn"] == f"arn:{partition}:s3:::work/m.csv"


def test_description_ends_in_the_token_whatever_the_names() -> None:
    """A job is found by it, also if names of DAG and task are longer than S3 takes."""
    description = request(label="x" * 500, token=token_of(["d"], "c")).description
    assert len(description) == 256
    assert description.endswith(f"[{token_of(['d'], 'c')}]")


def test_token_depends_on_who_asks_for_what_in_which_round_alone() -> None:
    """The same asking has the same token; another DAG, run, task, map index, round or content has another."""
    asker = ["dag", "run", "task", -1, "0"]
    tokens = {token_of([*asker[:place], "other", *asker[place + 1 :]], "content") for place in range(5)}
    tokens |= {token_of(asker, "content"), token_of(asker, "other")}
    assert len(tokens) == 7
    assert token_of(asker, "content") in tokens
    assert max(map(len, tokens)) <= 64


def test_content_of_a_search_does_not_depend_on_the_spelling_of_moments() -> None:
    """The same moment in another time zone is the same search."""
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5)))
    assert Found("b", created_after=MOMENT).content() == Found("b", created_after=elsewhere).content()
    assert Found("b", created_after=MOMENT).content() != Found("b", created_before=MOMENT).content()


def test_pending_cannot_be_selected_and_the_way_is_named() -> None:
    """S3 has no filter for PENDING; a manifest can name such objects."""
    with pytest.raises(InvalidArgument, match=r"PENDING.*failed_manifest_pending_age"):
        selectable(["FAILED", "PENDING"])


@pytest.mark.parametrize("statuses", [[], "failed", ["FAILED", "X"], [None], 5, [["FAILED"]]])
def test_statuses_that_are_none(statuses: Any) -> None:
    """Only S3's own four words are taken, and at least one."""
    with pytest.raises(InvalidArgument, match="statuses is"):
        selectable(statuses)


def test_statuses_that_are_taken() -> None:
    """One word, or several; FAILED if none is said."""
    assert selectable(None) == selectable("FAILED") == selectable(["FAILED", "FAILED"]) == ("FAILED",)
    assert selectable(("NONE", "REPLICA", "COMPLETED")) == ("NONE", "REPLICA", "COMPLETED")


@pytest.mark.parametrize(
    "search",
    [
        {"bucket": "s3://landing"},
        {"bucket": ""},
        {"bucket": "landing/x"},
        {"bucket": "arn:aws:s3:eu-west-1:111122223333:accesspoint/a"},
        {"bucket": "landing", "prefix": "s3://landing/x"},
        {"bucket": "landing", "prefix": "x" * 1025},
        {"bucket": "landing", "created_after": MOMENT, "created_before": MOMENT},
    ],
)
def test_search_that_can_never_work(search: dict[str, Any]) -> None:
    """What S3 would refuse is refused before."""
    with pytest.raises(InvalidArgument):
        Found(**search)


@pytest.mark.parametrize(
    "arn",
    [
        "batch",
        "",
        None,
        "arn:aws:iam::111122223333:user/x",
        "arn:aws:iam::1:role/x",
        "arn:aws:sts::111122223333:assumed-role/x/y",
    ],
)
def test_role_that_is_none(arn: Any) -> None:
    """Only the ARN of a role is taken."""
    with pytest.raises(InvalidArgument, match="role_arn is"):
        role(arn)


def test_roles() -> None:
    """Paths and partitions are taken."""
    for arn in (ROLE, "arn:aws-cn:iam::111122223333:role/a/b/c", "arn:aws-us-gov:iam::111122223333:role/x_+=,.@-"):
        assert role(arn) == arn


def test_price() -> None:
    """A job costs a quarter, and a dollar a million objects."""
    assert (price_usd(0), price_usd(1_000_000), price_usd(4)) == (0.25, 1.25, 0.250004)
    assert "3,000 objects cost about $0.25" in price_line(3000)
    assert "not known" in price_line(None)
