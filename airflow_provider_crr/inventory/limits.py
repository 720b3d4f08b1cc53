"""Limits: those that an operator sets to what a report may say, and that of the prefix depth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_crr.text import humanize

if TYPE_CHECKING:
    from airflow_provider_crr.inventory.summary import Summary

#: More segments than any key has: a key is at most 1,024 bytes.
MAX_PREFIX_DEPTH = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a report may say at most. None is no limit.

    :param max_report_age: seconds since S3 began the listing.
    :param max_failed: number of FAILED versions.
    :param max_pending_age: seconds for which a version had been PENDING when it was listed.
    """

    max_report_age: float | None = None
    max_failed: int | None = None
    max_pending_age: float | None = None

    def exceeded(self, summary: Summary, now: datetime) -> list[str]:
        """
        Return a line for each limit that the report exceeds, or may exceed because it does not say enough.

        :param summary: the report.
        :param now: the current time, UTC.
        """
        lines = []
        age = summary.age(now).total_seconds()
        if self.max_report_age is not None and age > self.max_report_age:
            lines.append(f"it was begun {humanize.age(age)} ago, limit {humanize.age(self.max_report_age)}")
        failed = summary.statuses.get("FAILED")
        if self.max_failed is not None and failed and failed.objects > self.max_failed:
            lines.append(f"{humanize.count(failed.objects)} FAILED, limit {humanize.count(self.max_failed)}")
        pending = summary.statuses.get("PENDING")
        if self.max_pending_age is not None and pending and pending.objects:
            limit = humanize.age(self.max_pending_age)
            oldest = summary.oldest_pending
            if oldest is None:
                lines.append(
                    f"{humanize.count(pending.objects)} PENDING of unknown age, limit {limit}: add the field"
                    " LastModifiedDate to the inventory configuration"
                )
            elif oldest.age_seconds > self.max_pending_age:
                lines.append(f"{oldest.uri} is PENDING for {humanize.age(oldest.age_seconds)}, limit {limit}")
        return lines
