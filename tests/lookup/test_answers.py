"""Every answer means the same through the AWS Common Runtime and through boto3."""

from __future__ import annotations

import pytest

from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import CUT, MISSING, Answer, S3Server, Script, stored

MARKER = {"x-amz-delete-marker": "true", "x-amz-version-id": "v1"}
WHOLE = b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 4\r\n"

TABLE: dict[str, tuple[Script, str, int]] = {
    "COMPLETED": (stored("COMPLETED"), "COMPLETED", 200),
    "COMPLETE": (stored("COMPLETE"), "COMPLETED", 200),
    "REPLICA": (stored("REPLICA"), "REPLICA", 200),
    "PENDING": (stored("PENDING"), "PENDING", 200),
    "FAILED": (stored("FAILED"), "FAILED", 200),
    "no header": (stored(), "NONE", 200),
    "empty value": (stored(""), "UNKNOWN", 200),
    "lower case": (stored("completed"), "UNKNOWN", 200),
    "unknown value": (stored("QUEUED"), "UNKNOWN", 200),
    "404": (MISSING, "MISSING", 404),
    "404 delete marker": (Answer(404, MARKER), "DELETED", 404),
    "405 delete marker": (Answer(405, MARKER), "DELETED", 405),
    "405": (Answer(405), "UNKNOWN", 405),
    "403": (Answer(403, code="AccessDenied"), "FORBIDDEN", 403),
    "400": (Answer(400, code="InvalidRequest"), "UNREADABLE", 400),
    "400 expired token": (Answer(400, code="ExpiredToken"), "UNKNOWN", 400),
    "403 clock is off": (Answer(403, code="RequestTimeTooSkewed"), "UNKNOWN", 403),
    "301 to nowhere": (Answer(301), "UNKNOWN", 301),
    "304": (Answer(304), "UNKNOWN", 304),
    "204": (Answer(204), "UNKNOWN", 204),
    "412": (Answer(412), "UNKNOWN", 412),
    "503": (Answer(503), "UNKNOWN", 503),
    "500": (Answer(500), "UNKNOWN", 500),
    "503, then an answer": ([Answer(503), stored("COMPLETED")], "COMPLETED", 200),
    "cut": (CUT, "UNKNOWN", 0),
    "cut, then an answer": ([CUT, stored("COMPLETED")], "COMPLETED", 200),
    "garbled": (Answer(raw=b"HTTP/1.1 2x0 OK\r\nETag: x\r\n\r\n"), "UNKNOWN", 0),
    "cut in the headers": (Answer(raw=b"HTTP/1.1 200 OK\r\nETag: x\r\nx-amz-repl"), "UNKNOWN", 0),
    "cut in the value": (Answer(raw=b"HTTP/1.1 200 OK\r\nx-amz-replication-status: COMPLETED\r\nET"), "UNKNOWN", 0),
    "empty answer": (Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n"), "UNKNOWN", 0),
    "two statuses": (
        Answer(raw=WHOLE + b"x-amz-replication-status: COMPLETED\r\nX-Amz-Replication-Status: FAILED\r\n\r\n"),
        "UNKNOWN",
        200,
    ),
}


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize("row", TABLE)
def test_each_answer_has_one_meaning(server: S3Server, way: str, row: str) -> None:
    """Whatever S3 answers, or fails to, is one state; no answer is an exception, and none hides the others."""
    script, state, http_status = TABLE[row]
    server.answers["b", "odd"] = script
    client = server.client(retries={"total_max_attempts": 2})
    found = {each.object.key: each for each in choose_lookup(client)([S3Object("b", "odd"), S3Object("b", "even")])}
    assert (found["odd"].state, found["odd"].http_status) == (state, http_status)
    assert found["even"].state == "COMPLETED"
    assert len(server.heads("b", "even")) == 1
    assert server.faults() == []


@pytest.mark.parametrize("row", ["COMPLETED", "404", "403", "400 expired token", "cut"])
def test_a_single_object_means_the_same(server: S3Server, row: str) -> None:
    """head_one answers as a lookup does."""
    script, state, http_status = TABLE[row]
    server.answers["b", "odd"] = script
    found = head_one(server.client(retries={"total_max_attempts": 1}), S3Object("b", "odd"))
    assert (found.state, found.http_status) == (state, http_status)


STATUS_LAST = b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 4\r\n"


@pytest.mark.parametrize("cut", [b"", b"x-amz-replica"])
@pytest.mark.parametrize("then", ["FAILED", "COMPLETED", None])
def test_a_single_answer_that_was_cut_before_its_status_is_asked_for_again(
    server: S3Server, cut: bytes, then: str | None
) -> None:
    """That an object has no status is believed of two answers, for http.client cannot tell one that was cut off."""
    server.answers["b", "odd"] = [Answer(raw=STATUS_LAST + cut), stored(then)]
    found = head_one(server.client(), S3Object("b", "odd"))
    assert found.state == (then or "NONE")
    assert len(server.heads("b", "odd")) == 2


@pytest.mark.usefixtures("crt")
def test_an_answer_carries_what_s3_says_of_the_object(server: S3Server, way: str) -> None:
    """Version, ETag, time, storage class and encryption are read alike."""
    headers = {
        "x-amz-version-id": "v1",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-meta-author": "=?UTF-8?Q?Zo=C3=AB?=",
    }
    server.answers["b", "k"] = stored("PENDING", headers=headers)
    found = list(choose_lookup(server.client())([S3Object("b", "k")] * 2))
    assert found[0] == found[1] == head_one(server.client(), S3Object("b", "k"))
    assert (found[0].version_id, found[0].storage_class, found[0].encryption) == ("v1", "STANDARD_IA", "aws:kms")
    assert str(found[0].last_modified) == "2026-10-05 20:00:00+00:00"
    assert found[0].detail == ""


@pytest.mark.usefixtures("crt")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # awscrt reports its own decoding
def test_headers_that_are_not_utf8_do_not_hide_the_status(server: S3Server, way: str) -> None:
    """An object whose metadata is ISO-8859-1 is asked again through boto3, which reads that."""
    raw = b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 4\r\nContent-Disposition: \xe9\r\n"
    server.answers["b", "k"] = Answer(raw=raw + b"x-amz-replication-status: COMPLETED\r\n\r\n")
    assert [found.state for found in choose_lookup(server.client())([S3Object("b", "k")] * 2)] == ["COMPLETED"] * 2


@pytest.mark.usefixtures("crt")
def test_a_refusal_is_explained_once_a_bucket(server: S3Server, way: str) -> None:
    """A HEAD has no body: the first 403 of a bucket is followed by one GET of a byte, which says why."""
    server.default = lambda bucket, key, version: Answer(403, code="AccessDenied")
    found = list(choose_lookup(server.client())(S3Object("b", f"k{n}") for n in range(20)))
    assert {each.state for each in found} == {"FORBIDDEN"}
    assert [each.detail for each in found if each.detail] == ["S3 answered AccessDenied: scripted"]
    assert [request.headers["range"] for request in server.requests if request.method == "GET"] == ["bytes=0-0"]


@pytest.mark.usefixtures("crt")
def test_expired_credentials_leave_every_object_unknown(server: S3Server, way: str) -> None:
    """Credentials that expire are no property of an object: it is asked again, not failed for SSE-C."""
    server.default = lambda bucket, key, version: Answer(400, code="ExpiredToken")
    found = list(choose_lookup(server.client())(S3Object("b", f"k{n}") for n in range(5)))
    assert {(each.state, "ExpiredToken" in each.detail) for each in found} == {("UNKNOWN", True)}
