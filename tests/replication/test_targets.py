"""What a gate waits for, and how it is stored."""

from __future__ import annotations

import base64
import json
import lzma
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.packed_objects import pack, unpack
from airflow_provider_crr.replication.targets import MAX_STORED, Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import literal_prefix, matches

OBJECTS = st.builds(
    S3Object,
    st.sampled_from(["a-bucket", "b-bucket"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40),
    st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=10),
)


@given(st.lists(OBJECTS, unique=True))
def test_packed_objects_read_back(objects: list[S3Object]) -> None:
    """Any objects, versions and awkward keys included, are read back from their stored form."""
    assert set(unpack(pack(objects))) == set(objects)


def test_hundred_thousand_numbered_keys_fit() -> None:
    """100,000 numbered keys take less than 64 KB in Airflow's database, and read back."""
    keys = [f"landing/dt=2026-11-20/part-{number:05d}.snappy.parquet" for number in range(100_000)]
    targets = Targets.parse(keys, bucket_name="b")
    stored = targets.to_stored()
    assert len(json.dumps(stored)) < 64_000
    assert set(Targets.from_stored(stored).objects) == set(targets.objects)


def test_list_too_large_to_store_is_refused() -> None:
    """Random names that do not compress are refused with what to do, rather than stored as megabytes."""
    keys = [f"part-{uuid.uuid4()}" for _ in range(10_000)]
    with pytest.raises(InvalidArgument, match="wildcard_match=True") as caught:
        Targets.parse(keys, bucket_name="b").to_stored()
    assert f"{MAX_STORED:,}" in str(caught.value)


def test_pattern_that_begins_with_a_class_is_no_list() -> None:
    """A pattern in brackets that is not the text of a list is a pattern."""
    (pattern,) = Targets.parse("[ab]/dt=1/part-[0-9]", bucket_name="b", wildcard_match=True).patterns
    assert pattern.key == "[ab]/dt=1/part-[0-9]"


def test_stored_list_fits_the_narrowest_database() -> None:
    """The largest list that is stored fits MySQL's 65,535 bytes after Airflow's encryption, with room for the rest."""
    from cryptography.fernet import Fernet

    encrypted = Fernet(Fernet.generate_key()).encrypt(b"x" * (MAX_STORED + 2_000))
    assert len(encrypted) < 65_535


@pytest.mark.parametrize("objects", ["", pack([])[:-1], "x", pack([S3Object("b", "k")])[:-4], 7, None])
def test_what_was_not_stored_by_us_is_refused(objects: object) -> None:
    """A trigger that cannot read what it is to wait for says so, rather than wait for nothing."""
    with pytest.raises(InvalidArgument, match="cannot be read"):
        Targets.from_stored({"objects": objects, "patterns": []})


def test_objects_that_are_missing_from_a_stored_list_are_noticed() -> None:
    """The number of objects is stored with them."""
    text = lzma.decompress(base64.b85decode(pack([S3Object("b", "k1"), S3Object("b", "k2")]))).splitlines()
    cut = base64.b85encode(lzma.compress(b"\n".join(text[:-1]), format=lzma.FORMAT_ALONE)).decode()
    with pytest.raises(InvalidArgument, match="missing"):
        Targets.from_stored({"objects": cut, "patterns": []})


@pytest.mark.parametrize("number", [20, 21])
def test_many_patterns_are_stored_as_one_text(number: int) -> None:
    """Few patterns are stored as earlier releases read them, many as one text; both are read, also the longer list."""
    patterns = Targets.parse([f"s3://b/{index:03}/*" for index in range(number)], wildcard_match=True)
    stored = patterns.to_stored()
    assert isinstance(stored["patterns"], str) == (number > 20)
    one_by_one = {"objects": "", "patterns": [pattern.to_dict() for pattern in patterns.patterns]}
    assert Targets.from_stored(stored) == Targets.from_stored(one_by_one) == patterns


def test_patterns_are_stored_as_they_are() -> None:
    """Patterns read back from their stored form, and are not expanded."""
    targets = Targets.parse("s3://b/dt=1/*", wildcard_match=True)
    assert Targets.from_stored(targets.to_stored()) == targets
    assert targets.objects == ()


def test_repetitions_are_asked_once() -> None:
    """A key that is named twice is one object."""
    assert Targets.parse(["a", "a", "b"], bucket_name="b").objects == (S3Object("b", "a"), S3Object("b", "b"))


def test_version_id_goes_to_the_one_key() -> None:
    """version_id belongs to the one key that bucket_key names."""
    assert Targets.parse("s3://b/k", version_id="v").objects == (S3Object("b", "k", "v"),)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"bucket_key": []}, "empty list"),
        ({"bucket_key": 7}, "bucket_key is 7"),
        ({"bucket_key": "['a', 'b']", "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": ["['a', 'b']"], "bucket_name": "b", "wildcard_match": True}, r"task\.output"),
        ({"bucket_key": " {'key': 'a'}", "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": '[null, "a"]', "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": '["a", true]', "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": '[{"key": "a", "version_id": null}]', "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": '{"key": "a", "version_id": false}', "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": "[null]", "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": "[]", "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": str(str(key) for key in "ab"), "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": str(map(str, "ab")), "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": str({"a": 1}.keys()), "bucket_name": "b"}, r"task\.output"),
        ({"bucket_key": "s3://b/k", "version_id": "None"}, "version id 'None' names no version"),
        ({"bucket_key": ["s3://b/k", "s3://b/"]}, "needs a key, got only 'b'. Write s3://bucket/key; for all of a"),
        ({"bucket_key": ["s3://b/k", "orders/1"]}, "needs a bucket, got only 'orders/1'. Write s3://bucket/key, or"),
        ({"bucket_key": b"s3://b/k"}, "b's3://b/k' does not name an S3 object"),
        ({"bucket_key": ["s3://b/k", "s3://b/l"], "version_id": "v"}, "version_id is for the one key"),
        ({"bucket_key": "s3://b/*", "version_id": "v", "wildcard_match": True}, "version_id is for the one key"),
        ({"bucket_key": {"bucket": "b", "key": "*", "version_id": "v"}, "wildcard_match": True}, "no version"),
    ],
)
def test_arguments_that_can_never_work_are_refused(arguments: dict[str, object], says: str) -> None:
    """Arguments that name nothing, or contradict each other, are refused."""
    with pytest.raises(InvalidArgument, match=says):
        Targets.parse(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "prefix", "yes", "no"),
    [
        ("dt=1/*.parquet", "dt=1/", "dt=1/x/y.parquet", "dt=1/y.csv"),
        ("dt=1/part-?", "dt=1/part-", "dt=1/part-7", "dt=1/part-77"),
        ("dt=[12]/a", "dt=", "dt=2/a", "dt=3/a"),
        ("exact", "exact", "exact", "exactly"),
    ],
)
def test_patterns_mean_what_they_mean_in_s3keysensor(pattern: str, prefix: str, yes: str, no: str) -> None:
    """A pattern is listed by its literal beginning, matches across slashes, and is case-sensitive."""
    assert literal_prefix(pattern) == prefix
    assert matches(pattern, yes)
    assert not matches(pattern, no)
    assert not matches(pattern, yes.upper())
