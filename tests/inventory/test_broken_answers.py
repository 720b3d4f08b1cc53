"""Whatever comes in the place of an object of a report: an error of ours, after another try where that may help."""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import boto3
import pytest

from airflow_provider_crr.errors import InventoryManifestInvalid, LookupFailed
from airflow_provider_crr.inventory import get_object
from airflow_provider_crr.inventory.report import newest_manifest_uri, read_manifest
from local_aws.inventory import Report
from tests.inventory.engines.test_bad_files import report
from tests.inventory.store import parsed
from tests.inventory.summaries import summarize_local
from tests.support.s3_server import Answer, S3Server


def http(body: bytes, *, status: str = "200 OK", length: str | None = "", lines: bytes = b"") -> Answer:
    """Return an answer as bytes; no length at all for None, the right one for ""."""
    said = b"" if length is None else f"Content-Length: {length or len(body)}\r\n".encode()
    return Answer(raw=b"HTTP/1.1 %s\r\n%s%s\r\n%s" % (status.encode(), said, lines, body))


BODY = b"<Error><Code>SlowDown</Code><Message>scripted</Message></Error>"
BROKEN = {
    "no Content-Length": lambda right: http(right, length=None),
    "headers cut by a FIN": lambda right: Answer(raw=b"HTTP/1.1 200 OK\r\nETag: "),
    "header line cut by a FIN": lambda right: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Len"),
    "status line cut": lambda right: Answer(raw=b"HTTP/1.1 2"),
    "no HTTP": lambda right: Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
    "nothing": lambda right: Answer(raw=b""),
    "a Content-Length in words": lambda right: http(right, length="many"),
    "a Content-Length with a sign": lambda right: http(right, length=f"+{len(right)}"),
    "a negative Content-Length": lambda right: http(right, length="-1"),
    "two Content-Lengths": lambda right: http(right, lines=b"Content-Length: 7\r\n"),
    "a Last-Modified in words": lambda right: http(right, lines=b"Last-Modified: yesterday\r\n"),
    "a cut body": lambda right: http(right[:-9], length=str(len(right))),
    "broken chunks": lambda right: http(b"zz\r\n", length=None, lines=b"Transfer-Encoding: chunked\r\n"),
    "a part": lambda right: http(right, status="206 Partial Content"),
    "a redirect": lambda right: http(b"", status="302 Found", lines=b"Location: http://login.example/\r\n"),
    "a redirect of a web page": lambda right: http(b"<html>", status="307 Temporary Redirect"),
    "an error that is cut": lambda right: http(BODY[:-20], status="503 Slow Down", length=str(len(BODY))),
    "an error that is no XML": lambda right: http(b"<Error><Code", status="500 Internal Server Error"),
    "an error in broken chunks": lambda right: http(
        b"zz\r\n", status="503 Slow Down", length=None, lines=b"Transfer-Encoding: chunked\r\n"
    ),
}


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(get_object, "_PAUSE", 0.0)


@pytest.fixture
def server() -> Iterator[S3Server]:
    """An S3 whose bucket is held by :func:`hold`."""
    with S3Server() as running:
        yield running


def hold(server: S3Server) -> Report:
    held = report()
    server.answers.update({("reports", key): http(content) for key, content in held.objects.items()})
    return held


def key_of(held: Report, which: str) -> str:
    manifest = held.manifest_key
    found = {"manifest": manifest, "checksum": manifest.replace("manifest.json", "manifest.checksum")}
    return found.get(which) or held.manifest["files"][1]["key"]


def read(server: S3Server, held: Report) -> int:
    client = server.client(retries={"total_max_attempts": 1})
    return summarize_local(client, read_manifest(client, held.manifest_uri)).volume.objects


@pytest.mark.parametrize("which", ["manifest", "checksum", "data"])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_answer_is_asked_for_again(server: S3Server, kind: str, which: str) -> None:
    """A broken answer is none: asked again, the object is read, and its rows count once."""
    held = hold(server)
    key = key_of(held, which)
    server.answers["reports", key] = [BROKEN[kind](held.objects[key]), http(held.objects[key])]
    assert read(server, held) == 6


@pytest.mark.parametrize("which", ["manifest", "data"])
@pytest.mark.parametrize("kind", BROKEN)
def test_what_stays_broken_passes_by_itself(server: S3Server, kind: str, which: str) -> None:
    """After the last try S3 could not be asked; the object is named, and not more is asked than the tries."""
    held = hold(server)
    key = key_of(held, which)
    server.answers["reports", key] = BROKEN[kind](held.objects[key])
    with pytest.raises(LookupFailed) as raised:
        read(server, held)
    assert raised.value.passing
    assert raised.value.uri == f"s3://reports/{key}"
    assert raised.value.remedy
    gets = [request for request in server.requests if request.key == key and request.method == "GET"]
    # The request after one that was hung up on may meet the same end; a redirect is followed once.
    assert get_object.FETCH_ATTEMPTS - 1 <= len(gets) <= 2 * get_object.FETCH_ATTEMPTS
    assert len(server.requests) < 20


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_read_leaves_no_connection(server: S3Server, kind: str) -> None:
    """Whoever gives up closes what was answered; the garbage collector finds no socket."""
    held = hold(server)
    key = key_of(held, "data")
    server.answers["reports", key] = BROKEN[kind](held.objects[key])
    gc.collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with suppress(LookupFailed):
            read(server, held)
        gc.collect()
    assert [str(each.message) for each in warned] == []


def test_redirected_listing_is_not_followed_for_ever(server: S3Server) -> None:
    """A LIST and the HEAD of its bucket that are both redirected: an error of ours, after a few requests."""
    server.on_list = lambda request, page: (Answer(302, headers={"Location": "http://login.example/"}), "")
    server.default = lambda bucket, key, version: http(b"", status="302 Found")
    with pytest.raises(LookupFailed) as raised:
        newest_manifest_uri(server.client(retries={"total_max_attempts": 1}), "s3://reports/landing/daily/")
    assert raised.value.passing
    assert len(server.requests) < 10


@pytest.mark.parametrize("depth", [2_000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":'])
def test_manifest_that_is_nested_deeply_is_refused(depth: int, brackets: str) -> None:
    """JSON that is nested more deeply than Python's stack is no manifest."""
    with pytest.raises(InventoryManifestInvalid) as raised:
        parsed(brackets.rstrip("]").encode() * depth)
    assert raised.value.remedy
    with pytest.raises(InventoryManifestInvalid):
        parsed(b'{"files": ' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize("name", ["sourceBucket", "key", "fileSchema"])
def test_half_a_surrogate_pair_is_no_text(name: str) -> None:
    r"""JSON can say "\ud800", which is no text that a request could hold."""
    body = report().objects[report().manifest_key]
    before = {"sourceBucket": b'"landing"', "key": b'"landing/daily/data', "fileSchema": b'"Bucket'}[name]
    assert before in body
    with pytest.raises(InventoryManifestInvalid, match=name):
        parsed(body.replace(before, before + b"\\ud800" if before[-1:] != b'"' else b'"landing\\ud800"', 1))


def test_who_did_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An STS that cannot be reached while an object is asked for is told as such, and not as the inventory's fault."""
    with socket.socket() as unused:  # bound, and nobody listens
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
        (tmp_path / "config").write_text(
            "[profile reader]\nrole_arn = arn:aws:iam::111122223333:role/reader\n"
            "source_profile = own\nservices = near\n"
            "[profile own]\naws_access_key_id = a\naws_secret_access_key = b\n"
            f"[services near]\nsts =\n  endpoint_url = {nowhere}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        client = boto3.Session(profile_name="reader", region_name="eu-west-1").client("s3", endpoint_url=nowhere)
        with pytest.raises(LookupFailed, match="no answer of STS") as failed:
            get_object.read_object(client, "s3://reports/manifest.json", limit=10)
    assert failed.value.passing
