"""What a repair says of its job: one line for the log, and the message of one that failed."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_crr.batch.job import CANCELLED, COMPLETE, SUSPENDED, Job
from airflow_provider_crr.batch.price import price_line
from airflow_provider_crr.batch.repair_terms import RepairPolicy
from airflow_provider_crr.text import humanize


def named(job: Job) -> str:
    """Return the job and its status."""
    return f"S3 Batch Replication job {job.job_id} is {job.status}"


def counts(job: Job) -> str:
    """Return how many tasks of how many succeeded and failed."""
    failed = f", {humanize.count(job.failed)} failed" if job.failed else ""
    return f"{humanize.count(job.succeeded)} of {humanize.count(job.total or job.run)} tasks succeeded{failed}"


def line(job: Job, *, verification: str | None = None, has_report: bool = False) -> str:
    """
    Return how far a job is.

    :param job: the job.
    :param verification: what is known of the status of its objects; None if nobody has asked yet.
    :param has_report: whether its completion report was read.
    """
    if verification is not None:
        return f"{named(job)}: {counts(job)}; asked for each object: {verification}"
    if job.found_nothing or (job.status == COMPLETE and job.total == 0):
        return f"{named(job)}: there was nothing to replicate"
    if job.status == COMPLETE and job.report is None:
        return f"{named(job)}: {counts(job)}; it writes no completion report of all tasks"
    if job.status == COMPLETE and not has_report:
        return f"{named(job)}: {counts(job)}; {lacking(job)} yet"
    return f"{named(job)}: {job.meaning}{_detail(job)}"


def lacking(job: Job, verification: str | None = None) -> str:
    """
    Return what is still waited for once a job is Complete.

    :param job: the job.
    :param verification: what is known of the status of its objects; None if nobody has asked yet.
    """
    if verification is not None:
        return verification
    if not job.is_counted:
        return "S3 has not said of every task that it was run"
    return "its completion report has not come"


def _detail(job: Job) -> str:
    if job.total is None:
        return ""
    if not job.run:
        return (
            f"; {price_line(job.total or None)}"
            if job.status == SUSPENDED
            else f"; {humanize.count(job.total)} objects"
        )
    if job.is_ended or not job.active_seconds:
        return f"; {counts(job)}"
    rate = job.run / job.active_seconds
    left = (job.total - job.run) / rate
    return f"; {counts(job)}, {rate:,.1f} a second, {humanize.age(left)} to go"


def warnings(job: Job, policy: RepairPolicy) -> list[str]:
    """
    Return what a person should know or do.

    :param job: the job.
    :param policy: what is allowed.
    """
    if job.found_nothing:
        return [
            (
                "S3 found no object that matches. It finds none either if all that match are archived (GLACIER,"
                " DEEP_ARCHIVE), or not covered by a rule"
            )
        ]
    if job.status == SUSPENDED and not job.total and policy.confirms and policy.max_objects is not None:
        return ["S3 has told no count of the objects: with max_objects, the job is not confirmed before it does"]
    if job.status == SUSPENDED and not policy.confirms:
        counted = f" {price_line(job.total)}." if job.total else ""
        return [
            (
                f"the job waits for a person.{counted} Confirm it in the S3 console, or by"
                f" airflow crr repair --confirm {job.job_id}"
            )
        ]
    return []


def before_confirming(job: Job) -> str:
    """Return what is told before a job is confirmed without a person: what it costs."""
    return f"{named(job)}, and is confirmed now: {price_line(job.total or None)}"


def ended_badly(job: Job, failed_tasks: Iterable[str]) -> str:
    """
    Return the message of a job that failed or was cancelled.

    :param job: the job.
    :param failed_tasks: why tasks failed, a line each.
    """
    lines = [line(job), *job.why()]
    if job.status == CANCELLED and not job.update_reason:
        lines.append("Clear the task to ask for a new job")
    return "\n  ".join([*lines, *failed_tasks])


def tasks_failed(job: Job, failed: int, max_failed: int, failed_tasks: Iterable[str], report: str | None) -> str:
    """
    Return the message of a job whose tasks failed.

    :param job: the job.
    :param failed: how many.
    :param max_failed: how many may.
    :param failed_tasks: why they failed, a line each.
    :param report: S3 URI of the completion report; None if the job writes none.
    """
    first = (
        f"{named(job)}: {humanize.count(failed)} of {humanize.count(job.run)} objects failed, and max_failed is"
        f" {max_failed}"
    )
    whole = f"the whole report: {report}" if report else "the job writes no completion report of all tasks"
    return "\n  ".join([first, *failed_tasks, whole])
