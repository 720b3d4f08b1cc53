"""The summary of a report is what its rows come to, whatever the format."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_crr.inventory.engines.choice import ENGINES, choose_summarizer
from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
from airflow_provider_crr.inventory.manifest import Manifest
from local_aws.inventory import USUAL_FIELDS, Report, Row, write_report
from tests.inventory import fold
from tests.inventory.rows import CREATED_AT, SOURCE, reports, row
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local

#: Every engine must give the same summary.
each_engine = pytest.mark.parametrize("engine", ENGINES)
FORMATS: tuple[Literal["CSV", "ORC", "Parquet"], ...] = ("CSV", "ORC", "Parquet")
Versions = Literal["all", "current"]


def report(rows: Sequence[Row], file_format: Any, **more: Any) -> Report:
    return write_report(
        rows,
        file_format=file_format,
        source_bucket=SOURCE,
        destination_bucket="reports",
        created_at=CREATED_AT,
        **more,
    )


def summarized(store: Store, manifest: Manifest, engine: str, **request: Any) -> dict[str, Any]:
    """Return the parts of a summary that follow from its rows."""
    plain = choose_summarizer(engine, store.s3).summarize(manifest, SummaryRequest(**request)).to_dict()
    plain["pending_ages"] = [(band["objects"], band["bytes"]) for band in plain["pending_ages"]]
    about = ("schema", "source_bucket", "manifest", "format", "created_at", "versions", "prefix_depth")
    for name in (*about, "lifecycle_held", "report_uri", "failed_manifest_uri"):
        del plain[name]
    return plain


@each_engine
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=reports,
    depth=st.integers(0, 4),
    versions=st.sampled_from(["all", "current"]),
    rows_per_file=st.sampled_from([3, 10, 30]),
    older_than=st.sampled_from([None, timedelta(minutes=15), timedelta(days=1)]),
)
def test_every_format_counts_as_plain_python_does(
    store: Store,
    engine: str,
    rows: list[Row],
    depth: int,
    versions: Versions,
    rows_per_file: int,
    older_than: timedelta | None,
) -> None:
    """Summary and Batch Operations manifest of any report in any format are those of an independent fold."""
    expected = fold.fold(rows, created_at=CREATED_AT, prefix_depth=depth, versions=versions)
    listed = fold.listed(rows, created_at=CREATED_AT, versions=versions, older_than=older_than)
    with tempfile.TemporaryDirectory() as directory:
        for file_format in FORMATS:
            manifest = store.hold(report(rows, file_format, rows_per_file=rows_per_file))
            to_repair = Path(directory, file_format)
            found = summarized(
                store,
                manifest,
                engine,
                prefix_depth=depth,
                versions=versions,
                failed_manifest=to_repair,
                pending_older_than=older_than,
            )
            assert found == expected, file_format
            with to_repair.open(newline="") as lines:
                # A version that is in two files is listed twice: S3 lists each once.
                assert sorted({tuple(line) for line in csv.reader(lines)}) == listed, file_format


@each_engine
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=reports, depth=st.integers(0, 3), versions=st.sampled_from(["all", "current"]))
def test_a_report_of_current_versions_has_latest_rows_only(
    store: Store, engine: str, rows: list[Row], depth: int, versions: Versions
) -> None:
    """Without version columns every row is the latest version, and URIs name no version."""
    kept = [entry for entry in rows if entry.is_latest and not entry.is_delete_marker]
    expected = fold.fold(kept, created_at=CREATED_AT, prefix_depth=depth, versions="all", has_versions=False)
    for file_format in FORMATS:
        manifest = store.hold(report(rows, file_format, versions="current"))
        assert summarized(store, manifest, engine, prefix_depth=depth, versions=versions) == expected, file_format


@each_engine
@pytest.mark.parametrize("file_format", FORMATS)
def test_the_worst_hundred_prefixes_are_named(store: Store, engine: str, file_format: str) -> None:
    """Of 250 prefixes the 100 with most unsettled bytes are named in that order, and 150 are one row."""
    rows = [
        entry
        for number in range(250)
        for entry in (
            row(f"p{number}/settled", size=10**9),
            row(f"p{number}/failed", "FAILED", size=number // 2),
            row(f"p{number}/none", None, size=0),
        )
    ]
    manifest = store.hold(report(rows, file_format, rows_per_file=170))
    found = summarized(store, manifest, engine, prefix_depth=1)
    assert found == fold.fold(rows, created_at=CREATED_AT, prefix_depth=1, versions="all")
    assert [entry["prefix"] for entry in found["prefixes"]][:3] == ["p248/", "p249/", "p246/"]
    assert found["other_prefixes"]["count"] == 150


@each_engine
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_empty_report_counts_nothing(store: Store, engine: str, file_format: str) -> None:
    """A report without data files is that of an empty bucket: zero objects, and no error."""
    found = summarized(store, store.hold(report([], file_format)), engine, prefix_depth=2)
    assert found == fold.fold([], created_at=CREATED_AT, prefix_depth=2, versions="all")


@each_engine
@pytest.mark.parametrize("file_format", FORMATS)
def test_optional_columns_may_be_absent(store: Store, engine: str, file_format: str) -> None:
    """Without Size bytes are 0, and without LastModifiedDate nothing has an age."""
    rows = [row("a/b", "PENDING", size=7), row("a/c", "FAILED", size=7)]
    fields = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "ReplicationStatus")
    manifest = store.hold(report(rows, file_format, fields=fields))
    summary = choose_summarizer(engine, store.s3).summarize(manifest, SummaryRequest())
    assert (summary.volume.objects, summary.volume.bytes) == (2, 0)
    assert summary.oldest_pending is None
    assert summary.pending_ages == ()
    assert summary.failed_sample == (f"s3://{SOURCE}/a/c?versionId=v1",)


@each_engine
@pytest.mark.parametrize("file_format", FORMATS)
def test_columns_are_found_by_name(store: Store, engine: str, file_format: str) -> None:
    """The order of the columns does not matter."""
    rows = [row("a/b", "PENDING", size=7), row("c", "FAILED", size=2)]
    manifest = store.hold(report(rows, file_format, fields=tuple(reversed(USUAL_FIELDS))))
    assert summarized(store, manifest, engine, prefix_depth=1) == fold.fold(
        rows, created_at=CREATED_AT, prefix_depth=1, versions="all"
    )


def test_a_column_of_next_year_is_ignored(store: Store) -> None:
    """A CSV column that nobody knows is skipped, even if its name is hostile."""
    held = report([row("a", "FAILED")], "CSV", fields=(*USUAL_FIELDS, "ObjectOwner"))
    key = held.manifest_key
    held.objects[key] = held.objects[key].replace(b", ObjectOwner", b", SELECT")
    assert summarize_local(store.s3, store.hold(held)).volume.objects == 1


def test_statuses_nobody_knows_are_one(store: Store) -> None:
    """A thousand different unknown statuses make one entry, UNKNOWN, which is not settled."""
    rows = [row(f"k{number}", f"STATUS-{number}") for number in range(1000)]
    summary = summarize_local(store.s3, store.hold(report(rows, "CSV")), prefix_depth=1)
    assert {name: volume.objects for name, volume in summary.statuses.items()} == {"UNKNOWN": 1000}


@pytest.mark.parametrize(("fakes", "count"), [(150, 3000), (25_000, 60)])
def test_line_breaks_in_fields_are_read(store: Store, fakes: int, count: int) -> None:
    """Fields full of lines that look like rows, where a thread may begin to read, are still fields."""
    fake = f"\n{SOURCE},fake,v,true,false,9,2026-11-20T00:00:00.000Z,,,,FAILED," * fakes
    rows = [row(f"k{number}", storage_class=fake) for number in range(count)]
    summary = summarize_local(store.s3, store.hold(report(rows, "CSV")), threads=4)
    assert {name: volume.objects for name, volume in summary.statuses.items()} == {"COMPLETED": count}


def test_facts_are_merged_on_the_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merging the facts of the files read so far changes nothing."""
    monkeypatch.setattr("airflow_provider_crr.inventory.engines.duckdb_engine.MERGE_ROWS", 3)
    rows = [row(f"p{number % 3}/k{number}", ("FAILED", "PENDING", None)[number % 3]) for number in range(40)]
    manifest = store.hold(report(rows, "CSV", rows_per_file=2))
    assert summarized(store, manifest, "local", prefix_depth=1) == fold.fold(
        rows, created_at=CREATED_AT, prefix_depth=1, versions="all"
    )


def test_each_file_is_fetched_once(store: Store, tmp_path: Path) -> None:
    """Summary and Batch Operations manifest together ask for each data file once."""
    manifest = store.hold(report([row(f"k{number}", "FAILED") for number in range(9)], "CSV", rows_per_file=2))
    summarize_local(store.s3, manifest, failed_manifest=tmp_path / "failed.csv")
    assert sorted(store.gets) == sorted(file.key for file in manifest.files)
