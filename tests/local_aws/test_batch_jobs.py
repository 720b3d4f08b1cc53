"""The life of a job of S3 Batch Operations, from New to its end, as boto3's s3control sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws
from local_aws.batch.orders import BatchOrders
from local_aws.buckets import ReplicatedPair
from tests.support.batch_jobs import Jobs


def failed_object(pair: ReplicatedPair, key: str = "key") -> str:
    """Write an object whose replication fails, and return its version id."""
    version: str = pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")["VersionId"]
    assert status(pair, key) == "FAILED"
    return version


def status(pair: ReplicatedPair, key: str = "key") -> str | None:
    """Return what S3 says of an object in the source."""
    answer: str | None = pair.source_client.head_object(Bucket=pair.source, Key=key).get("ReplicationStatus")
    return answer


def history(aws: LocalAws, job_id: str) -> list[str]:
    """Return the statuses that a job had."""
    statuses: list[str] = next(job["history"] for job in aws.batch.jobs() if job["id"] == job_id)
    return statuses


def test_failed_object_is_repaired(aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """A FAILED object becomes COMPLETED, and its replica appears, once the destination is right again."""
    failed_object(denied_pair)
    denied_pair.allow()
    job = jobs.ended(jobs.of_bucket(denied_pair.source, ObjectReplicationStatuses=["FAILED"]))
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == job["ProgressSummary"]["TotalNumberOfTasks"] == 1
    assert job["TerminationDate"] >= job["CreationTime"]
    assert status(denied_pair) == "COMPLETED"
    replica = denied_pair.destination_client.get_object(Bucket=denied_pair.destination, Key="key")
    assert (replica["ReplicationStatus"], replica["Body"].read()) == ("REPLICA", b"x")
    assert history(aws, job["JobId"]) == ["New", "Preparing", "Ready", "Active", "Completing", "Complete"]


def test_complete_is_not_success(denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """A job whose every task fails is Complete all the same, and the object stays FAILED."""
    failed_object(denied_pair)
    job = jobs.ended(jobs.of_bucket(denied_pair.source))
    assert (job["Status"], job["FailureReasons"]) == ("Complete", [])
    assert job["ProgressSummary"]["NumberOfTasksFailed"] == 1
    assert status(denied_pair) == "FAILED"


def test_confirmation_is_waited_for(aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """A job that needs confirmation is Suspended, with its tasks counted, until somebody asks for Ready."""
    failed_object(denied_pair)
    denied_pair.allow()
    job_id = jobs.create(jobs.of_bucket(denied_pair.source), ConfirmationRequired=True)
    suspended = jobs.until(job_id, "Suspended")
    assert suspended["ProgressSummary"]["TotalNumberOfTasks"] == 1
    assert suspended["SuspendedCause"]
    assert suspended["SuspendedDate"] >= suspended["CreationTime"]
    assert status(denied_pair) == "FAILED"
    assert jobs.update(job_id, "Ready", StatusUpdateReason="counted")["Status"] == "Ready"
    assert jobs.until(job_id)["StatusUpdateReason"] == "counted"
    assert history(aws, job_id) == ["New", "Preparing", "Suspended", "Ready", "Active", "Completing", "Complete"]
    assert status(denied_pair) == "COMPLETED"


@pytest.mark.parametrize("at", ["New", "Preparing", "Suspended", "Ready", "Active", "Completing"])
def test_cancelled_wherever_it_is(
    aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders, at: str
) -> None:
    """A job is Cancelling and then Cancelled, whatever it did before."""
    failed_object(denied_pair)
    orders.hold(at)
    job_id = jobs.create(jobs.of_bucket(denied_pair.source), ConfirmationRequired=at == "Suspended")
    jobs.until(job_id, at)
    assert jobs.update(job_id, "Cancelled")["Status"] == "Cancelling"
    assert jobs.until(job_id)["Status"] == "Cancelled"
    assert history(aws, job_id)[-3:] == [at, "Cancelling", "Cancelled"]


def test_each_status_can_be_held(denied_pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """A job stays in a status that is held until it is released."""
    failed_object(denied_pair)
    statuses = ["Preparing", "Suspended", "Ready", "Active", "Completing"]
    for each in statuses:
        orders.hold(each)
    job_id = jobs.create(jobs.of_bucket(denied_pair.source), ConfirmationRequired=True)
    for each in statuses:
        jobs.until(job_id, each)
        if each == "Suspended":
            jobs.update(job_id, "Ready")
        orders.release(each)
    assert jobs.until(job_id)["Status"] == "Complete"


def test_higher_priority_pauses(aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """A job makes way for one of a higher priority, Pausing and Paused, and goes on after it."""
    for number in range(4):
        failed_object(denied_pair, str(number))
    orders.set(parallel_jobs=1, task_seconds=0.05)
    low = jobs.create(jobs.of_bucket(denied_pair.source), Priority=1)
    jobs.until(low, "Active")
    orders.hold("Ready")
    high = jobs.create(jobs.of_bucket(denied_pair.source), Priority=5)
    jobs.until(low, "Paused")
    orders.release("Ready")
    assert jobs.until(high)["Status"] == "Complete"
    assert jobs.until(low)["ProgressSummary"]["NumberOfTasksFailed"] == 4
    assert history(aws, low)[3:7] == ["Active", "Pausing", "Paused", "Active"]


def test_priority_changes(denied_pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders) -> None:
    """The priority of a job can be changed while it goes on, and its token stays that of the first request."""
    failed_object(denied_pair)
    orders.hold("Ready")
    what, token = jobs.of_bucket(denied_pair.source), "priority-" + denied_pair.source
    job_id = jobs.create(what, ClientRequestToken=token)
    answer = jobs.s3control.update_job_priority(AccountId=jobs.account_id, JobId=job_id, Priority=99)
    assert (answer["JobId"], answer["Priority"]) == (job_id, 99)
    assert jobs.describe(job_id)["Priority"] == 99
    assert jobs.create(what, ClientRequestToken=token) == job_id


@pytest.mark.parametrize(
    ("wanted", "prepare"),
    [
        ("Ready", lambda jobs, job_id: None),
        ("Cancelled", lambda jobs, job_id: None),
        ("Ready", lambda jobs, job_id: jobs.until(job_id)),
        ("Cancelled", lambda jobs, job_id: jobs.until(job_id)),
    ],
    ids=["ready-active", "cancelled-active", "ready-ended", "cancelled-ended"],
)
def test_what_a_status_allows(
    denied_pair: ReplicatedPair, jobs: Jobs, wanted: str, prepare: Callable[[Jobs, str], Any]
) -> None:
    """Only a Suspended job becomes Ready, and one that has ended becomes nothing any more."""
    failed_object(denied_pair)
    job_id = jobs.create(jobs.of_bucket(denied_pair.source))
    ended = prepare(jobs, job_id) is not None
    if wanted == "Cancelled" and not ended:
        jobs.update(job_id, wanted)
        return
    with pytest.raises(ClientError) as caught:
        jobs.update(job_id, wanted)
    assert caught.value.response["Error"]["Code"] == "JobStatusException"


def test_many_failures_fail_the_job(aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """S3 gives up a job of a thousand tasks of which more than half have failed, and reports on those that it ran."""
    failed_object(denied_pair)
    rows = [(denied_pair.source, f"missing-{number}", "v") for number in range(1200)]
    job = jobs.ended(jobs.csv(rows))
    assert job["Status"] == "Failed"
    assert "50%" in job["FailureReasons"][0]["FailureReason"]
    assert history(aws, job["JobId"])[-2:] == ["Failing", "Failed"]
    assert len(jobs.report_rows(job["JobId"])) == job["ProgressSummary"]["NumberOfTasksFailed"] == 1000


@pytest.mark.parametrize("at", ["Preparing", "Suspended", "Active"])
def test_failure_to_order(aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs, orders: BatchOrders, at: str) -> None:
    """A job can be ordered to fail in any status, of any reason; only where tasks ran there is a report."""
    failed_object(denied_pair)
    orders.fail_job(at, "Expired", "as ordered")
    job = jobs.ended(jobs.of_bucket(denied_pair.source), ConfirmationRequired=at == "Suspended")
    assert job["FailureReasons"] == [{"FailureCode": "Expired", "FailureReason": "as ordered"}]
    assert history(aws, job["JobId"])[-3:] == [at, "Failing", "Failed"]
    assert jobs.report_files(job["JobId"]) == {}


def test_replicated_again_is_pending_for_its_time(aws: LocalAws, denied_pair: ReplicatedPair, jobs: Jobs) -> None:
    """What a job replicates is PENDING like what is written now, however old the object is."""
    failed_object(denied_pair)
    denied_pair.allow()
    jobs.ended(jobs.of_bucket(denied_pair.source))
    try:
        aws.set_pending_seconds(3600)
        assert status(denied_pair) == "PENDING"
    finally:
        aws.set_pending_seconds(0)
    assert status(denied_pair) == "COMPLETED"
