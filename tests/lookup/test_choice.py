"""Which way is chosen, and what the chosen way takes over from the client."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Timer
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.httpsession import get_cert_path

from airflow_provider_crr.errors import CredentialsNotFound, InvalidArgument, LookupFailed
from airflow_provider_crr.lookup.choice import choose_lookup, head_one, why_not_crt
from airflow_provider_crr.lookup.crt import session as runtime_module
from airflow_provider_crr.lookup.crt.connections import CONNECTIONS
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import S3Server, stored
from tests.support.tls import authority

PAIR = [S3Object("b", "one"), S3Object("b", "two")]


def client(**config: Any) -> Any:
    session = boto3.Session("id", "secret", region_name="eu-west-1")
    return session.client("s3", config=Config(**config))


def states(server_client: Any) -> list[str]:
    return [found.state.value for found in choose_lookup(server_client)(PAIR)]


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, None),
        ({"s3": {"addressing_style": "path"}}, None),
        ({"s3": {"use_accelerate_endpoint": True}}, None),
        ({"s3": {"use_dualstack_endpoint": True}}, None),
        ({"use_fips_endpoint": True}, None),
        ({"signature_version": "s3v4"}, None),
        ({"signature_version": "s3"}, "signed"),
        ({"signature_version": UNSIGNED}, "signed"),
        ({"proxies": {"https": "http://proxy:3128"}}, "proxy"),
        ({"client_cert": ("/tmp/cert.pem", "/tmp/key.pem")}, "certificate"),
    ],
)
def test_what_the_common_runtime_cannot_honour_goes_through_boto3(
    config: dict[str, Any], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting of a client is either botocore's to resolve, or a reason to use boto3 throughout."""
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda *_: None)
    found = why_not_crt(client(**config))
    assert found is None if reason is None else reason in str(found)


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize(
    ("environment", "proxied"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, True),
        ({"https_proxy": "http://proxy:3128"}, True),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".amazonaws.com"}, False),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),
    ],
)
def test_proxies_of_the_environment_are_honoured(
    environment: dict[str, str], proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that applies to the endpoint means boto3; one that NO_PROXY or the scheme rules out does not."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (why_not_crt(client()) == "a proxy is configured") is proxied


def test_without_awscrt_boto3_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where awscrt cannot be imported, lookups work all the same."""
    monkeypatch.setitem(sys.modules, "awscrt.http", None)
    assert "awscrt is not usable" in str(why_not_crt(client()))


@pytest.mark.usefixtures("crt")
def test_one_object_is_asked_through_boto3_and_two_are_not(server: S3Server) -> None:
    """A single lookup is boto3's; the Common Runtime is used from the second object on."""
    ask = choose_lookup(server.client())
    list(ask(PAIR[:1]))
    list(ask(PAIR))
    by_boto3 = ["amz-sdk-invocation-id" in request.headers for request in server.heads()]
    assert by_boto3 == [True, False, False]


@pytest.mark.usefixtures("crt")
def test_no_objects_are_no_request(server: S3Server, way: str) -> None:
    """An empty iterable yields nothing and asks nothing."""
    assert list(choose_lookup(server.client())([])) == []
    assert server.requests == []


@pytest.mark.usefixtures("crt")
def test_who_answers_in_the_place_of_s3_is_asked(server: S3Server, way: str) -> None:
    """A test double registered with boto3 answers bulk lookups too: nothing goes around it to the network."""
    double = server.client()

    def answer(request: Any, **_: Any) -> AWSResponse:
        raw = SimpleNamespace(stream=lambda: iter([]))
        headers: Any = {"etag": "x", "content-length": "1", "x-amz-replication-status": "FAILED"}
        return AWSResponse(request.url, 200, headers, raw)

    double.meta.events.register("before-send.s3", answer)
    assert states(double) == ["FAILED", "FAILED"]
    assert server.requests == []


@pytest.mark.usefixtures("crt")
def test_headers_that_a_handler_adds_are_sent(server: S3Server, way: str) -> None:
    """What a user's botocore handler adds to each request is on the wire, and signed."""
    handled = server.client()
    handled.meta.events.register(
        "before-sign.s3", lambda request, **_: request.headers.add_header("x-amz-meta-team", "data")
    )
    assert states(handled) == ["COMPLETED", "COMPLETED"]
    assert [request.headers["x-amz-meta-team"] for request in server.heads()] == ["data", "data"]
    assert server.faults() == []


@pytest.mark.usefixtures("crt")
def test_without_credentials_nothing_is_sent(server: S3Server, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials are an error of ours, before a request leaves."""
    bare = server.client()
    monkeypatch.setattr(bare._request_signer, "_credentials", None)
    for lookup in (lambda: list(choose_lookup(bare)(PAIR)), lambda: head_one(bare, PAIR[0])):
        with pytest.raises(CredentialsNotFound, match="no AWS credentials"):
            lookup()
    assert server.requests == []


@pytest.mark.usefixtures("crt")
def test_credentials_are_renewed_during_a_lookup(server: S3Server, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that outlives its credentials goes on with the new ones."""
    from botocore.credentials import RefreshableCredentials

    server.secrets = {f"AKID{n}": f"secret{n}" for n in range(1000)}
    turns = iter(range(1000))

    def renew() -> dict[str, str]:
        turn = next(turns)
        expiry = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()  # within the time of mandatory renewal
        return {
            "access_key": f"AKID{turn}", "secret_key": f"secret{turn}", "token": None, "expiry_time": expiry  # type: ignore[dict-item]
        }  # fmt: skip

    renewed = server.client()
    credentials = RefreshableCredentials.create_from_metadata(renew(), renew, "test")
    monkeypatch.setattr(renewed._request_signer, "_credentials", credentials)
    monkeypatch.setattr(runtime_module, "_SIGNING_AGE", 0.0)
    assert set(states(renewed)) == {"COMPLETED"}
    used = {request.headers["authorization"].split("/")[0] for request in server.heads()}
    assert len(used) == 2
    assert server.faults() == []


@pytest.mark.usefixtures("crt")
def test_the_handlers_of_a_client_stay_as_they_are(server: S3Server, way: str) -> None:
    """After its first lookup a client's handlers change no more: other threads look for them, without a lock."""
    client = server.client()
    list(choose_lookup(client)([S3Object(f"a{n}", "k") for n in range(5)]))
    emitter = client.meta.events._emitter
    known = emitter._lookup_cache  # botocore makes another one whenever a handler comes or goes
    assert len(list(choose_lookup(client)([S3Object(f"b{n}", "k") for n in range(5)]))) == 5
    assert emitter._lookup_cache is known


@pytest.mark.usefixtures("crt")
def test_a_bucket_name_that_cannot_be_is_an_argument_error(server: S3Server, way: str) -> None:
    """A bucket name that cannot be is an InvalidArgument that names the object."""
    with pytest.raises(InvalidArgument, match=r"s3://no bucket/k"):
        list(choose_lookup(server.client())([S3Object("no bucket", "k")] * 2))


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize("elsewhere", [301, 400])
def test_a_bucket_in_another_region_is_found_once(server: S3Server, way: str, elsewhere: int) -> None:
    """A redirect costs at most one more HEAD for each that S3 has by then, and none once the region is known."""
    server.regions["b"], server.elsewhere = "us-west-2", elsewhere
    objects = [S3Object("b", f"k{n}", "v" if n % 2 else None) for n in range(1500)]
    ask = choose_lookup(server.client())
    found = list(ask(objects))
    assert sorted(str(each.object) for each in found) == sorted(map(str, objects))
    assert {each.state for each in found} == {"COMPLETED"}
    # Each is redirected once that was sent before the first redirect came; boto3 is redirected itself.
    assert len(server.heads("b")) <= len(objects) + CONNECTIONS + 1
    server.requests.clear()
    assert {each.state for each in ask(objects)} == {"COMPLETED"}
    assert len(server.heads("b")) == len(objects)
    assert server.faults() == []


@pytest.mark.usefixtures("crt")
def test_nothing_is_sent_to_where_a_bucket_is_not(server: S3Server) -> None:
    """From the first redirect on nothing is sent before the region is known, neither for keys nor for versions."""
    server.regions["b"] = "us-west-2"
    known = Event()
    server.default = lambda bucket, key, version: stored("COMPLETED", gate=known)
    objects = [S3Object("b", f"k{n}", "v" if n % 2 else None) for n in range(1000)]
    timer = Timer(1, known.set)
    timer.start()
    found = list(choose_lookup(server.client())(objects))
    timer.join()
    assert {each.state for each in found} == {"COMPLETED"}
    astray = [request for request in server.heads("b") if request.region != "us-west-2"]
    assert len(astray) <= CONNECTIONS + 1


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[S3Server, str]]:
    with S3Server(tls=authority(tmp_path)) as running:
        running.default = lambda bucket, key, version: stored("COMPLETED")
        yield running, str(tmp_path / "cert.pem")


@pytest.mark.usefixtures("crt")
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("trusted", ["bundle", False])
def test_a_private_authority_is_trusted_where_boto3_trusts_it(
    https: tuple[S3Server, str], way: str, trusted: str | bool
) -> None:
    """The connection's own bundle is used, and verify=False is taken at its word."""
    server, bundle = https
    assert states(server.client(verify=trusted and bundle)) == ["COMPLETED", "COMPLETED"]
    assert server.faults() == []


@pytest.mark.parametrize("trusted", [None, True, False, "bundle"])
def test_the_common_runtime_trusts_whom_boto3_trusts(
    https: tuple[S3Server, str], trusted: str | bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very file of authorities that boto3 uses replaces the system's, unless checking is switched off."""
    import awscrt.io

    made: list[Any] = []
    real = awscrt.io.ClientTlsContext

    class Context(real):  # type: ignore[misc, valid-type]
        def __init__(self, options: Any) -> None:
            made.append(options)
            super().__init__(options)

    monkeypatch.setattr(awscrt.io, "ClientTlsContext", Context)
    verify = https[1] if trusted == "bundle" else trusted
    asked = https[0].client(verify=verify)
    runtime_module._read_context.cache_clear()
    runtime_module.tls_context(asked)
    assert made[0].verify_peer is (trusted is not False)
    used = get_cert_path(runtime_module.certificates(asked))  # type: ignore[arg-type]
    assert made[0].ca_buffer == (Path(used).read_bytes() if used else None)


@pytest.mark.usefixtures("crt")
def test_a_bundle_that_is_not_there_is_said(https: tuple[S3Server, str], tmp_path: Path) -> None:
    """Certificates that cannot be read are an error of the connection, with its remedy, not of the objects."""
    server, bundle = https
    gone = tmp_path / "gone.pem"
    gone.write_bytes(Path(bundle).read_bytes())
    asked = server.client(verify=str(gone))
    gone.unlink()
    with pytest.raises(LookupFailed, match="verify"):
        states(asked)


@pytest.mark.usefixtures("crt")
def test_a_stop_is_noticed_while_a_region_is_silent(server: S3Server) -> None:
    """A bucket that is elsewhere is followed there in another thread: a stop does not wait for it."""
    server.regions["b"] = "eu-north-1"
    server.default = lambda bucket, key, version: stored("COMPLETED", gate=Event())
    stop = Event()
    answers = choose_lookup(server.client())(PAIR, stop=stop)
    Timer(0.5, stop.set).start()
    started = time.monotonic()
    with pytest.raises(LookupFailed, match="stopped"):
        list(answers)
    assert time.monotonic() - started < 20


def test_importing_it_loads_no_client_library() -> None:
    """DAG files are parsed without boto3, awscrt or Airflow being loaded for a lookup."""
    code = (
        "import sys, airflow_provider_crr.lookup.choice;"
        "sys.exit(' '.join({'boto3', 'botocore', 'awscrt', 'airflow'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
