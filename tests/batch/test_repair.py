"""A job that is watched, to whatever end: all that S3 may say, in the order in which it may say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from airflow_provider_crr.batch.completion_report import CompletionReport, Results, task_results
from airflow_provider_crr.batch.job import CANCELLED, COMPLETE, FAILED, MEANINGS, SUSPENDED, Job
from airflow_provider_crr.batch.repair import Repair
from airflow_provider_crr.batch.repair_terms import RepairPolicy
from airflow_provider_crr.batch.settled import Settled
from airflow_provider_crr.errors import CompletionReportInvalid, LookupFailed
from airflow_provider_crr.s3.objects import S3Object
from tests.support.batch_forms import TASKS, Task

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
JOB = Job("job-1", "New", report="s3://reports/repair/job-1/")
GOOD = TASKS[0]


class Said:
    """What S3 says of a job, question after question; and what it was told to do with it."""

    def __init__(self, *jobs: Job | Exception, rows: tuple[Task, ...] | None = (GOOD,), late: int = 0) -> None:
        self.jobs = list(jobs)
        self.rows = rows
        self.late = late
        self.done: list[str] = []
        self.asked = 0

    def describe_job(self, job_id: str) -> Job:
        assert job_id == JOB.job_id
        self.asked += 1
        job = self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]
        if isinstance(job, Exception):
            raise job
        return job

    def confirm_job(self, job_id: str) -> None:
        self.done.append("confirm")

    def cancel_job(self, job_id: str, reason: str = "") -> None:
        self.done.append(f"cancel: {reason}")

    def read_completion_report(self, job: Job) -> CompletionReport | None:
        self.late -= 1
        if self.late >= 0 or self.rows is None:
            return None
        results, objects = Results(), []
        for result in task_results([f"{row.row()}\n" for row in self.rows], "s3://reports/x"):
            results.add(result)
            objects += [result.object] if result.succeeded else []
        return CompletionReport("s3://reports/repair/job-1/manifest.json", results, lambda: self.given(objects))

    def given(self, objects: list[S3Object]) -> Iterator[S3Object]:
        return iter(objects)


class Statuses:
    """The question about the objects, with its answers."""

    def __init__(self, *answers: bool | Exception, failure: str | None = None) -> None:
        self.answers = list(answers)
        self.why = failure
        self.objects: list[S3Object] = []

    def __call__(self, objects: Iterator[S3Object], since: datetime) -> Statuses:
        self.objects = list(objects)
        return self

    def poll(self, stop: Event | None = None) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def failure(self) -> str | None:
        return self.why

    def progress(self) -> str:
        return "some are replicated"

    def statuses(self) -> dict[str, int]:
        return {"COMPLETED": len(self.objects)}


class Half(Said):
    """S3 whose report breaks off after one object, once the rows were counted."""

    def given(self, objects: list[S3Object]) -> Iterator[S3Object]:
        return iter(objects[:1])


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def complete(tasks: tuple[Task, ...] = (GOOD,), **more: Any) -> Job:
    failed = sum(task.outcome == "failed" for task in tasks)
    return replace(
        JOB,
        **{
            "status": COMPLETE,
            "total": len(tasks),
            "succeeded": len(tasks) - failed,
            "failed": failed,
            "ended_at": NOW,
            **more,
        },
    )


def repair(said: Said, statuses: Any = None, clock: Any = None, **policy: Any) -> Repair:
    return Repair(said, JOB.job_id, RepairPolicy(**policy), statuses or Statuses(True), clock=clock or Clock())


def test_job_that_ends_well_is_verified() -> None:
    """It is waited for, its report is read, and S3 is asked for each object whose task succeeded."""
    statuses = Statuses(False, True)
    said = Said(replace(JOB, status="Active", total=1), complete())
    watched = repair(said, statuses)
    assert [watched.poll() for _ in range(3)] == [False, False, True]
    assert watched.failure() is None
    assert statuses.objects == [S3Object("landing", "orders/dt=2026-11-27/part-00000", GOOD.version_id)]
    assert said.asked == 2  # a job that has ended is not asked for again
    assert watched.value() == {
        "job_id": "job-1",
        "status": "Complete",
        "total": 1,
        "succeeded": 1,
        "failed": 0,
        "failure_codes": {},
        "manifest": None,
        "completion_report": "s3://reports/repair/job-1/manifest.json",
        "verified": {"COMPLETED": 1},
        "price_usd": 0.250001,
    }


@pytest.mark.parametrize("status", [*sorted(set(MEANINGS) - {COMPLETE, FAILED, CANCELLED}), "Reviewing"])
def test_whatever_is_no_end_is_waited_out_and_told(status: str) -> None:
    """Each status is told in words; none but three ends the wait."""
    watched = repair(Said(replace(JOB, status=status, total=1234)))
    assert not watched.poll()
    assert watched.failure() is None
    assert status in watched.progress()
    assert MEANINGS.get(status, "does not know") in watched.progress()


def test_progress_tells_rate_and_end() -> None:
    """What was done of how much, how fast, and how long it will take."""
    active = replace(JOB, status="Active", total=10_000, succeeded=2_450, failed=50, active_seconds=25)
    watched = repair(Said(active))
    watched.poll()
    assert watched.progress() == (
        "S3 Batch Replication job job-1 is Active: S3 replicates; 2,450 of 10,000 tasks succeeded, 50 failed,"
        " 100.0 a second, 1m15s to go"
    )


def test_complete_is_not_success() -> None:
    """A task that failed fails the repair, with code, object, remedy and the report; the evidence is there."""
    watched = repair(Said(complete(TASKS), rows=TASKS))
    assert watched.poll()
    why = str(watched.failure())
    for part in (
        "2 of 3 objects failed, and max_failed is 0",
        "1 SrcObjectNotEligible",
        "s3://landing/archived key?versionId=9HkPvDaZY5MVbMhn6TMn1YTb5ArQAo3w",
        "storage class is archived",
        "1 DstPutObjectNotPermitted",
        "Allow s3:ReplicateObject",
        "the whole report: s3://reports/repair/job-1/manifest.json",
    ):
        assert part in why
    assert watched.value()["failure_codes"] == {"SrcObjectNotEligible": 1, "DstPutObjectNotPermitted": 1}


def test_report_that_names_fewer_failures_than_the_job_counts_is_no_excuse() -> None:
    """What the job itself counts as failed is failed, whatever the report has."""
    watched = repair(Said(complete(TASKS), rows=(GOOD, GOOD, GOOD)))
    assert watched.poll()
    assert "2 of 3 objects failed" in str(watched.failure())


def test_tasks_that_may_fail_do_not_keep_the_others_from_being_verified() -> None:
    """Within max_failed it goes on, and only what succeeded is verified."""
    statuses = Statuses(True)
    watched = repair(Said(complete(TASKS), rows=TASKS), statuses, max_failed=2)
    assert watched.poll()
    assert watched.failure() is None
    assert len(statuses.objects) == 1


def test_without_verification_the_report_decides() -> None:
    """verify_replication=False takes S3's word for the tasks."""
    watched = repair(Said(complete()), Statuses(), verifies=False)
    assert watched.poll()
    assert (watched.failure(), watched.value()["verified"]) == (None, {})


def test_late_report_is_waited_for() -> None:
    """S3 writes it some time after the end of the job."""
    watched = repair(Said(complete(), late=2))
    assert [watched.poll() for _ in range(3)] == [False, False, True]
    assert watched.failure() is None


def test_report_that_never_comes_fails_the_repair() -> None:
    """Nothing is taken for success that no report tells."""
    clock = Clock()
    watched = repair(Said(complete(), rows=None), clock=clock, verify_timeout=3600)
    assert not watched.poll()
    assert "completion report has not come yet" in watched.progress()
    clock.now += timedelta(hours=1)
    assert watched.poll()
    assert "1h after its end there is no more time: its completion report has not come" in str(watched.failure())


def test_report_that_was_read_by_half_is_no_success() -> None:
    """All that was read is replicated, and that is not all whose tasks succeeded: it is an error, at each poll."""
    watched = repair(Half(complete((GOOD, GOOD)), rows=(GOOD, GOOD)), Statuses(True, True))
    for _ in range(2):
        with pytest.raises(CompletionReportInvalid, match="1 of the 2 objects whose tasks succeeded were read"):
            watched.poll()


def test_verification_has_no_more_time() -> None:
    """What is not COMPLETED in time fails the repair, with what was seen last."""
    clock = Clock()
    watched = repair(Said(complete()), Statuses(False, False), clock=clock, verify_timeout=60)
    assert not watched.poll()
    clock.now += timedelta(seconds=60)
    assert watched.poll()
    assert "1m after its end there is no more time: some are replicated" in str(watched.failure())


def test_verification_that_cannot_ask_has_no_more_time_either() -> None:
    """Errors that pass are waited out, but not beyond the time."""
    clock = Clock()
    error = LookupFailed("throttled", passing=True)
    watched = repair(Said(complete()), Statuses(error, error), clock=clock, verify_timeout=60)
    with pytest.raises(LookupFailed):
        watched.poll()
    clock.now += timedelta(seconds=61)
    assert watched.poll()
    assert "no more time" in str(watched.failure())


def test_verification_that_fails() -> None:
    """The message says which objects are not replicated, though their tasks succeeded."""
    watched = repair(Said(complete()), Statuses(True, failure="1 FAILED"))
    assert watched.poll()
    assert "its tasks succeeded, and S3 does not say that all is replicated: 1 FAILED" in str(watched.failure())


def test_job_that_writes_no_report_is_judged_by_its_counts() -> None:
    """Somebody else's job may write none."""
    watched = repair(Said(complete(TASKS, report=None), rows=None))
    assert watched.poll()
    assert "2 of 3 objects failed" in str(watched.failure())
    watched = repair(Said(complete(report=None), rows=None), verifies=False)
    assert (watched.poll(), watched.failure()) == (True, None)


def test_job_that_writes_no_report_cannot_be_verified() -> None:
    """Whose status to ask for is not known, so that nobody says that its objects are replicated."""
    watched = repair(Said(complete(report=None), rows=None))
    assert watched.poll()
    assert "which objects it replicated is not known" in str(watched.failure())


@pytest.mark.parametrize("counted", [{"total": None}, {"total": 3}, {"total": 3, "succeeded": 1}])
@pytest.mark.parametrize("report", [JOB.report, None])
def test_complete_job_of_whose_tasks_not_all_are_counted_is_no_success(
    counted: dict[str, Any], report: str | None
) -> None:
    """Nothing is known of the other tasks: the count is asked for again, until the time is up."""
    clock = Clock()
    uncounted = complete((), report=report, **counted)
    said = Said(uncounted, rows=(GOOD,) * (uncounted.run))
    watched = repair(said, clock=clock, verify_timeout=60, verifies=report is not None)
    assert not watched.poll()
    assert not watched.poll()
    assert said.asked == 2
    clock.now += timedelta(seconds=60)
    assert watched.poll()
    assert "no more time: S3 has not said of every task that it was run" in str(watched.failure())
    watched = repair(Said(uncounted, complete()))
    assert [watched.poll(), watched.poll()] == [False, True]
    assert watched.failure() is None


def test_job_without_tasks_has_no_report() -> None:
    """A job that ran no task, for there was none, is success, and nothing is waited for."""
    watched = repair(Said(complete((), total=0), rows=None), Statuses())
    assert watched.poll()
    assert watched.failure() is None
    assert "nothing to replicate" in watched.progress()


def test_search_that_finds_nothing_is_success_and_says_what_looks_alike() -> None:
    """S3 fails such a job. That archived objects look the same is told."""
    nothing = replace(
        JOB, status=FAILED, generated=True, ended_at=NOW,
        reasons=(("400", "Manifest generation found no keys matching the filter criteria."),),
    )  # fmt: skip
    watched = repair(Said(nothing))
    assert watched.poll()
    assert watched.failure() is None
    assert (watched.value()["total"], watched.value()["status"]) == (0, FAILED)
    assert "archived" in watched.warnings()[0]


def test_job_that_fails_tells_its_reasons() -> None:
    """Code, words and remedy of each reason."""
    reasons = (("AssumeRoleNotPermitted", "S3 cannot assume the role."), ("X", "unheard of"))
    watched = repair(Said(replace(JOB, status=FAILED, reasons=reasons, ended_at=NOW)))
    assert watched.poll()
    why = str(watched.failure())
    assert "AssumeRoleNotPermitted: S3 cannot assume the role" in why
    assert "batchoperations.s3.amazonaws.com" in why
    assert "X: unheard of" in why


def test_job_that_fails_of_too_many_failures_tells_what_the_tasks_failed_of() -> None:
    """Its report is read, for it tells what to mend; it is not waited for in vain."""
    failed = complete(TASKS, status=FAILED, reasons=(("JobFailureThreshold", "Job failure rate is above 50%"),))
    watched = repair(Said(failed, rows=TASKS, late=1))
    assert [watched.poll(), watched.poll()] == [False, True]
    assert "1 DstPutObjectNotPermitted" in str(watched.failure())
    clock = Clock()
    watched = repair(Said(failed, rows=None), clock=clock)
    assert not watched.poll()
    clock.now += timedelta(minutes=10)
    assert watched.poll()
    assert "failure rate" in str(watched.failure())


class Unreadable(Said):
    """S3 that does not give the report, or does not take a change of the job."""

    error: Exception = LookupFailed("S3 answered AccessDenied")

    def read_completion_report(self, job: Job) -> CompletionReport | None:
        raise self.error

    def cancel_job(self, job_id: str, reason: str = "") -> None:
        raise self.error


@pytest.mark.parametrize("error", [Unreadable.error, CompletionReportInvalid("not what S3 writes")])
def test_report_that_cannot_be_read_hides_no_failure(error: Exception) -> None:
    """Failed, and Complete with more failures than may be, are what S3 says of the job: the report only tells why."""
    failed = complete(TASKS, status=FAILED, reasons=(("JobFailureThreshold", "Job failure rate is above 50%"),))
    for job, said in ((failed, "failure rate"), (complete(TASKS), "objects failed, and max_failed is 0")):
        asked = Unreadable(job)
        asked.error = error
        watched = repair(asked)
        assert watched.poll()
        assert said in str(watched.failure())
        assert f"why is not known: {error}" in str(watched.failure())
    allowed = Unreadable(complete(TASKS))
    allowed.error = error
    with pytest.raises(type(error)):  # what is to be verified is not known
        repair(allowed, max_failed=len(TASKS)).poll()


def test_report_of_a_failed_job_that_cannot_be_read_for_long_is_not_waited_for() -> None:
    """What passes is waited out for ten minutes, and not for as long as a job may take."""
    asked, clock = Unreadable(complete(TASKS, status=FAILED)), Clock()
    asked.error = LookupFailed("no answer", passing=True)
    watched = repair(asked, clock=clock)
    with pytest.raises(LookupFailed, match="no answer"):
        watched.poll()
    clock.now += timedelta(minutes=10)
    assert watched.poll()
    assert "why is not known: no answer" in str(watched.failure())


def test_job_that_somebody_cancelled() -> None:
    """It is told so, with the reason that was given."""
    watched = repair(Said(replace(JOB, status=CANCELLED, ended_at=NOW, update_reason="too expensive")))
    assert watched.poll()
    assert "somebody cancelled the job" in str(watched.failure())
    assert "too expensive" in str(watched.failure())


def test_what_s3_counted_is_confirmed_if_it_is_allowed() -> None:
    """With a search only S3 can count: it does so before the job begins."""
    suspended = replace(JOB, status=SUSPENDED, total=5)
    said = Said(suspended)
    watched = repair(said, confirms=True, max_objects=5)
    assert not watched.poll()
    assert said.done == ["confirm"]
    assert "5 objects cost about $0.25" in watched.progress()


def test_more_than_are_allowed_are_cancelled() -> None:
    """Nothing is replicated, and the message has both numbers."""
    said = Said(replace(JOB, status=SUSPENDED, total=6))
    watched = repair(said, confirms=True, max_objects=5)
    assert watched.poll()
    assert said.done == ["cancel: 6 objects, more than max_objects"]
    assert "there are 6 objects, and max_objects is 5" in str(watched.failure())


def test_job_of_too_many_that_cannot_be_cancelled_is_told() -> None:
    """That it may not be cancelled is told beside the verdict, not in its place; what passes is tried again."""
    said = Unreadable(replace(JOB, status=SUSPENDED, total=6))
    watched = repair(said, confirms=True, max_objects=5)
    assert watched.poll()
    assert "there are 6 objects, and max_objects is 5" in str(watched.failure())
    assert "could not be cancelled: S3 answered AccessDenied" in str(watched.failure())
    said.error = LookupFailed("the status changes", passing=True)
    with pytest.raises(LookupFailed, match="changes"):
        repair(said, confirms=True, max_objects=5).poll()


def test_count_that_is_not_there_yet_is_waited_for() -> None:
    """A job is not confirmed before S3 has counted, if a limit is set."""
    said = Said(replace(JOB, status=SUSPENDED))
    watched = repair(said, confirms=True, max_objects=5)
    assert not watched.poll()
    assert said.done == []
    assert not repair(said, confirms=True).poll()
    assert said.done == ["confirm"]


@pytest.mark.parametrize("total", [None, 0])
def test_job_that_s3_has_not_counted_is_confirmed_only_where_any_number_is_allowed(total: int | None) -> None:
    """With max_objects it waits for the count, and says so; without, the price is told by the million."""
    told: list[str] = []
    for limit, done in ((5, []), (None, ["confirm"])):
        said = Said(replace(JOB, status=SUSPENDED, total=total))
        policy = RepairPolicy(confirms=True, max_objects=limit)
        watched = Repair(said, JOB.job_id, policy, Statuses(True), tell=told.append)
        assert [watched.poll(), watched.poll()] == [False, False]
        assert sorted(set(said.done)) == done
        assert any("no count" in warning for warning in watched.warnings()) == (limit is not None)
        assert "0 objects" not in watched.progress()
    assert len(told) == 1
    assert "the count is not known" in told[0]
    counted = replace(JOB, status=SUSPENDED, total=6)
    said = Said(replace(counted, total=total), counted)
    watched = repair(said, confirms=True, max_objects=5)
    assert [watched.poll(), watched.poll()] == [False, True]
    assert said.done == ["cancel: 6 objects, more than max_objects"]


def test_person_is_waited_for_and_told_how() -> None:
    """confirmation_required leaves the job to a person; the log says what it costs, and how it is confirmed."""
    said = Said(replace(JOB, status=SUSPENDED, total=5))
    watched = repair(said, confirms=False, max_objects=5)
    assert not watched.poll()
    assert said.done == []
    (warning,) = watched.warnings()
    assert "airflow crr repair --confirm job-1" in warning
    assert "$0.25" in warning
    watched.poll()
    assert watched.warnings() == []  # it is said once, however long the person takes


def test_value_before_anything_is_known() -> None:
    """A value is there in any case, with the job's id."""
    assert repair(Said(JOB)).value()["job_id"] == "job-1"


def test_repair_that_is_settled_before_there_is_a_job() -> None:
    """It is decided at once, well or not."""
    value = {"total": 0}
    for failed in (False, True):
        settled = Settled("nothing", value, failed=failed)
        assert settled.poll()
        assert (settled.failure(), settled.value(), settled.progress()) == (
            "nothing" if failed else None,
            value,
            "nothing",
        )
