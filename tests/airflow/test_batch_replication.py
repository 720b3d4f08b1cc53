"""The operator that repairs, run by Airflow's own task runner and triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr.batch.settled import found
from airflow_provider_crr.failures import BatchReplicationFailed
from airflow_provider_crr.links.batch_job import BatchJobLink
from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks import endings, metrics
from airflow_provider_crr.tasks.lineage import Flow, Place, repair_flow
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
        created_before="{{ '2099-01-01' }}",
        account_id="{{ 111111111111 }}",
        **arguments(broken, role_arn="{{ 'arn:aws:iam::111111111111:role/batch' }}"),
    )
    assert ran.error is None
    assert (ran.xcom["total"], broken.status("2026/a"), broken.status("2027/b")) == (1, "COMPLETED", "FAILED")


def test_template_that_renders_to_nothing_does_not_repair_everything(run_task: Run, broken: Broken) -> None:
    """A prefix of nothing would be the whole bucket, and no beginning or end all times."""
    broken.put("a")
    for name in ("prefix", "created_after", "created_before"):
        search = {"source_bucket": broken.bucket, name: "{{ '' }}"}
        ran = run_task(S3BatchReplicationOperator, **search, **arguments(broken))
        assert ran.state == "failed"
        assert f"{name} rendered to" in str(ran.error)
    assert broken.jobs() == []


@BOTH
def test_link_leads_to_the_job(run_task: Run, broken: Broken, deferrable: bool) -> None:
    """The job in the S3 console, in its Region, also while the task is deferred."""
    broken.pair.allow()
    ran = run_task(S3BatchReplicationOperator, **arguments(broken, objects=broken.put("a"), deferrable=deferrable))
    (job,) = broken.jobs()
    assert ran.state == "success"
    address = BatchJobLink().format_link(job_id=job["JobId"], region_name="eu-west-1", aws_domain="aws.amazon.com")
    assert address == f"https://console.aws.amazon.com/s3/jobs/{job['JobId']}?region=eu-west-1"
    assert stored_link() == address


def stored_link() -> str:
    """Return the newest link that Airflow has stored."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(key="_link_BatchJobLink").order_by(XComModel.timestamp.desc())
        newest: Any = rows.first()
        return str(newest.value).strip('"')


def test_link_without_a_job_leads_nowhere() -> None:
    """A dry run has none, and neither has a partition that nobody knows."""
    assert BatchJobLink().format_link(aws_domain="aws.amazon.com") == ""
    assert BatchJobLink().format_link(job_id="1", aws_domain=None) == ""


def test_flow_is_told() -> None:
    """OpenLineage hears of the bucket, the manifest and the report."""
    value = {"manifest": "s3://work/m.csv", "completion_report": "s3://reports/job-1/manifest.json"}
    flow = repair_flow((S3Object("landing", "a"),), None, value)
    assert flow.inputs == (Place("s3://landing", "/"), Place("s3://work", "m.csv"))
    assert flow.outputs == (Place("s3://reports", "job-1/manifest.json"),)
    assert repair_flow("landing", None) == Flow((Place("s3://landing", "/"),))
    assert repair_flow(None, "s3://work/m.csv") == Flow((Place("s3://work", "m.csv"),))


def test_what_was_done_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects, tasks and verified objects, with how it ended."""
    sent: list[tuple[str, Any, Any]] = []

    class Stats:
        @staticmethod
        def gauge(name: str, value: Any, tags: Any) -> None:
            sent.append((name, value, tags["outcome"]))

    monkeypatch.setattr("airflow_provider_crr.tasks.compat.Stats", Stats, raising=False)
    value = found(total=3, succeeded=2, failed=1, verified={"COMPLETED": 1, "REPLICA": 1, "PENDING": 1})
    metrics.ended(None, endings.failed("no", value))
    assert sent == [
        ("crr.repair.objects", 3, "failed"),
        ("crr.repair.succeeded", 2, "failed"),
        ("crr.repair.failed", 1, "failed"),
        ("crr.repair.verified", 2, "failed"),
    ]
