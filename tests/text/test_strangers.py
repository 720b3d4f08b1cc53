"""What S3, or somebody in its place, says: bounded, legible and without passwords wherever it is told."""

from __future__ import annotations

import json
import logging
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_crr.errors import CrrError, InvalidArgument, LookupFailed, from_dict
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.deletion.counts import DeleteCounts
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import MAX_MESSAGE, MAX_TOLD, told
from tests.support.polling import event_of
from tests.support.s3_server import Answer, Listed, S3Server, stored

#: Megabytes, with what a terminal, a log or a browser would obey: a line of its own, a C1 control, text turned round.
LONG = "no\n\x9b31m \u202e " + "x" * 2_000_000 + " end"
HOSTILE = frozenset("\n\r\t\x1b\x9b\u202e\u0085\u2028")
USER, PASSWORD = "landing-user", "pa55-word"


def connection(server: S3Server, userinfo: str = "") -> str:
    """Return a connection to the server that asks once, with a name and a password in its URL if they are given."""
    found = json.loads(server.airflow_connection_json())
    found["extra"]["endpoint_url"] = server.endpoint_url.replace("://", f"://{userinfo}")
    found["extra"]["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    return json.dumps(found)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(server))
        yield server


def told_by_a_gate(bucket_key: Any, **arguments: Any) -> tuple[Any, str]:
    """Return the XCom value of one sweep, and all else that it tells: events, warnings, the error."""
    targets = Targets.parse(bucket_key, **arguments)
    watch = Watch(targets, GatePolicy(), S3ReplicationHook())
    try:
        event = event_of(watch)
    except CrrError as error:
        return error.to_dict(), str(error)
    said = [str(event and event["message"]), watch.progress(), *watch.warnings()]
    return watch.value(), "\n".join(said)


ANSWERS = {
    "message": Answer(403, code="AccessDenied", message=LONG),
    "message-400": Answer(400, code="InvalidRequest", message=LONG),
    "message-of-the-caller": Answer(403, code="InvalidAccessKeyId", message=LONG),
    "message-that-passes": Answer(403, code="ExpiredToken", message=LONG),
    "message-of-another": Answer(403, code="KMS.DisabledException", message=LONG),
    "code": Answer(400, code="Odd" + "x" * 2_000_000),
    "page": Answer(403, code="</Code></Error><html>" + "x" * 1_000_000),
    "status": stored("x\x9b31m" + "x" * 60_000),
    "status-of-storagegrid": stored(headers={"x-ntap-sg-cgr-replication-status": "\x9b" + "x" * 60_000}),
    "version": stored("COMPLETED", headers={"x-amz-version-id": "v" * 60_000}),
    "version-with-a-control": stored("FAILED", headers={"x-amz-version-id": "v\x9b31m"}),
    "etag": stored("COMPLETED", headers={"ETag": '"a", "' + "\x9b" + "x" * 60_000 + '"'}),
    "age": stored("COMPLETED", headers={"Age": "9" * 4000 + "\x9b" * 10_000}),
    "cache": stored("COMPLETED", headers={"X-Cache": "HIT \x9b" + "x" * 60_000}),
    "purge": Answer(404, headers={"x-minio-replication-delete-status": "\x9b" + "x" * 60_000}),
    "length": stored("COMPLETED", headers={"Transfer-Encoding": "\x9b" + "x" * 60_000}),
    "status-line": Answer(raw=b"HTTP/1.1 " + b"\x1b[2J" * 10_000 + b"\r\n\r\n"),
    "header-line": Answer(raw=b"HTTP/1.1 200 OK\r\n\x1b[2J\x9b" + b"x" * 60_000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize(("name", "many"), [*((name, False) for name in ANSWERS), ("message", True), ("status", True)])
def test_answer_about_an_object_is_told_within_bounds(s3: S3Server, name: str, many: bool) -> None:
    """However much an answer says, and whatever is in it, an XCom, a message and a warning hold little of it."""
    s3.default = lambda bucket, key, version: ANSWERS[name]
    keys = [f"s3://b/{number}" for number in range(12)] if many else ["s3://b/k"]
    value, said = told_by_a_gate(keys)
    assert len(json.dumps(value)) < 12_000
    assert len(said) < 12_000
    shown = json.dumps(value, ensure_ascii=False).replace("\\n", "\n") + said.replace("\n", "")
    assert not HOSTILE & set(shown)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SlowDown", "Odd"])
@pytest.mark.parametrize("ask", ["list", "rules"])
def test_refused_question_is_told_within_bounds(
    s3: S3Server, code: str, ask: str, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is with a LIST and with the rules; also in the traceback that a task logs."""
    refused = Answer(403, code=code, message=LONG)
    s3.on_list = lambda request, page: (refused, f"<Error><Code>{code}</Code><Message>{LONG}</Message></Error>")
    s3.replication["b"] = refused
    hook = S3ReplicationHook()
    with pytest.raises(LookupFailed) as raised:
        list(hook.list_matching(S3Object("b", "*"))) if ask == "list" else hook.get_replication_rules("b")
    assert len(str(raised.value)) < 2000
    assert not HOSTILE & set(str(raised.value))
    logged = "".join(traceback.format_exception(raised.value))
    assert len(logged) < 20_000
    assert not {"\x9b", "\u202e"} & set(logged)
    assert len(json.dumps(raised.value.to_dict())) < 3000


def test_page_in_the_place_of_the_rules_is_told_within_bounds(s3: S3Server) -> None:
    """What no XML can be, such as a proxy's page, is not copied into the error, nor into its traceback."""
    s3.replication["b"] = "<html>" + "x" * 1_000_000
    with pytest.raises(LookupFailed) as raised:
        S3ReplicationHook().get_replication_rules("b")
    assert len("".join(traceback.format_exception(raised.value))) < 40_000


def test_rules_are_told_within_bounds(s3: S3Server) -> None:
    """What the bucket's rules are called, and what tags they want, stands shortened in a gate's reason."""
    rule = (
        f"<Rule><ID>\u202e{'i' * 100_000}</ID><Status>Enabled</Status><Priority>1</Priority><Filter><Tag><Key>\x9b"
        f"{'k' * 100_000}</Key><Value>v</Value></Tag></Filter><Destination><Bucket>arn:aws:s3:::{'d' * 100_000}"
        "</Bucket></Destination></Rule>"
    )
    s3.replication["b"] = f"<ReplicationConfiguration><Role>r</Role>{rule}</ReplicationConfiguration>"
    s3.default = lambda bucket, key, version: stored()
    value, said = told_by_a_gate("s3://b/k")
    assert "with certain tags only" in said
    assert len(said) < 3000
    assert len(json.dumps(value)) < 4000
    assert not HOSTILE & set(said.replace("\n", ""))
    (read,) = S3ReplicationHook().get_replication_rules("b")
    assert read.destination_bucket == ""  # which is no bucket: it goes into events and lineage


def test_refusal_of_a_delete_is_told_within_bounds() -> None:
    """What a delete's XCom says of an object is short, wherever it comes from."""
    counts = DeleteCounts()
    counts.add_refused("s3://b/k", "NOT_DELETED", f"S3 did not delete it: {LONG}")
    assert len(json.dumps(counts.to_dict())) < 2000
    assert not HOSTILE & set(counts.refused_sample[0]["reason"])


@pytest.mark.parametrize("key", ["k\x1b[2J\nFAILED: s3://b/other", "k\u202egpj.exe", "k\x9b31m"])
def test_key_in_an_error_is_legible(key: str) -> None:
    """A key that is part of an error's URI is spelled out in its text; its data stays what it is."""
    uri = f"s3://b/{key}"
    for error in (LookupFailed("cannot look up", uri=uri, remedy="Ask"), LookupFailed(f"{key} cannot be read")):
        assert not HOSTILE & set(str(error).replace("\n", ""))
    assert LookupFailed("cannot look up", uri=uri).uri == uri


def test_error_stays_the_same_between_trigger_and_task() -> None:
    """What an error's text was made is not made anew each time it is handed on."""
    error = LookupFailed(LONG, uri="s3://b/\x1b", remedy=f"Ask http://{USER}:{PASSWORD}@proxy:3128")
    assert len(error.message) == MAX_MESSAGE
    again = from_dict(from_dict(error.to_dict()).to_dict())
    assert (str(again), again.to_dict()) == (str(error), error.to_dict())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://{USER}:{PASSWORD}@h:9000/b/k", "http://***@h:9000/b/k"),
        (f'URL: "https://{USER}@h/b"', 'URL: "https://***@h/b"'),
        (f"http://{USER}:p@{PASSWORD}@h/b", "http://***@h/b"),
        (f"http://{USER}:p/{PASSWORD}@h/b", "http://***@h/b"),
        (f"http://{USER}:12/{PASSWORD}@h/b", "http://***@h/b"),
        (f"http://{USER}:'{PASSWORD}@h/b", "http://***@h/b"),
        (f"socks5h://{USER}:{PASSWORD}@h", "socks5h://***@h"),
        (f"HTTPS://{USER}:{PASSWORD}@h", "HTTPS://***@h"),
        (f"Invalid endpoint: {USER}:{PASSWORD}@h:9000", "Invalid endpoint: ***@h:9000"),
        (f"{{'http': 'http://{USER}:{PASSWORD}@h'}}", "{'http': 'http://***@h'}"),
        (
            f"Failed to parse: '{USER}:p' is not a valid host or port",
            "Failed to parse: *** is not a valid host or port",
        ),
        (f"Failed to parse: http://{USER}:p#{PASSWORD}@h", "Failed to parse: ***"),
        ("s3://b/a:b@c", "s3://b/a:b@c"),
        ("https://b.s3.amazonaws.com/mail@x", "https://b.s3.amazonaws.com/mail@x"),
        ("http://h:9000/b/k", "http://h:9000/b/k"),
        ("mail@x.org", "mail@x.org"),
    ],
)
def test_name_and_password_of_a_url_are_left_out(text: str, shown: str) -> None:
    """Whoever quotes a URL shows where it leads, and not whose it is; what is no URL stays."""
    assert told(text) == shown
    assert str(LookupFailed(f"no answer: {text}")) == f"no answer: {shown}"


@pytest.mark.parametrize("before", [0, 150, 160, 170, 500, *range(MAX_TOLD - 30, MAX_TOLD + 4, 3), 1000])
def test_cut_does_not_hide_that_a_password_is_one(before: int) -> None:
    """Wherever a long text is cut, no half of a URL keeps its password."""
    text = f"{'a ' * before}http://{USER}:{PASSWORD}@h/ {'b ' * (4 * MAX_TOLD)}"
    assert PASSWORD[:4] not in told(text)
    assert PASSWORD[-4:] not in told(text)


def secrets_in(text: str) -> set[str]:
    return {secret for secret in (USER, PASSWORD, "pa55") if secret in text}


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where aws_default leads to, by a URL with a name and a password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    extra = {
        "endpoint_url": f"http://{USER}:{PASSWORD}@127.0.0.1:{port}",
        "region_name": "eu-west-1",
        "config_kwargs": {"retries": {"total_max_attempts": 1}, "connect_timeout": 2},
    }
    found = {"conn_type": "aws", "login": "k", "password": "s", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(found))


@pytest.mark.parametrize("keys", [["s3://b/k"], [f"s3://b/{number}" for number in range(3)]], ids=["one", "many"])
def test_gate_tells_no_password_of_an_endpoint_that_does_not_answer(
    dead: None, keys: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its XCom nor its event, its log or its warnings have what the endpoint's URL has before the host."""
    with caplog.at_level(logging.DEBUG, "airflow_provider_crr"):
        value, said = told_by_a_gate(keys)
    assert value["statuses"] == {"UNKNOWN": len(keys)}
    assert not secrets_in(json.dumps(value) + said)
    assert not secrets_in("".join(r.getMessage() for r in caplog.records if r.name.startswith("airflow_provider_crr")))


Question = Callable[[S3ReplicationHook], object]
QUESTIONS: dict[str, Question] = {
    "list": lambda hook: list(hook.list_matching(S3Object("b", "*"))),
    "versions": lambda hook: list(hook.list_versions(S3Object("b", "*"), exact=False)),
    "rules": lambda hook: hook.get_replication_rules("b"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_error_tells_no_password_of_an_endpoint_that_does_not_answer(dead: None, name: str) -> None:
    """Nor does an error of any other question, or its traceback."""
    with pytest.raises(LookupFailed) as raised:
        QUESTIONS[name](S3ReplicationHook())
    assert not secrets_in("".join(traceback.format_exception(raised.value)) + json.dumps(raised.value.to_dict()))


@pytest.mark.parametrize(
    "endpoint", [f"{USER}:{PASSWORD}@h:9000", f"http://{USER}:x/{PASSWORD}@h:9000", f"http://{USER}:{PASSWORD}@:x"]
)
def test_endpoint_that_is_none_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """A URL that botocore refuses is quoted by it, and not with the password by us."""
    extra = {"endpoint_url": endpoint, "region_name": "eu-west-1"}
    found = {"conn_type": "aws", "login": "k", "password": "s", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(found))
    value, said = told_by_a_gate("s3://b/k")
    assert not secrets_in(json.dumps(value) + said)


def test_endpoint_of_sts_is_told_without_its_password(dead: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is with whoever else is asked on the way, such as STS; also in the traceback that a task logs."""
    found = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    found["extra"]["role_arn"] = "arn:aws:iam::111122223333:role/landing"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(found))
    with pytest.raises(LookupFailed) as raised:
        S3ReplicationHook().get_conn()
    assert "STS" in str(raised.value)
    assert not secrets_in("".join(traceback.format_exception(raised.value)) + json.dumps(raised.value.to_dict()))


@pytest.mark.parametrize("keys", [1, 3])
def test_name_and_password_of_the_endpoint_are_sent_to_nobody(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, keys: int
) -> None:
    """With name and password in the URL the same is asked as without, and the password is in no request."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(s3, f"{USER}:{PASSWORD}@"))
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.listings["b"] = {"k0": Listed()}
    hook = S3ReplicationHook()
    answers = list(hook.get_replication_statuses([f"s3://b/k{number}" for number in range(keys)]))
    assert {answer.state for answer in answers} == {ObjectState.COMPLETED}
    assert [each.object.key for each in hook.list_matching(S3Object("b", "*"))] == ["k0"]
    assert {request.bucket for request in s3.requests} == {"b"}
    assert not s3.faults()
    assert not secrets_in(json.dumps(hook.whereabouts()))
    assert not secrets_in(str([(request.target, request.headers) for request in s3.requests]))


def test_proxys_password_in_an_argument_is_not_told() -> None:
    """An argument that is refused is quoted without the password of a proxy in it."""
    error = InvalidArgument(f"botocore_config is {{'proxies': {{'http': 'http://{USER}:{PASSWORD}@proxy:3128'}}}}")
    assert not secrets_in(str(error) + json.dumps(error.to_dict()))
