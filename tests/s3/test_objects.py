"""S3 URIs, and what may stand for a bucket in them."""

from __future__ import annotations

from itertools import product

import pytest
from botocore.handlers import VALID_S3_ARN, validate_bucket_name
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.location import InventoryLocation, is_manifest_uri
from airflow_provider_crr.inventory.output import check_destination
from airflow_provider_crr.links.console import S3ConsoleLink
from airflow_provider_crr.replication.packed_objects import pack, unpack
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3 import objects as s3_uri
from airflow_provider_crr.s3.objects import S3Object, split_uri
from airflow_provider_crr.tasks.lineage import Place

PARTITIONS = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"]
RESOURCES = [
    "s3:eu-west-1:111122223333:accesspoint/ap",
    "s3:eu-west-1:111122223333:accesspoint:ap",
    "s3::111122223333:accesspoint/m4jc4flr3gnqu.mrap",
    "s3::111122223333:accesspoint:m4jc4flr3gnqu.mrap",
    "s3-outposts:eu-west-1:111122223333:outpost/op-01ac5d28a6a232904/accesspoint/ap",
    "s3-outposts:eu-west-1:111122223333:outpost:op-01ac5d28a6a232904:accesspoint:ap",
    "s3-object-lambda:eu-west-1:111122223333:accesspoint/banner",
    "s3-object-lambda:eu-west-1:111122223333:accesspoint:banner",
]
ARNS = [f"arn:{partition}:{resource}" for partition, resource in product(PARTITIONS, RESOURCES)]
NO_BUCKETS = [
    "arn:aws:s3:::landing",
    "arn:aws:s3:eu-west-1:111122223333:accesspoint/",
    "arn:aws:s3:eu-west-1:1:accesspoint/ap",
    "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/x",
    "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap\n",
    "arn:aws:s3-outposts:eu-west-1:111122223333:outpost/op",
    "arn:aws:iam::111122223333:role/r",
    "a/b", "a b", "landing\n", "s3://landing", "l:b", "", "é", "\0",
]  # fmt: skip
SCHEMES = ["s3://", "S3://", "s3a://", "s3n://", "S3A://", "s3N://"]
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@pytest.mark.parametrize("bucket", [*ARNS, "landing", "l.a_n-D", "a" * 255])
def test_what_boto3_takes_for_a_bucket_is_one(bucket: str) -> None:
    """Names, and ARNs of every kind, in both spellings and every partition, are buckets, here as to botocore."""
    validate_bucket_name({"Bucket": bucket})
    assert s3_uri.is_bucket(bucket)
    assert s3_uri.is_arn(bucket) == bool(VALID_S3_ARN.search(bucket))


@pytest.mark.parametrize("bucket", NO_BUCKETS)
def test_what_boto3_does_not_take_is_refused(bucket: str) -> None:
    """What is no bucket to botocore is none here, in a mapping, beside a key, and in a URI."""
    assert not s3_uri.is_bucket(bucket)
    for ask in (lambda: S3Object(bucket, "k"), lambda: S3Object.parse("k", bucket)):
        with pytest.raises(InvalidArgument) as caught:
            ask()
        assert caught.value.remedy


@pytest.mark.parametrize("arn", ARNS)
@settings(max_examples=10, deadline=None)
@given(key=KEYS)
def test_uri_is_split_after_the_arn(arn: str, key: str) -> None:
    """An ARN in a URI ends where the access point's name ends; the rest is the key, and the URI reads back."""
    obj = S3Object(arn, key)
    assert S3Object.parse(f"s3://{arn}/{key}") == S3Object.parse(str(obj)) == obj
    assert S3Object.parse(key if not s3_uri.names_a_place(key) else obj, arn) == obj
    assert S3Object.parse({"bucket": arn, "key": key}) == S3Object.parse(obj.to_dict()) == obj
    assert split_uri(f"s3://{arn}/{key}") == (arn, key)
    assert list(unpack(pack([obj]))) == [obj]


@pytest.mark.parametrize("uri", [f"s3://{arn}" for arn in ARNS[:4]] + ["s3://arn:aws:s3:::landing/k", "s3://b:c/k"])
def test_uri_without_a_key_or_a_bucket_is_refused(uri: str) -> None:
    """A URI of an access point alone, or of a bucket's own ARN, names no object."""
    for read in (S3Object.parse, split_uri):
        with pytest.raises(InvalidArgument):
            read(uri)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_hadoops_schemes_are_s3s(scheme: str) -> None:
    """s3a:// and s3n:// are S3 URIs, in any case: of objects, inventories, and places to write to."""
    assert S3Object.parse(f"{scheme}landing/a/b") == S3Object("landing", "a/b")
    assert str(InventoryLocation.parse(f"{scheme}dest/landing/daily")) == "s3://dest/landing/daily/"
    assert is_manifest_uri(f"{scheme}dest/landing/daily/2026-11-20T01-00Z/manifest.json")
    assert s3_uri.canonical(f"{scheme}b/k") == "s3://b/k"
    assert Place.of(f"{scheme}b/k") == Place("s3://b", "k")
    check_destination(f"{scheme}b/report.html", "report_uri", rendered=True)
    with pytest.raises(InvalidArgument, match="full S3 URI"):
        S3Object.parse(f"{scheme}landing/a", "landing")
    with pytest.raises(InvalidArgument, match="full S3 URI"):
        Targets.parse(f"{scheme}landing/a/*", bucket_name="landing", wildcard_match=True)


@pytest.mark.parametrize(
    "text",
    [
        "https://landing.s3.eu-west-1.amazonaws.com/a", "http://x/a", "gs://landing/a", "file:///a", "hdfs://n/a",
        " s3://landing/a", "\ts3a://landing/a", "s3:/landing/a", "S3A:/landing/a", "arn:aws:s3:::landing/a",
        "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/a", "arn:aws-cn:s3:::landing/a",
    ],
)  # fmt: skip
def test_what_names_another_place_is_no_key(text: str) -> None:
    """A URL, an ARN or a mistyped URI in a key's place is refused, as by S3KeySensor; a mapping may name such a key."""
    for bucket in ("landing", None):
        with pytest.raises(InvalidArgument) as caught:
            S3Object.parse(text, bucket)
        assert "s3://bucket/key" in str(caught.value.remedy)
    assert S3Object.parse(f"s3://landing/{text}").key == text
    assert S3Object.parse({"bucket": "landing", "key": text}).key == text


@pytest.mark.parametrize("key", ["dt:1/a", "s3:ObjectCreated:Put", "a://"[1:], "arn:aws:iam::1:role/r", "x/s3://b/k"])
def test_other_keys_with_colons_are_keys(key: str) -> None:
    """A colon makes no URL: such keys are asked for."""
    assert S3Object.parse(key, "landing").key == key


def test_inventory_behind_an_access_point() -> None:
    """The folder of an inventory may be named through an access point; source and configuration are read as ever."""
    arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/reports"
    location = InventoryLocation.parse(f"s3a://{arn}/prefix/landing/daily")
    assert (location.bucket, location.source_bucket, location.config_id) == (arn, "landing", "daily")
    assert str(location) == f"s3://{arn}/prefix/landing/daily/"
    check_destination(f"s3://{arn}/report.html", "report_uri", rendered=True)
    assert Place.of(f"s3://{arn}/a/b") == Place(f"s3://{arn}", "a/b")


def test_access_point_has_no_page_in_the_console() -> None:
    """No link is better than one that leads nowhere."""
    console = S3ConsoleLink()
    assert console.format_link(bucket=ARNS[0], key="k", aws_domain="aws.amazon.com") == ""
    assert console.format_link(bucket="landing", key="k", aws_domain="aws.amazon.com")
