"""Keys, prefixes and the bucket, as a check is given them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.rules_check.names import bucket_of, keys_of, prefixes_of
from airflow_provider_crr.s3.objects import S3Object


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (None, ()),
        ((), ()),
        ("raw/1", ("raw/1",)),
        ("s3://b/raw/1", ("raw/1",)),
        (["raw/1", "s3a://b/raw/2", "raw/1"], ("raw/1", "raw/2")),
        ({"bucket": "b", "key": "k", "version_id": "v"}, ("k",)),
        ([{"key": "k"}, S3Object("b", "l")], ("k", "l")),
        ({"k"}, ("k",)),
        (iter(["k"]), ("k",)),
    ],
)
def test_keys(value: Any, keys: tuple[str, ...]) -> None:
    """Keys may be text, URIs, mappings and objects, alone or in any collection, and are told once."""
    assert keys_of(value, "b") == keys


@pytest.mark.parametrize(
    ("value", "prefixes"),
    [
        (None, ()),
        ("", ("",)),
        ("raw/", ("raw/",)),
        (["", "raw/", "s3://b/raw/", "s3://b", "s3://b/"], ("", "raw/")),
        ("/raw", ("/raw",)),
    ],
)
def test_prefixes(value: Any, prefixes: tuple[str, ...]) -> None:
    """Prefixes may be text and URIs; nothing before a key is the whole bucket."""
    assert prefixes_of(value, "b") == prefixes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "needs a key"),
        ([None], "does not name an S3 object"),
        (7, "keys is 7"),
        (b"k", "does not name an S3 object"),
        ("s3://other/k", "another bucket than b"),
        ({"bucket": "other", "key": "k"}, "another bucket than b"),
        ({"name": "k"}, "not name"),
        ("https://b.s3.amazonaws.com/k", "neither like an S3 URI nor like a key"),
        ("['a', 'b']", "keys holds the text of a list"),
        ("k" * 1025, "1025 bytes"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_no_key(value: Any, message: str) -> None:
    """Whatever names no key of the bucket is refused, with what is wrong."""
    with pytest.raises(InvalidArgument, match=message):
        keys_of(value, "b")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([None], "prefixes holds None"),
        (7, "prefixes is 7"),
        ({"bucket": "b", "key": "k"}, "prefixes holds"),
        ("s3://other/raw/", "another bucket than b"),
        ('["raw/"]', "prefixes holds the text of a list"),
        ("k" * 1025, "1025 bytes"),
    ],
)
def test_what_is_no_prefix(value: Any, message: str) -> None:
    """Whatever no key of the bucket can begin with is refused."""
    with pytest.raises(InvalidArgument, match=message):
        prefixes_of(value, "b")


@pytest.mark.parametrize("value", ["", None, 7, "s3://b", "b/k", "arn:aws:s3:eu-west-1:111111111111:accesspoint/a"])
def test_what_is_no_bucket(value: Any) -> None:
    """Rules are those of a bucket, which is given by its name."""
    with pytest.raises(InvalidArgument, match="bucket_name is"):
        bucket_of(value)
    assert bucket_of("my.bucket-1") == "my.bucket-1"
