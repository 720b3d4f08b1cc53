"""A fault of the worker is told as one, and not as one of the report."""

from __future__ import annotations

import gzip
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_crr.errors import (
    CrrError,
    DiskFull,
    InvalidArgument,
    InventoryError,
    InventoryFileInvalid,
    OutOfMemory,
)
from airflow_provider_crr.inventory.delivery import Announced
from airflow_provider_crr.inventory.engines import csv_text
from airflow_provider_crr.inventory.engines.duckdb_connection import duckdb_errors
from airflow_provider_crr.inventory.limits import Limits
from airflow_provider_crr.inventory.render import render
from airflow_provider_crr.tasks.arguments import moment, seconds
from tests.inventory.engines.test_bad_files import GOOD, refused, report, with_text
from tests.inventory.store import Store, parsed
from tests.inventory.summaries import summarize_local

URI = "s3://reports/landing/daily/data/1.parquet"


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: the system refuses more, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
def test_a_full_disk_is_told(store: Store, tmp_path: Path, file_format: Any) -> None:
    """No room for a data file: the disk is named, nothing stays behind, and the report is not blamed."""
    manifest = store.hold(report(file_format))
    with full_disk(100):
        error = refused(store, manifest, tmp_path, DiskFull)
    assert not isinstance(error, InventoryError)
    assert "the disk is full" in str(error)
    assert "work_dir" in str(error.remedy)
    assert isinstance(error.__cause__, OSError)


def test_a_disk_without_room_for_the_list_is_told(store: Store, tmp_path: Path) -> None:
    """No room for what is to be repaired: the same."""
    manifest = store.replace(store.hold(report()), 1, gzip.compress(GOOD.replace("COMPLETED", "FAILED").encode() * 2))
    failed = tmp_path / "none" / "failed.csv"
    with pytest.raises(CrrError) as raised:
        summarize_local(store.s3, manifest, failed_manifest=failed)
    assert not isinstance(raised.value, InventoryError)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT replace(1::DECIMAL, 'a', 'b')", CrrError),
        ("SELECT no_such_function(1)", CrrError),
        ("FROM no_such_table", CrrError),
        ("SELEC", CrrError),
        ("SELECT [1]::TIMESTAMP", CrrError),
        ("SELECT 'five'::INT", InventoryFileInvalid),
        ("SELECT error('the row of an extension that cannot be loaded')", InventoryFileInvalid),
        ("SELECT url_decode('%ff')", InventoryFileInvalid),
    ],
)
def test_only_what_is_said_of_the_bytes_is_the_reports(statement: str, error: type[CrrError]) -> None:
    """A statement that a release of DuckDB does not understand says nothing of the report."""
    with pytest.raises(error) as raised, duckdb_errors(URI), duckdb.connect() as connection:
        connection.execute(statement).fetchall()
    assert type(raised.value) is error
    assert raised.value.uri == URI
    assert raised.value.__cause__ is not None
    assert ("another report" in str(raised.value)) is (error is InventoryFileInvalid)


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), InventoryFileInvalid),
        (duckdb.Error("TProtocolException: Invalid data"), InventoryFileInvalid),
        (duckdb.IOException("IO Error: Could not read enough bytes from file"), InventoryFileInvalid),
        (duckdb.IOException('IO Error: Cannot open file "/w/0": Too many open files'), CrrError),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), DiskFull),
        (duckdb.IOException("IO Error: Could not read from file: Input/output error"), CrrError),
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate"), OutOfMemory),
        (duckdb.BinderException("Binder Error: No function matches"), CrrError),
        (duckdb.ConversionException("Conversion Error: Unimplemented type for cast (INT64 -> INT64)"), CrrError),
        (RuntimeError("std::bad_alloc"), CrrError),
        (MemoryError("no memory"), OutOfMemory),
    ],
    ids=str,
)
def test_whatever_duckdb_raises_is_ours(cause: Exception, error: type[CrrError]) -> None:
    """Each kind of exception ends as an error of this provider, its cause kept."""
    with pytest.raises(error) as raised, duckdb_errors(URI):
        raise cause
    assert type(raised.value) is error
    assert raised.value.__cause__ is cause
    assert raised.value.remedy


@pytest.mark.parametrize("arguments", [{"memory_limit": "lots"}, {"memory_limit": ""}, {"threads": -3}])
def test_settings_that_duckdb_does_not_take_are_told(store: Store, arguments: dict[str, Any]) -> None:
    """A memory limit or a number of threads that is none is no raw error."""
    with pytest.raises(CrrError, match="DuckDB"):
        summarize_local(store.s3, store.hold(report()), **arguments)


@pytest.mark.parametrize(
    ("status", "key", "depth"),
    [
        *[
            (status, key, depth)
            for status in ("FAILED", "PENDING")
            for key in ("%ff", "%C3", "a/%ed%a0%80/b", "%C3%28/x/y", "a/%f8%88%80%80%80")
            for depth in (0, 2)
        ],
        # Of what is only counted, the prefix is decoded.
        *[("COMPLETED", key, 2) for key in ("%ff/b", "%C3%28/x/y", "a/%ed%a0%80/b", "%C3/%A9")],
    ],
)
def test_a_key_that_decodes_to_no_utf8_is_refused(
    store: Store, tmp_path: Path, status: str, key: str, depth: int
) -> None:
    """S3 has no key that is not UTF-8: where it is decoded, the report is refused, and its file named."""
    text = GOOD.replace("COMPLETED", status).replace('"k"', f'"{key}"')
    manifest = with_text(store, text)
    with pytest.raises(InventoryFileInvalid) as raised:
        summarize_local(store.s3, manifest, prefix_depth=depth, failed_manifest=tmp_path / "failed")
    assert raised.value.uri == manifest.file_uri(manifest.files[1])


@pytest.mark.parametrize("value", [1e14, 10**400, float("inf"), float("nan"), -1])
def test_a_duration_that_no_timedelta_holds_is_refused(value: float) -> None:
    """A duration that Python cannot add to a time is refused where it is given."""
    with pytest.raises(InvalidArgument):
        seconds(value, "failed_manifest_pending_age")
    assert timedelta(seconds=seconds(timedelta.max - timedelta(seconds=9), "age") or 0)


def test_a_report_of_the_last_moment_is_rendered(store: Store) -> None:
    """A report that says to be of the end of the year 9999, or of 1970, is summarized and rendered as others are."""
    for moment_ms in ("253402300799999", "0"):
        manifest = store.hold(report())
        body = store.objects[manifest.uri.split("/", 3)[3]]
        assert isinstance(body, bytes)
        said = str(int(manifest.created_at.timestamp() * 1000)).encode()
        found = summarize_local(store.s3, parsed(body.replace(said, moment_ms.encode()), manifest.uri), prefix_depth=1)
        for form in ("text", "html", "markdown", "json"):
            assert render(found, form)
        assert Limits(max_report_age=1, max_failed=0, max_pending_age=1).exceeded(found, datetime.now(UTC))


def test_an_age_before_the_calendar_is_refused(store: Store, tmp_path: Path) -> None:
    """An age that leads before the year 1 is no raw OverflowError."""
    with pytest.raises(InvalidArgument, match="year 1"):
        summarize_local(
            store.s3,
            store.hold(report()),
            failed_manifest=tmp_path / "failed",
            pending_older_than=timedelta(days=900_000),
        )


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_without_utc_is_refused(text: str) -> None:
    """The first and the last hours of the calendar are not there in UTC: no raw OverflowError."""
    for value in (text, datetime.fromisoformat(text)):
        with pytest.raises(InvalidArgument):
            moment(value, "newer_than")
    with pytest.raises(InvalidArgument):
        Announced.from_dict({"until": text, "reports": []})
    assert moment("9999-12-31T23:59:59+05:00", "newer_than") is not None
    assert moment("0001-01-01T00:00:00Z", "newer_than") == datetime(1, 1, 1, tzinfo=UTC)


def test_a_worker_without_room_for_a_thread_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of processes is no fault of the report, and no raw RuntimeError."""

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    manifest = store.hold(report())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(CrrError, match="can't start new thread") as raised:
        summarize_local(store.s3, manifest)
    assert not isinstance(raised.value, InventoryError)


def test_no_memory_to_unpack_a_file_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be unpacked for want of memory may be whole."""

    class NoMemory:
        eof = False

        def decompress(self, *_: Any) -> bytes:
            raise MemoryError

    monkeypatch.setattr(csv_text, "_gzip_decompressor", NoMemory)
    with pytest.raises(OutOfMemory):
        summarize_local(store.s3, store.hold(report()))
