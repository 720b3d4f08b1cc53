"""Every row of a data file is read, or the report is refused."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from airflow_provider_crr.errors import InventoryFileInvalid
from airflow_provider_crr.inventory.engines import csv_text
from airflow_provider_crr.inventory.engines.csv_text import MAX_RECORD_BYTES, Gunzip
from airflow_provider_crr.inventory.engines.files import CHUNK_BYTES
from airflow_provider_crr.inventory.manifest import Manifest
from tests.inventory.engines.test_bad_files import GOOD, refused, report, with_text
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local

MANY = 100_000


def held(store: Store, text: str | bytes) -> Manifest:
    """Return a report whose second file has this text, packed quickly."""
    content = text.encode() if isinstance(text, str) else text
    return store.replace(store.hold(report()), 1, gzip.compress(content, 1))


LAST = [
    pytest.param(GOOD[1:-2] + "\n", id="without its outer quotes"),
    pytest.param(GOOD[1:], id="without its first quote"),
    pytest.param(GOOD[:-2] + "\n", id="without its last quote"),
    pytest.param(GOOD[:-1], id="without its line break"),
    pytest.param(GOOD[:-20], id="cut"),
    pytest.param(GOOD[:-4] + "\n", id="a field short"),
    pytest.param(GOOD[:-1] + ',""\n', id="an empty field too many"),
    pytest.param(GOOD[:-1] + ",\n", id="a comma too many"),
    pytest.param(GOOD[:-1] + "\r\n", id="CRLF"),
    pytest.param("\n", id="empty line"),
    pytest.param("k" * 1000 + "\n", id="one value"),
    pytest.param('"', id="a quote"),
    pytest.param("\x1a", id="end of file of CP/M"),
    pytest.param("\r", id="CR"),
    pytest.param("\0" * 500, id="zeros"),
    pytest.param("#" + GOOD, id="a comment"),
    pytest.param(GOOD.replace('"k"', '"k" '), id="a blank behind quotes"),
    pytest.param(GOOD.replace('"k"', ' "k"'), id="a blank before quotes"),
    pytest.param(GOOD.replace('"k"', 'k"k'), id="a quote outside of quotes"),
    pytest.param(GOOD.replace('"k"', '"k"k'), id="text behind quotes"),
]


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("last", LAST)
def test_a_last_row_is_not_lost(store: Store, tmp_path: Path, before: int, last: str) -> None:
    """A last line that is no record refuses the file, however many good ones come before it."""
    assert f"Line: {before + 1}" in str(refused(store, held(store, GOOD * before + last), tmp_path))


@pytest.mark.parametrize("last", LAST[:4])
def test_nor_is_the_last_of_many(store: Store, tmp_path: Path, last: str) -> None:
    """Where several threads read a file, what its last one leaves out is noticed too."""
    assert f"Line: {MANY + 1}" in str(refused(store, held(store, GOOD * MANY + last), tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 31_000_000, id="31 MB that are one value"),
        pytest.param("a" * 31_000_000 + "\n", id="and a line break"),
        pytest.param('"' + "a" * 31_000_000 + '"\n', id="in quotes"),
        pytest.param(GOOD + "a" * 31_000_000, id="after a row"),
        pytest.param(b"\0" * 100_000_000, id="zeros"),
        pytest.param("\n" * 100_000, id="line breaks"),
        pytest.param(b"\xef\xbb\xbf" + GOOD.encode(), id="byte order mark"),
        pytest.param(GOOD.encode("utf-16"), id="UTF-16"),
        pytest.param(GOOD + "\n" + GOOD, id="empty line"),
        pytest.param(GOOD + GOOD.replace("\n", "\r\n") + GOOD, id="CRLF"),
        pytest.param(GOOD.encode().replace(b'"",""', b'"\xff",""', 1), id="a field that is not read is not UTF-8"),
        pytest.param(GOOD.encode().replace(b'"k"', b'"\xed\xa0\x80"'), id="half of a surrogate pair"),
    ],
)
def test_a_file_that_is_no_csv_of_s3_does_not_count_as_empty(store: Store, tmp_path: Path, text: str | bytes) -> None:
    """What DuckDB takes for no rows, or skips, refuses the report."""
    refused(store, held(store, text), tmp_path)


@pytest.mark.parametrize("versions", ["all", "current"])
def test_the_rows_that_are_not_asked_for_are_read_too(store: Store, tmp_path: Path, versions: str) -> None:
    """Current versions only: what is wrong with the other rows still refuses the report, and they are counted."""
    old = GOOD.replace('"true"', '"false"')
    rows = {"all": 7, "current": 4}[versions]
    manifest = held(store, old * 3)
    assert summarize_local(store.s3, manifest, versions=versions).volume.objects == rows
    with pytest.raises(InventoryFileInvalid, match="size"):
        summarize_local(store.s3, held(store, old + old.replace('"5"', '"1e3"')), versions=versions)
    with pytest.raises(InventoryFileInvalid, match="Line: 2"):
        summarize_local(store.s3, held(store, old + old[1:-2] + "\n"), versions=versions)


def test_other_ways_to_write_the_same_rows_are_read(store: Store) -> None:
    """RFC 4180 leaves a writer to leave quotes out, and to put quotes, commas and line breaks between them."""
    text = GOOD.replace('"', "") + GOOD + GOOD.replace('"","",""', '"","a ""b"", c\n\r\nd",ü') + GOOD.replace('""', "")
    assert summarize_local(store.s3, held(store, text)).statuses["COMPLETED"].objects == 4


def test_rows_split_between_pieces_and_members_are_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever unpacking stops for a moment, rows, characters and line breaks are counted once."""
    monkeypatch.setattr(csv_text, "_PIECE_BYTES", 7)
    monkeypatch.setattr(csv_text, "_BLOCK_BYTES", 11)
    text = (GOOD.replace('"","",""', '"","ü\n🪣""",""') * 9 + GOOD).encode()
    for cut in (1, 100, len(text) - 1):
        content = gzip.compress(text[:cut]) + gzip.compress(b"") + gzip.compress(text[cut:])
        manifest = store.replace(store.hold(report()), 1, content)
        assert summarize_local(store.s3, manifest).statuses["COMPLETED"].objects == 10


def test_a_record_is_bounded(store: Store, tmp_path: Path) -> None:
    """A record may have 2 MB, line breaks in its fields included; a longer one is refused."""
    for size, fits in ((MAX_RECORD_BYTES - 1000, True), (MAX_RECORD_BYTES + 1000, False)):
        lines = "lines\n" * (size // 6)
        manifest = held(store, GOOD.replace('"","",""', f'"","{lines}",""'))
        if fits:
            assert summarize_local(store.s3, manifest).statuses["COMPLETED"].objects == 1
        else:
            refused(store, manifest, tmp_path)


def test_what_unpacks_to_gigabytes_does_not_fill_the_memory() -> None:
    """Zeros pack a thousandfold: they are unpacked by pieces, and given up once they are longer than any record."""
    packed = gzip.compress(bytes(500_000_000), 1)
    gunzip = Gunzip("s3://reports/zeros")
    tracemalloc.start()
    chunks = (packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES))
    unpacked = sum(len(piece) for chunk in chunks for piece in gunzip.unpack(chunk))
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert unpacked <= MAX_RECORD_BYTES
    with pytest.raises(InventoryFileInvalid, match="more than 2000000 bytes"):
        gunzip.finish()


@pytest.mark.parametrize(
    ("size", "most"),
    [(2_000_000, 256 * 1024**2), (5_000_000, 500_000_000), (20_000_000, 1024**3), (90_000_000, 1_440_000_000)],
)
def test_what_a_file_may_unpack_to_is_bounded(size: int, most: int) -> None:
    """256 MiB, 100 times the file up to 1 GiB, or 16 times: S3's own unpack to 3 to 4 times."""
    assert csv_text.most_unpacked(size) == most


def test_a_file_that_unpacks_to_more_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are packed too well are refused before they fill the disk; the bound is named."""
    monkeypatch.setattr(csv_text, "most_unpacked", lambda size: 1_000_000)
    rows = GOOD * 40_000
    gunzip = Gunzip("s3://reports/rows", 1000)
    unpacked = sum(map(len, gunzip.unpack(gzip.compress(rows.encode()))))
    assert unpacked <= 1_000_000
    error = refused(store, held(store, rows), tmp_path)
    assert "unpacks to more than 1000000 bytes" in str(error)


def _columnar(store: Store, file_format: str, *, tampered: bool) -> Manifest:
    """Return a report with a file of 1234 rows, or one whose footer says 1235."""
    manifest = store.hold(report(file_format))  # type: ignore[arg-type]
    file = io.BytesIO(store.objects[manifest.files[1].key])  # type: ignore[arg-type]
    out = io.BytesIO()
    if file_format == "ORC":
        table = orc.ORCFile(file).read()
        orc.write_table(pa.concat_tables([table] * 617), out, compression="uncompressed")
        right, wrong = b"\x30\xd2\x09", b"\x30\xd3\x09"  # protobuf: Footer.numberOfRows
    else:
        table = parquet.read_table(file)
        parquet.write_table(pa.concat_tables([table] * 617), out, store_schema=False)
        right, wrong = b"\x16\xa4\x13", b"\x16\xa6\x13"  # Thrift: FileMetaData.num_rows, before those of row groups
    content = out.getvalue()
    head, found, tail = content.rpartition(right) if file_format == "ORC" else content.partition(right)
    assert found
    return store.replace(manifest, 1, head + (wrong if tampered else right) + tail)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_a_columnar_file_has_the_rows_that_its_footer_says(store: Store, tmp_path: Path, file_format: str) -> None:
    """Fewer rows than the footer of an ORC or Parquet file says are not all of them."""
    whole = _columnar(store, file_format, tampered=False)
    assert summarize_local(store.s3, whole).volume.objects == 1234 + 4
    error = refused(store, _columnar(store, file_format, tampered=True), tmp_path)
    assert "1235 rows, of which 1234 could be read" in str(error)


SIZES = ["5.5", "5.0", "1e3", "0x10", "0b1", "\u0663", "\uff11", "+5", "-0", "-5", "1_000", " 5", "5 ", "5\t", "007"]
FLAGS = ["t", "f", "1", "0", "yes", "no", "y", "n", "on", " true", "true ", "tru\u00e9"]
TIMES = [
    "2026-11",
    "2026-11-20",
    "2026-11-20T00:00Z",
    "2026-11-20T00:00:00",
    "2026-11-20 00:00:00Z",
    "2026-11-20T00:00:00+05:00",
    "2026-11-20T00:00:00.000+00:00",
    "2026-11-20T00:00:00.000-00:00",
    "2026-11-20T00:00:00.000Z+05:00",
    "2026-11-20T00:00:00.000 UTC",
    "2026-11-20T00:00:00 Europe/Berlin",
    "2026-11-20T00:00:00.000z",
    "2026-11-20t00:00:00.000Z",
    "2026-11-20T00:00:00,000Z",
    "2026-11-20T00:00:00.Z",
    "2026-11-20T24:00:00.000Z",
    "2026-11-20T23:59:60.000Z",
    "2026-02-30T00:00:00.000Z",
    "2026-1-2T0:0:0Z",
    "2026/11/20T00:00:00.000Z",
    "20261120T000000Z",
    " 2026-11-20T00:00:00.000Z",
    "2026-11-20T00:00:00.000Z ",
    "2026-11-20T 1:00:00.000Z",
    " 026-11-20T00:00:00.000Z",
    "-026-11-20T00:00:00.000Z",
    "12026-11-20T00:00:00.000Z",
    "2026-11-20 (BC)",
    "\u0662\u0660\u0662\u0666-11-20T00:00:00.000Z",
    "1795136400",
    "1795136400000",
    "epoch",
    "infinity",
    "-infinity",
    "now",
]


@pytest.mark.parametrize(
    ("column", "right", "wrong"),
    [
        *[("size", '"5"', value) for value in SIZES],
        *[("is_latest", '"true"', value) for value in FLAGS],
        *[("is_delete_marker", '"false"', value) for value in FLAGS],
        *[("last_modified_date", '"2026-11-20T00:00:00.000Z"', value) for value in TIMES],
    ],
)
def test_a_value_that_s3_would_not_write_is_refused(
    store: Store, tmp_path: Path, column: str, right: str, wrong: str
) -> None:
    """A number, a flag or a time in another spelling refuses the report; row, column and value are named."""
    error = refused(store, held(store, GOOD + GOOD.replace(right, f'"{wrong}"')), tmp_path)
    assert f"the row of key k has {column} " in str(error)
    assert wrong.strip() in str(error)


@pytest.mark.parametrize("time", ["2026-11-20T00:00:00Z", "2026-11-20T00:00:00.0Z", "2026-11-20T00:00:00.000000000Z"])
def test_a_time_may_have_any_fraction(store: Store, time: str) -> None:
    """S3 writes whole seconds with three zeros; without a fraction, or with another, a time says the same."""
    text = GOOD.replace("COMPLETED", "PENDING").replace("2026-11-20T00:00:00.000Z", time)
    oldest: Any = summarize_local(store.s3, held(store, text)).oldest_pending
    assert oldest.last_modified.isoformat() == "2026-11-20T00:00:00+00:00"


@pytest.mark.parametrize(("latest", "marker"), [("TRUE", "FALSE"), ("True", "False")])
def test_flags_may_be_of_any_case(store: Store, latest: str, marker: str) -> None:
    """The user guide says TRUE and FALSE, reports say true and false."""
    text = GOOD.replace('"true"', f'"{latest}"').replace('"false"', f'"{marker}"')
    assert summarize_local(store.s3, held(store, text)).statuses["COMPLETED"].objects == 1


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.000Z"])
def test_a_pending_version_from_before_s3_is_refused(store: Store, tmp_path: Path, time: str) -> None:
    """A time that S3 cannot have written has no age."""
    text = GOOD.replace("COMPLETED", "PENDING").replace("2026-11-20T00:00:00.000Z", time)
    assert "before 1970" in str(refused(store, held(store, text), tmp_path))


@pytest.mark.parametrize("key", ["%zz", "a%", "%4", "100%/a", "%%"])
def test_a_key_that_cannot_be_decoded_is_refused(store: Store, tmp_path: Path, key: str) -> None:
    """A percent sign that begins no code is none of S3's, and would be another key in the list to repair."""
    text = GOOD.replace("COMPLETED", "FAILED").replace('"k"', f'"{key}"')
    assert "URL-encoded" in str(refused(store, with_text(store, text), tmp_path))
