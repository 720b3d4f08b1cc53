"""An S3 Inventory report of a few rows, written as S3 writes one in CSV."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.location import InventoryLocation
from airflow_provider_crr.testing.records import FakeInventory

_COLUMNS = ("key", "status", "size", "last_modified", "version_id", "is_latest", "is_delete_marker")
_SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ReplicationStatus"
_AN_HOUR = timedelta(hours=1)


def write_report(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]], inventory: str, created_at: datetime | None
) -> tuple[FakeInventory, dict[str, bytes]]:
    """
    Return where a report is, and its objects: S3 URI -> content.

    :param rows: see :func:`~airflow_provider_crr.testing.fake_inventory`.
    :param inventory: folder of the inventory configuration.
    :param created_at: when S3 began it; None for an hour ago.
    :raises InvalidArgument: for a row with other names, or a folder that is none.
    """
    location = InventoryLocation.parse(inventory)
    begun = (created_at or datetime.now(UTC) - _AN_HOUR).astimezone(UTC).replace(second=0, microsecond=0)
    data = _packed(_line(_row(row), location.source_bucket, begun) for row in rows)
    data_key = f"{location.prefix}data/{hashlib.md5(data, usedforsecurity=False).hexdigest()}.csv.gz"
    manifest = json.dumps(
        {
            "sourceBucket": location.source_bucket,
            "destinationBucket": f"arn:aws:s3:::{location.bucket}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(begun.timestamp() * 1000)),
            "fileFormat": "CSV",
            "fileSchema": _SCHEMA,
            "files": [{"key": data_key, "size": len(data), "MD5checksum": _md5(data)}],
        },
        indent=2,
    ).encode()
    folder = f"s3://{location.bucket}/{location.prefix}"
    report = f"{folder}{begun:%Y-%m-%dT%H-%MZ}/manifest."
    contents = {
        f"s3://{location.bucket}/{data_key}": data,
        f"{report}json": manifest,
        f"{report}checksum": f"{_md5(manifest)}\n".encode(),
    }
    return FakeInventory(folder, f"{report}json"), contents


def _row(given: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    row = dict(given) if isinstance(given, Mapping) else dict(zip(_COLUMNS, given, strict=False))
    too_long = not isinstance(given, Mapping) and len(given) > len(_COLUMNS)
    if isinstance(given, str) or too_long or not row.get("key") or not set(row) <= set(_COLUMNS):
        raise InvalidArgument(
            f"the row {given!r} cannot be read",
            remedy=f"Give {', '.join(_COLUMNS)}, by name or in this order; all but the key may be left out",
        )
    return row


def _line(row: dict[str, Any], bucket: str, begun: datetime) -> list[str | int | None]:
    modified = row.get("last_modified") or begun - _AN_HOUR
    status, is_marker = row.get("status", "COMPLETED"), bool(row.get("is_delete_marker"))
    return [
        bucket,
        # Java's encoder, which S3 uses, leaves * alone and encodes ~; Python's does the opposite.
        quote_plus(row["key"], safe="/*").replace("~", "%7E"),
        row.get("version_id") or _md5(row["key"].encode()),
        str(bool(row.get("is_latest", True))).lower(),
        str(is_marker).lower(),
        None if is_marker else row.get("size", 1),
        modified.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        None if status in (None, "NONE") else str(status),
    ]


def _packed(lines: Iterable[list[str | int | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(lines)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
