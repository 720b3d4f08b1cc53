"""
A manifest that somebody wrote, read through before a job is created for it.

S3 finds out only then what is wrong with it: the job fails, or each of its tasks.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from airflow_provider_crr.batch import repair_manifest
from airflow_provider_crr.batch.csv_rows import rows
from airflow_provider_crr.errors import BatchManifestInvalid, InvalidArgument
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

_COLUMNS = repair_manifest.fields(versions=True)
_HOW = (
    "Write bucket, key and version id on each row, the key URL-encoded, without a header:"
    " S3BatchOperations_CSV_20180820, as S3InventorySummaryOperator does"
)
#: What is in no URL-encoded key: a blank, a control, a letter beyond ASCII, or a "%" that encodes nothing.
_UNENCODED = re.compile(r"[^\x21-\x7e]|%(?![0-9A-Fa-f]{2})")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Checked:
    """
    What a manifest is about.

    :param bucket: the bucket of all its objects; None if it has none.
    :param objects: how many it has.
    """

    bucket: str | None
    objects: int


def check(lines: Iterable[str], uri: str) -> Checked:
    """
    Read a manifest through.

    :param lines: its lines.
    :param uri: its S3 URI, for messages.
    :raises BatchManifestInvalid: if S3 could not take it, or would replicate something else than what it names.
    """
    bucket: str | None = None
    count = 0
    try:
        for number, row in enumerate(rows(_text(lines, uri), strict=True), 1):
            if not row:
                continue
            _check_row(row, number, uri, bucket)
            bucket = row[0]
            count += 1
    except csv.Error as error:
        raise _invalid(f"it is not CSV: {told(error, 100)}", uri) from error
    return Checked(bucket, count)


def _text(lines: Iterable[str], uri: str) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise _invalid("it is not UTF-8 text; a compressed file is not taken", uri) from error


def _check_row(row: list[str], number: int, uri: str, bucket: str | None) -> None:
    shown = told(",".join(row), 200)
    if number == 1 and [cell.strip(f" {_BYTE_ORDER_MARK}").lower() for cell in row[:2]] == ["bucket", "key"]:
        raise _invalid("row 1 is a header", uri)
    if row[0].startswith(_BYTE_ORDER_MARK):
        raise _invalid("it begins with a byte-order mark", uri)
    if len(row) == len(_COLUMNS) - 1:
        raise _without_version(number, shown, uri)
    if len(row) != len(_COLUMNS):
        raise _invalid(f"row {number} has {len(row)} columns, not {len(_COLUMNS)}: {shown}", uri)
    of, key, version_id = row
    if not of or not key:
        raise _invalid(f"row {number} names no object: {shown}", uri)
    if version_id.strip() in ("", "None"):
        raise _without_version(number, shown, uri)
    if bucket is not None and of != bucket:
        raise _invalid(f"row {number} is of the bucket {told(of, 100)}, those before are of {told(bucket, 100)}", uri)
    if _UNENCODED.search(key):
        raise _invalid(f"row {number} has a key that is not URL-encoded: {shown}", uri)
    try:
        S3Object(of, unquote(key, errors="strict"), version_id)
    except ValueError as error:
        what = told(error.message, 100) if isinstance(error, InvalidArgument) else "its key is not UTF-8"
        raise _invalid(f"row {number} names what S3 cannot have: {what}: {shown}", uri) from error


def _without_version(number: int, shown: str, uri: str) -> BatchManifestInvalid:
    return _invalid(
        f"row {number} names no version, and a bucket that is replicated has versions: {shown}",
        uri,
        'A version from before versioning is "null"',
    )


def _invalid(what: str, uri: str, also: str = "") -> BatchManifestInvalid:
    remedy: Any = f"{_HOW}. {also}" if also else _HOW
    return BatchManifestInvalid(f"the manifest cannot be taken: {what}", uri=uri, remedy=remedy)
