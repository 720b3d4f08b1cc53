"""What is sent to S3 with a report or a manifest that is written there."""

from __future__ import annotations

import signal
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.inventory.output import check_extra_args, write
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from tests.support.http_server import HttpServer, Said
from tests.support.stopwatch import Stopwatch
from tests.support.stuck import StuckServer

FOLDER = "s3://reports/landing/daily/"
ENCRYPTED = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/reports", "ACL": "bucket-owner-full-control"}
DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.fixture
def s3() -> Iterator[HttpServer]:
    with HttpServer(lambda asked: Said()) as server:
        yield server


@pytest.fixture
def client(s3: HttpServer) -> Any:
    return boto3.client(
        "s3", region_name="eu-west-1", endpoint_url=s3.url, aws_access_key_id="a", aws_secret_access_key="b"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "report.html"
    found.write_text("<!doctype html>")
    return found


def sent(s3: HttpServer) -> dict[str, str]:
    (asked,) = s3.requests
    return {name.lower(): value for name, value in asked.headers.items()}


def test_extra_args_are_sent_with_what_is_written(s3: HttpServer, client: Any, file: Path) -> None:
    """Encryption, key and ACL of extra_args are headers of the upload, beside the type of what is written."""
    write(client, "s3://reports/r.html", file, "text/html", ENCRYPTED)
    headers = sent(s3)
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/reports"
    assert headers["x-amz-acl"] == "bucket-owner-full-control"
    assert headers["content-type"] == "text/html"


def test_extra_args_may_say_another_type(s3: HttpServer, client: Any, file: Path) -> None:
    """Of two types the author's is sent."""
    write(client, "s3://reports/r.html", file, "text/html", {"ContentType": "text/plain"})
    assert sent(s3)["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("extra_args", "actions"),
    [
        (None, "Allow s3:PutObject to"),
        ({"ACL": "private"}, "Allow s3:PutObject, s3:PutObjectAcl to"),
        ({"GrantRead": "id=1", "GrantFullControl": "id=2"}, "Allow s3:PutObject, s3:PutObjectAcl to"),
    ],
)
def test_refusal_names_the_headers_that_policies_demand(
    s3: HttpServer, client: Any, file: Path, extra_args: Any, actions: str
) -> None:
    """S3's 403 tells of no header, so the error names those that a policy usually demands, and how to send them."""
    s3.answer = lambda asked: Said(403, DENIED)
    with pytest.raises(LookupFailed, match="cannot write: S3 answered AccessDenied") as caught:
        write(client, "s3://reports/r.html", file, "text/html", extra_args)
    told = str(caught.value)
    for words in (actions, "extra_args", "ServerSideEncryption", "x-amz-server-side-encryption", "ACL", "x-amz-acl"):
        assert words in told
    assert caught.value.uri == "s3://reports/r.html"


@pytest.mark.parametrize(
    "extra_args",
    ["ACL=private", ["ACL"], ("ACL", "private"), 7, {"Acl": "private"}, {"Body": b"x"}, {1: "x"}, {"ACL": None}],
)
def test_what_an_upload_cannot_take_is_refused_when_the_dag_is_parsed(extra_args: Any) -> None:
    """What S3Hook or boto3 would refuse after hours of reading is refused at once, with what an upload takes."""
    with pytest.raises(InvalidArgument, match="extra_args") as caught:
        S3InventorySummaryOperator(task_id="summary", inventory=FOLDER, extra_args=extra_args)
    assert "ServerSideEncryption" in (caught.value.remedy or "")


@pytest.mark.parametrize("extra_args", [{"ACL": 7}, {"Metadata": {"by": 7}}, {"Metadata": "by"}, {"Expires": "never"}])
def test_values_of_another_type_are_refused_before_anything_is_read(client: Any, extra_args: Any) -> None:
    """A value that botocore would refuse at the end is refused before the report is read."""
    with pytest.raises(InvalidArgument, match=r"extra_args: .* cannot be of type"):
        check_extra_args(extra_args, client)


@pytest.mark.parametrize(
    "extra_args",
    [{"Metadata": {"by": "Jörg"}}, {"Metadata": {"ö": "x"}}, {"Metadata": {"by": "a\nb"}}, {"ACL": "a\r\nb"}],
)
def test_what_is_no_header_is_refused_when_the_dag_is_parsed(extra_args: Any) -> None:
    """What botocore or the HTTP client would refuse at the end is refused at once, in words of ours."""
    with pytest.raises(InvalidArgument, match=r"extra_args: .* has a character that no header can have"):
        S3InventorySummaryOperator(task_id="summary", inventory=FOLDER, extra_args=extra_args)


@pytest.mark.parametrize("key", ["0" * 32, b"\xff" * 32], ids=["text", "bytes"])
def test_a_customers_key_is_sent_as_boto3_sends_it(s3: HttpServer, client: Any, file: Path, key: Any) -> None:
    """The key is text or bytes, as boto3 takes it, and only its MD5 and its Base64 go out."""
    extra_args = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    check_extra_args(extra_args, client)
    write(client, "s3://reports/r.html", file, "text/html", extra_args)
    raw = key.encode() if isinstance(key, str) else key
    assert b64decode(sent(s3)["x-amz-server-side-encryption-customer-key"]) == raw


@pytest.mark.parametrize("extra_args", ["{'SSECustomerKey': 'hunter2'}", {"SSECustomerKey": ["hunter2"]}])
def test_a_customers_key_is_in_no_message(client: Any, extra_args: Any) -> None:
    """What is given in another form than S3Hook's is not told, for it may be a secret."""
    with pytest.raises(InvalidArgument) as caught:
        check_extra_args(extra_args, client)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "extra_args",
    [
        None,
        {},
        ENCRYPTED,
        {"Expires": datetime(2026, 1, 1, tzinfo=UTC), "ChecksumAlgorithm": "SHA256"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"\xff" * 32},
        {"Metadata": {"by": "x"}, "ContentDisposition": "attachment; filename=é"},
        "{{ var.json.sse }}",
    ],
)
def test_what_an_upload_takes_is_taken(client: Any, extra_args: Any) -> None:
    """None, nothing, whatever boto3 takes, and a template that is not rendered yet."""
    S3InventorySummaryOperator(task_id="summary", inventory=FOLDER, extra_args=extra_args)
    if not isinstance(extra_args, str):
        check_extra_args(extra_args, client)


class _TimeIsUp(BaseException):
    """As Airflow's execution_timeout, which is no Exception."""


@pytest.mark.parametrize("size", [10, 20_000_000])
def test_execution_timeout_ends_an_upload(file: Path, size: int) -> None:
    """A signal ends the upload of a file of any size that S3 does not take: no thread of boto3's is waited for."""

    def ring(*_: object) -> None:
        raise _TimeIsUp

    file.write_bytes(b"x" * size)
    with StuckServer() as server:
        client = server.client(read_timeout=30, retries={"total_max_attempts": 1})
        watch, before = Stopwatch(), signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            with pytest.raises(_TimeIsUp):
                write(client, "s3://reports/r.html", file, "text/html")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert watch.seconds() < 5
