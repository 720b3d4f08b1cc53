"""The operator that summarizes an inventory report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import failures
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.engines.choice import ENGINES, choose_summarizer
from airflow_provider_crr.inventory.limits import MAX_PREFIX_DEPTH, Limits
from airflow_provider_crr.inventory.location import InventoryLocation, is_manifest_uri
from airflow_provider_crr.inventory.output import check_destination, check_extra_args, write
from airflow_provider_crr.links.console import InventoryManifestLink, WrittenReportLink
from airflow_provider_crr.s3.objects import is_s3_uri, split_uri, text
from airflow_provider_crr.tasks import evidence, metrics
from airflow_provider_crr.tasks.arguments import is_known, number, one_of, seconds
from airflow_provider_crr.tasks.asset_events import announce, summary_event
from airflow_provider_crr.tasks.connection import HOOK_FIELDS, HookOperator
from airflow_provider_crr.tasks.lasting import lasting
from airflow_provider_crr.tasks.lineage import Flow, Place, summary_flow
from airflow_provider_crr.tasks.told_failures import ToldFailures, telling

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_crr.inventory.summary import Summary


class S3InventorySummaryOperator(ToldFailures, HookOperator):
    """
    Summarize one S3 Inventory report by replication status.

    The manifest and every data file are checked against their MD5 before a row counts. A report that is not whole
    fails the task, and nothing of it counts. Statuses are those of the time when S3 listed the object.

    Returns (XCom) :meth:`Summary.to_dict <airflow_provider_crr.inventory.summary.Summary.to_dict>`. It is pushed, and
    the files are written, before a limit fails the task. The events of its ``outlets`` tell the parts of it that
    :func:`~airflow_provider_crr.tasks.asset_events.summary_event` returns.

    :param inventory: S3 URI of a report's ``manifest.json``, or of the inventory configuration's folder
        ``s3://dest/prefix/source-bucket/config-id/``, which means its newest complete report; templated.
    :param prefix_depth: how many key segments make a prefix; 0 for no prefixes.
    :param versions: ``"all"`` object versions, or the ``"current"`` ones.
    :param max_report_age: fail if S3 began the listing longer ago than this; seconds or a timedelta.
    :param max_failed: fail if more versions than this are FAILED; 0 allows none.
    :param max_pending_age: fail if a version was PENDING for longer than this when it was listed; seconds or a
        timedelta.
    :param report_uri: where to write the report: an ``s3://`` or ``file://`` URI, or a path, that ends in ``.html``,
        ``.md`` or ``.json``; templated.
    :param failed_manifest_uri: where to write the FAILED versions as an S3 Batch Operations manifest
        (``S3BatchOperations_CSV_20180820``); templated. If no version FAILED, nothing is written: then
        ``failed_manifest_uri`` is None in the XCom, and what an earlier run wrote there stays.
    :param failed_manifest_pending_age: also list there what was PENDING for longer than this; seconds or a timedelta.
    :param extra_args: what is sent with each object that is written to S3: ``extra_args`` of amazon's ``S3Hook``, such
        as ``{"ServerSideEncryption": "aws:kms", "ACL": "bucket-owner-full-control"}``; templated.
    :param engine: ``"local"`` means that this worker reads the report.
    :param work_dir: directory for temporary files, None for the system's. It holds up to three unpacked data files,
        each of a bounded size. What a killed task leaves there is removed by the next task that uses it.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`, and of every operator.
    :raises InvalidArgument: for arguments that can never work, when the DAG is parsed.
    :raises InventoryError: if there is no complete report, or it cannot be trusted; see its subclasses. After
        ReplicationStatusMissing there is no retry.
    :raises InventoryLimitExceeded: if the report exceeds a limit.
    """

    template_fields: Sequence[str] = ("inventory", "report_uri", "failed_manifest_uri", "extra_args", *HOOK_FIELDS)
    operator_extra_links = (InventoryManifestLink(), WrittenReportLink())
    ui_color = "#e4f0dd"

    def __init__(
        self,
        *,
        inventory: str,
        prefix_depth: int = 0,
        versions: str = "all",
        max_report_age: timedelta | float | None = None,
        max_failed: int | None = None,
        max_pending_age: timedelta | float | None = None,
        report_uri: str | None = None,
        failed_manifest_uri: str | None = None,
        failed_manifest_pending_age: timedelta | float | None = None,
        extra_args: dict[str, Any] | None = None,
        engine: str = "local",
        work_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inventory = inventory
        self.prefix_depth = number(prefix_depth, "prefix_depth", MAX_PREFIX_DEPTH)
        self.versions = one_of(versions, "versions", ("all", "current"))
        self.limits = Limits(
            max_report_age=seconds(max_report_age, "max_report_age"),
            max_failed=None if max_failed is None else number(max_failed, "max_failed"),
            max_pending_age=seconds(max_pending_age, "max_pending_age"),
        )
        self.report_uri = report_uri
        self.failed_manifest_uri = failed_manifest_uri
        self.failed_manifest_pending_age = seconds(failed_manifest_pending_age, "failed_manifest_pending_age")
        self.extra_args = extra_args
        self.engine = one_of(engine, "engine", ENGINES)
        self.work_dir = work_dir
        if is_known(self, "inventory") and not is_manifest_uri(text(inventory, "inventory")):
            InventoryLocation.parse(inventory)
        if is_known(self, "report_uri"):
            check_destination(report_uri, "report_uri", rendered=True)
        if is_known(self, "failed_manifest_uri"):
            check_destination(failed_manifest_uri, "failed_manifest_uri")
        if is_known(self, "extra_args"):
            check_extra_args(extra_args)
        self._remember()

    @telling
    def execute(self, context: Context) -> dict[str, Any]:
        """Summarize, write, push, then apply the limits."""
        from airflow_provider_crr.inventory.render import render

        self._coerce_arguments(context)
        check_destination(self.report_uri, "report_uri", rendered=True)
        check_destination(self.failed_manifest_uri, "failed_manifest_uri")
        with lasting():
            summary = self._summarize(self._hook(S3ReplicationHook), context)
        self.log.info("\n%s", render(summary, "text"))
        found = summary.to_dict()
        metrics.summarized(context.get("ti"), summary, datetime.now(UTC))
        self._learn(lambda: summary_flow(found))
        if exceeded := self.limits.exceeded(summary, datetime.now(UTC)):
            evidence.push(context, found)
            message = "\n  ".join([f"the inventory report {summary.manifest} exceeds its limits:", *exceeded])
            raise failures.InventoryLimitExceeded(message, summary=found)
        announce(self, context, lambda: summary_event(found))
        return found

    def _flow(self) -> Flow:
        if is_manifest_uri(self.inventory):
            return Flow((Place.of(self.inventory),))
        return Flow((Place.in_bucket(InventoryLocation.parse(self.inventory).source_bucket),))

    def _summarize(self, hook: S3ReplicationHook, context: Context) -> Summary:
        from airflow_provider_crr.inventory.disk_errors import disk_errors
        from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
        from airflow_provider_crr.inventory.render import CONTENT_TYPES, format_for, render
        from airflow_provider_crr.inventory.report import manifest_uri_of, read_manifest
        from airflow_provider_crr.inventory.workspace import workspace

        client = hook.get_conn()
        check_extra_args(self.extra_args, client)
        manifest_uri = manifest_uri_of(client, self.inventory)
        InventoryManifestLink.remember(context, partial(_in_console, hook, manifest_uri))
        manifest = read_manifest(client, manifest_uri)
        with workspace(self.work_dir) as (directory, _):
            failed = directory / "failed.csv" if self.failed_manifest_uri else None
            pending_age = self.failed_manifest_pending_age
            request = SummaryRequest(
                prefix_depth=self.prefix_depth,
                versions=self.versions,
                failed_manifest=failed,
                pending_older_than=None if pending_age is None or failed is None else timedelta(seconds=pending_age),
            )
            summary = choose_summarizer(self.engine, client, work_dir=self.work_dir).summarize(manifest, request)
            if self.failed_manifest_uri and failed and failed.stat().st_size:
                write(client, self.failed_manifest_uri, failed, "text/csv", self.extra_args)
                summary = summary.written_to(failed_manifest_uri=self.failed_manifest_uri)
            if self.report_uri:
                summary = summary.written_to(
                    report_uri=self.report_uri, failed_manifest_uri=summary.failed_manifest_uri
                )
                form = format_for(self.report_uri)
                rendered = directory / "report"
                with disk_errors(self.report_uri):
                    rendered.write_text(render(summary, form), encoding="utf-8")
                write(client, self.report_uri, rendered, CONTENT_TYPES[form], self.extra_args)
                if is_s3_uri(self.report_uri):
                    WrittenReportLink.remember(context, partial(_in_console, hook, self.report_uri))
        return summary


def _in_console(hook: S3ReplicationHook, uri: str) -> dict[str, Any]:
    bucket, key = split_uri(uri)
    return {"region_name": hook.conn_region_name, "aws_partition": hook.conn_partition, "bucket": bucket, "key": key}
