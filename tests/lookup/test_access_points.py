"""Access points: many HEADs go where boto3 sends one, for every kind of ARN, without asking anybody."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.lookup import choice
from airflow_provider_crr.lookup.crt import request_template
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object

REGIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
SUFFIX = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}


class NoBody:
    """The body of an answer to a HEAD."""

    def stream(self) -> Any:
        return iter(())


def client_of(region: str) -> tuple[Any, list[Any]]:
    """Return a boto3 client without a network, and the requests that it would have sent."""
    import boto3

    client = boto3.Session("AKIDEXAMPLE", "secret", region_name=region).client("s3")
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        sent.append(request)
        headers: Any = {"etag": '"e"', "content-length": "4", "x-amz-replication-status": "COMPLETED"}
        headers["x-amz-version-id"] = "v+1"
        return AWSResponse(request.url, 200, headers, NoBody())

    client.meta.events.register_first("before-send.s3.HeadObject", answer)
    return client, sent


@pytest.mark.parametrize("spelling", ["/", ":"])
@pytest.mark.parametrize("partition", REGIONS)
def test_many_go_where_one_goes(partition: str, spelling: str) -> None:
    """The request template of an access point has the host and path of boto3's own request."""
    region = REGIONS[partition]
    obj = S3Object(f"arn:{partition}:s3:{region}:111122223333:accesspoint{spelling}ap", "a b/ü", "v+1")
    client, sent = client_of(region)
    assert choice.head_one(client, obj).state is ObjectState.COMPLETED
    url = urlsplit(sent[0].url)
    prepared = request_template.prepare(_fresh(region), obj)
    assert prepared is not None
    assert prepared.endpoint.host == url.netloc == f"ap-111122223333.s3-accesspoint.{region}.{SUFFIX[partition]}"
    assert prepared.path(obj) == f"{url.path}?{url.query}"
    assert prepared.region == region


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        (
            "arn:aws:s3::111122223333:accesspoint/m4jc4flr3gnqu.mrap",
            "m4jc4flr3gnqu.mrap.accesspoint.s3-global.amazonaws.com",
        ),
        (
            "arn:aws:s3-outposts:eu-west-1:111122223333:outpost/op-01ac5d28a6a232904/accesspoint/ap",
            "ap-111122223333.op-01ac5d28a6a232904.s3-outposts.eu-west-1.amazonaws.com",
        ),
        (
            "arn:aws:s3-outposts:eu-west-1:111122223333:outpost:op-01ac5d28a6a232904:accesspoint:ap",
            "ap-111122223333.op-01ac5d28a6a232904.s3-outposts.eu-west-1.amazonaws.com",
        ),
        (
            "arn:aws:s3-object-lambda:eu-west-1:111122223333:accesspoint/banner",
            "banner-111122223333.s3-object-lambda.eu-west-1.amazonaws.com",
        ),
    ],
)
def test_what_is_signed_otherwise_is_asked_through_boto3(arn: str, host: str) -> None:
    """Multi-region, Outposts and Object Lambda access points are signed otherwise: boto3 asks for one and for many."""
    assert request_template.prepare(_fresh("eu-west-1"), S3Object(arn, "k")) is None
    client, sent = client_of("eu-west-1")
    answers = list(choice.choose_lookup(client)([S3Object(arn, f"k{number}") for number in range(5)]))
    assert {answer.state for answer in answers} == {ObjectState.COMPLETED}
    assert {urlsplit(request.url).netloc for request in sent} == {host}
    paths = [urlsplit(request.url).path for request in sent]
    assert sorted(path for path in paths if path.startswith("/k")) == [f"/k{number}" for number in range(5)]


def test_rules_of_an_access_point_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 tells nothing of replication rules through an access point; the reason of a NONE says so."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws", "login": "a", "password": "b"}')
    hook = S3ReplicationHook(region_name="eu-west-1")
    arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap"
    with pytest.raises(LookupFailed, match="through an access point") as caught:
        hook.get_replication_rules(arn)
    assert caught.value.uri == f"s3://{arn}"
    assert "through an access point" in hook.why_no_status(ObjectReplication(S3Object(arn, "k"), ObjectState.NONE))


def _fresh(region: str) -> Any:
    import boto3

    return boto3.Session("AKIDEXAMPLE", "secret", region_name=region).client("s3")
