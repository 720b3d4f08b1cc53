"""A report with anything wrong in it is not counted, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from airflow_provider_crr.errors import (
    CrrError,
    InvalidArgument,
    InventoryError,
    InventoryFileInvalid,
    InventoryManifestInvalid,
    InventoryNotFound,
    LookupFailed,
    PackageMissing,
)
from airflow_provider_crr.inventory import get_object
from airflow_provider_crr.inventory.engines import files
from airflow_provider_crr.inventory.manifest import Manifest
from local_aws.inventory import Report, write_report
from tests.inventory.rows import CREATED_AT, SOURCE, row
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local

GOOD = f'"{SOURCE}","k","v1","true","false","5","2026-11-20T00:00:00.000Z","","","","COMPLETED",""\n'


def report(file_format: Any = "CSV", *, objects: int = 6, **more: Any) -> Report:
    rows = [row(f"k{number}", "FAILED") for number in range(objects)]
    return write_report(
        rows,
        file_format=file_format,
        source_bucket=SOURCE,
        destination_bucket="reports",
        created_at=CREATED_AT,
        rows_per_file=2,
        **more,
    )


def refused(store: Store, manifest: Manifest, tmp_path: Path, error: type[CrrError] = InventoryFileInvalid) -> CrrError:
    """Return the error with which a report is refused, after looking that it left nothing behind."""
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    to_repair = tmp_path / "failed.csv"
    with pytest.raises(error) as raised:
        summarize_local(store.s3, manifest, prefix_depth=1, failed_manifest=to_repair, work_dir=work_dir)
    assert list(work_dir.iterdir()) == []
    assert not to_repair.exists()
    assert raised.value.remedy
    return raised.value


def with_text(store: Store, text: str | bytes) -> Manifest:
    """Return a report whose second file has another text."""
    content = text.encode() if isinstance(text, str) else text
    return store.replace(store.hold(report()), 1, gzip.compress(content))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + '"landing","k","v1"\n' + GOOD, "Line: 2"),
        (GOOD + GOOD.replace('""\n', '"","more"\n'), "Line: 2"),
        (GOOD.replace('"5"', '"five"'), "size"),
        (GOOD.replace('"5"', '"-5"'), "size"),
        (GOOD.replace('"5"', '"99999999999999999999"'), "size"),
        (GOOD.replace("2026-11-20T00:00:00.000Z", "yesterday"), "last_modified_date"),
        (GOOD.replace('"true"', '"perhaps"'), "is_latest"),
        (GOOD.replace('"false"', '"perhaps"'), "is_delete_marker"),
        (GOOD.replace('"k"', '"k"k'), "Line: 1"),
        (GOOD + '"landing","k', "Line: 2"),
        (GOOD.replace("\n", "\r"), "Line: 1"),
        (GOOD.encode().replace(b'"k"', b'"\xff"'), "Line: 1"),
        (GOOD.replace(SOURCE, "another"), "a row of another bucket"),
        (GOOD.replace(SOURCE, ""), "a row of another bucket"),
        (GOOD.replace('"k"', '""'), "a row without a key"),
        (GOOD.replace('"true"', '""'), "a version without IsLatest"),
        (GOOD.replace("COMPLETED", "PENDING").replace("2026-11-20T00:00:00.000Z", ""), "without LastModifiedDate"),
        (GOOD.replace("COMPLETED", "FAILED").replace('"k"', '"%ff"'), "UTF8"),
        (GOOD.replace('"k"', f'"{"k" * 3_000_000}"'), "Line: 1"),
        *(
            (GOOD.replace("COMPLETED", each).replace('"k"', f'"{"k" * 3073}"'), "1,024")
            for each in ("COMPLETED", "FAILED")
        ),
        (GOOD.replace("COMPLETED", "FAILED").replace('"k"', f'"{"k" * 1025}"'), "1,024 bytes, or with a NUL"),
        (GOOD.replace("COMPLETED", "FAILED").replace('"v1"', f'"{"v" * 1025}"'), "1,024 bytes, or with a NUL"),
        (GOOD.replace("COMPLETED", "FAILED").replace('"k"', '"k%00k"'), "1,024 bytes, or with a NUL"),
        (GOOD.replace('"k"', '"k%00k/x"'), "1,024 bytes, or with a NUL"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(store: Store, tmp_path: Path, text: str | bytes, said: str) -> None:
    """One wrong row refuses the whole report, and its file is named."""
    manifest = with_text(store, text)
    error = refused(store, manifest, tmp_path)
    assert error.uri == manifest.file_uri(manifest.files[1])
    assert said in str(error)
    assert len(str(error)) < 1200


@pytest.mark.parametrize("tail", ['"landing","k', '"', GOOD[:-2]])
def test_a_last_row_that_ends_in_quotes_is_refused(store: Store, tmp_path: Path, tail: str) -> None:
    """A file cut short is refused, also one whose line breaks make one thread read it."""
    fake = f"\n{SOURCE},fake,v,true,false,9,2026-11-20T00:00:00.000Z,,,,FAILED," * 150
    text = GOOD.replace('"","","","COMPLETED"', f'"","{fake}","","COMPLETED"') * 3000 + tail
    refused(store, with_text(store, text), tmp_path)


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
def test_a_file_that_is_not_the_listed_one_is_refused(store: Store, tmp_path: Path, file_format: str) -> None:
    """Same size and another MD5: refused before a row of it counts."""
    manifest = store.hold(report(file_format))
    content = bytearray(store.objects[manifest.files[2].key])  # type: ignore[arg-type]
    content[-1] ^= 1
    store.objects[manifest.files[2].key] = bytes(content)
    error = refused(store, manifest, tmp_path)
    assert error.uri == manifest.file_uri(manifest.files[2])
    assert manifest.files[2].md5 in str(error)


def test_a_file_of_another_size_is_refused(store: Store, tmp_path: Path) -> None:
    """A file of another size than the manifest says is not even read."""
    manifest = store.hold(report())
    store.objects[manifest.files[0].key] = b"short"
    assert "5 bytes, the manifest says" in str(refused(store, manifest, tmp_path))


def test_a_refused_file_leaves_no_connection_open(store: Store, tmp_path: Path) -> None:
    """A download that is given up closes its connection, rather than leave it to the garbage collector."""
    manifest = store.hold(report())
    store.objects[manifest.files[0].key] = bytes(2_000_000)  # more than a socket buffers
    bodies: list[Any] = []

    def note(parsed: dict[str, Any], **_: Any) -> None:
        bodies.append(parsed["Body"])

    store.s3.meta.events.register("after-call.s3.GetObject", note)
    try:
        refused(store, manifest, tmp_path)
    finally:
        store.s3.meta.events.unregister("after-call.s3.GetObject", note)
    assert bodies
    assert all(body._raw_stream.closed for body in bodies)


def test_a_missing_file_is_named(store: Store, tmp_path: Path) -> None:
    """A data file that is gone refuses the report, and is named."""
    manifest = store.hold(report())
    del store.objects[manifest.files[2].key]
    assert refused(store, manifest, tmp_path, InventoryNotFound).uri == manifest.file_uri(manifest.files[2])


def test_a_denied_file_says_what_to_allow(store: Store, tmp_path: Path) -> None:
    """A data file that may not be read names the permissions."""
    manifest = store.hold(report())
    store.objects[manifest.files[0].key] = "AccessDenied"
    assert "kms:Decrypt" in str(refused(store, manifest, tmp_path, InventoryError))


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(GOOD.encode())[:-9], gzip.compress(GOOD.encode()) + b"more", b"\x1f\x8b"],
    ids=["empty", "text", "cut", "followed", "magic alone"],
)
def test_a_file_that_is_no_gzip_is_refused(store: Store, tmp_path: Path, content: bytes) -> None:
    """A file whose MD5 is right but that does not unpack to its end is refused."""
    manifest = store.replace(store.hold(report()), 0, content)
    assert "gzip" in str(refused(store, manifest, tmp_path))


def test_a_gzip_file_of_several_members_is_one_file(store: Store) -> None:
    """Gzip files may be concatenated; all of their rows count."""
    content = gzip.compress((GOOD * 3).encode()) + gzip.compress((GOOD * 4).encode())
    manifest = store.replace(store.hold(report()), 0, content)
    assert summarize_local(store.s3, manifest).statuses["COMPLETED"].objects == 7


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("spoil", ["junk", "middle", "short", "columns", "types"])
def test_a_columnar_file_that_is_none_is_refused(store: Store, tmp_path: Path, file_format: str, spoil: str) -> None:
    """Junk, a spoilt page, a missing column or one of another type refuse the report, although the MD5 is right."""
    manifest = store.hold(report(file_format))
    content = store.objects[manifest.files[1].key]
    assert isinstance(content, bytes)
    if spoil == "middle":
        content = content[:4] + bytes(len(content) // 2) + content[len(content) // 2 + 4 :]
    elif spoil in ("columns", "types"):
        column = pa.array(["k"]) if spoil == "columns" else pa.array([b"\xff\x00"])
        names = ["bucket", "key"] if spoil == "columns" else list(manifest.fields)
        table = pa.table(dict.fromkeys(names, column))
        buffer = io.BytesIO()
        orc.write_table(table, buffer) if file_format == "ORC" else parquet.write_table(table, buffer)
        content = buffer.getvalue()
    else:
        content = b"junk" * 50 if spoil == "junk" else content[:-30]
    manifest = store.replace(manifest, 1, content)
    assert refused(store, manifest, tmp_path).uri == manifest.file_uri(manifest.files[1])


def test_a_broken_connection_is_tried_again(store: Store) -> None:
    """A file whose connection breaks twice is fetched a third time, and counts once."""
    manifest = store.hold(report())
    store.cuts[manifest.files[1].key] = 2
    assert summarize_local(store.s3, manifest).volume.objects == 6
    assert store.gets.count(manifest.files[1].key) == get_object.FETCH_ATTEMPTS


def test_a_connection_that_stays_broken_is_an_error(store: Store, tmp_path: Path) -> None:
    """After the last attempt the lookup has failed, which another run of the task may mend."""
    manifest = store.hold(report())
    store.cuts[manifest.files[1].key] = 99
    assert "Run the task again" in str(refused(store, manifest, tmp_path, LookupFailed))


@pytest.mark.parametrize(
    "arguments", [{"prefix_depth": -1}, {"prefix_depth": 10**6}, {"prefix_depth": "2"}, {"versions": "latest"}]
)
def test_arguments_out_of_range_are_refused_before_anything_is_fetched(store: Store, arguments: dict[str, Any]) -> None:
    """A depth or a word for versions that cannot work is refused without a request."""
    manifest = store.hold(report())
    with pytest.raises(InvalidArgument, match="Give"):
        summarize_local(store.s3, manifest, **arguments)
    assert store.gets == []


def test_an_age_needs_last_modified_date(store: Store, tmp_path: Path) -> None:
    """Listing what is PENDING for too long needs a report that knows how long."""
    fields = ("Bucket", "Key", "ReplicationStatus")
    manifest = store.hold(report(fields=fields))
    with pytest.raises(InventoryManifestInvalid, match="LastModifiedDate"):
        summarize_local(store.s3, manifest, failed_manifest=tmp_path / "f", pending_older_than=timedelta(hours=1))


def test_orc_without_pyarrow_names_the_extra(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow an ORC report is refused before anything is fetched, with the command to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow.orc", None)
    manifest = store.hold(report("ORC"))
    assert "airflow-provider-crr[orc]" in str(refused(store, manifest, tmp_path, PackageMissing))
    assert store.gets == []


def test_a_signal_leaves_nothing_behind(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM, which Airflow turns into an exception, ends the summary and removes its files."""

    def terminated(*_: object) -> None:
        raise SystemExit("terminated")

    fetch = files._store

    def fetch_then_signal(*args: Any, **kwargs: Any) -> None:
        fetch(*args, **kwargs)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(files, "_store", fetch_then_signal)
    before = signal.signal(signal.SIGTERM, terminated)
    try:
        with pytest.raises(SystemExit, match="terminated"):
            summarize_local(store.s3, store.hold(report()), work_dir=tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert list(tmp_path.iterdir()) == []


def test_disk_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files a report has, no more than three are on disk at once."""
    seen: list[int] = []
    fetch = files._store

    def counting(body: Any, path: Path, *args: Any, **kwargs: Any) -> None:
        fetch(body, path, *args, **kwargs)
        seen.append(sum(1 for entry in path.parent.iterdir() if entry.is_file()))

    monkeypatch.setattr(files, "_store", counting)
    many = report(objects=40)
    assert summarize_local(store.s3, store.hold(many)).volume.objects == 40
    assert max(seen) <= files.FILES_AHEAD + 1
