"""From the gate to the repair: a gate that fails lists all that FAILED, for S3 Batch Operations."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, Listed, S3Server, stored

MODES = pytest.mark.parametrize(
    "mode", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=lambda mode: str(*mode.values())
)
URI = "s3://ops/failed.csv"
GATE = {"bucket_key": "s3://landing/a/*", "wildcard_match": True, "poke_interval": 0.1, "timeout": 60}


def failed(version: str | None) -> Answer:
    return stored("FAILED", headers={"x-amz-version-id": version} if version else {})


def rows(s3: S3Server, key: str = "failed.csv") -> list[list[str]]:
    body, _ = s3.written["ops", key]
    return list(csv.reader(io.StringIO(body.decode())))


def landed(s3: S3Server, **answers: Any) -> None:
    s3.listings["landing"] = {f"a/{name}": Listed() for name in answers}
    s3.answers |= {("landing", f"a/{name}"): answer for name, answer in answers.items()}


@MODES
def test_all_that_failed_is_listed_with_its_version(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """All 3,000 objects that FAILED are in the manifest, and nothing else; message and XCom say where it is."""
    lost = {f"lost+{number}": failed(f"v{number}") for number in range(3000)}
    landed(s3, fine=stored("COMPLETED"), slow=stored("PENDING"), outside=stored(), **lost)
    run = run_task(S3ReplicationSensor, **GATE, failed_manifest_uri=URI, **mode)
    assert type(run.error).__name__ == "ReplicationFailed"
    assert sorted(rows(s3)) == sorted(["landing", f"a/lost%2B{n}", f"v{n}"] for n in range(3000))
    assert s3.written["ops", "failed.csv"][1]["content-type"] == "text/csv"
    assert run.xcom["failed_manifest_uri"] == URI
    assert f"3,000 FAILED object versions, for S3 Batch Operations: {URI}" in str(run.error).splitlines()


@MODES
def test_objects_without_a_version_are_the_null_version(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """Where S3 names no version there is no versioning: the row names the null version, so that all rows are alike."""
    landed(s3, one=failed(None), two=failed("v2"))
    run_task(S3ReplicationSensor, **GATE, failed_manifest_uri=URI, **mode)
    assert sorted(rows(s3)) == [["landing", "a/one", "null"], ["landing", "a/two", "v2"]]


@MODES
def test_nothing_is_written_if_nothing_failed(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """A gate that fails for another reason, and one that opens, write nothing, and say so in XCom."""
    for answer, state in ((stored(), "failed"), (stored("COMPLETED"), "success")):
        landed(s3, one=answer)
        run = run_task(S3ReplicationSensor, **GATE, failed_manifest_uri=URI, **mode)
        assert run.state == state
        assert run.xcom["failed_manifest_uri"] is None
    assert s3.written == {}


@MODES
def test_what_is_repaired_by_somebody_is_listed_when_the_gate_fails_for_another_reason(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """With on_failed="wait" the list is that of the sweep in which the gate failed: what was repaired is not there."""
    mended = [failed("v1"), failed("v1"), stored("COMPLETED", headers={"x-amz-version-id": "v1"})]
    landed(
        s3, lost=failed("v2"), mended=mended, late=[stored("PENDING"), stored("PENDING"), stored("PENDING"), stored()]
    )
    run = run_task(S3ReplicationSensor, **GATE, on_failed="wait", failed_manifest_uri=URI, **mode)
    assert run.xcom["deciding"] == {"NONE": 1}
    assert rows(s3) == [["landing", "a/lost", "v2"]]


@MODES
def test_what_is_sent_with_it_and_where_it_goes_are_templates(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """Place and extra arguments are rendered, and sent from the worker and the triggerer alike."""
    landed(s3, lost=failed("v"))
    extra_args = {"ServerSideEncryption": "AES256", "Metadata": {"by": "{{ task.task_id }}"}}
    run_task(
        S3ReplicationSensor,
        **GATE,
        failed_manifest_uri="s3://ops/{{ task.task_id }}.csv",
        extra_args=extra_args,
        **mode,
    )
    headers = s3.written["ops", "task.csv"][1]
    assert headers["x-amz-server-side-encryption"] == "AES256"
    assert headers["x-amz-meta-by"] == "task"


@MODES
def test_a_list_that_cannot_be_written_does_not_change_the_verdict(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """If S3 refuses the list, the gate fails as it would without it, and the message says what is missing."""
    landed(s3, lost=failed("v"))
    plain = run_task(S3ReplicationSensor, **GATE, **mode)
    s3.refuses_writes = Answer(403, code="AccessDenied")
    run = run_task(S3ReplicationSensor, **GATE, failed_manifest_uri=URI, **mode)
    assert type(run.error) is type(plain.error)
    assert run.xcom["failed_manifest_uri"] is None
    said = " ".join(str(run.error).split())
    assert f"what FAILED is not listed at {URI}: {URI}: cannot write: S3 answered AccessDenied" in said
    assert {**run.xcom, "waited_seconds": 0} == {**plain.xcom, "waited_seconds": 0}


@MODES
def test_a_full_disk_does_not_change_the_verdict(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If there is no room for the temporary file, the gate fails as it would, and says that the list is missing."""
    landed(s3, lost=failed("v"))
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/full")
    run = run_task(S3ReplicationSensor, **GATE, failed_manifest_uri=URI, **mode)
    assert type(run.error).__name__ == "ReplicationFailed"
    assert f"what FAILED is not listed at {URI}: " in str(run.error)
    assert run.xcom["failed_manifest_uri"] is None


def test_objects_of_several_buckets_are_to_be_split(
    run_task: Callable[..., TaskRun], s3: S3Server, tmp_path: Path
) -> None:
    """One job takes objects of one bucket: the message says that a list is of several. It may be a file, too."""
    s3.default = lambda bucket, key, version: failed(bucket)
    place = tmp_path / "deep" / "failed.csv"
    run = run_task(S3ReplicationSensor, bucket_key=["s3://b-1/k", "s3://b-2/k"], failed_manifest_uri=f"file://{place}")
    assert sorted(place.read_text().splitlines()) == ["b-1,k,b-1", "b-2,k,b-2"]
    assert "they are of 2 buckets" in str(run.error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"failed_manifest_uri": "failed.csv"}, "failed_manifest_uri: 'failed.csv' is not a place to write to"),
        ({"failed_manifest_uri": "s3://ops"}, "failed_manifest_uri: 's3://ops' is not an S3 URI with a key"),
        ({"failed_manifest_uri": "s3://ops/failed/"}, "is a folder, not a place to write to"),
        ({"failed_manifest_uri": ""}, "failed_manifest_uri is ''"),
        ({"failed_manifest_uri": URI, "extra_args": {"Wrong": 1}}, "extra_args names 'Wrong'"),
        ({"failed_manifest_uri": URI, "extra_args": {"Metadata": {1j}}, "deferrable": True}, "extra_args cannot be"),
    ],
)
def test_what_can_never_be_written_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], said: str) -> None:
    """A place or an argument that cannot work fails the DAG's import, not the gate at three in the morning."""
    with pytest.raises(InvalidArgument, match=said):
        S3ReplicationSensor(task_id="gate", bucket_key="s3://b/k", **arguments)


@MODES
def test_what_renders_to_a_wrong_place_ends_the_task_before_s3_is_asked(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any]
) -> None:
    """A template that renders to no place is an error of the arguments, whatever S3 says of the objects."""
    run = run_task(S3ReplicationSensor, **GATE, failed_manifest_uri="{{ 'failed.csv' }}", **mode)
    assert isinstance(run.error, InvalidArgument)
    assert s3.requests == []
