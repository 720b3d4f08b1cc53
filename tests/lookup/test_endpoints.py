"""Endpoints that people are told to use: both clients send the same request to the same place, signed alike."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.choice import choose_lookup, head_one, why_not_crt
from airflow_provider_crr.lookup.crt import request_template
from airflow_provider_crr.lookup.crt.session import Runtime
from airflow_provider_crr.s3.objects import S3Object
from tests.support import sigv4

pytestmark = pytest.mark.usefixtures("crt")

SECRETS = {"AKIDEXAMPLE": "secret"}
VPCE = "vpce-1a2b3c4d-5e6f7a8b.s3.eu-west-1.vpce.amazonaws.com"
ACCESS_POINT = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap"
FIPS, DUAL = {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}
FAST = {"s3": {"use_accelerate_endpoint": True}}
FAST_DUAL = {"s3": {"use_accelerate_endpoint": True, "use_dualstack_endpoint": True}}
PATH = {"s3": {"addressing_style": "path"}}

#: Region, bucket, endpoint_url, configuration, and the host that is asked.
PLACES: list[tuple[str, str, str | None, dict[str, Any], str]] = [
    ("eu-west-1", "landing", None, {}, "landing.s3.eu-west-1.amazonaws.com"),
    ("us-east-1", "landing", None, {}, "landing.s3.amazonaws.com"),
    ("aws-global", "landing", None, {}, "landing.s3.amazonaws.com"),
    ("eu-west-1", "my.landing", None, {}, "s3.eu-west-1.amazonaws.com"),
    ("eu-west-1", "landing", None, PATH, "s3.eu-west-1.amazonaws.com"),
    ("us-west-2", "landing", None, FIPS, "landing.s3-fips.us-west-2.amazonaws.com"),
    ("us-west-2", "landing", None, DUAL, "landing.s3.dualstack.us-west-2.amazonaws.com"),
    ("us-west-2", "landing", None, {**FIPS, **DUAL}, "landing.s3-fips.dualstack.us-west-2.amazonaws.com"),
    ("us-west-2", "my.landing", None, {**FIPS, **DUAL}, "s3-fips.dualstack.us-west-2.amazonaws.com"),
    ("eu-west-1", "landing", None, FAST, "landing.s3-accelerate.amazonaws.com"),
    ("eu-west-1", "landing", None, FAST_DUAL, "landing.s3-accelerate.dualstack.amazonaws.com"),
    ("cn-north-1", "landing", None, {}, "landing.s3.cn-north-1.amazonaws.com.cn"),
    ("cn-northwest-1", "landing", None, DUAL, "landing.s3.dualstack.cn-northwest-1.amazonaws.com.cn"),
    ("us-gov-west-1", "landing", None, {}, "landing.s3.us-gov-west-1.amazonaws.com"),
    ("us-gov-east-1", "landing", None, FIPS, "landing.s3-fips.us-gov-east-1.amazonaws.com"),
    ("us-gov-west-1", "landing", None, {**FIPS, **DUAL}, "landing.s3-fips.dualstack.us-gov-west-1.amazonaws.com"),
    ("fips-us-gov-west-1", "landing", None, {}, "landing.s3-fips.us-gov-west-1.amazonaws.com"),
    ("us-iso-east-1", "landing", None, {}, "landing.s3.us-iso-east-1.c2s.ic.gov"),
    ("eu-west-1", "landing", f"https://bucket.{VPCE}", {}, f"bucket.{VPCE}"),
    ("eu-west-1", "landing", f"https://bucket.{VPCE}", PATH, f"bucket.{VPCE}"),
    (
        "eu-west-1",
        "landing",
        f"https://bucket.{VPCE}",
        {"s3": {"addressing_style": "virtual"}},
        f"landing.bucket.{VPCE}",
    ),
    ("eu-west-1", ACCESS_POINT, f"https://accesspoint.{VPCE}", {}, f"ap-111122223333.accesspoint.{VPCE}"),
    ("eu-west-1", ACCESS_POINT, None, DUAL, "ap-111122223333.s3-accesspoint.dualstack.eu-west-1.amazonaws.com"),
    (
        "us-gov-west-1",
        ACCESS_POINT.replace("aws:s3:eu-west-1", "aws-us-gov:s3:us-gov-west-1"),
        None,
        FIPS,
        "ap-111122223333.s3-accesspoint-fips.us-gov-west-1.amazonaws.com",
    ),
]


class _NoBody:
    def stream(self) -> Any:
        return iter(())


def client_of(region: str, url: str | None, config: dict[str, Any], token: str | None = None) -> tuple[Any, list[Any]]:
    """Return a boto3 client without a network, and the requests that it would have sent."""
    import boto3
    from botocore.config import Config

    session = boto3.Session("AKIDEXAMPLE", "secret", token, region_name=region)
    client = session.client("s3", endpoint_url=url, config=Config(**config))
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        sent.append(request)
        headers: Any = {"etag": '"e"', "content-length": "4", "x-amz-request-id": "0A", "x-amz-version-id": "v+1"}
        headers["x-amz-replication-status"] = "COMPLETED"
        return AWSResponse(request.url, 200, headers, _NoBody())

    client.meta.events.register_first("before-send.s3.HeadObject", answer)
    return client, sent


def said(headers: Any) -> dict[str, str]:
    """Return headers by lower-case name."""
    pairs = headers.items() if hasattr(headers, "items") else headers
    return {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in pairs}


@pytest.mark.parametrize("signs_body", [None, True, False])
def test_both_sign_the_same_of_the_body(signs_body: bool | None) -> None:
    """A policy that denies unsigned payloads meets both clients alike, whatever payload_signing_enabled says."""
    config = {} if signs_body is None else {"s3": {"payload_signing_enabled": signs_body}}
    obj = S3Object("landing", "k")
    client, sent = client_of("eu-west-1", None, config)
    head_one(client, obj)
    runtime = Runtime(client)
    try:
        ours = said(runtime.request(_prepared("eu-west-1", None, config, None, obj), obj).headers)
    finally:
        runtime.close(time.monotonic() + 5)
    assert ours["x-amz-content-sha256"] == said(sent[0].headers)["x-amz-content-sha256"]


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzEBYaD/+=="])
@pytest.mark.parametrize(("region", "bucket", "url", "config", "host"), PLACES)
def test_both_clients_send_the_same(
    region: str, bucket: str, url: str | None, config: dict[str, Any], host: str, token: str | None
) -> None:
    """Host, path, query, signed headers and the Region of the signature are alike, and both signatures are right."""
    obj = S3Object(bucket, "a b/ü/../c", "v+1")
    client, sent = client_of(region, url, config, token)
    assert head_one(client, obj).state == "COMPLETED"
    by_boto3, target = sent[0], urlsplit(sent[0].url)
    plain = _prepared(region, url, config, token, obj)
    assert plain.endpoint.scheme == target.scheme
    assert plain.endpoint.host == target.netloc == host
    runtime = Runtime(client)
    try:
        request = runtime.request(plain, obj)
        ours, path = said(request.headers), request.path
    finally:
        runtime.close(time.monotonic() + 5)
    theirs = said(by_boto3.headers)
    assert path == f"{target.path}?{target.query}"
    assert ours["host"] == host
    theirs.setdefault("host", target.netloc)
    for headers in (ours, theirs):
        fault, signed_for = sigv4.fault("HEAD", path, headers, SECRETS, token)
        assert fault == ""
        assert signed_for == plain.region
    assert _signed(ours) == _signed(theirs)
    assert ours["x-amz-content-sha256"] == theirs["x-amz-content-sha256"]


def _prepared(
    region: str, url: str | None, config: dict[str, Any], token: str | None, obj: S3Object
) -> request_template.RequestTemplate:
    import boto3
    from botocore.config import Config

    session = boto3.Session("AKIDEXAMPLE", "secret", token, region_name=region)
    client = session.client("s3", endpoint_url=url, config=Config(**config))
    assert why_not_crt(client) is None
    prepared = request_template.prepare(client, obj)
    assert prepared is not None
    return prepared


def _signed(headers: dict[str, str]) -> set[str]:
    found = re.search(r"SignedHeaders=([^,]+)", headers["authorization"])
    assert found
    return set(found[1].split(";"))


@pytest.mark.parametrize(
    ("region", "config", "says"),
    [
        ("cn-north-1", FIPS, "Partition does not support FIPS"),
        ("cn-north-1", FAST, "Accelerate cannot be used in this region"),
        ("eu-west-1", {**FIPS, **FAST}, "Accelerate cannot be used with FIPS"),
    ],
)
def test_what_no_place_offers_is_an_error_for_one_and_for_many(region: str, config: dict[str, Any], says: str) -> None:
    """Settings that go together nowhere are told in botocore's words, whoever would have been asked."""
    for count in (1, 2):
        client, sent = client_of(region, None, config)
        with pytest.raises(LookupFailed, match=says):
            list(choose_lookup(client)(S3Object("landing", f"k{number}") for number in range(count)))
        assert sent == []
