"""Where temporary files are changes nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_crr.errors import CrrError, InvalidArgument, InventoryError
from airflow_provider_crr.inventory import workspace
from airflow_provider_crr.inventory.engines.duckdb_connection import connect
from airflow_provider_crr.inventory.engines.duckdb_engine import Engine
from local_aws.inventory import write_report
from tests.inventory.rows import CREATED_AT, SOURCE, row
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local

NAMES = [
    "replication_status=COMPLETED",
    "key=x",
    "size=10",
    "is_delete_marker=true",
    "is_latest=false",
    "version_id=v9",
    "bucket=other",
    "last_modified_date=2020-01-01",
    "status=FAILED/key=%2F",
    "a*b",
    "a?b",
    "[a]b",
    "a[!b]*",
    "**",
    "{a,b}",
    'it\'s "quoted", really; $path',
    "back\\slash\\*",
    "~",
    "s3:",
    "http:/host",
    "a.csv.gz",
    "x.parquet",
    "#?%20 \n\tü🪣",
    os.fsdecode(b"not-utf8-\xff"),
]
BESIDE = ["a1b", "ab", "aab", "b", "a", "x"]
ROWS = [
    row("done", "COMPLETED", size=1),
    row("waits", "PENDING", size=2),
    row("stuck", "FAILED", size=4, version_id="v7"),
    row("old", "FAILED", size=8, is_latest=False),
]


def summarized(store: Store, file_format: Any, tmp_path: Path, work_dir: Path | None) -> tuple[Any, str]:
    """Return statuses and Batch Operations manifest of a report of two files."""
    written = write_report(
        ROWS,
        file_format=file_format,
        source_bucket=SOURCE,
        destination_bucket="reports",
        created_at=CREATED_AT,
        rows_per_file=2,
    )
    listed = tmp_path / f"listed-{file_format}.csv"
    found = summarize_local(store.s3, store.hold(written), prefix_depth=1, failed_manifest=listed, work_dir=work_dir)
    statuses = {name: (volume.objects, volume.bytes) for name, volume in found.statuses.items()}
    return (statuses, found.delete_markers, found.oldest_pending and found.oldest_pending.uri), listed.read_text()


EXPECTED = (
    ({"COMPLETED": (1, 1), "PENDING": (1, 2), "FAILED": (2, 12)}, 0, f"s3://{SOURCE}/waits?versionId=v1"),
    f"{SOURCE},stuck,v7\n{SOURCE},old,v1\n",
)


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_work_dir_says_nothing(store: Store, tmp_path: Path, file_format: str, name: str) -> None:
    """Whatever a directory is called, the summary and the list to repair are those of the report."""
    work_dir = tmp_path / name
    work_dir.mkdir(parents=True)
    for other in BESIDE:  # what a pattern would find instead
        (tmp_path / other).mkdir(exist_ok=True)
    found, listed = summarized(store, file_format, tmp_path, work_dir)
    assert found == EXPECTED[0]
    assert sorted(listed.splitlines()) == sorted(EXPECTED[1].splitlines())
    assert list(work_dir.iterdir()) == []


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
@pytest.mark.parametrize("name", ["replication_status=COMPLETED", "key=x", "a*b"])
def test_nor_does_that_of_tmpdir(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str, name: str
) -> None:
    """The system's place for temporary files may be called anything too."""
    (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert summarized(store, file_format, tmp_path, None)[0] == EXPECTED[0]


def test_a_relative_work_dir_is_one(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is one below the working directory, even one that looks like a home or a bucket."""
    monkeypatch.chdir(tmp_path)
    for name in ("~", "s3:/bucket"):
        Path(name).mkdir(parents=True)
        assert summarized(store, "CSV", tmp_path, Path(name))[0] == EXPECTED[0]


def test_what_does_not_fit_in_memory_goes_there_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB moves what it cannot hold to a directory in the workspace, whatever that is called."""
    work_dir = tmp_path / "key=x [*]"
    work_dir.mkdir()
    moved: list[Path] = []
    add = Engine.add

    def look_then_go_on(self: Engine, file: Any) -> None:
        add(self, file)
        moved.extend(work_dir.glob("*/spill/*"))

    monkeypatch.setattr(Engine, "add", look_then_go_on)
    rows = [row(f"{number:06}{'k' * 200}", "FAILED") for number in range(60_000)]
    written = write_report(
        rows, file_format="Parquet", source_bucket=SOURCE, destination_bucket="reports", created_at=CREATED_AT
    )
    found = summarize_local(store.s3, store.hold(written), work_dir=work_dir, memory_limit="40MB", threads=1)
    assert found.statuses["FAILED"].objects == len(rows)
    assert moved
    assert list(work_dir.iterdir()) == []


def test_without_numbers_for_open_directories_columns_are_still_not_found_in_names(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On systems without /proc, DuckDB is given the path: it finds no columns in it, and a pattern is refused."""
    monkeypatch.setattr(workspace, "_OPENED", tmp_path / "none")
    for name in ("replication_status=COMPLETED", "it's", "a*b"):
        (tmp_path / name).mkdir()
    for file_format in ("CSV", "ORC", "Parquet"):
        for name in ("replication_status=COMPLETED", "it's"):
            assert summarized(store, file_format, tmp_path, tmp_path / name)[0] == EXPECTED[0]
        with pytest.raises(InvalidArgument, match="Give a work_dir"):
            summarized(store, file_format, tmp_path, tmp_path / "a*b")


HOLDS = """
import sys, time
from airflow_provider_crr.inventory.workspace import workspace
with workspace(sys.argv[1]) as (directory, _):
    (directory / "0").write_bytes(b"data")
    (directory / "spill").mkdir()
    print(directory, flush=True)
    time.sleep(100)
"""


def holding(parent: Path) -> tuple[Any, Path]:
    """Return a process that has a workspace, and where that is."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(parent)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    return process, Path(os.fsdecode(process.stdout.readline().rstrip(b"\n")))


def test_what_a_killed_process_left_is_removed_by_the_next_one(store: Store, tmp_path: Path) -> None:
    """After kill -9 the files stay until somebody summarizes there again; what is in use stays."""
    (killed, left), (alive, used) = holding(tmp_path), holding(tmp_path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()
        assert summarized(store, "CSV", tmp_path, tmp_path)[0] == EXPECTED[0]
        assert not left.exists()
        assert sorted(path.name for path in used.iterdir()) == ["0", "spill"]
    finally:
        for process in (killed, alive):
            process.kill()
            process.wait()
            process.stdout.close()


def test_nothing_of_others_is_removed(tmp_path: Path) -> None:
    """Other names, links and files in the same place are left alone."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    parent = tmp_path / "parent"
    parent.mkdir()
    link, file = (parent / f"{workspace._prefix()}{letter * 8}" for letter in "ab")
    link.symlink_to(elsewhere)
    file.touch()
    # A user's, another machine's, and another program's.
    names = {link.name, file.name, "crr-inventory-reports", "crr-inventory-00000000-aaaaaaaa", "inventory-mine"}
    for name in names - {link.name, file.name}:
        (parent / name).mkdir()
    with workspace.workspace(parent) as (directory, _):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name for path in parent.iterdir()} == names
    assert (elsewhere / "file").exists()


def test_where_no_directory_can_be_made_the_place_is_named(store: Store, tmp_path: Path) -> None:
    """A work_dir that is not there, or is a file, is no fault of the report."""
    (tmp_path / "file").touch()
    for name in ("none", "file", "file/below"):
        with pytest.raises(CrrError, match="work_dir") as raised:
            summarized(store, "CSV", tmp_path, tmp_path / name)
        assert not isinstance(raised.value, InventoryError)
        assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize(
    "statement",
    [
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/passwd']",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '{parent}/outside.csv'",
        "LOAD httpfs",
    ],
)
def test_no_statement_leaves_the_workspace(tmp_path: Path, statement: str) -> None:
    """Whatever a statement says, DuckDB reads and writes in the one directory, and that is not changed again."""
    with (
        workspace.workspace(tmp_path) as (_, name),
        connect(name, "100MB", 1) as connection,
        pytest.raises(duckdb.Error),
    ):
        connection.execute(statement.format(parent=tmp_path)).fetchall()
    assert list(tmp_path.iterdir()) == []
