"""The operator that repairs what failed to replicate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import failures
from airflow_provider_crr.batch.job_request import MAX_PRIORITY
from airflow_provider_crr.batch.repair import Repair
from airflow_provider_crr.batch.settled import Settled
from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.output import check_extra_args
from airflow_provider_crr.links.batch_job import BatchJobLink
from airflow_provider_crr.tasks import endings, kept_job, pollers, repair_arguments
from airflow_provider_crr.tasks.arguments import flag, number, positive, seconds
from airflow_provider_crr.tasks.asset_events import repair_event
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout
from airflow_provider_crr.tasks.connection import HOOK_FIELDS, hook_arguments, of_other_services
from airflow_provider_crr.tasks.deferral import WaitingOperator
from airflow_provider_crr.tasks.former_jobs import Asking
from airflow_provider_crr.tasks.lineage import Flow, repair_flow
from airflow_provider_crr.tasks.repair_jobs import begin, cancel, nothing
from airflow_provider_crr.tasks.repair_request import Begun
from airflow_provider_crr.tasks.told_failures import VERDICTS
from airflow_provider_crr.triggers.batch_replication import S3BatchReplicationTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

#: How long a job may take: S3 fails one that nobody confirms after 30 days.
_LONGEST_JOB = timedelta(days=31)


class S3BatchReplicationOperator(WaitingOperator):
    """
    Replicate what FAILED, or was never tried, with S3 Batch Replication, and see that it is replicated.

    S3 never tries a FAILED object again by itself. A job of S3 Batch Replication does. The task creates one, waits for
    its end, reads its completion report, and asks S3 for the status of each object whose task succeeded.

    There is one job, whatever happens: a retry of Airflow finds the job of the try before. A user who clears the task
    asks for a new one. A task that is killed, by a user or by ``execution_timeout``, cancels its job; one that is
    deferred does so from Airflow 3.3 on, if a user does it.

    Returns (XCom) ``{"job_id", "status", "total", "succeeded", "failed", "failure_codes": {code: tasks}, "manifest",
    "completion_report", "verified": {state: objects}, "price_usd"}``; it is pushed before a failure, too. Without a
    job, because there is nothing to replicate or it is a dry run, ``job_id`` and ``status`` are None.

    Exactly one of ``objects``, ``manifest_uri`` and ``source_bucket`` says what to replicate.

    :param objects: ``s3://bucket/key?versionId=ID``, mappings of bucket, key and version_id, what a gate returned (its
        FAILED objects and those without a status), or any collection of these; templated. All are in one bucket. Where
        no version is named, it is the one that is current when the task begins.
    :param manifest_uri: S3 URI of a manifest, ``S3BatchOperations_CSV_20180820`` with version ids, such as
        :class:`~airflow_provider_crr.operators.inventory.S3InventorySummaryOperator` writes; templated. It is read
        through before a job is created. A template that renders to None means that there is nothing to do.
    :param source_bucket: name of a bucket in which S3 itself looks for objects; templated.
    :param statuses: which of them: one or several of FAILED, NONE, COMPLETED and REPLICA; templated. None for FAILED.
        S3 cannot select PENDING; a manifest can name what is stuck.
    :param created_after: only objects that were written after this moment; a datetime with time zone, or its ISO 8601
        text; templated. None for any.
    :param created_before: only objects that were written before this moment; likewise.
    :param prefix: only keys that begin so; templated. None for all.
    :param role_arn: role of the job, which batchoperations.s3.amazonaws.com may assume; templated.
    :param completion_report_uri: folder in which S3 writes the completion report, ``s3://bucket/prefix/``; templated.
    :param work_uri: folder in which the manifest of ``objects`` is written; templated. None for that of the report.
    :param account_id: account that owns the job, 12 digits; templated. None for the connection's, which STS tells.
    :param priority: of the job among those of the account; the highest goes first.
    :param max_objects: most objects; with more, nothing is replicated, and the task fails. None for any number. What
        S3 finds in a bucket it counts before it replicates; then the job is confirmed, or cancelled.
    :param confirmation_required: leave the job waiting until a person confirms it, in the S3 console or by
        ``airflow crr repair --confirm JOB``.
    :param dry_run: check all that can be checked, and create no job.
    :param max_failed: most tasks that may fail. S3 calls a job Complete whatever became of them.
    :param verify_replication: ask S3 for the status of each object whose task succeeded, and wait for COMPLETED.
    :param verify_timeout: how long after the end of the job its report, and all that is verified, may take; seconds or
        a timedelta.
    :param poll_interval: seconds from one question to the next; or a timedelta.
    :param max_requests_per_second: most HEAD requests in a second; None for no limit, ``"configured"`` for 1,000 or
        what :doc:`/configuration` says.
    :param extra_args: what is sent with the manifest that is written: ``extra_args`` of amazon's ``S3Hook``; templated.
    :param deferrable: wait in the triggerer rather than on a worker. The worker creates the job.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`, and of every operator.
    :raises InvalidArgument: for arguments that can never work, when the DAG is parsed.
    :raises BatchManifestInvalid: if the manifest is not one that S3 takes, before a job is created.
    :raises BatchReplicationFailed: if the job fails, more tasks than ``max_failed`` fail, there are more objects than
        ``max_objects``, or an object is not replicated afterwards; no retry follows.
    :raises LookupFailed: if S3 cannot be asked, and that lasts.
    """

    template_fields: Sequence[str] = (*repair_arguments.REPAIR_FIELDS, *HOOK_FIELDS)
    operator_extra_links = (BatchJobLink(),)
    ui_color = "#fbe9c6"

    def __init__(
        self,
        *,
        objects: Any = None,
        manifest_uri: str | None = None,
        source_bucket: str | None = None,
        statuses: Sequence[str] | str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        prefix: str | None = None,
        role_arn: str,
        completion_report_uri: str,
        work_uri: str | None = None,
        account_id: str | None = None,
        priority: int = 10,
        max_objects: int | None = None,
        confirmation_required: bool = False,
        dry_run: bool = False,
        max_failed: int = 0,
        verify_replication: bool = True,
        verify_timeout: timedelta | float = timedelta(hours=12),
        poll_interval: timedelta | float = 30,
        max_requests_per_second: float | str | None = "configured",
        extra_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(max_requests_per_second=max_requests_per_second, **kwargs)
        self.objects = objects
        self.manifest_uri = manifest_uri
        self.source_bucket = source_bucket
        self.statuses = statuses
        self.created_after = created_after
        self.created_before = created_before
        self.prefix = prefix
        self.role_arn = role_arn
        self.completion_report_uri = completion_report_uri
        self.work_uri = work_uri
        self.account_id = account_id
        self.priority = number(priority, "priority", MAX_PRIORITY)
        self.max_objects = positive(max_objects, "max_objects")
        self.confirmation_required = flag(confirmation_required, "confirmation_required")
        self.only_check = flag(dry_run, "dry_run")  # BaseOperator has a method of the name dry_run
        self.max_failed = number(max_failed, "max_failed")
        self.verify_replication = flag(verify_replication, "verify_replication")
        self.verify_timeout = seconds(verify_timeout, "verify_timeout") or 0.0
        self.poll_interval = seconds(poll_interval, "poll_interval") or 0.0
        self.extra_args = extra_args
        self._begun: Begun | None = None
        self._asking = Asking()
        self._remember()
        repair_arguments.check(self)

    def execute(self, context: Context) -> Any:
        """Create the job, or find it again, and wait for what it does."""
        self._poller = self._unasked = self._begun = None
        try:
            return self._wait(context)
        except VERDICTS as verdict:
            raise verdict.with_traceback(None) from verdict.__cause__

    def _wait(self, context: Context) -> Any:
        self._coerce_arguments(context)
        started_at, limit = datetime.now(UTC), (_LONGEST_JOB + timedelta(seconds=self.verify_timeout)).total_seconds()
        ends = time.monotonic() + limit
        while True:
            event = self._poll(context, started_at=started_at, ends=ends, least=endings.LEAST)
            BatchJobLink.remember(context, self._linked)
            if event is not None:
                return self._conclude(context, event)
            if self.deferrable and self._begun is not None:
                self._defer(
                    timeout=limit,
                    started_at=started_at,
                    poke_interval=self.poll_interval,
                    next_poke=time.time() + self.poll_interval,
                )
            if time.monotonic() > ends:
                raise AirflowSensorTimeout(self._time_is_up(context, limit))
            time.sleep(self.poll_interval)

    def on_kill(self) -> None:
        """Cancel the job, unless it has ended."""
        poller, begun = self._poller, self._begun
        if begun is None or (isinstance(poller, Repair) and poller.job is not None and poller.job.is_ended):
            return
        cancel(lambda: self._jobs(begun.region_name, begun.account_id), begun.job_id, self.log, self._asking)

    def _make_poller(self, started_at: datetime, context: Context) -> endings.Poller:
        s3 = self._hook(S3ReplicationHook)
        self._asking, kept = Asking.of(context), None if self.only_check else kept_job.load(context)
        begun = self._begin(s3, context, kept)
        if isinstance(begun, Settled):
            return begun
        if begun != kept:
            kept_job.save(context, begun)
        jobs = self._jobs(begun.region_name, begun.account_id)
        return pollers.repair(
            s3,
            jobs,
            begun.job_id,
            repair_arguments.policy_of(self),
            manifest=begun.manifest,
            what=begun.what,
            ti=context.get("ti"),
            tell=self.log.info,
            started_at=started_at,
        )

    def _next_in(self, started_at: datetime) -> float:
        return self.poll_interval

    def _begin(self, s3: S3ReplicationHook, context: Context, kept: Begun | None) -> Begun | Settled:
        check_extra_args(self.extra_args, s3.get_conn())
        what = repair_arguments.what_of(self)
        if what is None:
            return kept or nothing("manifest_uri, which rendered to None,")
        request = repair_arguments.request_of(self, what, context)
        return begin(request, s3, self._jobs, self.log, kept=kept, created=partial(setattr, self, "_begun"))

    def _jobs(self, region_name: str | None, account_id: str | None) -> S3BatchOperationsHook:
        arguments = of_other_services(hook_arguments(self))
        return S3BatchOperationsHook(
            **{**arguments, **({"region_name": region_name} if region_name else {})},
            account_id=account_id or self.account_id,
            expected_bucket_owner=self.expected_bucket_owner,
        )

    def _make_trigger(self, **kwargs: Any) -> S3BatchReplicationTrigger:
        assert self._begun is not None
        return S3BatchReplicationTrigger(
            **asdict(self._begun), policy=asdict(repair_arguments.policy_of(self)), **kwargs
        )

    def _failure(self, message: str, value: Any) -> Exception:
        return failures.BatchReplicationFailed(message, summary=value)

    def _event_extra(self, value: dict[str, Any]) -> dict[str, Any]:
        return repair_event(value)

    def _flow(self, value: dict[str, Any] | None = None) -> Flow:
        return repair_flow(self.source_bucket or self.objects or (), self.manifest_uri, value)

    def _linked(self) -> dict[str, Any]:
        begun = self._begun
        if begun is None:
            return {"job_id": "", "region_name": None, "aws_partition": "aws"}
        partition = self.role_arn.split(":")[1] if self.role_arn else "aws"
        return {"job_id": begun.job_id, "region_name": begun.region_name, "aws_partition": partition}
