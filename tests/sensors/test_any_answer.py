"""Whatever comes back on the way to S3 is an answer or an error of ours, never a raw one."""

from __future__ import annotations

import asyncio
import errno
import gc
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import botocore.exceptions as boto
import pytest
import urllib3.exceptions
from awscrt.exceptions import AwsCrtError

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.report import newest_manifest_uri
from airflow_provider_crr.replication.deletion.requests import DeleteRequests, DeleteResult
from airflow_provider_crr.replication.deletion.rules import DeleteRules
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger
from tests.support.raw_server import RawServer

DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
STATUS = ("200 OK", "204 No Content", "301 Moved", "302 Found", "307 Redirect", "403 Forbidden", "404 Not Found")
STATUS += ("407 Proxy", "500 Error", "503 Slow Down", "999 What")


def answer(status: str, body: bytes = DENIED, length: bytes | None = None, more: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if length is None else length
    return b'HTTP/1.1 %s\r\nx-amz-request-id: 1\r\nETag: "e"\r\n%s%s\r\n%s' % (status.encode(), length, more, body)


BODIES: dict[str, Callable[[str], bytes]] = {
    "plain": answer,
    "cut": lambda status: answer(status, length=b"Content-Length: 1000\r\n"),
    "no length": lambda status: answer(status, length=b""),
    "a length that is none": lambda status: answer(status, length=b"Content-Length: many\r\n"),
    "a chunk that is none": lambda status: answer(status, b"zz\r\nfoo", b"Transfer-Encoding: chunked\r\n"),
    "a cut chunk": lambda status: answer(status, b"ff\r\nfoo", b"Transfer-Encoding: chunked\r\n"),
    "no gzip": lambda status: answer(status, more=b"Content-Encoding: gzip\r\n"),
    "bytes": lambda status: answer(status, bytes(range(256))),
    "a code within a code": lambda status: answer(
        status, b"<Error><Code><x>1</x></Code><Message><y/></Message></Error>"
    ),
    "dates that are none": lambda status: answer(
        status, more=b"Last-Modified: -99999999999999\r\nDate: what\r\nx-amz-mp-parts-count: z\r\n"
    ),
    "checksums": lambda status: answer(status, more=b"x-amz-checksum-crc32: !!\r\n"),
    "no region": lambda status: answer(status, more=b"x-amz-bucket-region: ../../etc\r\n"),
}
ANSWERS = {
    **{f"{status}, {name}": make(status) for status in STATUS for name, make in BODIES.items()},
    "nothing": b"",
    "no HTTP": b"\x15\x03\x01\x00\x02\x02\x28",
    "a cut head": b"HTTP/1.1 200 OK\r\nETag: x",
}
#: The most that one question sends: a redirected one asks where the bucket is, and the reason of a refusal once.
MOST = 6

VERSION = S3Object("b", "k", "v")
QUESTIONS: dict[str, Callable[[S3ReplicationHook], object]] = {
    "one": lambda hook: hook.get_replication_status("s3://b/k"),
    "list": lambda hook: list(hook.list_matching(S3Object("b", "x/*"))),
    "versions": lambda hook: list(hook.list_versions(S3Object("b", "x/*"), exact=False)),
    "rules": lambda hook: hook.get_replication_rules("b"),
    "bucket": lambda hook: hook.check_bucket("b"),
    "report": lambda hook: newest_manifest_uri(hook.get_conn(), "s3://b/p/source/config/"),
    "delete": lambda hook: DeleteRequests(hook.get_conn()).send([VERSION], {VERSION: "e"}, DeleteResult()),
    "rules of a delete": lambda hook: DeleteRules(hook.get_conn())._read("b", may_wait=True),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    with RawServer() as running:
        found = running.airflow_connection_json(retries={"total_max_attempts": 1})
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", found)
        yield running


@pytest.mark.parametrize("question", QUESTIONS)
def test_any_answer_is_an_answer_or_an_error_of_ours(server: RawServer, question: str) -> None:
    """Whatever is asked, and whatever comes back: nothing raw is raised, and few requests are sent."""
    hook = S3ReplicationHook()
    raw: list[str] = []
    for name, server.answer in ANSWERS.items():
        server.requests = 0
        try:
            QUESTIONS[question](hook)
        except CrrError:
            pass
        except Exception as error:
            raw.append(f"{name}: {type(error).__name__}: {error}")
        if server.requests > MOST:
            raw.append(f"{name}: {server.requests} requests")
    assert raw == []


@pytest.mark.parametrize("status", ["403 Forbidden", "400 Bad Request"])
def test_any_reason_of_a_refusal_leaves_the_object_unknown_or_refused(server: RawServer, status: str) -> None:
    """Whatever the GET that explains a refusal brings: the object is refused, unknown, or it could not be asked."""
    hook = S3ReplicationHook()
    for name, reason in ANSWERS.items():
        server.answer = lambda line, reason=reason: answer(status) if line.startswith(b"HEAD") else reason
        with suppress(LookupFailed):
            found = hook.get_replication_status("s3://b/k")
            assert found.state.value in ("UNKNOWN", "FORBIDDEN", "UNREADABLE"), name


@pytest.mark.parametrize("targets", [{"keys": ["k"]}, {"patterns": ["x/*"]}])
@pytest.mark.parametrize("name", ["302 Found, plain", "403 Forbidden, a code within a code", "403 Forbidden, cut"])
def test_silent_fail_waits_out_any_answer(server: RawServer, name: str, targets: dict[str, list[str]]) -> None:
    """Under silent_fail a trigger outlives whatever is answered, and ends with its time."""
    from time import time

    from airflow_provider_crr.replication.targets import Targets

    server.answer = ANSWERS[name]
    objects = tuple(S3Object("b", key) for key in targets.get("keys", ()))
    patterns = tuple(S3Object("b", key) for key in targets.get("patterns", ()))
    trigger = S3ReplicationTrigger(
        targets=Targets(objects=objects, patterns=patterns).to_stored(),
        policy={},
        hook={},
        poke_interval=0.1,
        started_at=time(),
        deadline=time() + 0.3,
        silent_fail=True,
        form=1,
    )

    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())
    assert event["status"] == endings.TIMEOUT


def test_xml_without_end_is_an_error_of_ours(server: RawServer) -> None:
    """Elements within elements, more than Python's stack holds, are an answer that cannot be read."""
    hook = S3ReplicationHook()
    hook.get_conn()
    server.answer = answer("403 Forbidden", b"<a>" * 5000 + b"</a>" * 5000)
    gc.disable()  # which would run finalizers where the stack is full
    try:
        for question in ("list", "versions", "rules"):
            with pytest.raises(LookupFailed):
                QUESTIONS[question](hook)
    finally:
        gc.enable()


#: What botocore, urllib3, http.client, ssl, sockets and the runtime raise, as a test double may raise it, too.
OF_THE_WAY: list[Exception] = [
    boto.EndpointConnectionError(endpoint_url="http://s3"),
    boto.ReadTimeoutError(endpoint_url="http://s3"),
    boto.ResponseStreamingError(error="cut"),
    boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    boto.HTTPClientError(error="lost"),
    boto.FlexibleChecksumError(error_msg="no match"),
    urllib3.exceptions.ProtocolError("Connection broken", http.client.IncompleteRead(b"")),
    urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out"),  # type: ignore[arg-type]
    urllib3.exceptions.DecodeError("no gzip"),
    urllib3.exceptions.SSLError("no TLS"),
    http.client.IncompleteRead(b""),
    http.client.BadStatusLine("what"),
    http.client.RemoteDisconnected("gone"),
    ssl.SSLError(1, "no TLS"),
    ssl.SSLEOFError(8, "gone"),
    socket.gaierror(-2, "Name or service not known"),
    socket.herror(1, "Unknown host"),
    TimeoutError("timed out"),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
    OSError(errno.ENETUNREACH, "Network is unreachable"),
    OSError(errno.EHOSTUNREACH, "No route to host"),
    AwsCrtError(1, "AWS_ERROR_UNKNOWN", "unknown"),
]


@pytest.mark.parametrize("error", OF_THE_WAY, ids=lambda error: type(error).__name__)
def test_every_error_of_the_way_is_ours(error: Exception) -> None:
    """What carries requests may fail in many ways: each becomes a LookupFailed that passes, names it, and keeps it."""
    with pytest.raises(LookupFailed) as caught, translated("s3://b", "list objects", permission="s3:ListBucket"):
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.uri == "s3://b"
    assert caught.value.passing is not isinstance(error, boto.FlexibleChecksumError)


def test_what_is_not_of_the_way_stays_as_it_is() -> None:
    """An error of a program, and one of the disk, is nobody's answer: it is raised as it is."""
    for error in (KeyError("k"), OSError(28, "No space left on device"), MemoryError()):
        with pytest.raises(type(error)) as caught, translated("s3://b", "list objects", permission="s3:ListBucket"):
            raise error
        assert caught.value is error
