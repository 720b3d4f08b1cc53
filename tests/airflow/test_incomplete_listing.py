"""A listing of which a part was lost, met by sensors, operators and the report watcher in Airflow."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr import errors, failures
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.triggers.inventory_report import S3InventoryReportTrigger
from local_aws.inventory import Report, write_report
from tests.airflow.conftest import TaskRun
from tests.support.pages import spoil
from tests.support.s3_server import Listed, S3Server, stored
from tests.support.tls import authority

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
#: What the second of two pages can be, and what hides from the first that there is a second one.
LOST = [
    ("FIN amid a header", 2),
    ("FIN at the end of the headers", 2),
    ("empty", 2),
    ("XHTML", 2),
    ("204", 2),
    ("206", 2),
    ("true, and no next page", 1),
    ("true, and an empty next page", 1),
    ("IsTruncated 'True'", 1),
    ("IsTruncated '1'", 1),
    ("IsTruncated missing", 1),
]
#: Some of them: that all are refused alike is tested where listings are read.
SOME = [("FIN at the end of the headers", 2), ("206", 2), ("true, and no next page", 1)]
ONCE = {"retries": {"total_max_attempts": 1}}
TWICE = {"retries": {"total_max_attempts": 2, "mode": "standard"}}
BEGUN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of one of the three modes."""
    return MODES[request.param]


def serving(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    server.default = lambda bucket, key, version: stored("COMPLETED")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
    return server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        yield serving(server, monkeypatch)


@pytest.fixture
def s3_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The same over TLS; like many, it closes connections without a close_notify."""
    with S3Server(tls=authority(tmp_path)) as server:
        yield serving(server, monkeypatch)


def part(number: int) -> str:
    return f"w/part-{number:04d}"


def wait_for(run_task: Callable[..., Any], **arguments: Any) -> Any:
    return run_task(
        S3ReplicationSensor, bucket_key="s3://b/w/*", wildcard_match=True, poke_interval=0.1, **arguments
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["FIN amid a header", "FIN at the end of the headers"])
def test_gate_opens_on_all_after_a_page_was_lost(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any], kind: str
) -> None:
    """One connection that is lost amid the headers of the second page costs a retry, and no object."""
    s3.listings["b"] = {part(number): Listed() for number in range(1100)}
    script = spoil(s3, kind, 2, times=1)
    run = wait_for(run_task, timeout=120, botocore_config=TWICE, **mode)
    assert (run.state, run.xcom["total"], script.spoilt) == ("success", 1100, 1)
    assert {request.key for request in s3.heads("b")} == set(s3.listings["b"])


def test_gate_opens_on_all_after_a_page_was_lost_over_tls(
    run_task: Callable[..., TaskRun], s3_over_tls: S3Server, mode: dict[str, Any], tmp_path: Path
) -> None:
    """The same over TLS, where the connection ends without a close_notify."""
    s3_over_tls.page_size = 10
    s3_over_tls.listings["b"] = {part(number): Listed() for number in range(11)}
    script = spoil(s3_over_tls, "FIN at the end of the headers", 2, times=1)
    run = wait_for(run_task, timeout=120, botocore_config=TWICE, verify=str(tmp_path / "cert.pem"), **mode)
    assert (run.state, run.xcom["total"], script.spoilt) == ("success", 11, 1)


@pytest.mark.parametrize(("kind", "page"), LOST)
def test_gate_never_opens_on_a_part(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any], kind: str, page: int
) -> None:
    """While the second page cannot be read, the gate stays shut, though all that the first one shows is COMPLETED."""
    s3.page_size = 10
    s3.listings["b"] = {part(number): Listed() for number in range(11)}
    s3.answers["b", part(10)] = stored("PENDING")
    spoil(s3, kind, page)
    run = wait_for(run_task, timeout=0.5, botocore_config=ONCE, **mode)
    assert run.state == "failed"
    assert not isinstance(run.error, failures.ReplicationFailed)
    if isinstance(run.error, errors.LookupFailed):  # else the gate waited out what passes
        assert run.error.passing


def test_gate_of_a_thousand_never_opens_on_them(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """The same with as many objects as a page of S3 has: the thousand and first is never forgotten."""
    s3.listings["b"] = {part(number): Listed() for number in range(1001)}
    s3.answers["b", part(1000)] = stored("PENDING")
    spoil(s3, "FIN amid a header", 2)
    run = wait_for(run_task, timeout=0.5, botocore_config=ONCE, **MODES["poke"])
    assert run.state == "failed"
    assert not isinstance(run.error, failures.ReplicationFailed)


@pytest.mark.parametrize("kind", ["FIN amid a header", "empty", "XHTML", "204", "a root and nothing in it"])
def test_what_could_not_be_listed_is_not_missing(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: dict[str, Any], kind: str
) -> None:
    """With on_missing="fail" a listing that was lost is no listing without objects: the task does not end for good."""
    s3.listings["b"] = {part(0): Listed()}
    spoil(s3, kind, 1)
    run = wait_for(run_task, timeout=0.5, botocore_config=ONCE, on_missing="fail", **mode)
    assert run.state == "failed"
    assert not isinstance(run.error, failures.ReplicationFailed)
    assert "no object matches" not in str(run.error)


@pytest.mark.parametrize("kind", ["FIN amid a header", "206"])
def test_nothing_is_deleted_and_nothing_concluded_of_a_part(
    run_task: Callable[..., TaskRun], s3: S3Server, kind: str
) -> None:
    """Versions on a page that was lost were not looked at: the delete operator could not ask, and says so."""
    s3.page_size = 2
    s3.versions["b"] = [("w/1", f"v{number}") for number in range(3)]
    spoil(s3, kind, 2)
    run = run_task(S3DeleteReplicatedObjectsOperator, bucket_key="s3://b/w/1", botocore_config=ONCE)
    assert run.state == "failed"
    assert isinstance(run.error, errors.LookupFailed)
    assert "could not list" in str(run.error) or "Connection was closed" in str(run.error)
    assert (run.xcom["deleted"], run.xcom["refused"]) == (0, 0)
    assert [request.method for request in s3.requests if request.method not in ("GET", "HEAD")] == []


def report(day: int) -> Report:
    return write_report(
        [],
        file_format="CSV",
        source_bucket="landing",
        destination_bucket="reports",
        created_at=BEGUN + timedelta(days=day),
    )


def deliver(s3: S3Server, *days: int) -> None:
    """Have S3 deliver the reports of some days, on pages of two rows."""
    s3.page_size = 2
    for each in map(report, days):
        manifest = each.objects[each.manifest_key]
        folder = each.manifest_key.removesuffix("manifest.json")
        s3.contents["reports", each.manifest_key] = manifest.decode()
        s3.contents["reports", f"{folder}manifest.checksum"] = hashlib.md5(manifest, usedforsecurity=False).hexdigest()
        s3.listings["reports"] = {**s3.listings.get("reports", {}), **{key: Listed() for _, key in s3.contents}}


def folder_prefix() -> str:
    return report(0).folder_uri.removeprefix("s3://reports/")


@pytest.mark.parametrize("mode_name", ["poke", "deferrable"])
def test_sensor_takes_no_older_report(run_task: Callable[..., TaskRun], s3: S3Server, mode_name: str) -> None:
    """A page of folders that was lost once costs a retry; the sensor returns the newest report."""
    deliver(s3, 0, 1, 2)
    script = spoil(s3, "FIN amid a header", 2, times=1)
    arguments = {"inventory": report(0).folder_uri, "poke_interval": 0.1, **MODES[mode_name]}
    run = run_task(S3InventorySensor, timeout=60, botocore_config=TWICE, **arguments)
    assert (run.state, run.xcom, script.spoilt) == ("success", report(2).manifest_uri, 1)


@pytest.mark.parametrize(("kind", "page"), SOME)
@pytest.mark.parametrize("mode_name", ["poke", "deferrable"])
def test_sensor_takes_no_report_of_a_part(
    run_task: Callable[..., TaskRun], s3: S3Server, mode_name: str, kind: str, page: int
) -> None:
    """While a page of folders cannot be read, no report is the newest, and no older one is taken."""
    deliver(s3, 0, 1, 2)
    spoil(s3, kind, page)
    arguments = {"inventory": report(0).folder_uri, "poke_interval": 0.1, "timeout": 0.5, **MODES[mode_name]}
    run = run_task(S3InventorySensor, botocore_config=ONCE, **arguments)
    assert (run.state, run.xcom) == ("failed", None)


@pytest.mark.parametrize(("kind", "page"), SOME)
def test_summary_takes_no_report_of_a_part(
    run_task: Callable[..., TaskRun], s3: S3Server, kind: str, page: int
) -> None:
    """The summary operator does not summarize an older report because a page of folders was lost."""
    deliver(s3, 0, 1, 2)
    spoil(s3, kind, page)
    run = run_task(S3InventorySummaryOperator, inventory=report(0).folder_uri, botocore_config=ONCE)
    assert (run.state, run.xcom) == ("failed", None)
    assert isinstance(run.error, errors.LookupFailed)
    assert "could not list" in str(run.error) or "Connection was closed" in str(run.error)


@pytest.mark.parametrize(("kind", "page"), [*SOME, ("empty", 1), ("a root and nothing in it", 1)])
def test_watcher_announces_no_old_report_as_new(s3: S3Server, kind: str, page: int) -> None:
    """What the first look did not see because a page was lost was delivered before it, and is no news afterwards."""
    deliver(s3, 0, 1, 2)
    script = spoil(s3, kind, page, times=1, prefix=folder_prefix())

    async def watch() -> str:
        watching = S3InventoryReportTrigger(
            inventory=report(0).folder_uri, poke_interval=0.01, botocore_config={"retries": {"total_max_attempts": 1}}
        )
        event = asyncio.ensure_future(anext(watching.run()))
        try:
            async with asyncio.timeout(60):
                while script.spoilt < 1 or _looks(s3) < 3:
                    assert not event.done(), event.result()
                    await asyncio.sleep(0.01)
                deliver(s3, 3)
                return str((await event).payload["manifest"])
        finally:
            event.cancel()

    assert asyncio.run(watch()) == report(3).manifest_uri


def _looks(s3: S3Server) -> int:
    """Return how many looks have begun: each asks for the first page of the folders."""
    first = [each for each in list(s3.requests) if "delimiter" in each.query and "continuation-token" not in each.query]
    return len(first)
