"""What waiting gates push as they wait: values as a gate makes them, at chosen moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

PROGRESS = "crr_progress"
FOLDER = "s3://orders-landing/orders/dt=2026-11-27/"


def moment(seconds: float = 0.0) -> str:
    """Return a moment as progress values have it: seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")


def waiting(**changes: Any) -> dict[str, Any]:
    """Return the progress of a gate that has waited for two hours, most of its objects done."""
    value = {
        "schema": 1,
        "kind": "gate",
        "state": "waiting",
        "at": moment(-12),
        "started_at": moment(-7500),
        "deadline": moment(6900),
        "next_look": moment(48),
        "targets": {"objects": 1, "patterns": 1, "sample": [f"{FOLDER}*", f"{FOLDER}_SUCCESS"]},
        "connection": "aws_landing",
        "policy": {"on_missing": "fail", "max_pending_age": 14400.0},
        "rules": [{"bucket": "orders-landing", "rule": "to-dublin", "destination": "orders-landing-replica"}],
        "where": "triggerer",
        "host": "triggerer-0",
        "total": 4013,
        "done": 4001,
        "statuses": {"COMPLETED": 4001, "PENDING": 12},
        "waiting": [
            {"uri": f"{FOLDER}part-{number:05}.parquet?versionId=3HL4kqtJlcpXroDTDmJ", "status": "PENDING"}
            for number in range(4000, 4010)
        ],
        "oldest_pending_seconds": 840.0,
        "head_requests": 5012,
        "expected_done_at": moment(1260),
        "unmoved_since": None,
        "history": [[60.0 * n, round(4001 - 3900 * 0.93**n), min(4013, 2600 + 40 * n)] for n in range(2, 125, 3)],
        "replication_lag": {"median": 194.0, "p95": 702.0, "max": 866.0, "objects": 3120, "error": 60.0},
        "unasked": None,
        "message": "waiting for 12 of 4,013 in s3://orders-landing/orders/dt=2026-11-27/*: 12 PENDING, oldest 14m",
    }
    return value | changes


def stuck(**changes: Any) -> dict[str, Any]:
    """Return the progress of a gate in which nothing has moved for more than an hour."""
    still = {
        "oldest_pending_seconds": 7380.0,
        "expected_done_at": None,
        "unmoved_since": moment(-4320),
        "history": [[60.0 * n, min(4001, 150 * n), 4013] for n in range(1, 124, 3)],
    }
    return waiting(**(still | changes))


def timed_out(**changes: Any) -> dict[str, Any]:
    """Return the progress of a gate whose time was up."""
    over = {"state": "timeout", "at": moment(-60), "deadline": moment(-60), "next_look": None}
    return stuck(**(over | changes))


def job(**changes: Any) -> dict[str, Any]:
    """Return the progress of an S3 Batch Replication job."""
    running = {
        "kind": "batch_replication",
        "job_id": "00e123a4-c0d8-41f4-a0eb-b46f9ba5b07c",
        "targets": {"objects": 3000, "patterns": 0, "sample": ["s3://orders-landing/failed/manifest.csv"]},
        "policy": {},
        "rules": None,
        "total": 3000,
        "done": 1800,
        "statuses": {"SUCCEEDED": 1797, "FAILED": 3},
        "waiting": [],
        "oldest_pending_seconds": None,
        "history": [[30.0 * n, 45 * n, 3000] for n in range(1, 41)],
        "replication_lag": None,
        "head_requests": 0,
    }
    return waiting(**(running | changes))


def report(**changes: Any) -> dict[str, Any]:
    """Return the progress of a wait for an inventory report."""
    awaited = {
        "kind": "inventory",
        "targets": {"objects": 0, "patterns": 1, "sample": ["s3://reports/orders-landing/daily/"]},
        "expected_done_at": None,
        "head_requests": 0,
        "message": "waiting for an inventory report newer than 2026-11-27 00:00 UTC below s3://reports/orders-landing/",
    }
    counted = ("total", "done", "statuses", "waiting", "oldest_pending_seconds", "history", "replication_lag")
    return {name: value for name, value in waiting(**awaited).items() if name not in (*counted, "rules")} | changes
