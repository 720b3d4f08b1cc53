"""The inventory sensor and operator, run by Airflow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr import errors, failures
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from local_aws.inventory import Report, deliver, scan, write_report
from tests.airflow.conftest import TaskRun

BEGUN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


@pytest.fixture
def report(aws_conn: LocalAws, denied_pair: ReplicatedPair) -> Report:
    """A report of one FAILED object, not yet delivered, whose destination bucket exists."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="a/lost.csv", Body=b"12345")
    inventory = f"{denied_pair.source}-inventory"
    denied_pair.source_client.create_bucket(
        Bucket=inventory, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    return write_report(
        scan(denied_pair.source_client, denied_pair.source),
        file_format="CSV",
        source_bucket=denied_pair.source,
        destination_bucket=inventory,
        created_at=BEGUN,
    )


def test_summary_is_pushed_and_report_written_before_limit_fails(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report, tmp_path: Path
) -> None:
    """A report with more FAILED than max_failed fails the task, after XCom, HTML and Batch manifest are written."""
    client = aws_conn.client()
    deliver(client, report)
    html = tmp_path / "report.html"
    manifest_uri = f"s3://{report.destination_bucket}/failed.csv"
    run = run_task(
        S3InventorySummaryOperator,
        inventory=report.folder_uri,
        prefix_depth=1,
        max_failed=0,
        report_uri=f"file://{html}",
        failed_manifest_uri=manifest_uri,
        extra_args={"ServerSideEncryption": "AES256", "Metadata": {"by": "{{ task.task_id }}"}},
    )
    assert run.state == "failed"
    assert isinstance(run.error, failures.InventoryLimitExceeded)
    assert run.xcom["statuses"] == {"FAILED": {"objects": 1, "bytes": 5}}
    assert run.xcom["report_uri"] == f"file://{html}"
    assert "<!doctype html>" in html.read_text().lower()
    written = client.get_object(Bucket=report.destination_bucket, Key="failed.csv")
    assert written["Metadata"] == {"by": "task"}
    body = written["Body"].read().decode()
    assert body.replace('"', "").startswith(f"{report.manifest['sourceBucket']},a/lost.csv,")


def test_report_in_s3_gets_what_extra_args_say_and_a_rendered_nothing_is_refused(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report
) -> None:
    """The report is sent with extra_args, too; what renders to nothing is no header, and ends the task."""
    client = aws_conn.client()
    deliver(client, report)
    arguments = {"inventory": report.manifest_uri, "report_uri": f"s3://{report.destination_bucket}/r.md"}
    sent = {"extra_args": {"Metadata": {"by": "{{ run_id }}"}, "CacheControl": "no-store"}}
    assert run_task(S3InventorySummaryOperator, **arguments, **sent).state == "success"
    head = client.head_object(Bucket=report.destination_bucket, Key="r.md")
    assert head["Metadata"]["by"].startswith("manual__")
    assert head["ContentType"].startswith("text/markdown")
    refused = run_task(S3InventorySummaryOperator, **arguments, extra_args={"CacheControl": "{{ none }}"})
    assert isinstance(refused.error, errors.InvalidArgument)


MODES: dict[str, dict[str, Any]] = {"poke": {"deferrable": False}, "deferrable": {"deferrable": True}}


@pytest.mark.parametrize("mode", MODES)
def test_sensor_returns_manifest_of_delivered_report(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report, mode: str
) -> None:
    """The inventory sensor returns the manifest of a complete report that is newer than asked for."""
    deliver(aws_conn.client(), report)
    run = run_task(
        S3InventorySensor,
        inventory=report.folder_uri,
        newer_than=(BEGUN - timedelta(minutes=1)).isoformat(),
        poke_interval=0.2,
        timeout=30,
        **MODES[mode],
    )
    assert (run.state, run.xcom) == ("success", report.manifest_uri)


@pytest.mark.parametrize("mode", MODES)
def test_sensor_does_not_take_report_without_checksum(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report, mode: str
) -> None:
    """A report whose manifest.checksum is not there yet is not delivered: the sensor waits until its time is up."""
    deliver(aws_conn.client(), report, upto="manifest.checksum")
    run = run_task(S3InventorySensor, inventory=report.folder_uri, poke_interval=0.1, timeout=0.5, **MODES[mode])
    assert run.state == "failed"
    assert "no complete inventory report" in str(run.error)


@pytest.mark.parametrize("mode", MODES)
def test_sensor_does_not_wait_in_the_wrong_folder(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report, mode: str
) -> None:
    """A folder one level off fails the sensor at once, and the right one is named."""
    deliver(aws_conn.client(), report)
    below = f"{report.folder_uri}hive/"
    run = run_task(S3InventorySensor, inventory=below, poke_interval=0.2, timeout=60, **MODES[mode])
    assert run.state == "failed"
    assert isinstance(run.error, errors.InvalidArgument)
    assert f" {report.folder_uri}" in str(run.error)


@pytest.mark.parametrize("mode", MODES)
def test_sensor_does_not_take_older_report(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report, mode: str
) -> None:
    """A complete report that S3 began no later than newer_than does not end the wait."""
    deliver(aws_conn.client(), report)
    run = run_task(
        S3InventorySensor,
        inventory=report.folder_uri,
        newer_than=BEGUN.isoformat(),
        poke_interval=0.1,
        timeout=0.5,
        **MODES[mode],
    )
    assert run.state == "failed"


def test_manifest_that_does_not_match_its_checksum_counts_nothing(
    run_task: Callable[..., TaskRun], aws_conn: LocalAws, report: Report
) -> None:
    """A manifest.json that was changed after its checksum was written fails the task, and nothing is counted."""
    client = aws_conn.client()
    deliver(client, report)
    folder = report.manifest_key.removesuffix("manifest.json")
    client.put_object(
        Bucket=report.destination_bucket,
        Key=f"{folder}manifest.checksum",
        Body=hashlib.md5(b"else", usedforsecurity=False).hexdigest().encode(),
    )
    run = run_task(S3InventorySummaryOperator, inventory=report.manifest_uri)
    assert run.state == "failed"
    assert run.xcom is None
    assert report.manifest_uri in str(run.error)
