"""The trigger of the inventory sensor."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Any

from airflow_provider_crr.inventory.arrival import ReportArrival
from airflow_provider_crr.tasks.pollers import report_arrival
from airflow_provider_crr.triggers.base import PollingTrigger


class S3InventoryTrigger(PollingTrigger):
    """
    Look for a complete inventory report until there is one or the time is up.

    :param inventory: folder of the inventory configuration, an S3 URI.
    :param newer_than: only reports begun after this moment, ISO 8601 with time zone; None for any.
    :param kwargs: those of :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """

    def __init__(self, *, inventory: str, newer_than: str | None = None, **kwargs: Any) -> None:
        super().__init__(inventory=inventory, newer_than=newer_than, **kwargs)

    def polling_key(self) -> Hashable:
        """Return a key with each bucket that is listed: a LIST holds its thread until S3 answers, a HEAD does not."""
        return (super().polling_key(), *self.question["inventory"].split("/")[2:3])

    def poller(self) -> ReportArrival:
        """Return the wait for a report."""
        after, way = self.question["newer_than"], self._way
        return report_arrival(
            lambda: way.get().get_conn(),
            self.question["inventory"],
            datetime.fromisoformat(after) if after else None,
        )
