"""A MinIO is asked for its own objects only, by both clients and by the GET for a reason."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from airflow_provider_crr.lookup import store_headers
from airflow_provider_crr.lookup.boto3_asker import head
from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import MISSING, Answer, S3Server, stored

pytestmark = pytest.mark.usefixtures("crt")

NAME = "x-minio-source-proxy-request"
AS_MINIO = {"headers": {"Server": "MinIO"}}
OBJECTS = [S3Object("b", "one"), S3Object("b", "two"), S3Object("b", "three", "v")]


class Minio(S3Server):
    """Answers as its target does about objects that it does not have, unless it is asked not to."""

    def next_answer(self, bucket: str, key: str, version: str | None) -> Answer:
        """Return the target's COMPLETED, or an honest 404."""
        return MISSING if self.requests[-1].headers.get(NAME) == "false" else stored("COMPLETED", **AS_MINIO)


def test_a_minio_answers_for_itself(way: str) -> None:
    """What only the target has is missing here, from the first request on, signed."""
    with Minio() as server:
        client = server.client(max_pool_connections=1)
        found = [head_one(client, OBJECTS[0]), *choose_lookup(client)(OBJECTS)]
        assert {each.state.value for each in found} == {"MISSING"}
        assert {request.headers.get(NAME) for request in server.heads()} == {"false"}
        assert all(NAME in request.headers["authorization"] for request in server.heads())
        assert server.faults() == []


def test_a_minio_at_an_address_of_amazons_is_asked_again(
    server: S3Server, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who calls itself MinIO and was asked without it, is asked with it, and so from then on."""
    monkeypatch.setattr(store_headers, "is_amazons", lambda host: True)
    server.default = lambda bucket, key, version: stored("COMPLETED", **AS_MINIO)
    client = server.client()
    assert len(list(choose_lookup(client)(OBJECTS))) == 3
    asked = [request.headers.get(NAME) for request in server.heads()]
    assert asked.count("false") == 3
    server.requests.clear()
    list(choose_lookup(client)(OBJECTS))
    head_one(client, OBJECTS[0])
    assert [request.headers.get(NAME) for request in server.heads()] == ["false"] * 4
    assert server.faults() == []


def test_the_reason_is_asked_for_likewise(server: S3Server) -> None:
    """The one-byte GET has it; other GETs through the client do not."""
    server.default = lambda bucket, key, version: Answer(403, code="AccessDenied")
    client = server.client()
    head_one(client, OBJECTS[0])
    server.default = lambda bucket, key, version: stored("COMPLETED")
    client.get_object(Bucket="b", Key="k")
    gets = [request.headers.get(NAME) for request in server.requests if request.method == "GET"]
    assert gets == ["false", None]


@pytest.mark.parametrize(
    ("region", "endpoint", "sent"),
    [
        ("eu-west-1", None, False),
        ("cn-north-1", None, False),
        ("us-gov-west-1", None, False),
        ("eu-west-1", "https://s3.dualstack.eu-west-1.amazonaws.com", False),
        ("eu-west-1", "https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", False),
        ("eu-west-1", "https://amazonaws.com.example.org", True),
        ("eu-west-1", "https://notamazonaws.com", True),
        ("eu-west-1", "http://minio:9000", True),
    ],
)
def test_amazon_is_asked_as_ever(region: str, endpoint: str | None, sent: bool) -> None:
    """At Amazon's own names nothing is added."""
    seen: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        seen.append(request.headers.get(NAME))
        headers: Any = {"etag": "x", "content-length": "1", "x-amz-request-id": "1"}
        raw = type("Raw", (), {"stream": lambda self: iter([])})()
        return AWSResponse(request.url, 200, headers, raw)

    client = boto3.Session("id", "secret", region_name=region).client("s3", endpoint_url=endpoint)
    client.meta.events.register("before-send.s3", answer)
    head(client, OBJECTS[0])
    assert set(seen) == {b"false" if sent else None}
