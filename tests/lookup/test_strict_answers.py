"""An answer that is not whole, not as HTTP writes it, or not S3's fresh word about this very object, is none."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.lookup.head_answers import from_whole_head
from airflow_provider_crr.replication.status import from_head
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import MISSING, Answer, S3Server, stored

pytestmark = pytest.mark.usefixtures("crt")

#: As a MinIO writes it: the status comes after ETag and Content-Length.
WHOLE = (
    b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: 4\r\nContent-Type: binary/octet-stream\r\n"
    b'ETag: "9b2cf535f27731c974343645a3985328"\r\nLast-Modified: Mon, 05 Oct 2026 20:00:00 GMT\r\n'
    b"Vary: Origin\r\nX-Amz-Request-Id: 17F8A7D1A2B3C4D5\r\nx-amz-replication-status: PENDING\r\n"
    b"x-amz-version-id: 1f6a8c0e-0a3c-4e0e-9a1d-5a2d1b0c7f11\r\nDate: Mon, 05 Oct 2026 20:00:01 GMT\r\n\r\n"
)


def cut(bucket: str, key: str, version: str | None) -> Answer:
    """Return the answer up to the byte that the key names; the same cut each time."""
    return Answer(raw=WHOLE[: int(key)])


def test_an_answer_that_is_cut_is_none_wherever_it_is(server: S3Server, way: str) -> None:
    """A FIN amid the headers, twice at the same byte, leaves the object unknown, at each byte."""
    server.default = cut
    client = server.client(retries={"total_max_attempts": 2}, max_pool_connections=32)
    places = range(0, len(WHOLE), 1 if way == "crt" else 3)
    found = list(choose_lookup(client)(S3Object("b", str(place)) for place in [*places, len(WHOLE)]))
    whole = [each for each in found if each.object.key == str(len(WHOLE))]
    assert [each.state.value for each in whole] == ["PENDING"]
    assert Counter(each.state.value for each in found) == {"PENDING": 1, "UNKNOWN": len(places)}


def test_a_single_answer_that_is_cut_says_so(server: S3Server) -> None:
    """One that ended behind ETag and Content-Length has no status, and is not taken for one without."""
    server.default = cut
    client = server.client(retries={"total_max_attempts": 1})
    places = [WHOLE.index(b"x-amz-rep"), WHOLE.index(b"x-amz-ver"), len(WHOLE) - 2, len(WHOLE) - 1]
    found = [head_one(client, S3Object("b", str(place))) for place in places]
    assert [(each.state, each.http_status) for each in found] == [("UNKNOWN", 0)] * len(places)
    assert all("ended in the headers" in each.detail or "malformed" in each.detail for each in found)


MALFORMED = {
    "no colon": b"nonsense\r\n",
    "mbox": b"From somebody\r\n",
    "space before the colon": b"x-amz-meta-a : 1\r\n",
    "tab before the colon": b"x-amz-meta-a\t: 1\r\n",
    "no name": b": 1\r\n",
    "space in the name": b"x-amz meta: 1\r\n",
    "control character in the name": b"x-amz\x01meta: 1\r\n",
    "letters beyond ASCII in the name": b"x-amz-meta-\xe9: 1\r\n",
    "NUL": b"x-amz-meta-a: b\0c\r\n",
    "control character": b"x-amz-meta-a: b\x01c\r\n",
    "vertical tab": b"x-amz-meta-a: b\x0bc\r\n",
    "form feed": b"x-amz-meta-a: b\x0cc\r\n",
    "file separator": b"x-amz-meta-a: b\x1cx-amz-replication-status: COMPLETED\r\n",
    "delete": b"x-amz-meta-a: b\x7f\r\n",
    "bare CR": b"x-amz-meta-a: b\rx-amz-replication-status: COMPLETED\r\n",
    "bare CR at the end": b"x-amz-meta-a: b\r\r\n",
    "bare LF": b"x-amz-meta-a: b\nx-amz-replication-status: COMPLETED\r\n",
    "folded line": b"x-amz-meta-a: b\r\n c\r\n",
    "folded status": b"x-amz-meta-a: b\r\n x-amz-replication-status: COMPLETED\r\n",
    "two lengths": b"Content-Length: 5\r\n",
    "length and chunks": b"Transfer-Encoding: chunked\r\n",
}


@pytest.mark.parametrize("status", ["PENDING", None])
@pytest.mark.parametrize("row", MALFORMED)
def test_a_malformed_header_line_makes_the_answer_none(
    server: S3Server, way: str, row: str, status: str | None
) -> None:
    """It could hide the status, or be one that somebody wrote into metadata; the detail says that it is malformed."""
    server.default = lambda bucket, key, version: stored(status, lines=MALFORMED[row])
    client = server.client(retries={"total_max_attempts": 1})
    found = list(choose_lookup(client)([S3Object("b", "one"), S3Object("b", "two")]))
    assert {(each.state.value, each.http_status) for each in found} == {("UNKNOWN", 0)}
    words = ("malformed", "told more than once")
    assert all(any(word in each.detail for word in words) for each in found)


@pytest.mark.parametrize(
    "line",
    ["HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "http/1.1 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 +200 OK", "HTTP/1.1 2_0 OK",
     "HTTP/1.1 0200 OK", "HTTP/1.1 200", "HTTP/1.1 20 OK", "HTTP/1.1 200 O\x01K", "ICY 200 OK", "\r\nHTTP/1.1 200 OK",
     "HTTP/1.1 101 Switching Protocols"],
)  # fmt: skip
def test_a_malformed_status_line_makes_the_answer_none(server: S3Server, way: str, line: str) -> None:
    """What is no status line of HTTP/1 is no answer."""
    server.default = lambda bucket, key, version: Answer(raw=WHOLE.replace(b"HTTP/1.1 200 OK", line.encode()))
    client = server.client(retries={"total_max_attempts": 1})
    found = list(choose_lookup(client)([S3Object("b", "one"), S3Object("b", "two")]))
    assert {(each.state.value, each.http_status) for each in found} == {("UNKNOWN", 0)}


def test_what_http_allows_is_read(server: S3Server, way: str) -> None:
    """HTTP/1.0, an empty reason, empty values, tabs and letters beyond ASCII are no defects."""
    head = WHOLE.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 \r\nx-amz-meta-a:\r\nx-amz-meta-b: \tb\tc \r\n")
    server.default = lambda bucket, key, version: Answer(raw=head.replace(b"b\tc", b"b\tc \xc3\xa9"))
    found = list(choose_lookup(server.client())([S3Object("b", "one"), S3Object("b", "two")]))
    assert [each.state.value for each in found] == ["PENDING", "PENDING"]


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "gzip, chunked", "gzip", "identity", "Identity", "x-own"])
def test_an_answer_may_name_a_coding_instead_of_a_length(server: S3Server, way: str, coding: str) -> None:
    """How a body would be sent, known to the Common Runtime or not, changes nothing of a HEAD, which has none."""
    head = WHOLE.replace(b"Content-Length: 4\r\n", f"Transfer-Encoding: {coding}\r\n".encode())
    server.default = lambda bucket, key, version: Answer(raw=head)
    client = server.client()
    found = [head_one(client, S3Object("b", "k")), *choose_lookup(client)([S3Object("b", "1"), S3Object("b", "2")])]
    assert [each.state.value for each in found] == ["PENDING"] * 3


@pytest.mark.parametrize(
    "line",
    ["Last-Modified: yesterday", "x-amz-mp-parts-count: many", "x-amz-missing-meta: x", "x-amz-tagging-count: x",
     "x-amz-object-lock-retain-until-date: x", "Content-Length: " + "9" * 5000],
)  # fmt: skip
def test_a_value_that_botocore_cannot_read_changes_nothing(server: S3Server, way: str, line: str) -> None:
    """Where botocore gives up an answer for a number or a date, its headers count as they do for many objects."""
    name = line.partition(":")[0].encode()
    lines = [each for each in WHOLE.splitlines(keepends=True) if not each.startswith(name)]
    head = b"".join([lines[0], line.encode() + b"\r\n", *lines[1:]])
    server.default = lambda bucket, key, version: Answer(raw=head)
    client = server.client()
    found = [head_one(client, S3Object("b", "k")), *choose_lookup(client)([S3Object("b", "1"), S3Object("b", "2")])]
    assert [(each.state.value, each.detail) for each in found] == [("PENDING", "")] * 3


def test_a_status_of_none_costs_one_question(server: S3Server, way: str) -> None:
    """Its headers were read to their end, so a second answer would say nothing more."""
    server.default = lambda bucket, key, version: stored()
    client = server.client()
    found = [head_one(client, S3Object("b", "one")), *choose_lookup(client)([S3Object("b", "two"), S3Object("b", "3")])]
    assert {each.state.value for each in found} == {"NONE"}
    assert len(server.heads()) == 3


VERSION = S3Object("b", "k", "v1")
SOUND = {"etag": '"a"', "content-length": "4", "x-amz-request-id": "1", "x-amz-replication-status": "COMPLETED"}


@pytest.mark.parametrize(
    ("http_status", "headers", "state"),
    [
        (200, {"x-amz-version-id": "v1"}, "COMPLETED"),
        (200, {"x-amz-version-id": "v2"}, "UNKNOWN"),
        (200, {"x-amz-version-id": "null"}, "UNKNOWN"),
        (200, {"x-amz-version-id": ""}, "UNKNOWN"),
        (200, {"x-amz-version-id": "v1, v2"}, "UNKNOWN"),
        (200, {}, "UNKNOWN"),
        (404, {}, "MISSING"),
        (404, {"x-amz-version-id": "v2"}, "UNKNOWN"),
        (404, {"x-amz-delete-marker": "true", "x-amz-version-id": "v2"}, "UNKNOWN"),
        (404, {"x-amz-delete-marker": "true"}, "UNKNOWN"),
        (405, {"x-amz-delete-marker": "true"}, "DELETED"),
        (405, {"x-amz-delete-marker": "true", "x-amz-version-id": "v1"}, "DELETED"),
        (405, {"x-amz-delete-marker": "true", "x-amz-version-id": "v2"}, "UNKNOWN"),
    ],
)
def test_an_answer_about_another_version_is_none(http_status: int, headers: dict[str, str], state: str) -> None:
    """Where a version was asked for, an answer that names another, or none, says nothing of it."""
    assert from_whole_head(VERSION, http_status, {**SOUND, **headers}).state == state


def test_the_null_version_is_named_too() -> None:
    """S3 names the version from before versioning "null"; an answer that names none could be of any."""
    obj = S3Object("b", "k", "null")
    assert from_whole_head(obj, 200, {**SOUND, "x-amz-version-id": "null"}).state == "COMPLETED"
    assert from_whole_head(obj, 200, SOUND).state == "UNKNOWN"


def test_an_endpoint_that_ignores_versions_leaves_them_unknown(server: S3Server, way: str) -> None:
    """COMPLETED of whatever is current is not said of the version that was asked for."""
    server.default = lambda bucket, key, version: stored("COMPLETED", names_version=False)
    found = list(choose_lookup(server.client())([VERSION, S3Object("b", "k2", "v2"), S3Object("b", "k3")]))
    states = {each.object.version_id: each.state.value for each in found}
    assert states == {"v1": "UNKNOWN", "v2": "UNKNOWN", None: "COMPLETED"}


@pytest.mark.parametrize(
    ("header", "state"),
    [
        ({"age": "0"}, "COMPLETED"),
        ({"age": "1"}, "UNKNOWN"),
        ({"age": "-1"}, "UNKNOWN"),
        ({"age": "soon"}, "UNKNOWN"),
        ({"age": ""}, "UNKNOWN"),
        ({"age": "0, 7"}, "UNKNOWN"),
        ({"warning": '110 cache "Response is Stale"'}, "UNKNOWN"),
        ({"warning": '214 cache "Transformation applied", 111 cache "Revalidation failed"'}, "UNKNOWN"),
        ({"warning": '299 - "Miscellaneous"'}, "COMPLETED"),
        ({"x-cache": "HIT"}, "UNKNOWN"),
        ({"x-cache": "Hit from cloudfront"}, "UNKNOWN"),
        ({"x-cache": "TCP_MEM_HIT from a.example"}, "UNKNOWN"),
        ({"x-cache": "Miss from cloudfront"}, "COMPLETED"),
        ({"x-cache": "RefreshHit from cloudfront"}, "COMPLETED"),
        ({"cache-status": "ExampleCache; hit; ttl=376"}, "UNKNOWN"),
        ({"cache-status": "ExampleCache; fwd=miss"}, "COMPLETED"),
        ({"via": "1.1 proxy"}, "COMPLETED"),
        ({"x-amz-delete-marker": "true"}, "UNKNOWN"),
        ({"x-amz-delete-marker": "false"}, "COMPLETED"),
        ({"content-range": "bytes 0-3/4"}, "UNKNOWN"),
        ({"etag": '"a", "b"'}, "UNKNOWN"),
        ({"etag": 'W/"a,b"'}, "COMPLETED"),
        ({"etag": "a"}, "COMPLETED"),
        ({"etag": "a, b"}, "UNKNOWN"),
        ({"last-modified": "Mon, 05 Oct 2026 20:00:00 GMT, Tue, 06 Oct 2026 20:00:00 GMT"}, "UNKNOWN"),
        ({"x-amz-replication-status": "COMPLETED, PENDING"}, "UNKNOWN"),
        ({"content-length": "4, 5"}, "UNKNOWN"),
        ({"content-length": "-4"}, "UNKNOWN"),
    ],
)
def test_what_is_not_s3s_fresh_word_is_none(header: dict[str, str], state: str) -> None:
    """An answer of a cache, about something else, or with several values of what decides, leaves the object unknown."""
    found = from_whole_head(S3Object("b", "k"), 200, {**SOUND, **header})
    assert found.state == state
    assert bool(found.detail) is (state == "UNKNOWN")


@pytest.mark.parametrize("http_status", [200, 403, 404, 405])
def test_a_stored_refusal_is_none_either(http_status: int) -> None:
    """Caches store what is missing too; and the detail names the cache."""
    headers = {"x-amz-request-id": "1", "etag": "a", "x-amz-delete-marker": "false", "age": "60"}
    found = from_head(S3Object("b", "k"), http_status, headers)
    assert (found.state.value, "cache" in found.detail) == ("UNKNOWN", http_status != 405)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("status_line", "state"), [(b"HTTP/1.1 200 OK", "NONE"), (b"HTTP/1.1 404 Not Found", "MISSING")]
)
def test_a_page_of_somebody_else_says_nothing(
    server: S3Server, way: str, status_line: bytes, state: str, signed: bool
) -> None:
    """What is not there counts only in an answer that S3, or a store like it, signed with an x-amz- header."""
    sign = b"x-amz-request-id: 1\r\n" if signed else b""
    page = status_line + b'\r\nETag: "a"\r\nContent-Type: text/html\r\nContent-Length: 4\r\n' + sign + b"\r\n"
    server.default = lambda bucket, key, version: Answer(raw=page)
    found = list(choose_lookup(server.client())([S3Object("b", "one"), S3Object("b", "two")]))
    assert {each.state.value for each in found} == {state if signed else "UNKNOWN"}
    assert signed or all("x-amz-request-id" in each.detail for each in found)


def test_a_date_that_comes_twice_is_no_date() -> None:
    """The moment of the answer is not known then; the answer itself stands."""
    twice = "Mon, 05 Oct 2026 20:00:00 GMT, Mon, 05 Oct 2026 20:00:01 GMT"
    found = from_whole_head(S3Object("b", "k"), 200, {**SOUND, "date": twice})
    assert (found.state.value, found.answered_at) == ("COMPLETED", None)


def test_missing_is_missing(server: S3Server, way: str) -> None:
    """A 404 that S3 signed is one."""
    server.default = lambda bucket, key, version: MISSING
    found = list(choose_lookup(server.client())([VERSION, S3Object("b", "two")]))
    assert {each.state.value for each in found} == {"MISSING"}
