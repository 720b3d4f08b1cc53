"""Whatever happens to the worker, there is one job; and a user who clears the task gets a new one."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.batch.job_request import JobRequest
from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.failures import BatchReplicationFailed
from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from airflow_provider_crr.tasks import former_jobs
from airflow_provider_crr.tasks.compat import TaskDeferred
from local_aws.batch.orders import BatchOrders
from tests.support.killed_worker import PLACES, FileStore, Try, run_and_kill
from tests.support.polling import until
from tests.support.repairs import ROLE, Broken, Run, Store, run
from tests.support.stored_trigger import process


def arguments(broken: Broken, **more: Any) -> dict[str, Any]:
    return {
        "role_arn": ROLE,
        "completion_report_uri": f"s3://{broken.reports}/repair/",
        "poll_interval": 0.05,
        "deferrable": True,
        **more,
    }


#: The token alone must do at every place; what is kept matters once there is a job.
CREATED = PLACES.index("under way: CreateJob")
KILLED = [(place, False) for place in PLACES if "kept" not in place] + [
    (place, True) for place in PLACES[CREATED + 1 :]
]


@pytest.mark.parametrize(("place", "state"), KILLED)
def test_worker_that_is_killed_anywhere_leaves_one_job(
    broken: Broken, orders: BatchOrders, tmp_path: Path, place: str, state: bool
) -> None:
    """It is killed at a place, Airflow retries, and the retry repairs with the job that is there, or with the first."""
    uris = broken.put("a")
    broken.pair.allow()
    orders.hold("Active")
    if place.startswith("under way"):
        orders.delay("CreateJob", 5)
    store, run_id = tmp_path / "store" if state else None, uuid.uuid4().hex
    asked = arguments(broken, objects=uris)
    ended = run_and_kill(place, broken.aws.airflow_connection_uri_json(), asked, run_id, store)
    assert ended == -signal.SIGKILL
    orders.delay("CreateJob", 0)
    orders.release()
    assert bool(broken.jobs()) == (PLACES.index(place) >= CREATED)
    value = run(broken.operator(**asked), Try(run_id, FileStore(store) if store else None))
    assert value["verified"] == {"COMPLETED": 1}
    (job,) = broken.jobs()
    assert job["JobId"] == value["job_id"]


def test_triggerer_that_dies_leaves_one_job(broken: Broken) -> None:
    """Another triggerer goes on with what is stored."""
    broken.put("a")
    broken.pair.allow()
    task, context = broken.operator(source_bucket=broken.bucket, deferrable=True), Run()
    with pytest.raises(TaskDeferred):
        task.execute(context)
    assert run(broken.operator(source_bucket=broken.bucket, deferrable=True), context)["total"] == 1
    assert len(broken.jobs()) == 1


def test_triggerer_that_is_killed_while_the_job_runs_leaves_one_job(broken: Broken, orders: BatchOrders) -> None:
    """A process that has confirmed the job is killed; another one, which knows only what is stored, repairs with it."""
    broken.put("a")
    broken.pair.allow()
    orders.hold("Preparing")
    orders.hold("Active")
    task, context = broken.operator(source_bucket=broken.bucket, max_objects=1, deferrable=True), Run()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    trigger: Any = deferred.value.trigger
    stored = trigger.serialize()
    first = process(*stored)
    try:
        orders.release("Preparing")
        until(lambda: broken.jobs()[0]["Status"] == "Active", "the process to confirm the job", seconds=120)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == -signal.SIGKILL
    orders.release("Active")
    second = process(*stored)
    event = json.loads(second.communicate(timeout=120)[0].splitlines()[-1])
    value = task.execute_complete(context, event)
    (job,) = broken.jobs()
    assert (value["job_id"], value["verified"]) == (job["JobId"], {"COMPLETED": 1})


@pytest.mark.parametrize("state", [True, False], ids=["state", "no-state"])
def test_who_clears_the_task_asks_for_a_new_job(broken: Broken, state: bool) -> None:
    """A retry has the same round, a cleared task another one; that others of the run were cleared is none."""
    uris, context = broken.put("a"), Run(state=state)
    for try_number in (1, 2):
        context.try_number = try_number
        context["dag_run"] = type("DagRun", (), {"clear_number": try_number})
        with pytest.raises(BatchReplicationFailed):
            run(broken.operator(objects=uris), context)
    assert len(broken.jobs()) == 1
    broken.pair.allow()
    run(broken.operator(objects=uris), context.cleared())
    assert len(broken.jobs()) == 2


def test_other_runs_tasks_and_map_indexes_have_jobs_of_their_own(broken: Broken) -> None:
    """What is mapped over two lists is two jobs, also of equal lists."""
    uris = broken.put("a")
    broken.pair.allow()
    first, second = Run(), Run()
    second.run_id, second.map_index = first.run_id, 1
    for context in (first, second, Run()):
        run(broken.operator(objects=uris, verify_replication=False), context)
    assert len(broken.jobs()) == 3


def test_order_of_objects_makes_no_difference(broken: Broken) -> None:
    """A list from another task, or a set, may come in another order at the next try."""
    uris, context = broken.put("a", "b"), Run(state=False)
    broken.pair.allow()
    run(broken.operator(objects=uris), context)
    run(broken.operator(objects=uris[::-1]), context)
    assert len(broken.jobs()) == 1


def test_manifest_that_was_written_again_meanwhile_makes_no_second_job(broken: Broken) -> None:
    """The token is used with another ETag: S3 refuses, and the job of before is found."""
    (uri,) = broken.put("a")
    broken.pair.allow()
    row, context = f"{broken.bucket},a,{uri.partition('=')[2]}\n", Run(state=False)
    manifest = broken.manifest(row)
    run(broken.operator(manifest_uri=manifest), context)
    broken.manifest(row * 2)
    run(broken.operator(manifest_uri=manifest), context)
    assert len(broken.jobs()) == 1


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
@pytest.mark.parametrize("state", [True, False], ids=["state", "no-state"])
def test_manifest_that_changes_after_it_was_checked_is_not_replicated(
    broken: Broken, monkeypatch: pytest.MonkeyPatch, state: bool, deferrable: bool
) -> None:
    """The job is for the ETag that was checked: S3 fails it, and a retry creates no second one."""
    (uri,) = broken.put("a")
    (other,) = broken.put("other")
    broken.pair.allow()
    manifest = broken.manifest(f"{broken.bucket},a,{uri.partition('=')[2]}\n")
    changed = f"{broken.bucket},other,{other.partition('=')[2]}\n"
    create = S3BatchOperationsHook.create_job

    def changing(self: S3BatchOperationsHook, request: JobRequest) -> str:
        broken.manifest(changed)
        return create(self, request)

    monkeypatch.setattr(S3BatchOperationsHook, "create_job", changing)
    context = Run(state=state)
    for _ in range(2):
        with pytest.raises(BatchReplicationFailed, match="The manifest was written again after the job was created"):
            run(broken.operator(manifest_uri=manifest, deferrable=deferrable), context)
    assert [job["Status"] for job in broken.jobs()] == ["Failed"]
    assert broken.status("a") == broken.status("other") == "FAILED"
    monkeypatch.setattr(S3BatchOperationsHook, "create_job", create)
    value = run(broken.operator(manifest_uri=manifest, deferrable=deferrable), context.cleared())
    assert value["verified"] == {"COMPLETED": 1}
    assert broken.status("other") == "COMPLETED"


@pytest.mark.parametrize("refused", ["AccessDenied", "AccessDeniedException"])
def test_job_that_may_not_be_looked_for_is_told(broken: Broken, orders: BatchOrders, refused: str) -> None:
    """Arguments have changed between two tries, and S3 does not let the job be listed: the permission is named."""
    uris, context = broken.put("a"), Run(state=False)
    broken.pair.allow()
    run(broken.operator(objects=uris), context)
    orders.refuse("ListJobs", refused, "Access Denied", status=403, times=10)
    with pytest.raises(LookupFailed, match=r"(?s)cannot list jobs: S3 answered AccessDenied.*Allow s3:ListJobs to"):
        run(broken.operator(objects=uris, priority=11), context)
    assert len(broken.jobs()) == 1


def test_object_that_was_overwritten_meanwhile_makes_no_second_job(broken: Broken) -> None:
    """The manifest of the first try is taken as it is, also where no version was named."""
    broken.put("a")
    broken.pair.allow()
    context = Run(state=False)
    run(broken.operator(objects=f"s3://{broken.bucket}/a"), context)
    broken.put("a")
    run(broken.operator(objects=f"s3://{broken.bucket}/a"), context)
    assert len(broken.jobs()) == 1


def test_answer_of_create_job_that_is_lost_makes_no_second_job(broken: Broken, orders: BatchOrders) -> None:
    """S3 has created the job, and the client heard nothing of it: the request is repeated until it does."""
    uris = broken.put("a")
    broken.pair.allow()
    orders.delay("CreateJob", 2)
    config = {"read_timeout": 1, "retries": {"total_max_attempts": 1}}
    task, context = broken.operator(objects=uris, botocore_config=config), Run()
    stop = task._poll(context, started_at=None, ends=10**9, least=2.0)  # type: ignore[arg-type]
    assert stop is None
    orders.delay("CreateJob", 0)
    assert run(task, context)["verified"] == {"COMPLETED": 1}
    assert len(broken.jobs()) == 1


def test_throttling_is_no_failure(broken: Broken, orders: BatchOrders) -> None:
    """What s3control refuses for a while is asked again."""
    uris = broken.put("a")
    broken.pair.allow()
    config = {"retries": {"total_max_attempts": 1}}
    orders.refuse("CreateJob", "TooManyRequestsException", "Rate exceeded", times=2)
    orders.refuse("DescribeJob", "InternalServiceException", status=500, times=2)
    for deferrable in (False, True):
        task = broken.operator(objects=uris, botocore_config=config, deferrable=deferrable)
        assert run(task, Run())["verified"] == {"COMPLETED": 1}


@pytest.mark.parametrize("content", [5, "x", {}, {"schema": 1}, {"schema": 1, "round": "3", "job": {}}])
def test_store_that_holds_something_else_is_passed_over(broken: Broken, content: Any) -> None:
    """The job is found by its token then."""
    uris, context = broken.put("a"), Run()
    broken.pair.allow()
    run(broken.operator(objects=uris), context)
    context["task_state_store"] = Store({"crr_batch_job": content})
    run(broken.operator(objects=uris), context)
    assert len(broken.jobs()) == 1


class Unwilling:
    """A store that fails."""

    def get(self, key: str) -> Any:
        raise OSError("no")

    set = get  # type: ignore[assignment]


def test_store_that_fails_is_no_failure(broken: Broken) -> None:
    """The token is enough."""
    uris, context = broken.put("a"), Run()
    broken.pair.allow()
    context["task_state_store"] = Unwilling()
    for _ in range(2):
        assert run(broken.operator(objects=uris), context)["succeeded"] == 1
    assert len(broken.jobs()) == 1


def test_task_that_is_killed_cancels_its_job(broken: Broken, orders: BatchOrders) -> None:
    """On the worker by on_kill; a retry finds it cancelled, and says so. A task that has ended cancels nothing."""
    orders.hold("Active")
    uris, context = broken.put("a"), Run()
    broken.pair.allow()
    task = broken.operator(objects=uris)
    task.on_kill()  # before there is a job
    assert task._poll(context, started_at=None, ends=10**9, least=2.0) is None  # type: ignore[arg-type]
    task.on_kill()
    with pytest.raises(BatchReplicationFailed, match=r"somebody cancelled(.|\n)*the task was killed in Airflow"):
        run(broken.operator(objects=uris), context)
    orders.release()
    task = broken.operator(objects=uris)
    run(task, context.cleared())
    task.on_kill()
    assert sorted(job["Status"] for job in broken.jobs()) == ["Cancelled", "Complete"]


def test_deferred_task_that_is_killed_cancels_its_job(broken: Broken, orders: BatchOrders) -> None:
    """In the triggerer by the trigger's on_kill, which Airflow calls from 3.3 on."""
    orders.hold("Active")
    with pytest.raises(TaskDeferred) as deferred:
        broken.operator(objects=broken.put("a"), deferrable=True).execute(Run())
    trigger: Any = deferred.value.trigger
    asyncio.run(trigger.on_kill())
    (job,) = broken.jobs()
    assert job["Status"] in ("Cancelling", "Cancelled")
    assert job["StatusUpdateReason"] == "the task was killed in Airflow"


class DagRun:
    """What a task sees of its DAG run."""

    def __init__(self, *, clear_number: int = 0, start_date: datetime | None = None) -> None:
        self.clear_number = clear_number
        self.start_date = start_date or datetime.now(UTC)


@pytest.mark.parametrize("state", [True, False], ids=["state", "no-state"])
def test_task_that_is_cleared_while_it_runs_gets_a_new_job(broken: Broken, orders: BatchOrders, state: bool) -> None:
    """Airflow kills it, which cancels its job, and its round stays the same: the user has asked again all the same."""
    uris, context = broken.put("a"), Run(state=state)
    broken.pair.allow()
    orders.hold("Active")
    context["dag_run"] = DagRun()
    task = broken.operator(objects=uris)
    assert task._poll(context, started_at=None, ends=10**9, least=2.0) is None  # type: ignore[arg-type]
    task.on_kill()
    orders.release()
    context["dag_run"] = DagRun(clear_number=1)
    assert run(broken.operator(objects=uris), context)["verified"] == {"COMPLETED": 1}
    for _ in range(2):  # a retry finds the new one
        context["dag_run"] = DagRun(clear_number=2)
        run(broken.operator(objects=uris), context)
    assert [job["Status"] for job in broken.jobs()] == ["Cancelled", "Complete"]


def test_retry_after_a_kill_that_nobody_asked_for_creates_no_second_job(broken: Broken, orders: BatchOrders) -> None:
    """As after execution_timeout: the job is cancelled, and the task says so."""
    uris, context = broken.put("a"), Run(state=False)
    context["dag_run"] = DagRun(clear_number=3)
    orders.hold("Active")
    task = broken.operator(objects=uris)
    assert task._poll(context, started_at=None, ends=10**9, least=2.0) is None  # type: ignore[arg-type]
    task.on_kill()
    with pytest.raises(BatchReplicationFailed, match="the task was killed in Airflow"):
        run(broken.operator(objects=uris), context)
    assert len(broken.jobs()) == 1


def test_run_that_comes_again_under_the_id_of_a_deleted_one_gets_a_new_job(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of the deleted run has the same token. It knows nothing of what FAILED since then."""
    context = Run(state=False)
    broken.put("a")
    broken.pair.allow()
    context["dag_run"] = DagRun()
    asked = {"objects": f"s3://{broken.bucket}/a"}
    run(broken.operator(**asked), context)
    broken.pair.deny()
    broken.put("a")
    broken.pair.allow()
    assert broken.status("a") == "FAILED"
    monkeypatch.setattr(former_jobs, "_CLOCKS", timedelta(0))  # here is one clock
    context["dag_run"] = DagRun()
    for _ in range(2):
        assert run(broken.operator(**asked), context)["verified"] == {"COMPLETED": 1}
    assert len(broken.jobs()) == 2
    assert broken.status("a") == "COMPLETED"


def test_task_that_is_killed_once_its_job_is_created_cancels_it(broken: Broken, orders: BatchOrders) -> None:
    """Also before S3 has told anything of the job."""
    uris, context = broken.put("a"), Run(state=False)
    context["dag_run"] = DagRun()
    orders.hold("Active")
    orders.refuse("DescribeJob", "InternalServiceException", status=500)
    task = broken.operator(objects=uris, botocore_config={"retries": {"total_max_attempts": 1}})
    assert task._poll(context, started_at=None, ends=10**9, least=2.0) is None  # type: ignore[arg-type]
    task.on_kill()
    (job,) = broken.jobs()
    assert job["Status"] in ("Cancelling", "Cancelled")


def test_manifest_that_is_not_what_was_asked_for_is_written_again(broken: Broken, orders: BatchOrders) -> None:
    """Something else stands where an earlier try has written, which had created no job: it is not replicated."""
    uris, context = broken.put("a", "b"), Run(state=False)
    (other,) = broken.put("other")
    broken.pair.allow()
    orders.refuse("CreateJob", "AccessDenied", status=403)
    with pytest.raises(LookupFailed):
        run(broken.operator(objects=uris), context)
    (written,) = broken.s3.list_objects_v2(Bucket=broken.reports)["Contents"]
    broken.manifest(f"{broken.bucket},other,{other.partition('=')[2]}\n", written["Key"])
    assert run(broken.operator(objects=uris), context)["total"] == 2
    assert [broken.status(key) for key in ("a", "b", "other")] == ["COMPLETED", "COMPLETED", "FAILED"]
