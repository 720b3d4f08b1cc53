"""Every key reaches S3 as it is, correctly signed, through both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_crr.lookup import choice
from airflow_provider_crr.s3.objects import MAX_KEY_BYTES, S3Object
from tests.support.s3_server import S3Server, stored

AWKWARD = [
    " ", "a b", "a+b", "a%b", "a%2Bb", "a%2fb", "//", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a/./b", "a/..",
    "'\"", "a?b", "a?versionId=x", "a#b", "a&b=c", "\n", "a\r\nb", "\t", "é", "日本/語", "🪣", "~a", "*", "(a)!",
    "\x7f", "\x01", "\\", "a:b@c", ";,$", "é" * 512, "a" * 1024, "soap", "%", "%%", "{}|^`<>", "\u202e", "\ufeff",
]  # fmt: skip
PIECES = ["/", "//", ".", "..", "./", "../", "%", "%2B", "%2F", "+", " ", "?", "#", "&", "=", '"', "'", "\n", "~"]
letters = st.characters(codec="utf-8", exclude_characters="\0")
keys = (
    st.lists(st.sampled_from(PIECES) | st.text(letters, max_size=8), min_size=1, max_size=12)
    .map("".join)
    .filter(lambda key: 0 < len(key.encode()) <= MAX_KEY_BYTES)
)
versions = st.none() | st.just("null") | st.text("abcXYZ019._-=+/ &?%", min_size=1, max_size=32)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        running.token = "FwoGZXIvYXdzEBYaD/+=="
        running.default = lambda bucket, key, version: stored("COMPLETED")
        yield running


@pytest.mark.usefixtures("crt")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(named=st.lists(st.tuples(keys, versions), min_size=2, max_size=20))
@example(named=[(key, None) for key in AWKWARD])
@example(named=[(key, "v/+ =1") for key in AWKWARD])
def test_keys_and_versions_arrive_as_they_are(server: S3Server, way: str, named: list[tuple[str, str | None]]) -> None:
    """Any key and version id arrive byte for byte, with a valid signature, in one HEAD for each object."""
    server.requests.clear()
    objects = [S3Object("bucket", key, version) for key, version in named]
    found = list(choice.choose_lookup(server.client())(objects))
    assert Counter(each.object for each in found) == Counter(objects)
    assert {each.state for each in found} == {"COMPLETED"}
    assert Counter((request.key, request.version_id) for request in server.heads("bucket")) == Counter(named)
    assert server.faults() == []
    assert len(server.requests) == len(named)


@pytest.mark.usefixtures("crt")
def test_what_a_client_adds_by_event_is_in_every_request(server: S3Server, way: str) -> None:
    """The owner and the payer that a client's event handler adds are sent, signed, with each HEAD."""
    server.requests.clear()
    client = server.client()
    added = {"ExpectedBucketOwner": "123456789012", "RequestPayer": "requester"}
    client.meta.events.register("provide-client-params.s3", lambda params, **_: {**params, **added})
    ask = choice.choose_lookup(client)
    list(ask([S3Object("bucket", "a"), S3Object("bucket", "b", "v")]))
    sent = [
        (request.headers["x-amz-expected-bucket-owner"], request.headers["x-amz-request-payer"])
        for request in server.heads()
    ]
    assert sent == [("123456789012", "requester")] * 2
    assert server.faults() == []
