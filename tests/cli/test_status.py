"""``airflow crr status``."""

from __future__ import annotations

import errno
import io
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.cli.conftest import Ended
from tests.replication.recorded import text
from tests.support.s3_server import MISSING, Answer, S3Server, stored

#: What S3 answers, what it is called, and the exit code.
ANSWERS = {
    "COMPLETED": (stored("COMPLETED"), 0),
    "REPLICA": (stored("REPLICA"), 0),
    "PENDING": (stored("PENDING"), 3),
    "MISSING": (MISSING, 3),
    "UNKNOWN": (stored("SOON"), 3),
    "FAILED": (stored("FAILED"), 4),
    "NONE": (stored(), 4),
    "DELETED": (Answer(404, {"x-amz-delete-marker": "true"}), 4),
    "FORBIDDEN": (Answer(403, code="AccessDenied"), 4),
    "UNREADABLE": (Answer(400, code="InvalidRequest"), 4),
}


@pytest.mark.parametrize("state", ANSWERS)
def test_exit_code_of_each_answer(crr: Callable[..., Ended], s3: S3Server, state: str) -> None:
    """The exit code of one object is what a gate makes of it; 0 is for COMPLETED and REPLICA only."""
    s3.answers["b", "k"], code = ANSWERS[state]
    run = crr("status", "s3://b/k")
    assert run.code == code
    assert run.out.splitlines()[1].split()[0] == state
    assert run.err == ""


@pytest.mark.parametrize("state", [state for state, (_, code) in ANSWERS.items() if code])
def test_one_object_that_is_not_replicated_decides_the_exit_code(
    crr: Callable[..., Ended], s3: S3Server, state: str
) -> None:
    """Among replicated objects, one that is not makes the exit code, wherever it stands."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.answers["b", "odd"], code = ANSWERS[state]
    assert crr("status", "s3://b/1", "s3://b/odd", "s3://b/2").code == code


def test_failure_outweighs_wait(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Of objects to wait for and objects that have failed, the failure makes the exit code."""
    s3.answers["b", "slow"] = stored("PENDING")
    s3.answers["b", "lost"] = stored("FAILED")
    assert crr("status", "s3://b/lost", "s3://b/slow").code == 4


def test_replicated_objects_and_their_replicas(
    crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """Objects that S3 has replicated and their replicas are shown in the order of the command line, and all is well."""
    for key in ("b.csv", "a.csv"):
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")
    uris = [f"s3://{pair.source}/b.csv", f"s3://{pair.destination}/a.csv", f"s3://{pair.source}/a.csv"]
    run = crr("status", *uris)
    assert run.code == 0
    heading, *rows, _, total = run.out.splitlines()
    assert heading.split() == ["STATUS", "LAST", "MODIFIED", "OBJECT"]
    assert [(row.split()[0], row.split()[2]) for row in rows] == list(
        zip(["COMPLETED", "REPLICA", "COMPLETED"], uris, strict=True)
    )
    assert total == "replicated 3 of 3"


def test_pending_objects_are_to_wait_for(crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """While S3 replicates an object it is PENDING, with the exit code for waiting; then it is COMPLETED."""
    aws_conn.hold(pair.source)
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    uri = f"s3://{pair.source}/k"
    waiting = crr("status", uri)
    aws_conn.release(pair.source)
    assert (waiting.code, waiting.out.splitlines()[1].split()[0]) == (3, "PENDING")
    assert "replicated 0 of 1, 1 pending, oldest" in waiting.out
    assert crr("status", uri).code == 0


def test_refused_objects_have_failed(
    crr: Callable[..., Ended], aws_conn: LocalAws, denied_pair: ReplicatedPair
) -> None:
    """An object whose destination refuses it has FAILED, with the exit code for failure."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="k", Body=b"x")
    run = crr("status", f"s3://{denied_pair.source}/k", "--json")
    assert run.code == 4
    found = json.loads(run.out)
    assert (found["status"], found["gate"], found["http_status"]) == ("FAILED", "fail", 200)


def test_version_is_asked_for(crr: Callable[..., Ended], aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """A version can be named by option, in the URI as messages have it, and by JSON; all ask for that version."""
    client = pair.source_client
    version = client.put_object(Bucket=pair.source, Key="k", Body=b"1")["VersionId"]
    client.delete_object(Bucket=pair.source, Key="k")
    uri = f"s3://{pair.source}/k"
    assert crr("status", uri).code == 4
    runs = [
        crr("status", uri, "--version-id", version, "--json"),
        crr("status", f"{uri}?versionId={version}", "--json"),
        crr("status", json.dumps({"bucket": pair.source, "key": "k", "version_id": version}), "--json"),
    ]
    assert [(run.code, json.loads(run.out)["version_id"]) for run in runs] == [(0, version)] * 3
    assert f"{uri}?versionId={version}" in crr("status", uri, "--version-id", version).out


def test_many_objects_of_standard_input_are_one_head_each(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Objects of standard input are asked for by one HEAD each, together with those of the command line."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    lines = "".join(f"s3://b/{number}\n" for number in range(300)) + "\n"
    run = crr("status", "s3://b/first", "-", "s3://b/last", "--json", stdin=lines.encode())
    assert run.code == 0
    answered = sorted(json.loads(line)["key"] for line in run.out.splitlines())
    assert answered == sorted(["first", "last", *map(str, range(300))])
    assert sorted(request.key for request in s3.heads()) == answered


def test_json_lines_can_be_asked_again(crr: Callable[..., Ended], s3: S3Server) -> None:
    """What --json wrote is read as the same objects, whatever is in their keys."""
    keys = ["plain", "línea\n2", 'quo"te', "end\r", "tab\t", "k?versionId=x"]
    s3.default = lambda bucket, key, version: stored("COMPLETED", headers={"x-amz-version-id": version or "v7"})
    asked = "".join(json.dumps({"bucket": "b", "key": key}) + "\n" for key in keys)
    first = crr("status", "-", "--json", stdin=asked.encode())
    again = crr("status", "-", "--json", stdin=first.out.encode())
    assert [first.code, again.code] == [0, 0]
    assert sorted(first.out.splitlines()) == sorted(again.out.splitlines())
    assert sorted(json.loads(line)["key"] for line in again.out.splitlines()) == sorted(keys)
    assert {request.version_id for request in s3.heads()} == {None}  # whatever is current, as the first time
    assert {json.loads(line)["answered_version_id"] for line in again.out.splitlines()} == {"v7"}


def test_repaired_object_is_found_replicated_when_it_is_asked_again(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A line of --json names the version only if it was asked for: the upload that repairs it is another one."""
    s3.answers["b", "k"] = stored("FAILED", headers={"x-amz-version-id": "v1"})
    s3.answers["b", "k", "v1"] = stored("FAILED", headers={"x-amz-version-id": "v1"})
    first = crr("status", "s3://b/k", "--json")
    s3.answers["b", "k"] = stored("COMPLETED", headers={"x-amz-version-id": "v2"})
    assert (first.code, crr("status", "-", stdin=first.out.encode()).code) == (4, 0)


def test_listed_key_that_looks_like_a_version_is_a_key(crr: Callable[..., Ended], s3: S3Server) -> None:
    """In a listing on standard input all after the bucket is the key: another object's status opens nothing."""
    s3.answers["b", "x?versionId=v1"] = stored("FAILED")
    s3.answers["b", "x"] = s3.answers["b", "x", "v1"] = stored("COMPLETED", headers={"x-amz-version-id": "v1"})
    assert crr("status", "-", stdin=b"s3://b/x?versionId=v1").code == 4
    assert crr("status", "s3://b/x?versionId=v1").code == 0


def test_key_of_standard_input_is_taken_as_it_is(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A carriage return or a space at the end of a line belongs to the key: another key would be another object."""
    s3.answers["b", "k"] = stored("COMPLETED")
    run = crr("status", "-", stdin=b"s3://b/k\r\ns3://b/k \n")
    assert run.code == 3
    assert "s3://b/k[U+000D]" in run.out
    assert "s3://b/k[U+0020]" in run.out
    assert run.err.startswith("line 1 of standard input: s3://b/k[U+000D]: the first two lines do not both end")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not-ended"])
@pytest.mark.parametrize(
    "lines",
    [[b"s3://b/k"], [b"s3://b/k", b"", b"s3://b/l "], [b'{"bucket": "b", "key": "k"}', b"s3://b/k", b"s3://b/l "]],
    ids=len,
)
def test_list_of_windows_is_taken(
    crr: Callable[..., Ended], s3: S3Server, lines: list[bytes], last: bool, end: bytes, mark: bytes
) -> None:
    """A byte-order mark, and carriage returns at the ends of all lines, are no part of any key; a space is."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    run = crr("status", "-", "--json", stdin=mark + end.join(lines) + (end if last else b""))
    assert (run.code, run.err) == (0, "")
    assert {request.key for request in s3.heads()} == {"k", "l "} & {"k", *(["l "] if len(lines) > 1 else [])}


def test_lists_with_marks_may_be_put_together(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A mark amid the lines, as `cat` leaves it, is passed over, too; so is one before an argument."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    run = crr("status", "\ufeffs3://b/1", "-", stdin="\ufeffs3://b/2\n\ufeffs3://b/3\n".encode())
    assert run.code == 0
    assert sorted(request.key for request in s3.heads()) == ["1", "2", "3"]


def test_list_whose_lines_end_in_two_ways_is_refused(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Where carriage returns end some lines only, nobody knows which of them are of a key: nothing is guessed."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    run = crr("status", "-", stdin=b"s3://b/1\r\ns3://b/2\r\ns3://b/3\n")
    assert run.code == 2
    assert "line 3 of standard input: s3://b/3: it ends in LF" in run.err


@pytest.mark.parametrize(
    ("line", "quoted", "says"),
    [
        (b'"s3://b/k"', '"s3://b/k"', "in quotes"),
        (b"'s3://b/k'", "'s3://b/k'", "in quotes"),
        (b'"b","k"', '"b","k"', "CSV"),
        (b'"s3://b/k","COMPLETED"', '"s3://b/k","COMPLETED"', "CSV"),
        (b"b,k", "b,k", "CSV"),
        (b"b;k", "b;k", "CSV"),
        (b"b\tk", "b[U+0009]k", "CSV"),
        (b"bucket,key,version_id", "bucket,key,version_id", "CSV"),
        (b"https://b.s3.eu-west-1.amazonaws.com/k", "https://b.s3.eu-west-1.amazonaws.com/k", "web address"),
        (b"HTTP://localhost:9000/b/k", "HTTP://localhost:9000/b/k", "web address"),
        (b" s3://b/k", "[U+0020]s3://b/k", "begins with a space"),
        (b'[{"bucket": "b", "key": "k"}]', '[{"bucket": "b", "key": "k"}]', "JSON array"),
        (b"[", "[", "JSON array"),
        (b"{", "{", "not a JSON object"),
        (b"2026-01-01 10:00:00         12 k", "2026-01-01 10:00:00[U+0020", "aws s3 ls"),
        (b"landing/k", "landing/k", "needs a bucket"),
        (b"s3://b", "s3://b", "needs a key"),
        (b"s3://b/k\rs3://b/l\r", "s3://b/k[U+000D]s3://b/l[U+000D]", "several URIs"),
        (b"s3://b/k s3://b/l", "s3://b/k s3://b/l", "several URIs"),
        (b"s3://b/k,S3A://b/l", "s3://b/k,S3A://b/l", "several URIs"),
        (b'{"bucket": "b", "key": "k"}\r{"bucket": "b", "key": "l"}', '"k"}[U+000D]{"bucket"', "not a JSON object"),
        (b'{"bucket": "b", "key": "k", "versionId": "v"}', '"versionId": "v"', "not how a version is named"),
        (b'{"bucket": "b", "key": "k", "VersionId": null}', '"VersionId": null', "not how a version is named"),
        (b"\x1b[2J", "[U+001B][2J", "needs a bucket"),
        (b"k" * 100_000, "kkk…kkk", "needs a bucket"),
        ("s3://b/k".encode("utf-16"), "s3://b/k", "UTF-16"),
        ("s3://b/k\r".encode("utf-16-le"), "s3://b/k", "UTF-16"),
        ("s3://b/k".encode("utf-16-be"), "s3://b/k", "UTF-16"),
        ("\ufeff".encode("utf-16-be") + "s3://b/k".encode("utf-16-be"), "s3://b/k", "UTF-16"),
    ],
)
def test_line_that_names_no_object_is_told(
    crr: Callable[..., Ended], s3: S3Server, line: bytes, quoted: str, says: str
) -> None:
    """The message has the number of the line, its text, what it looks like, and what is taken."""
    before = b"" if says == "UTF-16" else b"s3://b/1\n\n"
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    run = crr("status", "-", stdin=before + line + b"\n")
    assert run.code == 2
    assert f"line {3 if before else 1} of standard input: " in run.err
    assert quoted in run.err
    assert says in run.err
    assert "One object a line, UTF-8, without quotes: s3://bucket/key, or JSON" in run.err
    assert len(run.err) < 1000
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("code", ["utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("first", ["s3://b/k\n", "\n", "\r\n"], ids=["URI", "LF", "CRLF"])
def test_list_in_utf_32_is_told(crr: Callable[..., Ended], s3: S3Server, first: str, code: str) -> None:
    """Four bytes a character are not taken for two: the message names what has to be converted."""
    run = crr("status", "-", stdin=(first + "s3://b/l\n").encode(code))
    assert run.code == 2
    assert "it is UTF-32. " in run.err
    assert "iconv -f UTF-32 -t UTF-8" in run.err


class Stdin(io.RawIOBase):
    """A file whose bytes a function makes."""

    def __init__(self, fill: Callable[[memoryview], int]) -> None:
        super().__init__()
        self._fill = fill

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._fill(buffer)


def test_line_without_an_end_is_refused_by_its_beginning(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Of a file that is one line, such as a compact JSON array or a device, no more is read than a line may have."""
    asked: list[int] = []

    def fill(buffer: memoryview) -> int:
        asked.append(len(buffer))
        assert sum(asked) < 3_000_000
        buffer[:] = b"[" * len(buffer)
        return len(buffer)

    run = crr("status", "-", stdin=io.BufferedReader(Stdin(fill)))
    assert run.code == 2
    assert "line 1 of standard input: [[[" in run.err
    assert "it is a JSON array" in run.err


def test_standard_input_that_cannot_be_read_is_told(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Where cron or a service manager has closed standard input, or its file fails, one line says so."""

    def fail(buffer: memoryview) -> int:
        raise OSError(errno.EIO, "Input/output error")

    for stdin, says in ((None, "is closed"), (io.BufferedReader(Stdin(fail)), "cannot be read: Input/output error")):
        run = crr("status", "-", stdin=stdin)
        assert (run.code, run.out.count("\n")) == (2, 1)
        assert run.err.startswith(f"standard input {says}. ")
        assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ('"s3://b/k"', ": it is in quotes"),
        ("https://b/k", ": it is a web address"),
        ("b,k", ": it is a row of a table (CSV)"),
        ("s3://b/k s3://b/l", ": there are several URIs in one"),
    ],
)
@pytest.mark.parametrize("command", ["status", "explain"])
def test_argument_that_names_no_object_is_told(
    crr: Callable[..., Ended], s3: S3Server, command: str, name: str, says: str
) -> None:
    """So it is with an argument."""
    run = crr(command, name)
    assert run.code == 2
    assert f"{name}{says}" in run.err


@pytest.mark.parametrize("stdin", [b"", b"\n\n", b"\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_no_object_is_not_success(crr: Callable[..., Ended], s3: S3Server, stdin: bytes) -> None:
    """An empty list of objects is an error, never exit code 0."""
    run = crr("status", "-", "--json", stdin=stdin)
    assert (run.code, run.out) == (2, "")
    assert "no object was named" in run.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["orders/k"], b"", "'orders/k' is not an S3 URI: an S3 object needs a bucket. Write s3://bucket/key\n"),
        (
            ["s3://landing"],
            b"",
            "an S3 object needs a key, got only 'landing'. Write s3://bucket/key; for all of a bucket",
        ),
        (["s3://b/k?versionId="], b"", "version id ''"),
        (["s3://b/k?versionId=1", "--version-id", "2"], b"", "two version ids"),
        (["s3://b/1", "s3://b/2", "--version-id", "2"], b"", "--version-id is for one object"),
        (["-", "--version-id", "2"], b"s3://b/1\n", "--version-id is for one object"),
        (["-", "-"], b"s3://b/1\n", "standard input can be read once"),
        (["{"], b"", "not a JSON object"),
        (["-"], b"s3://b/1\n\nb/2\n", "line 3 of standard input: an S3 object needs a bucket"),
        (["-"], b"s3://b/1\ns3://b/\xff\n", "line 2 of standard input: key '\\udcff' is not valid Unicode"),
        (['{"bucket": "b", "key": "k", "version_id": null}'], b"", "version id None names no version"),
        (["-"], b'{"bucket": "b", "key": "k", "version_id": null}\n', "line 1 of standard input: version id None"),
        (["s3://b/k", "--version-id", "None"], b"", "version id 'None' names no version"),
        (["s3://b/k?versionId=None"], b"", "version id 'None' names no version"),
        (["s3a://b"], b"", "needs a key"),
        (["arn:aws:s3:::b/k"], b"", "neither like an S3 URI nor like a key"),
        (["s3://b/k", "--expected-bucket-owner", "landing"], b"", "expected_bucket_owner is 'landing'"),
        (["s3://b/k", "--max-requests-per-second", "0"], b"", "max_requests_per_second is 0"),
        (["s3://B*/k"], b"", "Invalid bucket name"),
    ],
)
def test_wrong_arguments(
    crr: Callable[..., Ended], s3: S3Server, arguments: list[str], stdin: bytes, says: str
) -> None:
    """What names no object ends in one line on standard error, with argparse's exit code for wrong arguments."""
    run = crr("status", *arguments, stdin=stdin)
    assert run.code == 2
    assert says in run.err
    assert run.err.count("\n") == 1


def test_argparse_has_the_same_exit_code_for_wrong_arguments(crr: Callable[..., Ended]) -> None:
    """What argparse refuses has the exit code of wrong arguments, which is none of those about objects."""
    assert crr("status").code == 2
    assert crr("status", "s3://b/k", "--nonsense").code == 2


@pytest.mark.parametrize("json_lines", [False, True])
def test_hostile_key_is_shown_and_never_sent_to_the_terminal(
    crr: Callable[..., Ended], s3: S3Server, json_lines: bool
) -> None:
    """Controls, escape sequences and text that turns around are spelled out, in the table, in JSON and in errors."""
    key = "a\x1b[2J\x07\x9b31m\x7f\u202efdp.exe\nFAILED"
    s3.answers["b", key] = stored("COMPLETED")
    spelled = json.dumps({"bucket": "b", "key": key})
    run = crr("status", spelled, *(["--json"] if json_lines else []))
    assert run.code == 0
    assert not {"\x1b", "\x07", "\x9b", "\x7f", "\u202e"} & set(run.out)
    if json_lines:
        assert json.loads(run.out)["key"] == key
    else:
        assert "a[U+001B][2J[U+0007 U+009B]31m[U+007F U+202E]fdp.exe[U+000A]FAILED" in run.out
        assert len(run.out.splitlines()) == 4
    refused = crr("status", f"\x1b[2Jbucket/{key}")
    assert refused.code == 2
    assert "\x1b" not in refused.err


def test_hostile_answer_is_never_sent_to_the_terminal(crr: Callable[..., Ended], s3: S3Server) -> None:
    """What an endpoint answers is shown as text, too."""
    s3.answers["b", "k"] = Answer(headers={"ETag": '"e"', "x-amz-replication-status": "x\u009b2J"})
    run = crr("status", "s3://b/k")
    assert run.code == 3
    assert "\x9b" not in run.out


def test_missing_bucket_is_an_error(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A bucket that does not exist says nothing of the object: an error after the answers, as in the gate."""
    s3.missing_buckets.add("gone")
    s3.answers["b", "k"] = stored("COMPLETED")
    run = crr("status", "s3://b/k", "s3://gone/k", "s3://gone/l")
    assert run.code == 1
    assert [row.split()[0] for row in run.out.splitlines()[1:]] == ["COMPLETED", "MISSING", "MISSING"]
    assert run.err.splitlines() == [
        "s3://gone: there is no such bucket. Check its name, and the connection's account and endpoint"
    ]


def test_connection_without_credentials_is_an_error(crr: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials nothing is known of the object: one line that names the remedy."""
    monkeypatch.setenv("AIRFLOW_CONN_BARE", '{"conn_type": "aws", "extra": {"region_name": "eu-west-1"}}')
    run = crr("status", "s3://b/k", "--conn-id", "bare")
    assert run.code == 1
    assert "no AWS credentials" in run.err.splitlines()[-1]


def test_connection_that_cannot_be_used_is_an_error(crr: Callable[..., Ended], s3: S3Server) -> None:
    """A connection of which no client can be made ends in one line, too."""
    run = crr("status", "s3://b/k", "--region", "not a region")
    assert run.code == 1
    assert run.err.startswith("cannot connect by the connection 'aws_default': Provided region_name 'not a region'")


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["table", "json"])
@pytest.mark.parametrize("command", ["status", "explain", "summarize"])
def test_password_in_the_endpoints_url_is_not_shown(
    crr: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, command: str, more: list[str]
) -> None:
    """Where nobody answers, neither output nor errors have the name and password that the endpoint's URL has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    extra = {
        "endpoint_url": f"http://landing-user:pa55-word@127.0.0.1:{port}",
        "region_name": "eu-west-1",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    connection = {"conn_type": "aws", "login": "k", "password": "s", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    run = crr(command, "s3://b/inventory/manifest.json", *more)
    assert run.code in (1, 3)
    assert "Could not connect" in run.out + run.err
    assert "landing-user" not in run.out + run.err
    assert "pa55" not in run.out + run.err


def test_options_reach_s3(crr: Callable[..., Ended], s3: S3Server) -> None:
    """Region, bucket owner and payer are part of the request."""
    s3.answers["b", "k"] = stored("COMPLETED")
    options = ["--region", "ap-south-1", "--expected-bucket-owner", "111122223333", "--requester-pays"]
    assert crr("status", "s3://b/k", *options).code == 0
    (request,) = s3.heads()
    assert request.region == "ap-south-1"
    assert request.headers["x-amz-expected-bucket-owner"] == "111122223333"
    assert request.headers["x-amz-request-payer"] == "requester"


@pytest.mark.parametrize(("status", "code"), [("FAILED", 3), (None, 3), ("PENDING", 3), ("COMPLETED", 0)])
def test_store_that_repairs_itself_is_judged_as_a_gate_does(
    crr: Callable[..., Ended], s3: S3Server, status: str | None, code: int
) -> None:
    """On MinIO, FAILED and no status are waited for while a rule covers the key; without one they fail."""
    s3.server_header = "MinIO"
    s3.answers["landing", "raw/k"] = stored(status)
    s3.replication["landing"] = text("minio/rules.xml")
    assert crr("status", "s3://landing/raw/k").code == code
    s3.replication["landing"] = Answer(404, code="ReplicationConfigurationNotFoundError")
    assert crr("status", "s3://landing/raw/k").code == (code if status in ("PENDING", "COMPLETED") else 4)
