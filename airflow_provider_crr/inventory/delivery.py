"""Reports as they are delivered: what is told of one, and which ones were told already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.location import InventoryLocation, report_folder, report_time
from airflow_provider_crr.text.humanize import utc_text

#: How many of the newest reports are looked at, and remembered: a month of daily ones. S3 delivers within two days.
NEWEST = 32


def report_event(manifest_uri: str) -> dict[str, Any]:
    """
    Return what is told of a report: plain JSON, without a look into it.

    :param manifest_uri: S3 URI of its ``manifest.json``.
    :raises InvalidArgument: if it is not where S3 Inventory delivers to.
    """
    location = InventoryLocation.parse(report_folder(manifest_uri).rstrip("/").rpartition("/")[0])
    return {
        "manifest": manifest_uri,
        "inventory": str(location),
        "source_bucket": location.source_bucket,
        "config_id": location.config_id,
        "begun_at": utc_text(_begun(manifest_uri)),
    }


@dataclass(frozen=True, slots=True)
class Announced:
    """
    The reports of one inventory configuration that were announced.

    A set, not a last one: a report may be delivered after one that S3 began later.

    :param reports: when S3 began each of them, UTC.
    :param until: what S3 began at this moment or before is never announced; None for no such moment.
    """

    reports: frozenset[datetime] = frozenset()
    until: datetime | None = None

    @classmethod
    def before_first_look(cls, delivered: Iterable[str], newer_than: datetime | None) -> Self:
        """
        Return what counts as announced when nothing was yet.

        :param delivered: manifests of the reports that are complete.
        :param newer_than: what was begun at this moment or before; None for what is complete.
        """
        return cls(until=newer_than) if newer_than else cls().plus(*delivered)

    def news(self, delivered: Iterable[str]) -> list[str]:
        """Return the manifests of those that were not announced, in their order."""
        return [
            uri
            for uri in delivered
            if (begun := _begun(uri)) not in self.reports and (self.until is None or begun > self.until)
        ]

    def plus(self, *delivered: str) -> Self:
        """Return this with more reports; of more than :data:`NEWEST`, the oldest move ``until``."""
        newest = sorted(self.reports.union(map(_begun, delivered)), reverse=True)
        forgotten = newest[NEWEST:]
        until = max(forgotten[0], self.until or forgotten[0]) if forgotten else self.until
        return type(self)(frozenset(newest[:NEWEST]), until)

    def to_dict(self, inventory: str) -> dict[str, Any]:
        """
        Return the plain JSON form.

        :param inventory: the folder, for people.
        """
        until = self.until.isoformat() if self.until else None
        return {"inventory": inventory, "until": until, "reports": sorted(map(utc_text, self.reports))}

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """
        Return what :meth:`to_dict` returned.

        :raises InvalidArgument: if it is something else.
        """
        try:
            until = stored["until"]
            return cls(frozenset(map(_moment, stored["reports"])), None if until is None else _moment(until))
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise InvalidArgument(
                f"what was stored of the announced reports cannot be read: {str(stored)[:200]}",
                remedy="Delete it from the asset's state store: what is complete then counts as announced",
            ) from error


def both(one: Announced, other: Announced) -> Announced:
    """Return what was announced according to either."""
    until = max((found.until for found in (one, other) if found.until), default=None)
    return Announced(one.reports | other.reports, until).plus()


def _begun(manifest_uri: str) -> datetime:
    begun = report_time(report_folder(manifest_uri))
    if begun is None:
        raise InvalidArgument("not the manifest of a report", uri=manifest_uri, remedy="Name one below a report's time")
    return begun


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"no time zone: {text}")
    return found.astimezone(UTC)
