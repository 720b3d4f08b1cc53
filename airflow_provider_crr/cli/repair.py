"""``airflow crr repair``: a job of S3 Batch Replication, from a shell."""

from __future__ import annotations

import sys
import time
import uuid
from argparse import Namespace
from typing import TYPE_CHECKING, Any, TextIO

from airflow_provider_crr.batch.job import SUSPENDED, report_place
from airflow_provider_crr.batch.job_request import role
from airflow_provider_crr.batch.price import price_line
from airflow_provider_crr.batch.repair_terms import RepairPolicy
from airflow_provider_crr.batch.selection import Found, selectable
from airflow_provider_crr.batch.settled import Settled, found, too_many
from airflow_provider_crr.cli.objects import connect
from airflow_provider_crr.cli.process import ExitCode, command, to_json
from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.s3.objects import is_s3_uri, split, split_uri
from airflow_provider_crr.text.legible import legible

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
    from airflow_provider_crr.hooks.replication import S3ReplicationHook
    from airflow_provider_crr.tasks.endings import Poller

#: Seconds from one question to the next.
POLL_INTERVAL = 10.0


@command
def repair(args: Namespace, out: TextIO) -> ExitCode:
    """Create a job, or confirm one, and wait for it if that is wanted."""
    given = [name for name in ("place", "manifest", "confirm") if getattr(args, name)]
    if len(given) != 1:
        raise InvalidArgument(
            "exactly one of s3://BUCKET[/PREFIX], --manifest and --confirm is needed",
            remedy="Say what to repair, or which job to confirm",
        )
    if args.confirm:
        return _confirm(args, out)
    return _create(args, out)


def _create(args: Namespace, out: TextIO) -> ExitCode:
    from airflow_provider_crr.tasks.repair_jobs import begin
    from airflow_provider_crr.tasks.repair_request import RepairRequest

    for name in ("role_arn", "completion_report_uri"):
        if not getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise InvalidArgument(
                f"{option} is needed", remedy="A job runs in a role, and tells in a report what it did"
            )
    try:
        report_place(args.completion_report_uri)
    except InvalidArgument as error:
        raise error.of("--completion-report-uri") from error
    what: Any = _manifest(args) if args.manifest else _search(args)
    request = RepairRequest(
        what=what,
        role_arn=role(args.role_arn),
        report_uri=args.completion_report_uri,
        work_uri=args.completion_report_uri,
        asker=("shell", str(uuid.uuid4())),
        label="airflow crr repair",
        max_objects=args.max_objects,
        dry_run=args.dry_run,
    )
    s3 = connect(args)
    begun = begin(request, s3, lambda region, account: _jobs(args, account or args.account_id, region), _Told())
    if isinstance(begun, Settled):
        return _end(begun, args, out)
    jobs = _jobs(args, begun.account_id, begun.region_name)
    _say(f"job {begun.job_id} of account {begun.account_id} in {jobs.conn_region_name} is created")
    if not args.wait:
        if isinstance(what, Found):
            _say(
                "S3 counts, and the job waits to be confirmed: see the count in the S3 console, then"
                f" airflow crr repair --confirm {begun.job_id}"
            )
        print(begun.job_id, file=out)
        return ExitCode.DONE
    policy = RepairPolicy(confirms=True, max_objects=args.max_objects)
    return _watch(s3, jobs, begun.job_id, policy, args, out, manifest=begun.manifest)


def _confirm(args: Namespace, out: TextIO) -> ExitCode:
    s3 = connect(args)
    jobs = _jobs(args, args.account_id, args.region)
    job = jobs.describe_job(args.confirm)
    if job.status != SUSPENDED:
        _say(f"job {job.job_id} is {job.status}: {job.meaning}; there is nothing to confirm")
        if not args.wait:
            return ExitCode.DONE if not job.is_ended else ExitCode.NOT_KNOWN
    else:
        if args.dry_run:
            _say(f"dry run: job {job.job_id} is not confirmed; {price_line(job.total or None)}")
            return ExitCode.DONE
        limit = args.max_objects
        if limit is not None and (not job.total or job.total > limit):
            if not job.total:
                _say(f"S3 has not counted the objects of job {job.job_id} yet; it is not confirmed")
                return ExitCode.NOT_KNOWN
            value = found(job_id=job.job_id, status=job.status, total=job.total)
            return _end(Settled(too_many(job.total, limit, f"job {job.job_id}"), value, failed=True), args, out)
        jobs.confirm_job(job.job_id)
        counted = f", {job.total:,} objects," if job.total else ""
        _say(f"job {job.job_id}{counted} is confirmed")
    if not args.wait:
        print(job.job_id, file=out)
        return ExitCode.DONE
    return _watch(s3, jobs, job.job_id, RepairPolicy(confirms=True), args, out)


def _watch(
    s3: S3ReplicationHook,
    jobs: S3BatchOperationsHook,
    job_id: str,
    policy: RepairPolicy,
    args: Namespace,
    out: TextIO,
    *,
    manifest: str | None = None,
) -> ExitCode:
    """Wait for the end of a job, and tell on the way what it does."""
    from airflow_provider_crr.tasks import endings, pollers

    watched = pollers.repair(s3, jobs, job_id, policy, manifest=manifest, ti=None, tell=_say)
    told = ""
    while True:
        try:
            decided = watched.poll()
        except CrrError as error:
            if not endings.goes_on(error, silent_fail=False):
                raise
            line = f"cannot ask S3, going on: {error}"
        else:
            if decided:
                return _end(watched, args, out)
            line = "\n".join([watched.progress(), *watched.warnings()])
        if line != told:
            _say(line)
            told = line
        time.sleep(POLL_INTERVAL)


def _end(ended: Poller, args: Namespace, out: TextIO) -> ExitCode:
    why = ended.failure()
    lines = [why if why is not None else ended.progress(), *ended.warnings()]
    if args.json:
        print(to_json(ended.value(), indent=2), file=out)
        _say("\n".join(lines))
    else:
        for line in "\n".join(lines).split("\n"):
            print(legible(line) if not line.startswith("  ") else f"  {legible(line.strip())}", file=out)
    return ExitCode.DONE if why is None else ExitCode.FAIL


def _search(args: Namespace) -> Found:
    bucket, prefix = split(args.place) if is_s3_uri(args.place) else ("", "")
    if not bucket:
        raise InvalidArgument(f"{args.place!r} names no bucket", remedy="Write s3://BUCKET or s3://BUCKET/PREFIX")
    words = [word.strip().upper() for word in args.status.split(",") if word.strip()]
    return Found(bucket, selectable(words), prefix=prefix or None, owner=args.expected_bucket_owner)


def _manifest(args: Namespace) -> str:
    try:
        split_uri(args.manifest)
    except InvalidArgument as error:
        raise error.of("--manifest") from error
    return str(args.manifest)


def _jobs(args: Namespace, account_id: str | None, region_name: str | None) -> S3BatchOperationsHook:
    from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook

    return S3BatchOperationsHook(
        aws_conn_id=args.conn_id,
        region_name=region_name or args.region,
        account_id=account_id,
        expected_bucket_owner=args.expected_bucket_owner,
    )


class _Told:
    """A log that is standard error."""

    def info(self, message: str, *args: Any) -> None:
        """Write a line."""
        _say(message % args if args else message)


def _say(text: str) -> None:
    sys.stderr.writelines(f"{legible(line)}\n" for line in text.split("\n"))
    sys.stderr.flush()
