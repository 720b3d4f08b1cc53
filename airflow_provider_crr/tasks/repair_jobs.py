"""
How a repair begins, in a task and on the command line alike: all is checked that can be, then one job is created.

Whatever ends the process in between, the next one comes to the same manifest and token, and so to the same job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_crr.batch.buckets import refuse_locked, region_of
from airflow_provider_crr.batch.job import report_place
from airflow_provider_crr.batch.job_request import JobRequest, token_of
from airflow_provider_crr.batch.price import price_line, price_usd
from airflow_provider_crr.batch.report_files import read_manifest
from airflow_provider_crr.batch.selection import Found, Listed
from airflow_provider_crr.batch.settled import Settled, found, too_many
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks.former_jobs import ANY_TIME, Asking
from airflow_provider_crr.tasks.repair_list import in_versions, write, written_before
from airflow_provider_crr.tasks.repair_request import Begun, RepairRequest
from airflow_provider_crr.text.legible import told

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

#: Seconds that the cancelling of a job may take: Airflow grants a trigger half a minute.
_CANCEL = 15.0


def begin(
    request: RepairRequest,
    s3: S3ReplicationHook,
    jobs_in: Callable[[str | None, str | None], S3BatchOperationsHook],
    log: logging.Logger | Any,
    *,
    kept: Begun | None = None,
    created: Callable[[Begun], object] = lambda begun: None,
) -> Begun | Settled:
    """
    Check what can be checked, and create the job; if it was created before, return that one.

    :param request: what is asked for.
    :param s3: the hook that asks for objects.
    :param jobs_in: returns the hook that asks for jobs, given Region and account; None for those of the connection.
    :param log: where the price is written before anything is created, a manifest or a job.
    :param kept: the job that an earlier try has created; None if none is known.
    :param created: is told the job at once, before S3 is asked for it.
    :return: the job; or what was decided without one, because there is nothing to replicate, or too much, or it is a
        dry run.
    :raises CrrError: for what cannot work.
    """
    if kept is not None:
        log.info("going on with job %s, which an earlier try created", kept.job_id)
    begun, asker = kept or _begin(request, s3, jobs_in, log), request.asker
    while isinstance(begun, Begun):
        created(begun)
        if request.asking == ANY_TIME:
            break
        job = jobs_in(begun.region_name, begun.account_id).describe_job(begun.job_id)
        if not request.asking.is_former(job):
            break
        log.info("job %s is %s, and was created before this was asked for: a new one is", job.job_id, job.status)
        request = replace(request, asker=(*asker, job.job_id))
        begun = _begin(request, s3, jobs_in, log)
    return begun


def _begin(
    request: RepairRequest,
    s3: S3ReplicationHook,
    jobs_in: Callable[[str | None, str | None], S3BatchOperationsHook],
    log: logging.Logger | Any,
) -> Begun | Settled:
    """Create the job, or find the one that has the token of the request."""
    client: Any = s3.get_conn()
    refuse_locked(client, report_place(request.report_uri)[0], request.report_uri)
    what = request.what
    selected: _Selected | Settled
    if isinstance(what, Found):
        selected = _searched(what, request, client, log)
    elif isinstance(what, str):
        selected = _listed(what, request, client, log)
    else:
        selected = _named(what, request, s3, log)
    if isinstance(selected, Settled):
        return selected
    region = region_of(client, selected.bucket)
    jobs = jobs_in(region, None)
    job = JobRequest(
        selection=selected.selection,
        role_arn=request.role_arn,
        report_uri=request.report_uri,
        token=selected.token,
        label=request.label,
        priority=request.priority,
        # Only S3 can count what it finds: it does so before the job is confirmed.
        confirmation_required=request.confirmation_required or selected.objects is None,
        report_owner=jobs.expected_bucket_owner,
    )
    manifest = selected.selection.uri if isinstance(selected.selection, Listed) else None
    return Begun(jobs.create_job(job), jobs.owner, region, manifest, told(selected.selection))


class _Selected(NamedTuple):
    """What a job is to replicate: the selection, its token, the source bucket, and the number of objects if known."""

    selection: Listed | Found
    token: str
    bucket: str
    objects: int | None


def _searched(what: Found, request: RepairRequest, client: Any, log: logging.Logger | Any) -> _Selected | Settled:
    """Return what S3 is to find in a bucket; it alone can count it."""
    if request.dry_run:
        region_of(client, what.bucket)  # whether it is there
        return Settled(f"dry run: a job would replicate {what}; {price_line(None)}", found())
    log.info("%s", price_line(None))
    return _Selected(what, token_of(request.asker, what.content()), what.bucket, None)


def _listed(uri: str, request: RepairRequest, client: Any, log: logging.Logger | Any) -> _Selected | Settled:
    """Return the objects of a manifest, once it is read through."""
    checked, etag = read_manifest(client, uri)
    if checked.bucket is None:
        return nothing(uri)
    over = _over(request, checked.objects, uri, uri)
    if over or request.dry_run:
        return over or _dry_run(checked.objects, checked.bucket, uri)
    log.info("%s", price_line(checked.objects))
    return _Selected(Listed(uri, etag), token_of(request.asker, uri), checked.bucket, checked.objects)


def _named(
    objects: Sequence[S3Object], request: RepairRequest, s3: S3ReplicationHook, log: logging.Logger | Any
) -> _Selected | Settled:
    """
    Return objects, once a manifest is written for them.

    One that an earlier try has written is taken as it is. So it names the same versions, and is the same request.
    """
    if not objects:
        return nothing("the list of objects")
    client: Any = s3.get_conn()
    bucket, count = objects[0].bucket, len(objects)
    token = token_of(request.asker, "\n".join(sorted(map(str, objects))))
    uri = f"{request.work_uri.rstrip('/')}/manifest-{token}.csv"
    if over := _over(request, count, "objects", None):
        return over
    etag = None if request.dry_run else written_before(client, uri, bucket, count)
    named: Sequence[S3Object] | Settled = () if etag else in_versions(objects, s3)
    if isinstance(named, Settled):
        return named
    if request.dry_run:
        return _dry_run(count, bucket, None)
    log.info("%s", price_line(count))
    if etag is None:
        etag = write(named, uri, client, request.extra_args)
    return _Selected(Listed(uri, etag), token, bucket, count)


def _over(request: RepairRequest, count: int, subject: str, manifest: str | None) -> Settled | None:
    """Return that there are too many objects; None if there are not."""
    if request.max_objects is None or count <= request.max_objects:
        return None
    message = too_many(count, request.max_objects, subject)
    return Settled(message, found(total=count, manifest=manifest), failed=True)


def _dry_run(count: int, bucket: str, manifest: str | None) -> Settled:
    line = f"dry run: a job would replicate {count:,} objects of s3://{bucket}; {price_line(count)}"
    return Settled(line, found(total=count, manifest=manifest, price_usd=price_usd(count)))


def cancel(
    jobs: Callable[[], S3BatchOperationsHook], job_id: str, log: logging.Logger | Any, asking: Asking = ANY_TIME
) -> None:
    """
    Cancel the job of a task that is killed. An error is logged: nobody waits for this.

    :param jobs: returns the hook that asks for jobs.
    :param job_id: the job.
    :param log: of the task or the trigger.
    :param asking: when the task was asked for.
    """
    try:
        with until(Deadline(_CANCEL)):
            jobs().cancel_job(job_id, asking.reason())
        log.info("job %s is cancelled", job_id)
    except Exception as error:
        log.warning("cannot cancel job %s: %s", job_id, error)


def nothing(where: str) -> Settled:
    """Return the repair of nothing: no job, and success."""
    return Settled(f"there is nothing to replicate: {where} names no object; no job was created", found(total=0))
