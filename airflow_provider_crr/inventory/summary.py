"""What one inventory report says by replication status: the value, and its XCom form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_crr.text.humanize import utc_text

#: How many prefixes a summary names one by one; the others are added up.
MAX_PREFIXES = 100
#: How many FAILED objects a summary names.
MAX_FAILED_SAMPLE = 20

#: Statuses that mean that the replica is there. All others need attention.
SETTLED = frozenset({"COMPLETED", "REPLICA"})
#: S3 suspends lifecycle expiration and transition while an object has one of these (Replication status
#: information, user guide).
HOLDS_LIFECYCLE = frozenset({"PENDING", "FAILED"})


@dataclass(frozen=True, slots=True)
class Volume:
    """
    A number of object versions and their size.

    :param objects: how many versions.
    :param bytes: the sum of their sizes; an empty Size counts as 0.
    """

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: Volume) -> Volume:
        """Return the sum."""
        return Volume(self.objects + other.objects, self.bytes + other.bytes)

    def to_dict(self) -> dict[str, int]:
        """Return the plain JSON form."""
        return {"objects": self.objects, "bytes": self.bytes}


Statuses = Mapping[str, Volume]


def total(statuses: Statuses, only: Iterable[str] | None = None) -> Volume:
    """Return the volume of all statuses, or of those named by ``only``."""
    wanted = statuses if only is None else [status for status in statuses if status in set(only)]
    return sum((statuses[status] for status in wanted), Volume())


def unsettled(statuses: Statuses) -> Volume:
    """Return the volume of what is neither COMPLETED nor REPLICA."""
    return total(statuses, only=set(statuses) - SETTLED)


def _plain(statuses: Statuses) -> dict[str, dict[str, int]]:
    return {status: volume.to_dict() for status, volume in statuses.items()}


@dataclass(frozen=True, slots=True)
class PrefixStatuses:
    """
    The volumes below one prefix.

    :param prefix: the first segments of the keys, each with its "/"; ``""`` at the root.
    :param statuses: status -> volume.
    """

    prefix: str
    statuses: Statuses

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {"prefix": self.prefix, "statuses": _plain(self.statuses)}


@dataclass(frozen=True, slots=True)
class OtherPrefixes:
    """
    The prefixes that are not named one by one.

    :param count: how many prefixes.
    :param statuses: status -> volume, added up over these prefixes.
    """

    count: int = 0
    statuses: Statuses = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {"count": self.count, "statuses": _plain(self.statuses)}


@dataclass(frozen=True, slots=True)
class OldestPending:
    """
    The object version that has been PENDING longest.

    :param uri: its S3 URI, with the version where the report has versions.
    :param last_modified: when it was written, UTC.
    :param age_seconds: its age when the report was begun.
    """

    uri: str
    last_modified: datetime
    age_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            "uri": self.uri,
            "last_modified": utc_text(self.last_modified),
            "age_seconds": self.age_seconds,
        }


@dataclass(frozen=True, slots=True)
class AgeBand:
    """
    The PENDING object versions of one band of ages.

    :param label: the band in words, for example ``"15 min to 1 h"``.
    :param upper_seconds: the upper bound of the band, None for the last one.
    :param volume: how many versions, and their size.
    """

    label: str
    upper_seconds: int | None
    volume: Volume

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {"label": self.label, "upper_seconds": self.upper_seconds, **self.volume.to_dict()}


#: Bands of PENDING age: the label and the upper bound in seconds. The first bound is the 15 minutes of S3 Replication
#: Time Control; at 24 hours AWS's own validation tool begins to alert.
AGE_BANDS: tuple[tuple[str, int | None], ...] = (
    ("under 15 min", 15 * 60),
    ("15 min to 1 h", 3600),
    ("1 h to 6 h", 6 * 3600),
    ("6 h to 24 h", 24 * 3600),
    ("1 d to 7 d", 7 * 86400),
    ("over 7 d", None),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What one inventory report says by replication status.

    :param source_bucket: the bucket that was listed.
    :param manifest: S3 URI of the report's ``manifest.json``.
    :param format: ``CSV``, ``Parquet`` or ``ORC``.
    :param created_at: when S3 began the listing, UTC.
    :param versions: which rows were counted, ``all`` or the ``current`` ones.
    :param prefix_depth: how many key segments make a prefix.
    :param statuses: status -> volume. The statuses are those of the report, ``NONE`` for an empty one and ``UNKNOWN``
        for those that S3 does not document.
    :param prefixes: the worst prefixes, at most :data:`MAX_PREFIXES`, worst first.
    :param other_prefixes: all other prefixes.
    :param oldest_pending: the version that has been PENDING longest; None if there is none, or the report has no
        LastModifiedDate.
    :param pending_ages: PENDING by age, one entry for each of :data:`AGE_BANDS`; empty without LastModifiedDate.
    :param failed_sample: S3 URIs of FAILED versions, at most :data:`MAX_FAILED_SAMPLE`.
    :param delete_markers: how many rows are delete markers; they are counted nowhere else.
    :param noncurrent_versions: how many of the counted rows are not the latest version.
    :param report_uri: where the rendered report was written, or None.
    :param failed_manifest_uri: where the Batch Operations manifest was written, or None.
    """

    source_bucket: str
    manifest: str
    format: str
    created_at: datetime
    statuses: Statuses
    versions: str = "all"
    prefix_depth: int = 0
    prefixes: tuple[PrefixStatuses, ...] = ()
    other_prefixes: OtherPrefixes = field(default_factory=OtherPrefixes)
    oldest_pending: OldestPending | None = None
    pending_ages: tuple[AgeBand, ...] = ()
    failed_sample: tuple[str, ...] = ()
    delete_markers: int = 0
    noncurrent_versions: int = 0
    report_uri: str | None = None
    failed_manifest_uri: str | None = None

    @property
    def volume(self) -> Volume:
        """Everything that was counted."""
        return total(self.statuses)

    @property
    def lifecycle_held(self) -> Volume:
        """What S3 neither expires nor transitions as long as it is PENDING or FAILED."""
        return total(self.statuses, only=HOLDS_LIFECYCLE)

    def written_to(self, *, report_uri: str | None = None, failed_manifest_uri: str | None = None) -> Summary:
        """Return the same summary with the places where its files were written."""
        return replace(self, report_uri=report_uri, failed_manifest_uri=failed_manifest_uri)

    def age(self, now: datetime) -> timedelta:
        """Return how long ago S3 began the listing."""
        return now - self.created_at

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form that the operator pushes to XCom. Its size is bounded."""
        return {
            "schema": 1,
            "source_bucket": self.source_bucket,
            "manifest": self.manifest,
            "format": self.format,
            "created_at": utc_text(self.created_at),
            "versions": self.versions,
            "prefix_depth": self.prefix_depth,
            **self.volume.to_dict(),
            "statuses": _plain(self.statuses),
            "prefixes": [prefix.to_dict() for prefix in self.prefixes],
            "other_prefixes": self.other_prefixes.to_dict(),
            "oldest_pending": self.oldest_pending.to_dict() if self.oldest_pending else None,
            "pending_ages": [band.to_dict() for band in self.pending_ages],
            "lifecycle_held": self.lifecycle_held.to_dict(),
            "failed_sample": list(self.failed_sample),
            "delete_markers": self.delete_markers,
            "noncurrent_versions": self.noncurrent_versions,
            "report_uri": self.report_uri,
            "failed_manifest_uri": self.failed_manifest_uri,
        }
