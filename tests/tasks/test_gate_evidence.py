"""What a gate that fails leaves behind, whatever keeps it from that."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks import gate_evidence
from airflow_provider_crr.tasks.gate_evidence import GateEvidence
from airflow_provider_crr.tasks.who import TRIGGERER, WORKER
from tests.support.s3_server import Answer, S3Server, stored
from tests.support.stuck import StuckServer

URI = "s3://ops/failed.csv"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server


def failed(key: str, version: str = "v") -> ObjectReplication:
    return ObjectReplication(S3Object("b", key), ObjectState.FAILED, version_id=version)


def noted_files() -> list[str]:
    """Return the temporary files and directories of evidence that this process has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(descriptor.readlink()))
        except OSError:  # it was closed meanwhile
            continue
    return [name for name in found if "crr-inventory-" in name]


def test_object_that_cannot_be_noted_does_not_end_the_sweep(s3: S3Server) -> None:
    """A version id that is no text has no row: nothing is raised, and the message says that nothing was listed."""
    evidence = GateEvidence(S3ReplicationHook(), failed_manifest_uri=URI)
    evidence.begin()
    for key, version in (("a", "v"), ("b", "\udc80"), ("c", "v")):
        evidence.note(failed(key, version))
    left = evidence.leave(["FAILED"])
    assert left.failed_manifest_uri is None
    assert left.remarks[0].startswith(f"what FAILED is not listed at {URI}: ")
    assert (s3.written, noted_files()) == ({}, [])


def test_gate_that_waits_holds_no_file_open(s3: S3Server) -> None:
    """A triggerer may have a thousand gates whose objects FAILED and are repaired: between polls none has a file."""
    s3.default = lambda bucket, key, version: stored("FAILED")
    hook = S3ReplicationHook()
    watch = Watch(
        Targets.parse(["s3://b/1", "s3://b/2"]),
        GatePolicy(on_failed="wait", on_missing="fail"),
        hook,
        evidence=GateEvidence(hook, failed_manifest_uri=URI),
    )
    evidence = GateEvidence(hook, failed_manifest_uri=URI)
    evidence.note(failed("a"))
    assert len(noted_files()) == 2
    del evidence
    assert not watch.poll()
    assert noted_files() == []
    s3.answers["b", "2"] = Answer(404)
    assert watch.poll()
    watch.leave()
    assert s3.written["ops", "failed.csv"][0] == b"b,1,null\n"
    assert noted_files() == []


def test_list_by_access_points_says_that_a_job_wants_the_bucket(s3: S3Server) -> None:
    """A job looks for its objects in buckets: rows that have the ARN of an access point are to be changed first."""
    point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/landing"
    evidence = GateEvidence(S3ReplicationHook(), failed_manifest_uri=URI)
    evidence.note(ObjectReplication(S3Object(point, "a"), ObjectState.FAILED, version_id="v"))
    left = evidence.leave(["FAILED"])
    assert s3.written["ops", "failed.csv"][0] == f"{point},a,v\n".encode()
    assert left.remarks[1:] == (
        "they are named by an access point, and a manifest names the bucket: put its name in the list",
    )


def test_place_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that hangs is given up in time, with its threads; the message says so, and the gate fails anyway."""
    monkeypatch.setitem(gate_evidence.SECONDS, WORKER, 0.5)
    with StuckServer() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        hook = S3ReplicationHook()
        hook.get_conn()
        evidence = GateEvidence(hook, failed_manifest_uri=URI)
        evidence.note(failed("a"))
        began, before = time.monotonic(), set(threading.enumerate())
        left = evidence.leave(["FAILED"])
        assert time.monotonic() - began < 10
        # The end of the process would wait for them.
        assert [each.name for each in threading.enumerate() if each not in before and not each.daemon] == []
    assert left.failed_manifest_uri is None
    assert left.remarks[0].startswith(f"what FAILED is not listed at {URI}: ")


NOTES = """
import sys, time
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks.gate_evidence import GateEvidence
evidence = GateEvidence(None, failed_manifest_uri="s3://ops/failed.csv")
evidence.note(ObjectReplication(S3Object("b", "a"), ObjectState.FAILED, version_id="v"))
print("noted", flush=True)
time.sleep(100)
"""


def test_what_a_killed_gate_left_is_removed_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 the list of what FAILED stays until another gate notes something there."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", NOTES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"noted\n"
        killed.kill()
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    evidence = GateEvidence(S3ReplicationHook(), failed_manifest_uri=URI)
    evidence.note(failed("a"))
    assert len(list(tmp_path.iterdir())) == 1
    evidence.begin()
    assert list(tmp_path.iterdir()) == []


def test_long_list_has_more_time_on_a_worker(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short list that S3 does not take holds a failed gate for seconds only; a million versions have longer."""
    given: list[float] = []

    class Noted(Deadline):
        def __init__(self, seconds: float) -> None:
            given.append(seconds)
            super().__init__(seconds)

    monkeypatch.setattr(gate_evidence, "Deadline", Noted)
    monkeypatch.setattr(gate_evidence, "_A_SECOND", 1)
    for where in (WORKER, TRIGGERER):
        for key in ("a", "a" * 100, "a" * 500):
            evidence = GateEvidence(S3ReplicationHook(), where=where, failed_manifest_uri=URI)
            evidence.note(failed(key))
            evidence.leave(["FAILED"])
    assert given == [20 + len("b,a,v\n"), 20 + len("b,a,v\n") + 99, 300, 20, 20, 20]
