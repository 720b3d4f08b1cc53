"""Inventory reports of a bucket over days: a role that lost its permission on one of them, and was repaired."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zlib import crc32

from local_aws.inventory.report import Report, write_report
from local_aws.inventory.row import Row

HOSTILE = "<img src=x onerror=parent.hacked=hacked=1>"
NEWEST = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
#: FAILED and PENDING objects of each day's report, oldest first.
DAYS = [(0, 110), (0, 64), (0, 130), (240, 420), (236, 90), (190, 140), (61, 75), (41, 152)]


def daily_reports(bucket: str, destination: str) -> list[Report]:
    """Return one report for each of :data:`DAYS`."""
    found = []
    for number, (failed, pending) in enumerate(DAYS):
        created = NEWEST - timedelta(days=len(DAYS) - 1 - number)
        rows = _rows(bucket, created, failed, pending)
        found.append(
            write_report(
                rows, file_format="CSV", source_bucket=bucket, destination_bucket=destination, created_at=created
            )
        )
    return found


def _rows(bucket: str, created: datetime, failed: int, pending: int) -> Iterator[Row]:
    def row(key: str, status: str | None, size: int, age: timedelta) -> Row:
        return Row(
            bucket, key, f"v{crc32(key.encode())}", size=size, last_modified_date=created - age,
            storage_class="STANDARD", replication_status=status,
        )  # fmt: skip

    hour, mib = timedelta(hours=1), 1 << 20
    for number in range(9_000):
        yield row(f"orders/2026-{1 + number % 11:02}/part-{number:05}.parquet", "COMPLETED", 96 * mib, hour * number)
    for number in range(failed):
        yield row(f"orders/2026-11/part-late-{number:05}.parquet", "FAILED", 96 * mib, hour * 30)
    for number in range(pending):
        yield row(f"clicks/2026-11/{number:05}.json.gz", "PENDING", 7 * mib, timedelta(minutes=3 * number))
    for number in range(37):
        yield row(f"tmp/scratch/{number}", None, 3 * mib, hour)
    yield row(f"{HOSTILE}/2026/\u202egnp.exe", "FAILED" if failed else "COMPLETED", mib, hour)
