"""The delete operator against what stands between it and S3: nothing goes of which S3 did not say that it may."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from tests.support.s3_server import Answer, Request
from tests.support.task_context import Context
from tests.support.versioned_s3 import Version, VersionedS3

STATES = ["COMPLETED", "PENDING", "FAILED", None, "REPLICA", "COMPLETED"]
KEYS = 48
NAMED: dict[str, dict[str, Any]] = {
    "all": {"bucket_key": "s3://b/*", "wildcard_match": True},
    "current": {"bucket_key": "s3://b/*", "wildcard_match": True, "versions": "current"},
    "keys": {"bucket_key": [f"s3://b/k{n:02}" for n in range(KEYS)], "versions": "current"},
    "versions": {
        "bucket_key": [{"bucket": "b", "key": f"k{n:02}", "version_id": f"v{n:02}"} for n in range(KEYS)],
    },
}


@pytest.fixture
def s3(versioned_s3: VersionedS3) -> VersionedS3:
    for n in range(KEYS):
        versioned_s3.put("b", f"k{n:02}", Version(f"v{n:02}", STATES[n % len(STATES)]))
    return versioned_s3


@pytest.fixture(params=["boto3", "crt"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which many objects are asked about."""
    if request.param == "boto3":
        monkeypatch.setattr("airflow_provider_crr.lookup.choice.why_not_crt", lambda client: "in this test")
    return str(request.param)


def check_delete(s3: VersionedS3, named: str) -> dict[str, Any]:
    """Run the operator; nothing that is not COMPLETED goes, and what it counts as deleted is what went."""
    before = s3.left()
    status = {version.id: version.replication for kept in s3.objects.values() for version in kept}
    context = Context()
    operator = S3DeleteReplicatedObjectsOperator(
        task_id="delete", botocore_config={"retries": {"total_max_attempts": 2}}, **NAMED[named]
    )
    try:
        found: dict[str, Any] = operator.execute(context)
    except CrrError:
        found = context.pushed["return_value"]
    after = s3.left()
    gone = [version for key, kept in before.items() for version in kept if version not in after.get(key, ())]
    assert [version for version in gone if status[version] != "COMPLETED"] == []
    assert found["deleted"] == len(gone)
    return found


@pytest.mark.parametrize("named", NAMED)
def test_without_attack_all_that_is_completed_goes(s3: VersionedS3, client: str, named: str) -> None:
    """With nobody between, the COMPLETED third goes, and the rest is refused."""
    found = check_delete(s3, named)
    assert (found["deleted"], found["refused"]) == (16, 32)


def every(step: int, change: Callable[[bytes], bytes]) -> Callable[[Request, bytes], bytes]:
    """Change each ``step``-th answer."""
    turns = count(1)
    return lambda request, sent: change(sent) if next(turns) % step == 0 else sent


def headed(line: bytes) -> Callable[[bytes], bytes]:
    """Put a line before all headers but the status line."""
    return lambda sent: sent.replace(b"\r\n", b"\r\n" + line, 1)


FORGED = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\nx-amz-replication-status: COMPLETED\r\n\r\n'
#: What is done to some of the answers to HEAD.
WIRE: dict[str, Callable[[bytes], bytes]] = {
    "103 before": lambda sent: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + sent,
    "102 before": lambda sent: b"HTTP/1.1 102 Processing\r\n\r\n" + sent,
    "twice": lambda sent: sent * 2,
    "a body that looks like an answer": lambda sent: sent + FORGED,
    "headers cut": lambda sent: sent[: sent.find(b"x-amz-replication-status") if b"replication" in sent else -4],
    "headers cut at their end": lambda sent: sent[:-2],
    "a line without a colon": headed(b"nonsense\r\n"),
    "a space before the colon": headed(b"X-Odd : 1\r\n"),
    "a bare CR that injects a status": headed(b"x-amz-meta-a: 1\rx-amz-replication-status: COMPLETED\r\n"),
    "a control character": headed(b"x-amz-meta-a: \x01\r\n"),
    "two statuses": lambda sent: (
        headed(b"x-amz-replication-status: COMPLETED\r\n")(sent) if b"replication-status" in sent else sent
    ),
}


@pytest.mark.parametrize("named", ["keys", "versions"])
@pytest.mark.parametrize("attack", WIRE)
def test_answers_that_are_not_whole_or_not_alone(s3: VersionedS3, client: str, attack: str, named: str) -> None:
    """Interim and surplus answers, cut and malformed headers delete nothing that is not COMPLETED."""
    s3.conditions = "ignored"  # so that no ETag saves what was judged wrongly
    s3.on_wire = every(5, WIRE[attack])
    check_delete(s3, named)


def claimed(s3: VersionedS3, request: Request, **headers: str) -> Answer:
    """Return an answer that says COMPLETED of whatever is asked."""
    version = s3.objects[request.bucket, request.key][0]
    told = {"x-amz-version-id": version.id, "ETag": f'"{version.etag}"', "x-amz-replication-status": "COMPLETED"}
    return Answer(headers={**told, **{name.replace("_", "-"): value for name, value in headers.items()}})


@pytest.mark.parametrize(
    "headers", [{"Age": "5"}, {"Warning": '110 - "Response is Stale"'}, {"x_amz_delete_marker": "true"}]
)
def test_answers_that_are_not_fresh_delete_nothing(s3: VersionedS3, client: str, headers: dict[str, str]) -> None:
    """A cache's answer, or a 200 with a delete marker, is not S3's fresh word, though it says COMPLETED."""
    s3.on_head = lambda request: claimed(s3, request, **headers)
    found = check_delete(s3, "keys")
    assert (found["deleted"], set(found["refused_statuses"])) == (0, {"UNKNOWN"})


@pytest.mark.parametrize("named", ["all", "versions"])
def test_endpoint_that_ignores_versions_deletes_nothing_else(s3: VersionedS3, client: str, named: str) -> None:
    """An endpoint that answers for what is current, whatever version is asked, has nothing but that deleted."""
    for n in range(KEYS):
        s3.put("b", f"k{n:02}", Version(f"w{n:02}", "COMPLETED"))

    def current(request: Request) -> Answer:
        version = s3.objects[request.bucket, request.key][0]
        told = {"ETag": f'"{version.etag}"', "x-amz-replication-status": "COMPLETED"}
        return Answer(headers=told)

    s3.on_head = current
    assert check_delete(s3, named)["deleted"] == 0


#: What an incomplete or foreign answer to a listing looks like.
LISTINGS: dict[str, Callable[[str], str | Answer]] = {
    "truncated without a token": lambda body: body.replace("<IsTruncated>false", "<IsTruncated>true"),
    "truncated as a word of its own": lambda body: body.replace("<IsTruncated>false", "<IsTruncated>True"),
    "not saying whether it is truncated": lambda body: body.replace("<IsTruncated>false</IsTruncated>", ""),
    "empty": lambda body: "",
    "XHTML": lambda body: "<html xmlns='http://www.w3.org/1999/xhtml'><body>all is well</body></html>",
    "no content": lambda body: Answer(204),
    "partial content": lambda body: Answer(206),
}


@pytest.mark.parametrize("named", ["all", "current"])
@pytest.mark.parametrize("attack", LISTINGS)
def test_listing_that_is_not_whole_is_no_listing(s3: VersionedS3, attack: str, named: str) -> None:
    """A listing that does not say that it is whole ends the task with an error: nothing is deleted, nothing missed."""
    s3.on_listing = lambda request, body: LISTINGS[attack](body)
    operator = S3DeleteReplicatedObjectsOperator(task_id="delete", **NAMED[named])
    with pytest.raises(LookupFailed):
        operator.execute(Context())
    assert len(s3.left()) == KEYS


class _Refusing(BaseHTTPRequestHandler):
    code = "AccessDenied"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code></Error></ErrorResponse>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_refusal_of_sts_is_no_refusal_of_objects(s3: VersionedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where STS refuses the connection's role, S3 was not asked: an error, and no object is refused or deleted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as sts:
        threading.Thread(target=sts.serve_forever, args=(0.02,), daemon=True).start()
        connection = json.loads(s3.airflow_connection_json())
        connection["extra"] |= {
            "role_arn": "arn:aws:iam::111122223333:role/r",
            "service_config": {"sts": {"endpoint_url": f"http://127.0.0.1:{sts.server_port}"}},
        }
        connection["extra"]["service_config"]["s3"] = {"endpoint_url": connection["extra"].pop("endpoint_url")}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        context = Context()
        operator = S3DeleteReplicatedObjectsOperator(task_id="delete", **NAMED["versions"])
        with pytest.raises(LookupFailed):
            operator.execute(context)
        sts.shutdown()
    assert (s3.requests, len(s3.left())) == ([], KEYS)
    assert context.pushed.get("return_value", {"refused": 0})["refused"] == 0
