"""The operator that repairs, run by Airflow's own task runner and triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr.failures import BatchReplicationFailed
from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from tests.airflow.conftest import TaskRun
from tests.support.repairs import ROLE, Broken

Run = Callable[..., TaskRun]
BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


def arguments(broken: Broken, **more: Any) -> dict[str, Any]:
    return {
        "role_arn": ROLE,
        "completion_report_uri": f"s3://{broken.reports}/repair/",
        "poll_interval": 0.1,
        **more,
    }


@BOTH
def test_task_repairs_and_tells(run_task: Run, broken: Broken, deferrable: bool) -> None:
    """Airflow runs it to its end: state, XCom and asset event have what was done."""
    uris = broken.put("a", "b")
    broken.pair.allow()
    ran = run_task(
        S3BatchReplicationOperator,
        outlet="s3://repaired",
        **arguments(broken, objects=uris, deferrable=deferrable),
    )
    assert (ran.state, ran.error) == ("success", None)
    assert ran.xcom["verified"] == {"COMPLETED": 2}
    (event,) = ran.events
    told = {name: event[name] for name in ("job_id", "total", "succeeded", "failed", "verified", "completion_report")}
    assert told == {name: ran.xcom[name] for name in told}


@BOTH
def test_task_that_fails_is_not_tried_again(run_task: Run, broken: Broken, deferrable: bool) -> None:
    """It fails for good, with its evidence in XCom."""
    ran = run_task(
        S3BatchReplicationOperator,
        retries=3,
        **arguments(broken, objects=broken.put("a"), deferrable=deferrable),
    )
    assert ran.state == "failed"
    assert isinstance(ran.error, BatchReplicationFailed)
    assert ran.xcom["failure_codes"] == {"DstPutObjectNotPermitted": 1}
    assert len(broken.jobs()) == 1


def test_task_that_is_cleared_asks_for_a_new_job(run_task: Run, broken: Broken) -> None:
    """The first job failed; somebody mends the destination and clears the task."""
    ran = run_task(
        S3BatchReplicationOperator,
        then_clear=broken.pair.allow,
        **arguments(broken, objects=broken.put("a")),
    )
    assert ran.state == "success"
    assert len(broken.jobs()) == 2


@pytest.mark.parametrize("native", [False, True])
def test_objects_come_from_another_task(run_task: Run, broken: Broken, native: bool) -> None:
    """What a gate returned is repaired, as it is handed on by Airflow."""
    (uri,) = broken.put("a")
    broken.pair.allow()
    gate = {"total": 1, "statuses": {"FAILED": 1}, "sample": [{"uri": uri, "status": "FAILED"}]}
    ran = run_task(
        S3BatchReplicationOperator,
        native=native,
        before=f"gate = task(task_id='gate')(lambda: {gate!r})()",
        written="objects=gate",
        **arguments(broken),
    )
    assert (ran.error, ran.xcom and ran.xcom["verified"]) == (None, {"COMPLETED": 1})


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("manifest", ["some", "none"])
def test_manifest_comes_from_another_task(run_task: Run, broken: Broken, native: bool, manifest: str) -> None:
    """A summary's failed_manifest_uri, which is None where nothing FAILED: then there is nothing to do."""
    (uri,) = broken.put("a")
    broken.pair.allow()
    written = broken.manifest(f"{broken.bucket},a,{uri.partition('=')[2]}\n") if manifest == "some" else None
    ran = run_task(
        S3BatchReplicationOperator,
        native=native,
        before=f"summary = task(task_id='summary')(lambda: {written!r})()",
        written="manifest_uri=summary",
        **arguments(broken),
    )
    assert ran.error is None
    assert ran.xcom["total"] == (1 if written else 0)
    templated = run_task(
        S3BatchReplicationOperator,
        native=native,
        manifest_uri=f"{{{{ {written!r} }}}}",
        **arguments(broken),
    )
    assert templated.error is None
    assert templated.xcom["total"] == (1 if written else 0)


def test_search_is_templated(run_task: Run, broken: Broken) -> None:
    """Bucket, prefix, times, statuses, role and places may be templates."""
    broken.put("2026/a", "2027/b")
    broken.pair.allow()
    ran = run_task(
        S3BatchReplicationOperator,
        source_bucket=f"{{{{ '{broken.bucket}' }}}}",
        prefix="{{ 2026 }}/",
        statuses="{{ 'FAILED' }}",
        created_after="{{ '2026-01-01T00:00:00Z' }}",
        created_before="{{ '' }}",
        account_id="{{ 111111111111 }}",
        **arguments(broken, role_arn="{{ 'arn:aws:iam::111111111111:role/batch' }}"),
    )
    assert ran.error is None
    assert (ran.xcom["total"], broken.status("2026/a"), broken.status("2027/b")) == (1, "COMPLETED", "FAILED")


def test_template_that_renders_to_nothing_does_not_repair_everything(run_task: Run, broken: Broken) -> None:
    """A prefix of nothing would be the whole bucket."""
    broken.put("a")
    ran = run_task(S3BatchReplicationOperator, source_bucket=broken.bucket, prefix="{{ '' }}", **arguments(broken))
    assert ran.state == "failed"
    assert "prefix rendered to" in str(ran.error)
    assert broken.jobs() == []
