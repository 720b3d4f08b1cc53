"""The columns of ORC and Parquet files have the types that S3 documents, and no others."""

from __future__ import annotations

import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from airflow_provider_crr.inventory.manifest import Manifest
from tests.inventory.engines.test_bad_files import refused, report
from tests.inventory.rows import SOURCE
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local

MOMENT = datetime(2026, 11, 20)
COLUMNS: dict[str, Any] = {
    "bucket": pa.array([SOURCE]),
    "key": pa.array(["k"]),
    "version_id": pa.array(["v"]),
    "is_latest": pa.array([True]),
    "is_delete_marker": pa.array([False]),
    "size": pa.array([5]),
    "last_modified_date": pa.array([MOMENT], pa.timestamp("ms")),
    "e_tag": pa.array(["e"]),
    "storage_class": pa.array(["STANDARD"]),
    "is_multipart_uploaded": pa.array([False]),
    "replication_status": pa.array(["PENDING"]),
    "encryption_status": pa.array(["SSE-S3"]),
}


def held(store: Store, file_format: Any, columns: list[tuple[str, Any]], **options: Any) -> Manifest:
    """Return a report whose second file has these columns and one row."""
    table = pa.Table.from_arrays([values for _, values in columns], names=[name for name, _ in columns])
    out = io.BytesIO()
    if file_format == "ORC":
        orc.write_table(table, out)
    else:
        parquet.write_table(table, out, store_schema=False, **options)
    return store.replace(store.hold(report(file_format)), 1, out.getvalue())


def with_column(name: str, values: Any) -> list[tuple[str, Any]]:
    return list((COLUMNS | {name: values}).items())


def not_utf8() -> Any:
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])


TEXTS = ["bucket", "key", "version_id", "replication_status"]
NO_TEXTS = {
    "binary": pa.array([b"COMPLETED"]),
    "fixed": pa.array([b"k"], pa.binary(1)),
    "struct": pa.array([{"key": "k"}]),
    "list": pa.array([["k"]]),
    "map": pa.array([[("k", "k")]], pa.map_(pa.string(), pa.string())),
    "int64": pa.array([7]),
    "bool": pa.array([True]),
    "date32": pa.array([date(2026, 11, 20)]),
}
NO_FLAGS = {
    "string": pa.array(["t"]),
    "int64": pa.array([1]),
    "int32": pa.array([0], pa.int32()),
    "struct": pa.array([{"a": True}]),
    "list": pa.array([[True]]),
}
NO_SIZES = {
    "string": pa.array(["1e3"]),
    "int32": pa.array([5], pa.int32()),
    "uint64": pa.array([5], pa.uint64()),
    "double": pa.array([5.5]),
    "decimal": pa.array([5]).cast(pa.decimal128(19, 0)),
    "bool": pa.array([True]),
    "timestamp": pa.array([MOMENT], pa.timestamp("ms")),
    "list": pa.array([[5]]),
}
NO_TIMES = {
    "string": pa.array(["2026-11-20T00:00:00.000Z"]),
    "int64": pa.array([1795136400000]),
    "date32": pa.array([date(2026, 11, 20)]),
    "time32": pa.array([5], pa.time32("s")),
    "time64": pa.array([5], pa.time64("us")),
    "duration": pa.array([5], pa.duration("s")),
    "struct": pa.array([{"a": MOMENT}]),
}
#: What Arrow cannot write to ORC.
NOT_IN_ORC = {"uint64", "time32", "time64", "duration"}
OTHERS = [
    *((name, kind, values) for name in TEXTS for kind, values in NO_TEXTS.items()),
    *((name, kind, values) for name in ("is_latest", "is_delete_marker") for kind, values in NO_FLAGS.items()),
    *(("size", kind, values) for kind, values in NO_SIZES.items()),
    *(("last_modified_date", kind, values) for kind, values in NO_TIMES.items()),
]


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize(("name", "kind", "values"), OTHERS, ids=lambda each: each if isinstance(each, str) else "")
def test_another_type_is_refused(
    store: Store, tmp_path: Path, file_format: str, name: str, kind: str, values: Any
) -> None:
    """A column of a type that S3 does not write refuses the report; column, its type and S3's are named."""
    if file_format == "ORC" and kind in NOT_IN_ORC:
        return
    error = refused(store, held(store, file_format, with_column(name, values)), tmp_path)
    assert f"its column {name} is " in str(error)
    assert "S3 writes" in str(error)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bucket", pa.array([SOURCE]).dictionary_encode()),
        ("key", pa.array(["k"], pa.large_string())),
        ("size", pa.array([None], pa.int64())),
        ("last_modified_date", pa.array([MOMENT], pa.timestamp("ms", "UTC"))),
        ("last_modified_date", pa.array([MOMENT], pa.timestamp("us"))),
        ("last_modified_date", pa.array([MOMENT], pa.timestamp("us", "UTC"))),
        ("last_modified_date", pa.array([MOMENT], pa.timestamp("ns"))),
        ("last_modified_date", pa.array([MOMENT], pa.timestamp("ns", "UTC"))),
        ("last_modified_date", pa.array([MOMENT], pa.timestamp("us", "Asia/Kolkata"))),
    ],
    ids=str,
)
def test_what_writers_make_of_these_types_is_read(store: Store, file_format: str, name: str, values: Any) -> None:
    """Dictionaries, both notes of UTC and other units of time mean the same, and are read."""
    if file_format == "ORC" and (pa.types.is_dictionary(values.type) or getattr(values.type, "tz", None)):
        return  # Arrow writes no dictionaries there, and a time with a zone is another type of ORC
    oldest: Any = summarize_local(store.s3, held(store, file_format, with_column(name, values))).oldest_pending
    assert (oldest.uri, oldest.last_modified.isoformat()) == (
        f"s3://{SOURCE}/k?versionId=v",
        "2026-11-20T00:00:00+00:00",
    )


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_both_annotations_of_parquet_are_read(store: Store, version: Any) -> None:
    """Files of either version of the format are read."""
    manifest = held(store, "Parquet", list(COLUMNS.items()), version=version)
    assert summarize_local(store.s3, manifest).statuses["PENDING"].objects == 1


def test_times_of_twelve_bytes_are_refused(store: Store, tmp_path: Path) -> None:
    """INT96 is a time in old files of others; S3 writes INT64."""
    manifest = held(store, "Parquet", list(COLUMNS.items()), use_deprecated_int96_timestamps=True)
    assert "INT96" in str(refused(store, manifest, tmp_path))


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(["KEY"], []), ([], ["Key"]), ([], ["key"]), (["key"], []), (["Replication_Status"], [])],
)
def test_a_column_is_there_once(
    store: Store, tmp_path: Path, file_format: str, before: list[str], after: list[str]
) -> None:
    """Two columns of one name, or of names that differ in case, are told apart by nobody: DuckDB took the first."""
    other = pa.array(["other"])
    columns = [*((name, other) for name in before), *COLUMNS.items(), *((name, other) for name in after)]
    error = refused(store, held(store, file_format, columns), tmp_path)
    assert "lists one column" in str(error)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_a_column_of_another_case_is_another_column(store: Store, tmp_path: Path, file_format: str) -> None:
    """Names in ORC and Parquet are lower-case; Key is not key, nor is what is inside another column."""
    for name, values in (("Key", COLUMNS["key"]), ("more", pa.array([{"key": "k"}]))):
        columns = [(name, values) if each == "key" else (each, found) for each, found in COLUMNS.items()]
        (tmp_path / name).mkdir()
        error = refused(store, held(store, file_format, columns), tmp_path / name)
        assert "lists one column key" in str(error)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_columns_that_are_not_read_may_be_anything(store: Store, file_format: str) -> None:
    """What a later S3 adds is skipped, nested columns too."""
    columns = [("more", pa.array([{"key": "x", "deep": {"size": [1]}}])), *COLUMNS.items(), ("e", pa.array([b"\xff"]))]
    assert summarize_local(store.s3, held(store, file_format, columns)).statuses["PENDING"].objects == 1


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_a_text_that_is_not_utf8_is_refused(store: Store, tmp_path: Path, file_format: str, status: str) -> None:
    """A string column holds UTF-8, in rows that are only counted too."""
    columns = (COLUMNS | {"key": not_utf8(), "replication_status": pa.array([status])}).items()
    refused(store, held(store, file_format, list(columns)), tmp_path)


def test_a_time_beyond_the_calendar_is_refused(store: Store, tmp_path: Path) -> None:
    """A PENDING version of the year 287396 has no age; it was an OverflowError."""
    values = pa.array([2**53], pa.timestamp("ms"))
    manifest = held(store, "Parquet", with_column("last_modified_date", values))
    assert "after 9999" in str(refused(store, manifest, tmp_path))


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "PENDING"])
def test_names_that_s3_cannot_have_are_refused(store: Store, tmp_path: Path, file_format: str, status: str) -> None:
    """A key of megabytes would be part of the XCom, and no database takes a NUL in JSON."""
    for number, (name, value) in enumerate([("key", "k" * 5_000_000), ("version_id", "v" * 1025), ("key", "a\0b/k")]):
        columns = COLUMNS | {name: pa.array([value]), "replication_status": pa.array([status])}
        (tmp_path / str(number)).mkdir()
        error = refused(store, held(store, file_format, list(columns.items())), tmp_path / str(number))
        assert "of more than 1,024 bytes, or with a NUL" in str(error)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_the_longest_names_of_s3_are_read(store: Store, file_format: str) -> None:
    """A key and a version id may have 1,024 bytes each."""
    columns = COLUMNS | {"key": pa.array(["ü" * 512]), "version_id": pa.array(["v" * 1024])}
    oldest: Any = summarize_local(store.s3, held(store, file_format, list(columns.items()))).oldest_pending
    assert oldest.uri == f"s3://{SOURCE}/{'ü' * 512}?versionId={'v' * 1024}"
