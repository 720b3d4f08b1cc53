"""The values of a lookup, and what a HEAD answer means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.status import ObjectState, ReplicationStatus, from_head, without_answer
from airflow_provider_crr.s3.objects import S3Object

KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda key: len(key.encode()) <= 1024
)
OBJ = S3Object("b", "k")


@pytest.mark.parametrize(
    ("http_status", "headers", "state"),
    [
        (200, {"x-amz-replication-status": "PENDING"}, ObjectState.PENDING),
        (200, {"x-amz-replication-status": "COMPLETED"}, ObjectState.COMPLETED),
        (200, {"x-amz-replication-status": "COMPLETE"}, ObjectState.COMPLETED),
        (200, {"x-amz-replication-status": "FAILED"}, ObjectState.FAILED),
        (200, {"x-amz-replication-status": "REPLICA"}, ObjectState.REPLICA),
        (200, {"x-amz-replication-status": "completed"}, ObjectState.UNKNOWN),
        (200, {"x-amz-replication-status": "NONE"}, ObjectState.UNKNOWN),
        (200, {"x-amz-replication-status": ""}, ObjectState.UNKNOWN),
        (200, {}, ObjectState.NONE),
        (404, {}, ObjectState.MISSING),
        (404, {"x-amz-delete-marker": "true"}, ObjectState.DELETED),
        (405, {"x-amz-delete-marker": "true"}, ObjectState.DELETED),
        (405, {}, ObjectState.UNKNOWN),
        (403, {"x-amz-replication-status": "COMPLETED"}, ObjectState.FORBIDDEN),
        (400, {}, ObjectState.UNREADABLE),
        (503, {"x-amz-replication-status": "COMPLETED"}, ObjectState.UNKNOWN),
        (206, {"x-amz-replication-status": "COMPLETED"}, ObjectState.UNKNOWN),
    ],
)
def test_every_answer_has_one_meaning(http_status: int, headers: dict[str, str], state: ObjectState) -> None:
    """A HEAD answer has the state of the design's table, and COMPLETED needs a 200 that says so."""
    assert from_head(OBJ, http_status, headers).state is state


@given(st.integers(100, 599), st.text(max_size=12))
def test_only_two_words_complete(http_status: int, word: str) -> None:
    """No answer but a 200 with COMPLETED or COMPLETE is COMPLETED, whatever the status and the word."""
    state = from_head(OBJ, http_status, {"x-amz-replication-status": word}).state
    assert (state is ObjectState.COMPLETED) == (http_status == 200 and word in ("COMPLETED", "COMPLETE"))


def test_answer_carries_what_the_headers_say() -> None:
    """Version, ETag without quotes, time, class and encryption are read from the headers."""
    answer = from_head(
        OBJ,
        200,
        {
            "x-amz-version-id": "v1",
            "etag": '"abc"',
            "last-modified": "Mon, 05 Oct 2026 20:00:00 GMT",
            "x-amz-storage-class": "GLACIER",
            "x-amz-server-side-encryption": "aws:kms",
        },
    )
    assert answer.last_modified == datetime(2026, 10, 5, 20, tzinfo=UTC)
    assert (answer.version_id, answer.etag, answer.storage_class) == ("v1", "abc", "GLACIER")
    assert (answer.encryption, answer.status) == ("aws:kms", ReplicationStatus.NONE)
    assert answer.uri == "s3://b/k?versionId=v1"


def test_unreadable_time_is_no_time() -> None:
    """A Last-Modified that is no HTTP date is left out."""
    assert from_head(OBJ, 200, {"last-modified": "yesterday"}).last_modified is None


def test_answer_for_another_version_says_nothing() -> None:
    """An answer that names another version than the one asked for is UNKNOWN, whatever it says."""
    asked = S3Object("b", "k", "v1")
    headers = {"x-amz-replication-status": "COMPLETED", "x-amz-version-id": "v2"}
    assert from_head(asked, 200, headers).state is ObjectState.UNKNOWN
    assert from_head(asked, 200, {**headers, "x-amz-version-id": "v1"}).state is ObjectState.COMPLETED
    assert from_head(OBJ, 200, headers).state is ObjectState.COMPLETED


def test_time_without_zone_is_utc() -> None:
    """A Last-Modified of unknown zone is taken for UTC, so that its age can be told."""
    found = from_head(OBJ, 200, {"last-modified": "Mon, 05 Oct 2026 20:00:00 -0000"}).last_modified
    assert found == datetime(2026, 10, 5, 20, tzinfo=UTC)


def test_no_answer_has_no_status() -> None:
    """Without an answer there is no replication status, and the state is UNKNOWN."""
    answer = without_answer(OBJ, "connection reset")
    assert (answer.state, answer.status, answer.http_status) == (ObjectState.UNKNOWN, None, 0)


@given(KEYS)
def test_uri_of_any_key_reads_back(key: str) -> None:
    """Any key that S3 can hold is read back from its S3 URI and from its mapping."""
    obj = S3Object("bucket", key)
    assert S3Object.parse(f"s3://bucket/{key}") == obj
    assert S3Object.parse(S3Object("bucket", key, "v").to_dict()) == S3Object("bucket", key, "v")
    assert S3Object.parse(obj) is obj


def test_relative_key_takes_the_bucket() -> None:
    """A key without a bucket takes bucket_name, also in a mapping, whose own bucket wins."""
    assert S3Object.parse("a/b", "bucket") == S3Object("bucket", "a/b")
    assert S3Object.parse({"key": "a", "version_id": "v"}, "bucket") == S3Object("bucket", "a", "v")
    assert S3Object.parse({"bucket": "other", "key": "a"}, "bucket") == S3Object("other", "a")


@pytest.mark.parametrize(
    ("value", "bucket", "says"),
    [
        ("", "b", "needs a key"),
        ("k", None, "needs a bucket"),
        ("s3://b", None, "needs a key"),
        ("s3:///k", None, "needs a bucket"),
        ("s3://b/k", "b", "full S3 URI"),
        ("k\0", "b", "NUL"),
        ("k" * 1025, "b", "1025 bytes"),
        ("é" * 513, "b", "1026 bytes"),
        ("\ud800", "b", "Unicode"),
        ("k", "a/b", "not a bucket name"),
        (7, "b", "does not name"),
        (None, "b", "does not name"),
        ({"Bucket": "b", "Key": "k"}, None, "Bucket, Key"),
        ({"bucket": "b", "key": "k", "version_id": ""}, None, "version id"),
        ({"bucket": "b", "key": "k", "version_id": 3}, None, "version id"),
        ({"bucket": "b", "key": "k", "version_id": "\ud800"}, None, "version id '.ud800' is not valid Unicode"),
        ({"bucket": "b", "key": "k", "version_id": None}, None, "version id None names no version"),
        ({"bucket": "b", "key": "k", "version_id": "None"}, None, "version id 'None' names no version"),
        ({"bucket": None, "key": "k"}, "b", "needs a bucket"),
        ({"bucket": "", "key": "k"}, "b", "needs a bucket"),
        ({"bucket": "b"}, None, "needs a key"),
    ],
)
def test_what_names_no_object_is_refused(value: object, bucket: str | None, says: str) -> None:
    """What can never name an S3 object is refused with a message that says why and what to do."""
    with pytest.raises(InvalidArgument, match=says) as caught:
        S3Object.parse(value, bucket)
    assert caught.value.remedy
