"""What a proxy answers, or a session of a directory bucket, is no answer about an object."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_crr.errors import BucketNotFound, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.s3.objects import S3Object
from tests.support.http_server import Asked, HttpServer, Said
from tests.support.s3_server import REGION, Answer, S3Server

ODD, EVEN = S3Object("b", "odd"), S3Object("b", "even")
NO_RETRIES: Any = {"total_max_attempts": 1}
HTML = {"Content-Type": "text/html", "ETag": '"0-5f"', "Last-Modified": "Mon, 05 Oct 2026 20:00:00 GMT"}


def relay(asked: Asked) -> Said:
    """Return what the server behind a proxy says."""
    url = urlsplit(asked.target)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    connection.request(asked.method, f"{url.path}?{url.query}" if url.query else url.path, headers=asked.headers)
    try:
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in ("connection", "server")}
        return Said(answer.status, answer.read().decode(), headers)
    finally:
        connection.close()


@pytest.fixture
def proxy() -> Iterator[HttpServer]:
    with HttpServer(relay) as running:
        yield running


def page(status: int) -> Callable[[Asked], Said]:
    """Answer for one object with a page of the proxy's own, and relay all else."""
    return lambda asked: Said(status, "<html>proxy</html>", HTML) if "/odd" in asked.target else relay(asked)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 407, 502, 504])
def test_a_page_of_a_proxy_is_no_answer(server: S3Server, proxy: HttpServer, status: int) -> None:
    """A proxy's own page leaves an object UNKNOWN, whatever its status; 407 is an error that names the proxy."""
    client = server.client(proxies={"http": proxy.url}, retries=NO_RETRIES)
    assert head_one(client, ODD).state == "COMPLETED"
    proxy.answer = page(status)
    if status == 407:
        for objects in ([ODD], [ODD, EVEN]):
            with pytest.raises(LookupFailed, match=r"the proxy asks for a name and a password \(HTTP 407\)") as raised:
                list(choose_lookup(client)(objects))
            assert not raised.value.passing
        return
    assert head_one(client, ODD).state == "UNKNOWN"
    found = {answer.object.key: answer.state for answer in choose_lookup(client)([ODD, EVEN])}
    assert found == {"odd": "UNKNOWN", "even": "COMPLETED"}


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize("status", [200, 404])
def test_a_page_of_whoever_stands_before_s3_is_no_answer(server: S3Server, way: str, status: int) -> None:
    """A page with an ETag and no request id is not S3's, and a second one neither; S3 is asked again."""
    raw = f"HTTP/1.1 {status} X\r\nETag: x\r\nContent-Length: 4\r\nLast-Modified: {HTML['Last-Modified']}\r\n\r\n"
    server.answers["b", "odd"] = Answer(raw=raw.encode())
    found = {answer.object.key: answer for answer in choose_lookup(server.client())([ODD, EVEN])}
    assert (found["odd"].state, found["even"].state) == ("UNKNOWN", "COMPLETED")
    assert "x-amz-request-id" in found["odd"].detail


@pytest.mark.parametrize(("status", "lasts"), [(407, True), (403, False), (502, False)])
def test_a_proxy_that_opens_no_tunnel(proxy: HttpServer, status: int, lasts: bool) -> None:
    """To an endpoint with TLS a proxy that wants a password is an error; one that lets nobody through is waited out."""
    proxy.answer = lambda asked: Said(status, "<html>proxy</html>")
    with S3Server() as server:
        server_url = server.endpoint_url.replace("http:", "https:")
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            endpoint_url=server_url,
            region_name=REGION,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(proxies={"https": proxy.url}, retries=NO_RETRIES),
        )
        for objects in ([ODD], [ODD, EVEN]):
            if lasts:
                with pytest.raises(LookupFailed, match="the proxy asks for a name and a password"):
                    list(choose_lookup(client)(objects))
            else:
                found = list(choose_lookup(client)(objects))
                assert {answer.state for answer in found} == {"UNKNOWN"}
                assert "Failed to connect to proxy" in found[0].detail


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize(("code", "status", "passing"), [("AccessDenied", 403, False), ("SlowDown", 503, True)])
def test_a_session_of_a_directory_bucket_that_is_refused(code: str, status: int, passing: bool) -> None:
    """CreateSession of S3 Express is asked before the object: its refusal names it, and what it needs."""
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    with HttpServer(lambda asked: Said(status, body, {"x-amz-request-id": "0A"})) as express:
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            endpoint_url=express.url,
            region_name="us-west-2",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(retries=NO_RETRIES, s3={"addressing_style": "path"}),
        )
        bucket = "b--usw2-az1--x-s3"
        for keys in ("k", "kl"):
            with pytest.raises(LookupFailed, match=f"S3 answered {code} to CreateSession") as raised:
                list(choose_lookup(client)(S3Object(bucket, key) for key in keys))
            assert raised.value.passing is passing
            assert ("s3express:CreateSession" in str(raised.value)) is not passing
        assert {asked.method for asked in express.requests} == {"GET"}


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ({"extra": {"profile_name": "nobody"}}, "nobody"),
        ({"extra": {"role_arn": "arn:x", "assume_role_method": "by magic"}}, "by magic"),
        ({"extra": {"role_arn": "arn:aws:iam::1:role/r", "assume_role_method": "assume_role_with_saml"}}, "KeyError"),
        (
            {"extra": {"role_arn": "arn:aws:iam::1:role/r", "assume_role_method": "assume_role_with_web_identity"}},
            "Unsupported federation",
        ),
        ({"extra": {"config_kwargs": {"retries": 3}}}, "AttributeError"),
        ({"extra": {"config_kwargs": {"no_such_setting": 3}}}, "no_such_setting"),
    ],
)
def test_whatever_keeps_a_connection_from_being_used_is_our_error(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, object], says: str
) -> None:
    """Whatever amazon's hook raises for a connection becomes one error that names it, keeps its cause, and lasts."""
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps({"conn_type": "aws", **connection}))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    hook = S3ReplicationHook(aws_conn_id="odd")
    for ask in (
        lambda: hook.get_replication_status("s3://b/k"),
        lambda: hook.get_replication_rules("b"),
        lambda: hook.get_replication_rules("b", brief=True),
    ):
        with pytest.raises(LookupFailed, match="the connection 'odd'") as raised:
            ask()
        assert says in str(raised.value)
        assert not raised.value.passing


def test_a_connection_that_is_not_defined_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a connection, of which amazon's hook only warns, is in the error for want of credentials."""
    hook = S3ReplicationHook(aws_conn_id="typo", region_name=REGION)
    with pytest.raises(LookupFailed, match="the connection 'typo', which is not defined, yields no AWS credentials"):
        hook.get_replication_status("s3://b/k")


def test_a_bucket_is_missing_only_if_s3_says_so(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's 404 for HEAD of a bucket does not make it missing; S3's does."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
    hook = S3ReplicationHook()
    server.missing_buckets.add("gone")
    with pytest.raises(BucketNotFound):
        hook.check_bucket("gone")
    with HttpServer(lambda asked: Said(404, "<html>proxy</html>")) as proxy:
        extra = {"endpoint_url": proxy.url, "region_name": REGION, "config_kwargs": {"retries": NO_RETRIES}}
        connection = {"conn_type": "aws", "login": "AKID", "password": "s", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        S3ReplicationHook().check_bucket("b")
