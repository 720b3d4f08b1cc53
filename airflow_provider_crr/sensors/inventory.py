"""The sensor that waits for an inventory report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import failures
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.arrival import ReportArrival
from airflow_provider_crr.inventory.delivery import report_event
from airflow_provider_crr.inventory.location import InventoryLocation
from airflow_provider_crr.s3.objects import text
from airflow_provider_crr.sensors.base import PollingSensor
from airflow_provider_crr.tasks.arguments import is_known, moment
from airflow_provider_crr.tasks.connection import HOOK_FIELDS
from airflow_provider_crr.tasks.lineage import Flow, Place
from airflow_provider_crr.tasks.pollers import report_arrival
from airflow_provider_crr.triggers.inventory import S3InventoryTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class S3InventorySensor(PollingSensor):
    """
    Wait until an S3 Inventory report is fully delivered.

    S3 names the folder of a report by the time when it began to list. It delivers the report up to two days later, and
    writes ``manifest.checksum`` last; a report counts once that file is there and matches ``manifest.json``. Nothing
    tells that a report will never come: set ``timeout`` to at least two days.

    Returns (XCom) the S3 URI of the newest such report's ``manifest.json``, for
    :class:`~airflow_provider_crr.operators.inventory.S3InventorySummaryOperator`. The events of its ``outlets`` tell of
    the report what :func:`~airflow_provider_crr.inventory.delivery.report_event` returns.

    :param inventory: folder of the inventory configuration, ``s3://dest/prefix/source-bucket/config-id/``; templated.
    :param newer_than: only reports that S3 began after this moment count; a datetime with time zone, or its ISO 8601
        text (without time zone: UTC); templated, such as
        ``"{{ (dag_run.run_after - macros.timedelta(days=1)).isoformat() }}"``. None means any report, and so does a
        template that renders to nothing, as it may on a DAG's first run.
    :param kwargs: those of :class:`~airflow_provider_crr.sensors.base.PollingSensor`, and of every sensor.
    :raises InvalidArgument: for arguments that can never work.
    :raises InventoryManifestInvalid: if the newest report's manifest does not match its checksum.
    :raises airflow_provider_crr.failures.ReplicationStatusMissing: if the reports have no ReplicationStatus field; no
        retry follows.
    :raises AirflowSensorTimeout: if no report came before ``timeout``.
    :raises LookupFailed: if the folder cannot be listed, and that lasts.
    """

    template_fields: Sequence[str] = ("inventory", "newer_than", *HOOK_FIELDS)

    def __init__(self, *, inventory: str, newer_than: datetime | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inventory = inventory
        self.newer_than = newer_than
        if is_known(self, "inventory"):
            InventoryLocation.parse(text(inventory, "inventory"))
        if is_known(self, "newer_than"):
            moment(newer_than, "newer_than")
        self._remember()

    def _make_poller(self, started_at: datetime, context: Context) -> ReportArrival:
        hook = self._hook(S3ReplicationHook)
        return report_arrival(hook.get_conn, str(InventoryLocation.parse(self.inventory)), self._after())

    def _make_trigger(self, **kwargs: Any) -> S3InventoryTrigger:
        after = self._after()
        return S3InventoryTrigger(
            inventory=str(InventoryLocation.parse(self.inventory)),
            newer_than=after.astimezone(UTC).isoformat() if after else None,
            **kwargs,
        )

    def _failure(self, message: str, value: Any) -> Exception:
        # No release of this provider sends such an event: there may still come a report.
        return failures.ReplicationFailed(message, summary=value)

    def _event_extra(self, value: str) -> dict[str, Any]:
        return report_event(value)

    def _flow(self, value: str | None = None) -> Flow:
        listed = Place.in_bucket(InventoryLocation.parse(self.inventory).source_bucket)
        return Flow((listed,), (Place.of(value),) if value else ())

    def _where(self) -> dict[str, Any]:
        location = InventoryLocation.parse(self.inventory)
        return {"bucket": location.bucket, "key": location.prefix}

    def _after(self) -> datetime | None:
        return moment(self.newer_than, "newer_than")
