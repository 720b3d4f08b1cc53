"""The summary, made of the rows of the query's last layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
from airflow_provider_crr.inventory.manifest import Manifest
from airflow_provider_crr.inventory.summary import (
    AGE_BANDS,
    AgeBand,
    OldestPending,
    OtherPrefixes,
    PrefixStatuses,
    Summary,
    Volume,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = Mapping[str, Any]


def summary_from_rows(rows: Sequence[Row], manifest: Manifest, request: SummaryRequest) -> Summary:
    """
    Return the summary that the rows describe.

    :param rows: the result of :func:`~airflow_provider_crr.inventory.engines.duckdb_sql.summary_sql`, in its order.
    :param manifest: the report.
    :param request: what was asked of it.
    """
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    prefixes: dict[str, dict[str, Volume]] = {}
    for row in kinds["prefix"]:
        prefixes.setdefault(row["name"], {})[row["status"]] = _volume(row)
    count = sum(int(row["objects"]) for row in kinds["prefixes"]) - len(prefixes)
    return Summary(
        source_bucket=manifest.source_bucket,
        manifest=manifest.uri,
        format=manifest.file_format,
        created_at=manifest.created_at,
        versions=request.versions,
        prefix_depth=request.prefix_depth,
        statuses=_statuses(kinds["status"]),
        prefixes=tuple(PrefixStatuses(prefix, statuses) for prefix, statuses in prefixes.items()),
        other_prefixes=OtherPrefixes(count, _statuses(kinds["other"])),
        oldest_pending=_oldest(kinds["oldest"], manifest),
        pending_ages=_ages(kinds["age"]) if "last_modified_date" in manifest.fields else (),
        failed_sample=tuple(_uri(row, manifest) for row in kinds["failed"]),
        delete_markers=sum(int(row["objects"] or 0) for row in kinds["marker"]),
        noncurrent_versions=sum(int(row["noncurrent"]) for row in kinds["status"]),
    )


def _volume(row: Row) -> Volume:
    return Volume(int(row["objects"]), int(row["bytes"]))


def _statuses(rows: Sequence[Row]) -> dict[str, Volume]:
    return {row["status"]: _volume(row) for row in rows}


def _uri(row: Row, manifest: Manifest) -> str:
    return f"s3://{manifest.source_bucket}/{row['name']}"


def _oldest(rows: Sequence[Row], manifest: Manifest) -> OldestPending | None:
    for row in rows:
        modified = _EPOCH + timedelta(milliseconds=row["at_ms"])
        # S3 lists while the bucket is written to, so a version may be younger than the listing.
        age = max(0.0, (manifest.created_at - modified).total_seconds())
        return OldestPending(_uri(row, manifest), modified, age)
    return None


def _ages(rows: Sequence[Row]) -> tuple[AgeBand, ...]:
    volumes = {int(row["name"]): _volume(row) for row in rows}
    return tuple(AgeBand(label, upper, volumes.get(index, Volume())) for index, (label, upper) in enumerate(AGE_BANDS))
