"""The double of an S3 Inventory report under the sensor, the operator and the command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.report import newest_manifest_uri, read_manifest
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.testing import fake_inventory, fake_s3
from tests.testing.conftest import Ended

BEGUN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


def test_operator_summarizes_the_rows(run: Callable[..., Ended]) -> None:
    """Rows as mappings and as tuples, with keys of every kind, are what the summary counts."""
    rows: list[Any] = [
        {"key": "a/plain"},
        ("a/pending ~*+ü", "PENDING", 5, BEGUN - timedelta(hours=3), "v1"),
        {"key": "a/pending ~*+ü", "status": "COMPLETED", "size": 7, "version_id": "v0", "is_latest": False},
        {"key": "a/gone", "is_delete_marker": True},
        ("b/none", "NONE"),
        ("b/none too", None),
        ("b/failed", "FAILED"),
    ]
    with fake_inventory(rows, created_at=BEGUN) as report:
        arguments = {"inventory": report.folder, "prefix_depth": 1}
        found = run(S3InventorySummaryOperator, **arguments, failed_manifest_uri="s3://made/failed.csv")
    assert found.states == {"task": "success", "after": "success"}
    summary = found.returned["task"]
    assert {name: count["objects"] for name, count in summary["statuses"].items()} == {
        "COMPLETED": 2,
        "PENDING": 1,
        "NONE": 2,
        "FAILED": 1,
    }
    assert (summary["delete_markers"], summary["noncurrent_versions"], summary["bytes"]) == (1, 1, 16)
    assert summary["oldest_pending"]["uri"] == "s3://landing/a/pending ~*+ü?versionId=v1"
    assert summary["oldest_pending"]["age_seconds"] == 3 * 3600
    assert summary["manifest"] == report.manifest
    assert report.manifest == "s3://inventory/landing/daily/2026-11-20T01-00Z/manifest.json"


def test_limit_fails_and_the_test_reads_what_was_written(run: Callable[..., Ended]) -> None:
    """Beside a fake_s3 the report is there, too; what the operator writes, the test can read."""
    with fake_s3({"s3://landing/k": "FAILED"}) as s3, fake_inventory([("k", "FAILED")]) as report:
        found = run(
            S3InventorySummaryOperator, inventory=report.manifest, max_failed=0, report_uri="s3://reports/today.md"
        )
        assert S3ReplicationHook().get_replication_status("s3://landing/k").state is ObjectState.FAILED
    assert found.states == {"task": "failed", "after": "upstream_failed"}
    assert b"FAILED" in s3.written["s3://reports/today.md"]


@pytest.mark.parametrize("how", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_sensor_finds_the_newest_report(run: Callable[..., Ended], how: Any) -> None:
    """The sensor returns the report that is new enough, and times out for one that never comes."""
    place = "s3://my-reports/s3/my-landing/nightly/"
    now = datetime.now(UTC)
    with (
        fake_inventory([], inventory=place, created_at=now - timedelta(days=2)),
        fake_inventory([], inventory=place) as newest,
    ):
        arguments = {"inventory": place, "timeout": 7200, **how}
        found = run(S3InventorySensor, **arguments, newer_than=(now - timedelta(days=1)).isoformat())
        late = run(S3InventorySensor, **arguments, newer_than=(now + timedelta(days=1)).isoformat())
        client = S3ReplicationHook().get_conn()
        assert newest_manifest_uri(client, place) == newest.manifest
        assert read_manifest(client, newest.manifest).source_bucket == "my-landing"
    assert found.returned["task"] == newest.manifest
    assert late.states["task"] == "failed"


@pytest.mark.parametrize(
    "row", [{"key": "k", "replicated": True}, {"status": "FAILED"}, "key", ("", "FAILED"), tuple("kstuvwxyz")]
)
def test_rows_that_cannot_be_read_are_refused(row: Any) -> None:
    """A row with other names, without a key, or of another form is refused with the names that there are."""
    with pytest.raises(InvalidArgument, match="is_delete_marker"), fake_inventory([row]):
        pass


def test_folder_that_is_none_is_refused() -> None:
    """The folder is read as the operator reads it."""
    with pytest.raises(InvalidArgument, match="not the folder"), fake_inventory([], inventory="s3://inventory/daily/"):
        pass
