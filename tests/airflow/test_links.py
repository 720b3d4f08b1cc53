"""Links to the S3 console, as Airflow keeps them when a task has run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_crr.links.console import InventoryManifestLink, S3ConsoleLink, WrittenReportLink, partition_of
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair

AWS = {"aws_domain": "aws.amazon.com", "region_name": "eu-west-1"}


@pytest.mark.parametrize(
    ("where", "address"),
    [
        ({**AWS, "bucket": "b"}, "https://console.aws.amazon.com/s3/buckets/b?region=eu-west-1"),
        ({**AWS, "bucket": "b", "key": "a/b/"}, "https://console.aws.amazon.com/s3/buckets/b?region=eu-west-1&prefix=a/b/"),
        (
            {**AWS, "bucket": "b", "key": "a/k", "version_id": "v+1"},
            "https://console.aws.amazon.com/s3/object/b?region=eu-west-1&prefix=a/k&versionId=v%2B1",
        ),
        (
            {**AWS, "bucket": "b", "key": '"><script>&region=x#%é'},
            "https://console.aws.amazon.com/s3/object/b?region=eu-west-1&prefix=%22%3E%3Cscript%3E%26region%3Dx%23%25%C3%A9",
        ),
        (
            {"aws_domain": "amazonaws.cn", "region_name": "cn-north-1", "bucket": "b"},
            "https://console.amazonaws.cn/s3/buckets/b?region=cn-north-1",
        ),
        (
            {"aws_domain": "amazonaws-us-gov.com", "region_name": "us-gov-west-1", "bucket": "b"},
            "https://console.amazonaws-us-gov.com/s3/buckets/b?region=us-gov-west-1",
        ),
        ({"aws_domain": "aws.amazon.com", "region_name": None, "bucket": "b"}, "https://console.aws.amazon.com/s3/buckets/b"),
        ({"aws_domain": None, "region_name": "us-iso-east-1", "bucket": "b"}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_address_in_the_console(where: dict[str, Any], address: str) -> None:
    """The address names bucket, folder, object and version, in the console of the Region's partition, escaped."""
    assert S3ConsoleLink().format_link(**where) == address


def test_partition_is_that_of_the_region() -> None:
    """A Region tells its partition; an unknown one, or none, is taken for AWS's own."""
    regions = ["eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "mars-1", None]
    assert [partition_of(region) for region in regions] == ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws", "aws"]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"bucket_key": "s3://b/d/k"}, {"bucket": "b", "key": "d/k", "version_id": None}),
        (
            {"bucket_key": "d/k", "bucket_name": "b", "version_id": "v"},
            {"bucket": "b", "key": "d/k", "version_id": "v"},
        ),
        (
            {"bucket_key": [{"bucket": "b", "key": "k", "version_id": "v"}]},
            {"bucket": "b", "key": "k", "version_id": "v"},
        ),
        ({"bucket_key": ["s3://b/d/k", "s3://c/l"]}, {"bucket": "b", "key": "d/"}),
        ({"bucket_key": "s3://b/d/e*/f", "wildcard_match": True}, {"bucket": "b", "key": "d/"}),
        ({"bucket_key": "s3://b/*", "wildcard_match": True}, {"bucket": "b", "key": ""}),
    ],
)
def test_sensor_leads_to_its_object_or_the_folder_of_the_first(arguments: Any, where: dict[str, Any]) -> None:
    """One object is linked itself; of several, and of a pattern, the folder."""
    assert S3ReplicationSensor(task_id="t", **arguments)._where() == where


def test_inventory_sensor_leads_to_the_folder_of_the_reports() -> None:
    """What an inventory sensor waits for appears in that folder."""
    sensor = S3InventorySensor(task_id="t", inventory="s3://inventory/archive/daily")
    assert sensor._where() == {"bucket": "inventory", "key": "archive/daily/"}


def links(task_class: type) -> dict[str, str]:
    """Return what Airflow has kept for the links of the task that ran last."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    keys = [link.xcom_key for link in task_class.operator_extra_links]  # type: ignore[attr-defined]
    with create_session() as session:
        rows = session.query(XComModel).filter(XComModel.key.in_(keys), XComModel.task_id == "task").all()
        newest = max(row.timestamp for row in rows)
        run_id = next(row.run_id for row in rows if row.timestamp == newest)
        return {row.key: str(row.value).strip('"') for row in rows if row.run_id == run_id}


@pytest.mark.parametrize("deferrable", [False, True])
def test_gate_has_its_link_though_it_fails(
    run_task: Callable[..., Any], aws_conn: LocalAws, denied_pair: ReplicatedPair, deferrable: bool
) -> None:
    """A gate that failed, on the worker or in the triggerer, leads to its object in the connection's Region."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="d/k", Body=b"x")
    run = run_task(S3ReplicationSensor, bucket_key=f"s3://{denied_pair.source}/d/k", deferrable=deferrable)
    assert run.state == "failed"
    assert links(S3ReplicationSensor) == {
        S3ConsoleLink().xcom_key: "https://console.aws.amazon.com/s3/object/"
        f"{denied_pair.source}?region=eu-west-1&prefix=d/k"
    }


def test_summary_leads_to_its_manifest_and_its_report(
    run_task: Callable[..., Any], aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """A summary leads to the manifest that it has read, and to the report that it has written to S3."""
    from local_aws.inventory.report import deliver, write_report
    from local_aws.inventory.row import Row

    written = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [Row("archive", "k", "v", size=1, last_modified_date=written, replication_status="COMPLETED")]
    report = write_report(
        rows, file_format="CSV", source_bucket="archive", destination_bucket=pair.source, created_at=written
    )
    deliver(pair.source_client, report)
    run = run_task(
        S3InventorySummaryOperator, inventory=report.manifest_uri, report_uri=f"s3://{pair.source}/out/r.html"
    )
    assert run.state == "success"
    console = f"https://console.aws.amazon.com/s3/object/{pair.source}?region=eu-west-1&prefix="
    assert links(S3InventorySummaryOperator) == {
        InventoryManifestLink().xcom_key: console + report.manifest_key,
        WrittenReportLink().xcom_key: f"{console}out/r.html",
    }


def test_link_that_cannot_be_made_fails_nothing(
    run_task: Callable[..., Any], aws_conn: LocalAws, pair: ReplicatedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task whose link cannot be made runs as if it had none."""

    def broken(self: S3ReplicationSensor) -> dict[str, Any]:
        raise RuntimeError("no Region today")

    monkeypatch.setattr(S3ReplicationSensor, "_linked", broken)
    pair.source_client.put_object(Bucket=pair.source, Key="k", Body=b"x")
    assert run_task(S3ReplicationSensor, bucket_key=f"s3://{pair.source}/k").state == "success"
    assert links(S3ReplicationSensor) == {S3ConsoleLink().xcom_key: ""}
