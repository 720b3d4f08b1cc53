"""How much of an answer is read before its body: as many headers as S3 sends, and never without end."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.lookup.http_answers import MAX_HEAD
from airflow_provider_crr.s3.objects import S3Object
from tests.support.flooding import Flooding
from tests.support.s3_server import S3Server, stored

pytestmark = pytest.mark.usefixtures("crt")

PAIR = [S3Object("b", "one"), S3Object("b", "two")]
NO_RETRIES = {"total_max_attempts": 1}


def lines(count: int, value: bytes = b"v") -> bytes:
    """Return header lines of metadata."""
    return b"".join(b"x-amz-meta-k%d: %s\r\n" % (number, value) for number in range(count))


@pytest.mark.parametrize("count", [95, 100, 101, 1000])
@pytest.mark.parametrize("status", ["COMPLETED", "PENDING"])
def test_as_many_headers_as_metadata_has(server: S3Server, count: int, status: str) -> None:
    """An object with a hundred headers of metadata and more has the same state, asked alone or with another one."""
    server.default = lambda bucket, key, version: stored(status, lines=lines(count))
    client = server.client()
    assert head_one(client, PAIR[0]).state == status
    assert [each.state for each in choose_lookup(client)(PAIR)] == [status, status]
    assert len(server.heads()) == 3
    assert http.client._MAXHEADERS == 100  # type: ignore[attr-defined]  # everybody else's bound stays as it is


@pytest.mark.parametrize("state", [(-8192, "COMPLETED"), (1, "UNKNOWN")])
@pytest.mark.parametrize("form", ["one line", "many lines"])
def test_both_have_the_same_bound(server: S3Server, way: str, state: tuple[int, str], form: str) -> None:
    """Up to the bound an answer counts, beyond it it is none, through both clients and for one object."""
    size, expected = MAX_HEAD + state[0], state[1]
    surplus = b"x-amz-meta-k: " + b"v" * size + b"\r\n" if form == "one line" else lines(size // 1000 + 1, b"v" * 980)
    server.default = lambda bucket, key, version: stored("COMPLETED", lines=surplus)
    client = server.client(retries=NO_RETRIES)
    found = [head_one(client, PAIR[0]), *choose_lookup(client)(PAIR)]
    assert Counter(each.state.value for each in found) == {expected: 3}
    if expected == "UNKNOWN":
        assert all(f"more than {MAX_HEAD} bytes of headers" in each.detail for each in found)


def test_interim_answers_count_too(server: S3Server, way: str) -> None:
    """What comes before the answer is within its bound."""
    early = b"HTTP/1.1 103 Early Hints\r\n" + lines(100, b"v" * 200) + b"\r\n"
    server.default = lambda bucket, key, version: stored("COMPLETED", interim=early * 20)
    client = server.client(retries=NO_RETRIES)
    assert head_one(client, PAIR[0]).state == "UNKNOWN"


FLOOD = textwrap.dedent(
    """
    import resource, socket, sys, threading, time
    from airflow_provider_crr.lookup import choice
    from airflow_provider_crr.s3.objects import S3Object
    import boto3
    from botocore.config import Config

    way, objects, form = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if way == "boto3":
        choice.why_not_crt = lambda client: "asked for"
    url = sys.argv[4]
    client = boto3.client("s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b",
                          region_name="eu-west-1", config=Config(retries={"total_max_attempts": 2}))
    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    choice.why_not_crt(client)
    before, most, ended = resident(), 0, threading.Event()
    def watch():
        global most
        while not ended.wait(0.01):
            most = max(most, resident())
    threading.Thread(target=watch, daemon=True).start()
    started = time.monotonic()
    found = list(choice.choose_lookup(client)(S3Object("b", f"k{n}") for n in range(objects)))
    print(round(time.monotonic() - started, 1), round((most - before) / 1e6), *sorted({e.state.value for e in found}))
    """
)


@pytest.mark.parametrize(("way", "objects"), [("boto3", 1), ("crt", 2), ("crt", 40)])
@pytest.mark.parametrize("form", ["headers", "line", "interim"])
def test_headers_without_end_are_bounded(way: str, objects: int, form: str) -> None:
    """A server that sends headers, a line, or interim answers for ever leaves objects UNKNOWN, and takes no memory."""
    pieces = {"headers": lines(1000, b"v" * 50), "line": b"v" * 65536, "interim": b"\r\nHTTP/1.1 103 E\r\na: b" * 2000}
    with Flooding(pieces[form]) as url:
        ran = subprocess.run(
            [sys.executable, "-c", FLOOD, way, str(objects), form, url],
            check=True,
            capture_output=True,
            text=True,
            timeout=90,
            env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
        )
    seconds, megabytes, *states = ran.stdout.split()
    assert states == ["UNKNOWN"]
    assert float(megabytes) < 150
    assert float(seconds) < 30
