"""The hook and the watch, over HTTP against an S3 of scripted answers."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from airflow_provider_crr.errors import BucketNotFound, InvalidArgument, LookupFailed
from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import MISSING, Answer, Listed, S3Server, stored
from tests.support.tls import identity

EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"
NEW = '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'


@pytest.fixture
def hook(s3: S3Server) -> S3ReplicationHook:
    return S3ReplicationHook()


def watch(hook: S3ReplicationHook, bucket_key: object, *, pin_versions: bool = False, **arguments: object) -> Watch:
    return Watch(Targets.parse(bucket_key, **arguments), GatePolicy(), hook, pin_versions=pin_versions)  # type: ignore[arg-type]


def test_one_object_is_one_head(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A single lookup is one HEAD, with the version where one is given."""
    s3.answers["b", "k"] = stored("PENDING")
    s3.answers["b", "k", "v1"] = stored("COMPLETED", headers={"x-amz-version-id": "v1"})
    assert hook.get_replication_status("s3://b/k").state is ObjectState.PENDING
    assert hook.get_replication_status("k", "b", "v1").uri == "s3://b/k?versionId=v1"
    assert [request.version_id for request in s3.heads()] == [None, "v1"]


def test_whatever_is_asked_through_its_client_gets_its_own_answer(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Requests that others send through the hook's client, such as for reports, are held to their answers too."""
    s3.default = lambda bucket, key, version: stored("COMPLETED", headers={"ETag": f'"{key}"'}, interim=EARLY)
    client: Any = hook.get_conn()
    assert [client.head_object(Bucket="b", Key=str(n))["ETag"] for n in range(20)] == [f'"{n}"' for n in range(20)]


def test_connection_that_yields_no_client_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that cannot be assumed is told as an error of this provider, whatever was asked; its cause is kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    extra = {
        "role_arn": "arn:aws:iam::123456789012:role/reader",
        "region_name": "eu-west-1",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
        "service_config": {"sts": {"endpoint_url": nobody}},
    }
    connection = {"conn_type": "aws", "login": "AKIDEXAMPLE", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    hook = S3ReplicationHook()
    for ask in (
        lambda: hook.get_replication_status("s3://b/k"),
        lambda: list(hook.get_replication_statuses(["s3://b/k", "s3://b/l"])),
        lambda: hook.get_replication_rules("b"),
        hook.whereabouts,
    ):
        with pytest.raises(LookupFailed, match="connect by the connection 'aws_default'") as raised:
            ask()
        assert isinstance(raised.value.__cause__, EndpointConnectionError)


def test_an_endpoint_of_s3_alone_is_asked_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What service_config names for S3, as a VPC endpoint, is asked for one object and for several, and for no job."""
    with S3Server() as server:
        server.default = lambda bucket, key, version: stored("COMPLETED")
        connection = json.loads(server.airflow_connection_json())
        connection["extra"]["service_config"] = {"s3": {"endpoint_url": connection["extra"].pop("endpoint_url")}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        hook = S3ReplicationHook()
        found = [hook.get_replication_status("s3://b/k"), *hook.get_replication_statuses(["s3://b/1", "s3://b/2"])]
        assert [answer.state for answer in found] == [ObjectState.COMPLETED] * 3
        assert len(server.heads()) == 3
        jobs: Any = S3BatchOperationsHook().get_conn()
        assert jobs.meta.endpoint_url == "https://s3-control.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("given", ["connection", "argument"])
def test_a_client_certificate_and_its_key_are_a_list_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """JSON has no tuple, whether of a connection or of a stored trigger; of a list botocore takes nothing silently."""
    private, certificate, key = identity(), tmp_path / "client.pem", tmp_path / "client.key"
    mine, context = identity(private, name="client", ca=False), private.server(tmp_path)
    certificate.write_bytes(mine.pem)
    key.write_bytes(mine.key_pem)
    (tmp_path / "trusted.pem").write_bytes(private.pem)
    context.load_verify_locations(tmp_path / "trusted.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    config = {"client_cert": [str(certificate), str(key)], "retries": {"total_max_attempts": 1}}
    with S3Server(tls=context) as server:
        server.default = lambda bucket, key, version: stored("COMPLETED")
        connection = json.loads(server.airflow_connection_json())
        connection["extra"] |= {"config_kwargs": config if given == "connection" else {}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        hook = S3ReplicationHook(verify=str(tmp_path / "trusted.pem"), config=config if given == "argument" else None)
        assert hook.get_replication_status("s3://b/k").state is ObjectState.COMPLETED
        found = hook.get_replication_statuses(["s3://b/k", "s3://b/l"])
        assert {answer.state for answer in found} == {ObjectState.COMPLETED}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"proxies": "http://proxy:3128"}, "the proxy cannot be used: AttributeError"),
        ({"proxies": {"http": 3128}}, "the proxy cannot be used: AttributeError"),
        ({"proxies": {"http": "http://somebody:half#of@proxy:3128"}}, "the proxy cannot be used: LocationParseError"),
        ({"proxies": {"http": "http://somebody:half/of@proxy:3128"}}, "the proxy cannot be used: LocationParseError"),
        ({"proxies": {"http": "http://[::1"}}, "the proxy cannot be used: ValueError"),
        ({"proxies": {"http": "socks5h://somebody:half@proxy:1080"}}, "knows http:// and https:// only"),
        ({"proxies": {"http": "HTTP://proxy:3128"}}, "knows http:// and https:// only"),
        ({"client_cert": ["/only/one.pem"]}, "client_cert is .*/only/one.pem.*, and no file with both"),
        ({"client_cert": {"cert": "/one.pem"}}, "client_cert is "),
        ({"connect_timeout": "5"}, "Timeout value connect was 5.* Correct the setting that this names"),
        (
            {"s3": {"use_accelerate_endpoint": True}},
            "custom endpoint .* Accelerate. Correct the setting that this names",
        ),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_setting_that_can_never_work_is_said_at_once(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], says: str, count: int
) -> None:
    """It is no UNKNOWN to wait for, and no raw error, for one object or several; and half a password is not shown."""
    connection = json.loads(s3.airflow_connection_json())
    connection["extra"]["config_kwargs"] = config
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    with pytest.raises(LookupFailed, match=says) as raised:
        list(S3ReplicationHook().get_replication_statuses([f"s3://b/{number}" for number in range(count)]))
    assert not raised.value.passing
    assert "half" not in "".join(traceback.format_exception(raised.value)).replace(str(config), "")
    assert s3.requests == []


def test_a_proxy_of_the_environment_that_can_never_be_used_is_said_at_once(
    s3: S3Server, hook: S3ReplicationHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password with a "#" that is not encoded makes a URL that nobody can read; none of it is shown."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://somebody:half#of@proxy:3128")
    with pytest.raises(LookupFailed, match="the proxy cannot be used") as raised:
        hook.get_replication_status("s3://b/k")
    assert "half" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("given", ["connection", "argument"])
@pytest.mark.parametrize("verify", [1, 2.5, ["ca.pem"], {"password": "half"}, [], {}, ""])
def test_a_verify_that_is_no_file_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: Any, given: str
) -> None:
    """boto3 would find out at each poke; and of an empty list, it would make that everybody is trusted."""
    with S3Server(tls=identity().server(tmp_path)) as server:
        connection = json.loads(server.airflow_connection_json())
        connection["extra"] |= {"verify": verify} if given == "connection" else {}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        hook = S3ReplicationHook(verify=verify if given == "argument" else None)
        with pytest.raises(LookupFailed, match=r"verify is (empty|of type)|Invalid CA bundle") as raised:
            hook.get_replication_status("s3://b/k")
        assert not raised.value.passing
        assert "half" not in str(raised.value)


@pytest.mark.parametrize("body", ["<ReplicationConfiguration/>", "<Something/>"])
def test_rules_that_are_none_of_s3s_are_our_error(s3: S3Server, hook: S3ReplicationHook, body: str) -> None:
    """An answer without rules, as a store that only resembles S3 may give, is told and explains nothing."""
    s3.replication["b"] = body
    with pytest.raises(LookupFailed, match="cannot be read"):
        hook.get_replication_rules("b")
    s3.answers["b", "k"] = stored()
    verdict = watch(hook, "s3://b/k").sweep()
    assert verdict.outcome is Outcome.FAIL
    assert "why is not known" in verdict.sample[0]["reason"]


def test_rules_that_a_task_can_do_without_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read briefly, rules that nobody answers about take some seconds; the connection's other settings hold."""
    monkeypatch.setattr("airflow_provider_crr.hooks.base.BRIEF", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # which never answers
        extra: dict[str, object] = {"endpoint_url": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        extra |= {"region_name": "eu-west-1", "config_kwargs": {"s3": {"addressing_style": "path"}}}
        connection = {"conn_type": "aws", "login": "AKIDEXAMPLE", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        hook = S3ReplicationHook()
        config = hook._brief_client.meta.config  # making it may take longer
        began = time.monotonic()
        with pytest.raises(LookupFailed, match="replication rules"):
            hook.get_replication_rules("b", brief=True)
        assert time.monotonic() - began < 20
        assert (config.read_timeout, config.s3["addressing_style"]) == (0.2, "path")


def test_many_objects_are_one_head_each(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A bulk lookup yields one answer for each object, by one HEAD each, sync and async alike."""
    s3.default = lambda bucket, key, version: stored("COMPLETED") if int(key) % 2 else MISSING
    objects = [f"s3://b/{number}" for number in range(300)]
    found = {answer.object.key: answer.state for answer in hook.get_replication_statuses(objects)}

    async def collect() -> dict[str, ObjectState]:
        return {answer.object.key: answer.state async for answer in hook.aget_replication_statuses(objects)}

    assert asyncio.run(collect()) == found
    assert Counter(found.values()) == {ObjectState.COMPLETED: 150, ObjectState.MISSING: 150}
    assert set(Counter(request.key for request in s3.heads()).values()) == {2}


def test_element_that_is_no_object_stops_the_lookup(s3: S3Server, hook: S3ReplicationHook) -> None:
    """An element that names no object raises, rather than being left out of the answers."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    with pytest.raises(InvalidArgument):
        list(hook.get_replication_statuses(["s3://b/1", "s3://b/2", "nonsense"]))


def test_version_given_as_nothing_is_not_the_current_one(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A mapping whose version is None, as boto3 answers for an unversioned bucket, is refused before S3 is asked."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    for version_id in (None, "None", ""):
        with pytest.raises(InvalidArgument, match="version id"):
            list(hook.get_replication_statuses([{"bucket": "b", "key": "k", "version_id": version_id}] * 2))  # type: ignore[dict-item]
    with pytest.raises(InvalidArgument, match="version id 'None'"):
        hook.get_replication_status("s3a://b/k", version_id="None")
    assert s3.requests == []


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_request_limit_must_be_above_zero(limit: float) -> None:
    """A request limit that allows nothing is refused."""
    with pytest.raises(InvalidArgument, match="max_requests_per_second"):
        S3ReplicationHook(max_requests_per_second=limit)


def test_rules_of_a_bucket(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A bucket's rules are read from its configuration; without one there are none; a denial is an error."""
    s3.replication["b"] = (
        '<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>r</Role><Rule><ID>one</ID>'
        "<Status>Enabled</Status><Priority>1</Priority><Filter><Prefix>raw/</Prefix></Filter>"
        "<Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination></Rule></ReplicationConfiguration>"
    )
    s3.replication["denied"] = Answer(403, code="AccessDenied")
    (rule,) = hook.get_replication_rules("b")
    assert (rule.id, rule.prefix, rule.destination_bucket) == ("one", "raw/", "copy")
    assert hook.get_replication_rules("unconfigured") == ()
    with pytest.raises(LookupFailed, match="s3:GetReplicationConfiguration"):
        hook.get_replication_rules("denied")


def test_denied_rules_leave_the_verdict(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Without s3:GetReplicationConfiguration a NONE still fails, and the message says why no reason is given."""
    s3.default = lambda bucket, key, version: stored()
    s3.replication["denied"] = Answer(403, code="AccessDenied")
    verdict = watch(hook, ["s3://denied/k", "s3://denied/l"]).sweep()
    assert len([request for request in s3.requests if "replication" in request.query]) == 1
    assert verdict.outcome is Outcome.FAIL
    assert "s3:GetReplicationConfiguration" in verdict.failure()


@pytest.mark.parametrize("status", [b"403 Forbidden", b"404 Not Found", b"500 Internal Server Error"])
def test_refusal_of_the_rules_without_a_code_leaves_the_verdict(
    s3: S3Server, hook: S3ReplicationHook, status: bytes
) -> None:
    """An error of S3's that names no code, as of a proxy, is no answer about the rules, and ends no gate."""
    s3.default = lambda bucket, key, version: stored()
    said = b"HTTP/1.1 " + status + b"\r\nx-amz-request-id: 1\r\nContent-Length: 8\r\n\r\n<Error/>"
    s3.replication["b"] = Answer(raw=said)
    verdict = watch(hook, ["s3://b/k"]).sweep()
    assert verdict.outcome is Outcome.FAIL
    assert "why is not known" in verdict.failure()


def test_finished_objects_are_not_asked_again(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Of explicit objects, a later sweep asks only for those that are not finished."""
    s3.answers["b", "fast"] = stored("COMPLETED")
    s3.answers["b", "slow"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    gate = watch(hook, ["s3://b/fast", "s3://b/slow"])
    assert [gate.sweep().outcome for _ in range(3)] == [Outcome.WAIT, Outcome.WAIT, Outcome.DONE]
    assert (len(s3.heads(key="fast")), len(s3.heads(key="slow"))) == (1, 3)
    assert gate.head_requests == 4
    assert gate.value()["statuses"] == {"COMPLETED": 2}


def test_pattern_is_listed_again_and_asks_only_what_is_new(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A pattern's later sweep asks for new, unfinished and overwritten objects, and not for finished ones."""
    s3.listings["b"] = {f"dt=1/{number}": Listed() for number in range(3)} | {"dt=2/x": Listed()}
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.answers["b", "dt=1/0"] = [stored("PENDING"), stored("COMPLETED")]
    gate = watch(hook, "s3://b/dt=1/*", wildcard_match=True)
    assert gate.sweep().outcome is Outcome.WAIT
    s3.listings["b"]["dt=1/3"] = Listed()
    s3.listings["b"]["dt=1/1"] = Listed(etag=NEW)
    s3.answers["b", "dt=1/1"] = stored("PENDING", headers={"ETag": NEW})
    before = len(s3.requests)
    verdict = gate.sweep()
    assert sorted(r.key for r in s3.requests[before:] if r.key) == ["dt=1/0", "dt=1/1", "dt=1/3"]
    assert (verdict.outcome, verdict.total, verdict.statuses) == (Outcome.WAIT, 4, {"PENDING": 1, "COMPLETED": 3})
    s3.answers["b", "dt=1/1"] = stored("COMPLETED", headers={"ETag": NEW})
    assert gate.sweep().outcome is Outcome.DONE
    assert gate.sweep().outcome is Outcome.DONE


def test_object_that_leaves_the_listing_no_longer_counts(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A finished object that is deleted does not hold a pattern's gate open: without a match it waits."""
    s3.listings["b"] = {"dt=1/0": Listed()}
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    gate = watch(hook, "s3://b/dt=1/*", wildcard_match=True)
    assert gate.sweep().outcome is Outcome.DONE
    s3.listings["b"].clear()
    verdict = gate.sweep()
    assert (verdict.outcome, verdict.statuses) == (Outcome.WAIT, {"MISSING": 1})


def test_every_pattern_needs_a_match(s3: S3Server, hook: S3ReplicationHook) -> None:
    """One pattern without a match keeps the gate shut; an object that two patterns match counts once."""
    s3.listings["b"] = {"x/1": Listed(), "x/2": Listed()}
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    verdict = watch(hook, ["s3://b/x/*", "s3://b/x/1", "s3://b/y/*"], wildcard_match=True).sweep()
    assert (verdict.outcome, verdict.statuses) == (Outcome.WAIT, {"COMPLETED": 2, "MISSING": 1})
    assert len(s3.heads()) == 2


def test_object_that_appears_between_two_listings_is_asked(s3: S3Server, hook: S3ReplicationHook) -> None:
    """An object that only a later pattern's listing shows is asked for, though an earlier pattern matches it too."""
    s3.listings["b"] = {"aa": Listed(), "xb": Listed()}
    s3.default = lambda bucket, key, version: stored("COMPLETED" if key == "aa" else "PENDING")
    gate = watch(hook, ["s3://b/a*", "s3://b/*b"], wildcard_match=True)
    listed = hook.list_matching

    def later(pattern: S3Object) -> Iterator[object]:
        yield from listed(pattern)
        s3.listings["b"] = {"aa": Listed(), "ab": Listed()}

    hook.list_matching = later  # type: ignore[method-assign, assignment]
    assert gate.sweep().statuses == {"COMPLETED": 1, "PENDING": 1}
    assert {request.key for request in s3.heads()} == {"aa", "ab"}


@pytest.mark.parametrize("marker", [{}, {"x-amz-delete-marker": "true"}])
def test_object_deleted_since_it_was_listed_is_waited_for(
    s3: S3Server, hook: S3ReplicationHook, marker: dict[str, str]
) -> None:
    """An object that a pattern listed and that is gone at its HEAD does not fail the gate: the next listing tells."""
    s3.listings["b"] = {"t/_temporary": Listed(), "t/a": Listed()}
    s3.answers["b", "t/a"] = stored("COMPLETED")
    s3.answers["b", "t/_temporary"] = Answer(404, marker)
    gate = watch(hook, "s3://b/t/*", wildcard_match=True)
    assert gate.sweep().outcome is Outcome.WAIT
    del s3.listings["b"]["t/_temporary"]
    assert gate.sweep().outcome is Outcome.DONE


def test_lost_answer_keeps_the_gate_shut(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A lookup that answers for fewer objects than it was asked for is an error, not a verdict."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    whole = hook.get_replication_statuses
    hook.get_replication_statuses = lambda objects, **more: islice(whole(objects, **more), 1, None)  # type: ignore[method-assign]
    with pytest.raises(LookupFailed, match="3 objects were asked for and 2 answers came"):
        watch(hook, ["s3://b/1", "s3://b/2", "s3://b/3"]).sweep()


def test_stopped_listing_is_an_error(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A sweep that is stopped while it lists ends with an error."""
    s3.listings["b"] = {"t/a": Listed()}
    stop = threading.Event()
    stop.set()
    with pytest.raises(LookupFailed, match="stopped"):
        watch(hook, "s3://b/t/*", wildcard_match=True).sweep(stop)


@pytest.mark.parametrize("wildcard_match", [False, True])
def test_pinned_version_is_waited_for_though_overwritten(
    s3: S3Server, hook: S3ReplicationHook, wildcard_match: bool
) -> None:
    """With pin_versions the version that answers first is asked for from then on, and it alone decides."""
    s3.listings["b"] = {"k": Listed()}
    s3.answers["b", "k"] = stored("PENDING", headers={"x-amz-version-id": "v1"})
    s3.answers["b", "k", "v1"] = [stored("PENDING"), stored("COMPLETED")]
    gate = watch(hook, "s3://b/k", wildcard_match=wildcard_match, pin_versions=True)
    assert gate.sweep().outcome is Outcome.WAIT
    s3.listings["b"] = {"k": Listed(etag=NEW)}
    assert [gate.sweep().outcome, gate.sweep().outcome] == [Outcome.WAIT, Outcome.DONE]
    assert [request.version_id for request in s3.heads()] == [None, "v1", "v1"]
    assert gate.sweep().outcome is Outcome.DONE
    assert len(s3.heads()) == 3


def test_sweep_that_breaks_off_keeps_what_was_found(s3: S3Server, hook: S3ReplicationHook) -> None:
    """A sweep that cannot list raises, and the next one counts every object exactly once."""
    s3.listings["b"] = {"x/1": Listed(), "x/2": Listed()}
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    gate = watch(hook, ["s3://b/x/*"], wildcard_match=True)
    s3.missing_buckets.add("b")
    with pytest.raises(BucketNotFound):
        gate.sweep()
    s3.missing_buckets.clear()
    assert gate.sweep().statuses == {"COMPLETED": 2}


def test_waited_time_counts_from_the_first_question(hook: S3ReplicationHook) -> None:
    """waited_seconds counts from started_at, by the clock that was given."""
    moments = iter([datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (5, 9)])
    gate = Watch(
        Targets(objects=(S3Object("b", "k"),)),
        GatePolicy(),
        hook,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        clock=lambda: next(moments),
    )
    assert gate.value() == {"head_requests": 0, "waited_seconds": 5.0, "replication_lag": None}
    assert gate.progress() == "waiting for s3://b/k (no connection)\nno answer came yet"
    assert gate.warnings() == []


def test_owner_and_payer_go_with_every_request(s3: S3Server) -> None:
    """The expected bucket owner and the payer are in every request about a bucket, bulk lookups included."""
    s3.listings["b"] = {f"x/{number}": Listed() for number in range(3)}
    s3.default = lambda bucket, key, version: stored()
    hook = S3ReplicationHook(expected_bucket_owner="111122223333", requester_pays=True)
    hook.get_replication_status("s3://b/x/0")
    watch(hook, "s3://b/x/*", wildcard_match=True).sweep()
    hook.check_bucket("b")
    assert {request.method for request in s3.requests} == {"HEAD", "GET"}
    assert {request.headers.get("x-amz-expected-bucket-owner") for request in s3.requests} == {"111122223333"}
    assert {request.headers.get("x-amz-request-payer") for request in s3.heads()} == {"requester"}
