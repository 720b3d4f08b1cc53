"""Reports as S3 delivers them: what is announced of a report, and which reports were announced already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.location import InventoryLocation, report_folder, report_time
from airflow_provider_crr.text.humanize import utc_text

#: How many of the newest reports are looked at and remembered: a month of daily ones. S3 delivers within two days.
NEWEST = 32


def report_event(manifest_uri: str) -> dict[str, Any]:
    """
    Return what is announced of a report, as plain JSON. The report itself is not read.

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

    It is a set and not only the last report, because a report may be delivered after another that S3 began later.

    :param reports: when S3 began each of them, UTC.
    :param until: a report that S3 began at this moment or earlier is never announced; None for no such moment.
    """

    reports: frozenset[datetime] = frozenset()
    until: datetime | None = None

    @classmethod
    def before_first_look(cls, delivered: Iterable[str], newer_than: datetime | None) -> Self:
        """
        Return what counts as announced at the first look.

        :param delivered: manifests of the reports that are complete.
        :param newer_than: reports that S3 began at this moment or earlier count as announced; None for those that are
            complete now.
        """
        return cls(until=newer_than) if newer_than else cls().plus(*delivered)

    def news(self, delivered: Iterable[str]) -> list[str]:
        """Return the manifests that were not announced, in the same order."""
        return [
            uri
            for uri in delivered
            if (begun := _begun(uri)) not in self.reports and (self.until is None or begun > self.until)
        ]

    def plus(self, *delivered: str) -> Self:
        """
        Return these and more reports as announced.

        Only the newest :data:`NEWEST` reports stay in the set. The time of the newest one that is left out becomes
        ``until``, so that it still counts as announced.
        """
        newest = sorted(self.reports.union(map(_begun, delivered)), reverse=True)
        forgotten = newest[NEWEST:]
        until = max(forgotten[0], self.until or forgotten[0]) if forgotten else self.until
        return type(self)(frozenset(newest[:NEWEST]), until)

    def to_dict(self, inventory: str) -> dict[str, Any]:
        """
        Return the plain JSON form.

        :param inventory: the folder of the inventory configuration, for people who read the JSON.
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
    """Return what was announced according to one of the two, or both."""
    until = max((each.until for each in (one, other) if each.until), default=None)
    return Announced(one.reports | other.reports, until).plus()


def _begun(manifest_uri: str) -> datetime:
    begun = report_time(report_folder(manifest_uri))
    if begun is None:
        raise InvalidArgument("not the manifest of a report", uri=manifest_uri, remedy="Name one below a report's time")
    return begun


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone: {text}")
    return moment.astimezone(UTC)
