"""The operator that repairs, at a local AWS that really replicates: on the worker and in the triggerer alike."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_crr.errors import BatchManifestInvalid, BucketNotFound, InvalidArgument
from airflow_provider_crr.failures import BatchReplicationFailed
from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from local_aws.batch.orders import BatchOrders
from tests.support.polling import until
from tests.support.repairs import ROLE, Broken, Run, run

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


@BOTH
def test_objects_that_failed_are_repaired_and_verified(broken: Broken, deferrable: bool) -> None:
    """FAILED objects are COMPLETED afterwards, and the value tells what was done and what it cost."""
    uris = broken.put("a", "b c/ü+%.csv")
    assert [broken.status("a"), broken.status("b c/ü+%.csv")] == ["FAILED", "FAILED"]
    broken.pair.allow()
    value = run(broken.operator(objects=uris, deferrable=deferrable), Run())
    (job,) = broken.jobs()
    folder = f"s3://{broken.reports}/repair"
    assert value == {
        "job_id": job["JobId"],
        "status": "Complete",
        "total": 2,
        "succeeded": 2,
        "failed": 0,
        "failure_codes": {},
        "manifest": f"s3://{broken.reports}/{job['Manifest']['Location']['ObjectArn'].partition('/')[2]}",
        "completion_report": f"{folder}/job-{job['JobId']}/manifest.json",
        "verified": {"COMPLETED": 2},
        "price_usd": 0.250002,
    }
    assert value["manifest"].startswith(f"{folder}/manifest-crr-")
    assert [broken.status("a"), broken.status("b c/ü+%.csv")] == ["COMPLETED", "COMPLETED"]


@BOTH
def test_what_s3_finds_in_a_bucket_is_repaired(broken: Broken, deferrable: bool) -> None:
    """S3 makes the manifest, counts, and replicates once that is confirmed by the task."""
    broken.put("orders/a", "orders/b", "other/c")
    broken.pair.allow()
    task = broken.operator(source_bucket=broken.bucket, prefix="orders/", max_objects=2, deferrable=deferrable)
    value = run(task, Run())
    assert (value["total"], value["verified"], value["manifest"]) == (2, {"COMPLETED": 2}, None)
    assert [broken.status(key) for key in ("orders/a", "orders/b", "other/c")] == ["COMPLETED", "COMPLETED", "FAILED"]
    (job,) = broken.jobs()
    assert job["ConfirmationRequired"]


@BOTH
def test_manifest_that_somebody_wrote_is_repaired(broken: Broken, deferrable: bool) -> None:
    """Any manifest in the format is taken, with its ETag pinned."""
    (uri,) = broken.put("a")
    broken.pair.allow()
    manifest = broken.manifest(f"{broken.bucket},a,{uri.partition('=')[2]}\n")
    value = run(broken.operator(manifest_uri=manifest, deferrable=deferrable), Run())
    assert (value["manifest"], value["verified"]) == (manifest, {"COMPLETED": 1})


def test_object_without_version_is_repaired_in_the_current_one(broken: Broken) -> None:
    """The manifest names the version that is current when the task begins."""
    broken.put("a", "a")
    broken.pair.allow()
    assert run(broken.operator(objects=f"s3://{broken.bucket}/a"), Run())["verified"] == {"COMPLETED": 1}


@BOTH
def test_more_objects_than_allowed_are_not_replicated(broken: Broken, deferrable: bool) -> None:
    """A search is counted by S3, and the job cancelled; a list is counted before there is a job."""
    uris = broken.put("a", "b")
    broken.pair.allow()
    with pytest.raises(BatchReplicationFailed, match="there are 2 objects, and max_objects is 1"):
        run(broken.operator(source_bucket=broken.bucket, max_objects=1, deferrable=deferrable), Run())
    (job,) = broken.jobs()
    assert job["Status"] in ("Cancelling", "Cancelled")
    context = Run()
    with pytest.raises(BatchReplicationFailed, match="there are 2 objects, and max_objects is 1"):
        run(broken.operator(objects=uris, max_objects=1, deferrable=deferrable), context)
    assert context.pushed["return_value"]["total"] == 2
    assert len(broken.jobs()) == 1
    assert broken.status("a") == broken.status("b") == "FAILED"


@BOTH
def test_tasks_that_fail_fail_the_task(broken: Broken, deferrable: bool) -> None:
    """A job is Complete though nothing is replicated: the message has codes, objects and remedies; the XCom, too."""
    uris = broken.put("a", "b")
    context = Run()
    with pytest.raises(BatchReplicationFailed, match="2 DstPutObjectNotPermitted") as caught:
        run(broken.operator(objects=uris, deferrable=deferrable), context)
    assert uris[0] in str(caught.value)
    assert "Allow s3:ReplicateObject" in str(caught.value)
    assert caught.value.summary == context.pushed["return_value"]
    assert caught.value.summary["failure_codes"] == {"DstPutObjectNotPermitted": 2}
    assert caught.value.summary["status"] == "Complete"


def test_tasks_that_may_fail(broken: Broken) -> None:
    """Within max_failed the others decide."""
    value = run(broken.operator(objects=broken.put("a"), max_failed=1), Run())
    assert (value["failed"], value["verified"]) == (1, {})


@BOTH
def test_success_that_is_none_is_found_out(broken: Broken, orders: BatchOrders, deferrable: bool) -> None:
    """S3 says that a task succeeded, and the object is FAILED all the same: that is no success."""
    uris = broken.put("a")
    orders.end_tasks(broken.bucket)
    with pytest.raises(BatchReplicationFailed, match="there is no more time: replicated 0 of 1, 1 failed"):
        run(broken.operator(objects=uris, verify_timeout=1, deferrable=deferrable), Run())
    value = run(broken.operator(objects=uris, verify_replication=False, deferrable=deferrable), Run())
    assert (value["succeeded"], value["verified"]) == (1, {})


@BOTH
@pytest.mark.parametrize("report", ["swapped", "late"])
def test_report_as_s3_writes_it(broken: Broken, orders: BatchOrders, report: str, deferrable: bool) -> None:
    """Its columns may be the other way round, and it may come late."""
    uris = broken.put("a")
    orders.set(report=report)
    task = broken.operator(objects=uris, deferrable=deferrable)
    if report == "late":
        write_once_asked(orders, broken)
    with pytest.raises(BatchReplicationFailed, match="1 DstPutObjectNotPermitted"):
        run(task, Run())


def write_once_asked(orders: BatchOrders, broken: Broken) -> None:
    """Let reports be written once the job is complete and somebody has looked for one."""

    def requests() -> int:
        return broken.aws.requests(broken.reports).total()

    def watch() -> None:
        try:
            until(lambda: any(job["Status"] == "Complete" for job in broken.jobs()), "the end of the job", seconds=60)
            before = requests()
            until(lambda: requests() > before + 1, "somebody who looks for the report", seconds=60)
        finally:
            orders.set(report="written")

    threading.Thread(target=watch, daemon=True).start()


@BOTH
def test_report_with_a_wrong_md5_counts_for_nothing(broken: Broken, orders: BatchOrders, deferrable: bool) -> None:
    """What does not match its MD5 is no evidence."""
    orders.set(report="wrong-md5")
    with pytest.raises(Exception, match="its MD5 is"):
        run(broken.operator(objects=broken.put("a"), deferrable=deferrable), Run())


def test_nothing_to_replicate_is_success_without_a_job(broken: Broken) -> None:
    """An empty list, an empty manifest, a manifest that was never written: no job, and said so."""
    assert run(broken.operator(objects=[]), Run())["total"] == 0
    assert run(broken.operator(manifest_uri=broken.manifest("")), Run())["total"] == 0
    task = broken.operator(manifest_uri="{{ nothing }}")
    task.manifest_uri = None  # as it renders to native objects
    assert run(task, Run())["job_id"] is None
    assert broken.jobs() == []


@BOTH
def test_search_that_finds_nothing_is_success(broken: Broken, deferrable: bool) -> None:
    """S3 fails the job; nothing to do is no failure."""
    value = run(broken.operator(source_bucket=broken.bucket, deferrable=deferrable), Run())
    assert (value["total"], value["status"]) == (0, "Failed")


def test_dry_run_creates_nothing(broken: Broken) -> None:
    """It counts what it can count, says the price, and leaves no job and no manifest."""
    uris = broken.put("a", "b")
    value = run(broken.operator(objects=uris, dry_run=True), Run())
    assert (value["total"], value["price_usd"], value["job_id"], value["manifest"]) == (2, 0.250002, None, None)
    value = run(broken.operator(source_bucket=broken.bucket, dry_run=True), Run())
    assert (value["total"], value["price_usd"], value["job_id"]) == (None, None, None)
    assert broken.jobs() == []
    assert "Contents" not in broken.s3.list_objects_v2(Bucket=broken.reports)


@BOTH
def test_person_confirms(broken: Broken, orders: BatchOrders, deferrable: bool) -> None:
    """The job waits until somebody confirms it, and the task waits with it."""
    import threading

    uris = broken.put("a")
    broken.pair.allow()

    def confirm() -> None:
        control = broken.aws.client("s3control")
        while not (jobs := [job for job in broken.jobs() if job["Status"] == "Suspended"]):
            pass
        control.update_job_status(AccountId="111111111111", JobId=jobs[0]["JobId"], RequestedJobStatus="Ready")

    person = threading.Thread(target=confirm, daemon=True)
    person.start()
    value = run(broken.operator(objects=uris, confirmation_required=True, deferrable=deferrable), Run())
    person.join()
    assert value["verified"] == {"COMPLETED": 1}


@BOTH
def test_job_that_somebody_cancelled(broken: Broken, orders: BatchOrders, deferrable: bool) -> None:
    """It is told in words, and not tried again."""
    orders.hold("Active")
    import threading

    def cancel() -> None:
        control = broken.aws.client("s3control")
        while not (jobs := [job for job in broken.jobs() if job["Status"] == "Active"]):
            pass
        control.update_job_status(
            AccountId="111111111111", JobId=jobs[0]["JobId"], RequestedJobStatus="Cancelled", StatusUpdateReason="no!"
        )

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(BatchReplicationFailed, match=r"somebody cancelled the job(.|\n)*no!"):
        run(broken.operator(objects=broken.put("a"), deferrable=deferrable), Run())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{bucket},a\n", "names no version"),
        ("{bucket},a b,v\n", "not URL-encoded"),
        ("{bucket},a,v\nother,b,v\n", "of the bucket other"),
        ("{bucket},a,v,x\n", "4 columns"),
        (None, "there is no such manifest"),
    ],
)
def test_manifest_that_cannot_be_taken_is_refused_before_there_is_a_job(
    broken: Broken, content: str | None, said: str
) -> None:
    """S3 would find out only when the job runs."""
    uri = (
        f"s3://{broken.reports}/none.csv" if content is None else broken.manifest(content.format(bucket=broken.bucket))
    )
    with pytest.raises(BatchManifestInvalid, match=said):
        run(broken.operator(manifest_uri=uri), Run())
    assert broken.jobs() == []


def test_objects_that_are_not_there_are_refused_before_there_is_a_job(broken: Broken) -> None:
    """The message names them; nothing is half repaired."""
    objects = [*broken.put("a"), f"s3://{broken.bucket}/gone"]
    with pytest.raises(BatchReplicationFailed, match=r"1 of 2 objects cannot be named to S3(.|\n)*gone MISSING"):
        run(broken.operator(objects=objects), Run())
    assert broken.jobs() == []


def test_bucket_to_which_no_report_is_written_is_refused(broken: Broken) -> None:
    """S3 writes none where Object Lock has a default retention."""
    locked = f"{broken.reports}-locked"
    broken.s3.create_bucket(
        Bucket=locked, ObjectLockEnabledForBucket=True, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    broken.s3.put_object_lock_configuration(
        Bucket=locked,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    with pytest.raises(InvalidArgument, match="Object Lock with a default retention"):
        run(broken.operator(objects=broken.put("a"), completion_report_uri=f"s3://{locked}/"), Run())
    assert broken.jobs() == []


@pytest.mark.parametrize("which", ["report", "source"])
def test_bucket_that_is_not_there_is_told_before_there_is_a_job(broken: Broken, which: str) -> None:
    """S3 would replicate and then have nowhere to write its report."""
    gone = f"{broken.bucket}-gone"
    arguments = {"completion_report_uri": f"s3://{gone}/"} if which == "report" else {}
    source = broken.bucket if which == "report" else gone
    with pytest.raises(BucketNotFound, match=gone):
        run(broken.operator(source_bucket=source, **arguments), Run())
    assert broken.jobs() == []


#: What can never work -> what the message says.
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "nothing says what to replicate"),
    "two": ({"objects": ["s3://b/k"], "manifest_uri": "s3://b/m"}, "objects and manifest_uri are given"),
    "three": ({"objects": [], "manifest_uri": "s3://b/m", "source_bucket": "b"}, "are given"),
    "pending": ({"source_bucket": "b", "statuses": ["PENDING"]}, "cannot select objects that are PENDING"),
    "status": ({"source_bucket": "b", "statuses": ["X"]}, "statuses is"),
    "status of objects": ({"objects": ["s3://b/k"], "statuses": ["FAILED"]}, "statuses is given with objects"),
    "prefix of a manifest": ({"manifest_uri": "s3://b/m", "prefix": "x"}, "prefix is given with manifest_uri"),
    "role": ({"objects": ["s3://b/k"], "role_arn": "batch"}, "role_arn is"),
    "no role": ({"objects": ["s3://b/k"], "role_arn": None}, "role_arn is"),
    "report": (
        {"objects": ["s3://b/k"], "completion_report_uri": "reports/"},
        "completion_report_uri: 'reports/' is not an S3 URI",
    ),
    "work": ({"objects": ["s3://b/k"], "work_uri": "/tmp"}, "work_uri: '/tmp' is not an S3 URI"),
    "manifest": ({"manifest_uri": "m.csv"}, "manifest_uri: 'm.csv' is not an S3 URI"),
    "pattern": (
        {"source_bucket": "b", "prefix": "orders/*"},
        "knows no patterns. Give the beginning of the keys, such",
    ),
    "bucket": ({"source_bucket": "s3://b"}, "source_bucket is"),
    "buckets": ({"objects": ["s3://b/k", "s3://c/k"]}, "2 buckets"),
    "key": ({"objects": ["k"]}, "needs a bucket"),
    "confirmation": ({"source_bucket": "b", "confirmation_required": "no"}, "confirmation_required is 'no'"),
    "dry": ({"source_bucket": "b", "dry_run": "{{ params.dry }}"}, "dry_run is"),
    "verify": ({"source_bucket": "b", "verify_replication": None}, "verify_replication is None"),
    "account": ({"source_bucket": "b", "account_id": "1"}, "account_id is"),
    "created": ({"source_bucket": "b", "created_after": "yesterday"}, "created_after is"),
    "priority": ({"source_bucket": "b", "priority": -1}, "priority is"),
    "objects": ({"source_bucket": "b", "max_objects": 0}, "max_objects is"),
    "failed": ({"source_bucket": "b", "max_failed": -1}, "max_failed is"),
    "timeout": ({"source_bucket": "b", "verify_timeout": -1}, "verify_timeout is"),
    "interval": ({"source_bucket": "b", "poll_interval": "1"}, "poll_interval is"),
    "extra": ({"source_bucket": "b", "extra_args": {"X": 1}}, "extra_args names"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_can_never_work_is_refused_when_the_dag_is_parsed(what: str) -> None:
    """Nothing is asked of anybody for that."""
    arguments, said = BAD[what]
    with pytest.raises(InvalidArgument, match=said):
        S3BatchReplicationOperator(
            **{"task_id": "t", "role_arn": ROLE, "completion_report_uri": "s3://reports/x/", **arguments}
        )
