"""``airflow crr summarize``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path

import pytest

from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from local_aws.inventory import Report, deliver, scan, write_report
from tests.cli.conftest import Ended
from tests.support.s3_server import S3Server

BEGUN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


@pytest.fixture
def report(aws_conn: LocalAws, denied_pair: ReplicatedPair) -> Report:
    """A report of one FAILED and one COMPLETED object below two prefixes, not yet delivered."""
    client = denied_pair.source_client
    client.put_object(Bucket=denied_pair.source, Key="a/lost.csv", Body=b"12345")
    denied_pair.allow()
    client.put_object(Bucket=denied_pair.source, Key="b/\u202ekept.csv", Body=b"123")
    inventory = f"{denied_pair.source}-inventory"
    client.create_bucket(Bucket=inventory, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return write_report(
        scan(client, denied_pair.source),
        file_format="CSV",
        source_bucket=denied_pair.source,
        destination_bucket=inventory,
        created_at=BEGUN,
    )


@pytest.fixture
def delivered(aws_conn: LocalAws, report: Report) -> Report:
    deliver(aws_conn.client(), report)
    return report


@pytest.mark.parametrize("named_by", ["manifest", "folder"])
def test_report_is_summarized(crr: Callable[..., Ended], delivered: Report, named_by: str) -> None:
    """A manifest, or the newest report of a folder, is summarized as text; what it says does not change exit code 0."""
    uri = delivered.manifest_uri if named_by == "manifest" else delivered.folder_uri
    run = crr("summarize", uri, "--prefix-depth", "1")
    assert (run.code, run.err) == (0, "")
    assert f"Replication of s3://{delivered.manifest['sourceBucket']}" in run.out
    assert "a/lost.csv" in run.out
    assert delivered.manifest_uri in run.out


@pytest.mark.parametrize("wrong", ["..", "hive", "data", "2026-11-20T01-00Z"])
def test_right_folder_is_named(crr: Callable[..., Ended], delivered: Report, wrong: str) -> None:
    """A folder one level off is refused, and the folder of the reports is named."""
    uri = delivered.folder_uri.removesuffix("daily/") if wrong == ".." else f"{delivered.folder_uri}{wrong}/"
    run = crr("summarize", uri)
    assert run.code != 0
    assert f" {delivered.folder_uri}" in run.err
    assert "two days" not in run.err


def test_json_is_the_summary_of_the_operator(crr: Callable[..., Ended], delivered: Report) -> None:
    """With --json, one document is what the operator returns, in printable ASCII."""
    run = crr("summarize", delivered.manifest_uri, "--json", "--prefix-depth", "1", "--versions", "current")
    assert run.code == 0
    assert run.out.replace("\n", "").isprintable()
    found = json.loads(run.out)
    assert found["statuses"] == {"COMPLETED": {"objects": 1, "bytes": 3}, "FAILED": {"objects": 1, "bytes": 5}}
    assert sorted(prefix["prefix"] for prefix in found["prefixes"]) == ["a/", "b/"]
    assert found["manifest"] == delivered.manifest_uri


def test_page_is_written(
    crr: Callable[..., Ended], delivered: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --html, the report is written as a page, too, and named in the text."""
    monkeypatch.chdir(tmp_path)
    run = crr("summarize", delivered.manifest_uri, "--html", "report.html")
    assert run.code == 0
    assert "<!doctype html>" in (tmp_path / "report.html").read_text().lower()
    assert f"report: file://{tmp_path}/report.html" in run.out


def test_page_that_cannot_be_written_is_refused_before_anything_is_read(
    crr: Callable[..., Ended], s3: S3Server, tmp_path: Path
) -> None:
    """A page in a directory that is not there, or in the place of one, is refused before S3 is asked."""
    for file in (tmp_path, tmp_path / "nowhere" / "report.html"):
        run = crr("summarize", "s3://b/i/2026-11-20T01-00Z/manifest.json", "--html", str(file))
        assert run.code == 2
        assert "cannot write" in run.err
    assert s3.requests == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_page_that_is_not_written_is_an_error(crr: Callable[..., Ended], delivered: Report) -> None:
    """A disk that is full ends in one line."""
    run = crr("summarize", delivered.manifest_uri, "--html", "/dev/full")
    assert run.code == 1
    assert run.err == "cannot write /dev/full: No space left on device. Give --html another file\n"


def test_report_that_is_not_complete_is_an_error(crr: Callable[..., Ended], aws_conn: LocalAws, report: Report) -> None:
    """A folder without complete report, and a manifest without checksum, are errors of one line."""
    deliver(aws_conn.client(), report, upto="manifest.checksum")
    for uri, says in ((report.folder_uri, "no complete inventory report"), (report.manifest_uri, "no such object")):
        run = crr("summarize", uri)
        assert (run.code, run.out) == (1, "")
        assert says in run.err
        assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["s3://b"],
        ["s3://b/source/config/", "--versions", "some"],
        ["s3://b/source/config/", "--prefix-depth", "x"],
    ],
)
def test_wrong_arguments(crr: Callable[..., Ended], s3: S3Server, arguments: list[str]) -> None:
    """What names no inventory has the exit code of wrong arguments, and nothing is asked."""
    assert crr("summarize", *arguments).code == 2
    assert s3.requests == []


def test_place_of_no_inventory(crr: Callable[..., Ended], s3: S3Server) -> None:
    """What may be a folder above an inventory's is looked at, to name the right one, and is a wrong argument."""
    assert crr("summarize", "s3://b/k").code == 2
    assert [request.target.partition("?")[0] for request in s3.requests] == ["/b"]


def test_prefix_depth_out_of_range(crr: Callable[..., Ended], delivered: Report) -> None:
    """A depth that no summary has is a wrong argument, too."""
    assert crr("summarize", delivered.manifest_uri, "--prefix-depth", "-1").code == 2


def _until_hung_up(screen: RawIOBase) -> bytes:
    """Return all that a terminal shows: the system hands it over in its own time, and ends it with an error."""
    shown = b""
    with suppress(OSError):
        while found := screen.read(65536):
            shown += found
    return shown


def test_progress_is_shown_on_a_terminal(
    crr: Callable[..., Ended], delivered: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, standard error shows how many data files are read, and is clean at the end."""
    pty = pytest.importorskip("pty")
    terminal, process_end = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        with os.fdopen(process_end, "w") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            run = crr("summarize", delivered.manifest_uri)
            monkeypatch.undo()
        shown = _until_hung_up(screen).decode()
    assert run.code == 0
    assert "reading 1 of 1 data files, " in shown
    assert shown.endswith("\r\x1b[K")
    assert "\x1b" not in run.out
