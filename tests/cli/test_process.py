"""The commands as processes: what a shell sees."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import sysconfig
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.support.s3_server import Answer, S3Server, stored


def run(command: list[str], *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=120, **more)


def test_airflow_has_the_commands_where_it_takes_them(in_airflow: bool) -> None:
    """From 3.2 on, Airflow takes commands from providers; before, it has no way to."""
    from airflow import __version__

    assert in_airflow == (tuple(map(int, __version__.split(".")[:2])) >= (3, 2))


def test_status(command: list[str], aws_conn: LocalAws, pair: ReplicatedPair, denied_pair: ReplicatedPair) -> None:
    """The command that a user types shows the objects, and ends with the exit code of the worst."""
    for one in (pair, denied_pair):
        one.source_client.put_object(Bucket=one.source, Key="k", Body=b"x")
    done, failed = f"s3://{pair.source}/k", f"s3://{denied_pair.source}/k"
    found = run(command, "status", done)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[1].split()[0::2] == ["COMPLETED", done]
    found = run(command, "status", "-", "--json", input=f"{done}\n{failed}\n")
    assert (found.returncode, found.stderr) == (4, "")
    statuses = {line["key"] + line["bucket"]: line["status"] for line in map(json.loads, found.stdout.splitlines())}
    assert statuses == {f"k{pair.source}": "COMPLETED", f"k{denied_pair.source}": "FAILED"}


def test_module_is_the_same_command(s3: S3Server) -> None:
    """`python -m airflow_provider_crr.cli` does the same on every release, answers alone on standard output."""
    s3.answers["b", "k"] = stored("PENDING")
    found = run([sys.executable, "-m", "airflow_provider_crr.cli"], "status", "s3://b/k", "--json")
    assert found.returncode == 3
    assert json.loads(found.stdout)["status"] == "PENDING"


def test_help_tells_the_exit_codes(command: list[str]) -> None:
    """--help documents the exit codes."""
    found = run(command, "explain", "--help")
    assert found.returncode == 0
    for line in ("0  open: ", "1  not known: ", "2  not known: ", "3  wait: ", "4  fail: "):
        assert line in found.stdout


def test_log_goes_to_standard_error(command: list[str], s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --verbose Airflow's log is shown, and not among the answers."""
    monkeypatch.delenv("AIRFLOW__LOGGING__LOGGING_LEVEL", raising=False)
    s3.answers["b", "k"] = stored("COMPLETED")
    found = run(command, "status", "s3://b/k", "--json", "--verbose")
    assert found.returncode == 0
    assert [json.loads(line)["status"] for line in found.stdout.splitlines()] == ["COMPLETED"]
    assert "credentials retrieved from login" in found.stderr


def test_error_is_one_line(command: list[str], s3: S3Server) -> None:
    """An error is one line on standard error, without a traceback."""
    s3.missing_buckets.add("gone")
    found = run(command, "explain", "s3://gone/k")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("s3://gone: there is no such bucket")
    assert found.stderr.count("\n") == 1


def test_connection_that_is_not_defined_is_told(
    command: list[str], s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is not defined means boto3's own credentials, as in a task, and is told."""
    ((key, secret),) = s3.secrets.items()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint_url)
    s3.answers["b", "k"] = stored("COMPLETED")
    found = run(command, "status", "s3://b/k", "--conn-id", "absent", "--region", "eu-west-1")
    assert found.returncode == 0
    assert found.stderr == "connection 'absent' is not defined: boto3 looks for credentials by itself\n"


def test_connection_in_the_database_is_used(
    command: list[str], s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is stored in Airflow's database is found, as by Airflow's other commands."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    airflow = str(Path(sysconfig.get_path("scripts"), "airflow"))
    for words in (
        ["db", "migrate"],
        ["connections", "add", "stored", "--conn-json", s3.airflow_connection_json()],
    ):
        done = run([airflow], *words)
        assert done.returncode == 0, done.stderr
    s3.answers["b", "k"] = stored("COMPLETED")
    found = run(command, "status", "s3://b/k", "--conn-id", "stored")
    assert (found.returncode, found.stderr) == (0, "")


def test_nobody_reads_on(command: list[str], s3: S3Server) -> None:
    """A reader that goes away ends the command quietly, with the exit code that a shell has for SIGPIPE."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    process = subprocess.Popen(
        [*command, "status", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    _, error = process.communicate(b"".join(b"s3://b/%d\n" % number for number in range(500)), timeout=120)
    assert (process.returncode, error) == (141, b"")


def test_interrupt(command: list[str], s3: S3Server) -> None:
    """Ctrl-C ends the command quietly, with the exit code that a shell has for it."""
    s3.default = lambda bucket, key, version: Answer(delay=60)
    process = subprocess.Popen(
        [*command, "status", "s3://b/1", "s3://b/2", "s3://b/3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # As at a terminal: what a shell runs in its background ignores the signal, and so does all that it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not s3.heads():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, b"")
