"""
How a repair begins, in a task and on the command line alike: all is checked that can be, then one job is created.

Whatever ends the process in between, the next one comes to the same manifest and token, and so to the same job.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.batch import manifest_writer
from airflow_provider_crr.batch.buckets import refuse_locked, region_of
from airflow_provider_crr.batch.job import report_place
from airflow_provider_crr.batch.job_request import JobRequest, token_of
from airflow_provider_crr.batch.price import price_line, price_usd
from airflow_provider_crr.batch.repair_manifest import CONTENT_TYPE, NULL_VERSION
from airflow_provider_crr.batch.report_files import etag_of, read_manifest
from airflow_provider_crr.batch.selection import Found, Listed
from airflow_provider_crr.batch.settled import Settled, found, too_many
from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
    from airflow_provider_crr.hooks.replication import S3ReplicationHook

#: States of objects that are not there, or that nobody may look at.
_LACKING = frozenset({ObjectState.MISSING, ObjectState.DELETED, ObjectState.FORBIDDEN, ObjectState.UNREADABLE})
_NAMED = 10
#: Seconds that the cancelling of a job may take: Airflow grants a trigger half a minute.
_CANCEL = 15.0


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """
    What somebody asks for.

    :param what: what to replicate: objects, the S3 URI of a manifest, or a search in a bucket.
    :param role_arn: role of the job.
    :param report_uri: folder of the completion report.
    :param work_uri: folder in which a manifest is written for objects.
    :param asker: who asks, see :func:`~airflow_provider_crr.batch.job_request.token_of`.
    :param label: who asks, in words.
    :param priority: of the job.
    :param max_objects: most objects; None for any number.
    :param confirmation_required: whether a person is to confirm the job.
    :param dry_run: whether only to look.
    :param extra_args: what is sent with the manifest that is written.
    """

    what: tuple[S3Object, ...] | str | Found
    role_arn: str
    report_uri: str
    work_uri: str
    asker: tuple[Any, ...]
    label: str
    priority: int = 10
    max_objects: int | None = None
    confirmation_required: bool = False
    dry_run: bool = False
    extra_args: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A job that was created, as it is found again; plain values.

    :param job_id: its id.
    :param account_id: the account that owns it.
    :param region_name: its Region.
    :param manifest: S3 URI of its manifest; None if S3 makes it.
    :param what: what it replicates, in words.
    """

    job_id: str
    account_id: str
    region_name: str | None
    manifest: str | None
    what: str = ""


def begin(
    request: RepairRequest,
    s3: S3ReplicationHook,
    jobs_in: Callable[[str | None], S3BatchOperationsHook],
    log: logging.Logger | Any,
) -> Begun | Settled:
    """
    Check what can be checked, and create the job; if it was created before, return that one.

    :param request: what is asked for.
    :param s3: the hook that asks for objects.
    :param jobs_in: returns the hook that asks for jobs in a Region; None for the connection's.
    :param log: where the price is written before the job is created.
    :return: the job; or what was decided without one, because there is nothing to replicate, or too much, or it is a
        dry run.
    :raises CrrError: for what cannot work.
    """
    client: Any = s3.get_conn()
    refuse_locked(client, report_place(request.report_uri)[0], request.report_uri)
    what = request.what
    if isinstance(what, Found):
        token = token_of(request.asker, what.content())
        if request.dry_run:
            region_of(client, what.bucket)
            line = f"dry run: a job would replicate {what}; {price_line(None)}"
            return Settled(line, found())
        log.info("S3 looks for %s; %s. S3 counts before it replicates", what, price_line(None))
        return _create(request, what, token, what.bucket, None, client, jobs_in)
    if isinstance(what, str):
        token, uri = token_of(request.asker, what), what
        checked, etag = read_manifest(client, uri)
        bucket, count = checked.bucket, checked.objects
    else:
        token = token_of(request.asker, "\n".join(sorted(map(str, what))))
        uri = f"{request.work_uri.rstrip('/')}/manifest-{token}.csv"
        bucket, count, etag = (what[0].bucket if what else None), len(what), ""
    if not count or bucket is None:
        return nothing(uri if isinstance(what, str) else "the list of objects")
    if request.max_objects is not None and count > request.max_objects:
        message = too_many(count, request.max_objects, uri if isinstance(what, str) else "objects")
        return Settled(message, found(total=count, manifest=uri if isinstance(what, str) else None), failed=True)
    if not isinstance(what, str):
        written = _write(what, uri, s3, request)
        if isinstance(written, Settled):
            return written
        etag = written
    log.info(price_line(count))
    if request.dry_run:
        manifest = uri if isinstance(what, str) else None
        line = f"dry run: a job would replicate {count:,} objects of s3://{bucket}"
        return Settled(line, found(total=count, manifest=manifest, price_usd=price_usd(count)))
    return _create(request, Listed(uri, etag), token, bucket, uri, client, jobs_in)


def cancel(jobs: Callable[[], S3BatchOperationsHook], job_id: str, log: logging.Logger | Any) -> None:
    """
    Cancel the job of a task that is killed. An error is logged: nobody waits for this.

    :param jobs: returns the hook that asks for jobs.
    :param job_id: the job.
    :param log: of the task or the trigger.
    """
    try:
        with until(Deadline(_CANCEL)):
            jobs().cancel_job(job_id, "the task was killed in Airflow")
        log.info("job %s is cancelled", job_id)
    except Exception as error:
        log.warning("cannot cancel job %s: %s", job_id, error)


def nothing(where: str) -> Settled:
    """Return the repair of nothing: no job, and success."""
    return Settled(f"there is nothing to replicate: {where} names no object; no job was created", found(total=0))


def _create(
    request: RepairRequest,
    selection: Listed | Found,
    token: str,
    bucket: str,
    manifest: str | None,
    client: Any,
    jobs_in: Callable[[str | None], S3BatchOperationsHook],
) -> Begun:
    region = region_of(client, bucket)
    jobs = jobs_in(region)
    job = JobRequest(
        selection=selection,
        role_arn=request.role_arn,
        report_uri=request.report_uri,
        token=token,
        label=request.label,
        priority=request.priority,
        # Only S3 can count what it finds: it does so before the job is confirmed.
        confirmation_required=request.confirmation_required or isinstance(selection, Found),
        report_owner=jobs.expected_bucket_owner,
    )
    return Begun(jobs.create_job(job), jobs.owner, region, manifest, told(selection))


def _write(objects: Sequence[S3Object], uri: str, s3: S3ReplicationHook, request: RepairRequest) -> str | Settled:
    """Write the manifest, and return its ETag. One that an earlier try has written is taken as it is."""
    client: Any = s3.get_conn()
    if not request.dry_run and (etag := etag_of(client, uri)):
        return etag
    named = _in_versions(objects, s3)
    if isinstance(named, Settled) or request.dry_run:
        return named if isinstance(named, Settled) else ""
    from airflow_provider_crr.inventory.output import write

    with tempfile.TemporaryDirectory(prefix="crr-") as directory:
        path = Path(directory) / "manifest.csv"
        with path.open("wb") as file:
            manifest_writer.write(named, file)
        write(client, uri, path, CONTENT_TYPE, request.extra_args)
    return read_manifest(client, uri)[1]


def _in_versions(objects: Sequence[S3Object], s3: S3ReplicationHook) -> list[S3Object] | Settled:
    """Return each object in the version that is current now, unless one was named."""
    unnamed = [obj for obj in objects if obj.version_id is None]
    current: dict[S3Object, S3Object] = {}
    lacking: list[str] = []
    for answer in s3.get_replication_statuses(unnamed) if unnamed else ():
        if answer.state is ObjectState.UNKNOWN:
            raise LookupFailed(
                f"its version is not known: {answer.detail}",
                uri=str(answer.object),
                remedy="Name the versions, or ask again",
                passing=True,
            )
        if answer.state in _LACKING:
            lacking.append(f"{answer.object} {answer.state.value}{f': {answer.detail}' if answer.detail else ''}")
        else:
            current[answer.object] = answer.object.in_version(answer.version_id or NULL_VERSION)
    if lacking:
        more = [f"and {len(lacking) - _NAMED:,} more"] if len(lacking) > _NAMED else []
        lines = [f"no job was created: {len(lacking):,} of {len(objects):,} objects cannot be named to S3"]
        message = "\n  ".join([*lines, *sorted(lacking)[:_NAMED], *more])
        return Settled(message, found(total=len(objects)), failed=True)
    return [obj if obj.version_id else current[obj] for obj in objects]
