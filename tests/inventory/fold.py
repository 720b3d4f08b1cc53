"""What a summary is, said again in plain Python over rows, for tests to compare with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from airflow_provider_crr.s3.objects import S3Object
from local_aws.inventory import Row

BANDS = [15 * 60, 3600, 6 * 3600, 24 * 3600, 7 * 86400, float("inf")]


def counted(rows: Iterable[Row], versions: str) -> list[Row]:
    """Return the rows that count."""
    return [row for row in rows if versions == "all" or row.is_latest]


def status_of(row: Row) -> str:
    """Return the status of a row as a summary names it."""
    written = row.replication_status or "NONE"
    written = "COMPLETED" if written == "COMPLETE" else written
    return written if written in ("COMPLETED", "REPLICA", "PENDING", "FAILED", "NONE") else "UNKNOWN"


def uri_of(row: Row, has_versions: bool) -> str:
    """Return the URI of a row."""
    return str(S3Object(row.bucket, row.key, (row.version_id or "null") if has_versions else None))


def prefix_of(key: str, depth: int) -> str:
    """Return the first segments of a key, each with its slash."""
    return "".join(f"{segment}/" for segment in key.split("/")[:-1][:depth])


def age_of(row: Row, created_at: datetime) -> float:
    """Return the age of a row in seconds, as of the report."""
    assert row.last_modified_date is not None
    return max(0.0, (created_at - row.last_modified_date).total_seconds())


def fold(
    rows: Iterable[Row], *, created_at: datetime, prefix_depth: int, versions: str, has_versions: bool = True
) -> dict[str, Any]:
    """Return the parts of a summary's plain form that follow from the rows."""
    kept = counted(rows, versions)
    objects = [row for row in kept if not row.is_delete_marker]
    by_prefix: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    totals: Counter[tuple[str, str]] = Counter()
    for row in objects:
        for counter in (totals, by_prefix[prefix_of(row.key, prefix_depth)]):
            counter[status_of(row), "objects"] += 1
            counter[status_of(row), "bytes"] += row.size or 0
    if not prefix_depth:
        by_prefix.clear()

    def worst(prefix: str) -> tuple[int, int, bytes]:
        open_ = [status for status in _statuses(by_prefix[prefix]) if status not in ("COMPLETED", "REPLICA")]
        found = by_prefix[prefix]
        return (
            -sum(found[status, "bytes"] for status in open_),
            -sum(found[status, "objects"] for status in open_),
            prefix.encode(),
        )

    ranked = sorted(by_prefix, key=worst)
    rest: Counter[tuple[str, str]] = Counter()
    for prefix in ranked[100:]:
        for name, value in by_prefix[prefix].items():
            rest[name] += value
    pending = [row for row in objects if status_of(row) == "PENDING"]
    oldest = min(pending, key=lambda row: (row.last_modified_date, uri_of(row, has_versions).encode()), default=None)
    ages = [[0, 0] for _ in BANDS]
    for row in pending:
        band = next(index for index, upper in enumerate(BANDS) if age_of(row, created_at) < upper)
        ages[band][0] += 1
        ages[band][1] += row.size or 0
    failed = {uri_of(row, has_versions) for row in objects if status_of(row) == "FAILED"}
    return {
        "objects": len(objects),
        "bytes": sum(row.size or 0 for row in objects),
        "statuses": _plain(totals),
        "prefixes": [{"prefix": prefix, "statuses": _plain(by_prefix[prefix])} for prefix in ranked[:100]],
        "other_prefixes": {"count": len(ranked[100:]), "statuses": _plain(rest)},
        "oldest_pending": oldest
        and {
            "uri": uri_of(oldest, has_versions),
            "last_modified": f"{oldest.last_modified_date:%Y-%m-%dT%H:%M:%SZ}",
            "age_seconds": age_of(oldest, created_at),
        },
        "pending_ages": [tuple(band) for band in ages],
        "failed_sample": sorted(failed, key=str.encode)[:20],
        "delete_markers": len(kept) - len(objects),
        "noncurrent_versions": sum(not row.is_latest for row in objects),
    }


def listed(
    rows: Iterable[Row],
    *,
    created_at: datetime,
    versions: Literal["all", "current"],
    older_than: timedelta | None,
    has_versions: bool = True,
) -> list[tuple[str, ...]]:
    """Return the sorted rows of the Batch Operations manifest."""
    wanted = {
        (row.bucket, quote(row.key, safe="/"), *([row.version_id or "null"] if has_versions else []))
        for row in counted(rows, versions)
        if not row.is_delete_marker
        and (
            status_of(row) == "FAILED"
            or (
                status_of(row) == "PENDING"
                and older_than is not None
                and row.last_modified_date is not None
                and row.last_modified_date < created_at - older_than
            )
        )
    }
    return sorted(wanted)


def _statuses(counter: Counter[tuple[str, str]]) -> set[str]:
    return {status for status, _ in counter}


def _plain(counter: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    return {
        status: {"objects": counter[status, "objects"], "bytes": counter[status, "bytes"]}
        for status in _statuses(counter)
    }
