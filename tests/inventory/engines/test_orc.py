"""A damaged ORC file ends the process that reads it, and not the task's."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc

from airflow_provider_crr.errors import CrrError, InventoryError, InventoryFileInvalid
from airflow_provider_crr.inventory.engines import orc as orc_files
from airflow_provider_crr.inventory.manifest import Manifest
from tests.inventory.engines.test_bad_files import refused, report
from tests.inventory.engines.test_columns import COLUMNS
from tests.inventory.store import Store
from tests.inventory.summaries import summarize_local

DIES = """
import os, signal, sys
from airflow_provider_crr.inventory.engines import orc_process
real = orc_process.{where}
def die(*_):
    {what}
orc_process.{where} = die
sys.stdout.flush()
orc_process.main({fields!r})
"""


def dying(monkeypatch: pytest.MonkeyPatch, what: str, where: str) -> None:
    """Have the reading process do something else than to read."""
    popen = subprocess.Popen

    def start(command: list[str], **kwargs: Any) -> Any:
        fields = eval(command[2].rpartition("main(")[2].rstrip(")"))
        return popen([*command[:2], DIES.format(what=what, where=where, fields=fields)], **kwargs)

    monkeypatch.setattr(subprocess, "Popen", start)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"])
@pytest.mark.parametrize("where", ["check_orc", "_batches"])
def test_a_file_that_ends_the_process_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    """Whatever signal the reader dies of, before its first row or later, the file is named, and the task lives."""
    dying(monkeypatch, f"os.kill(os.getpid(), signal.{name})", where)
    manifest = store.hold(report("ORC"))
    error = refused(store, manifest, tmp_path)
    assert name in str(error)
    assert error.uri == manifest.file_uri(manifest.files[0])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("raise MemoryError('no more')", "no more"),
        ("raise RuntimeError('no new thread')", "no new thread"),
        ("raise OSError(24, 'too many open files')", "too many open files"),
        ("os._exit(7)", "status 7"),
    ],
)
def test_what_the_worker_does_is_no_fault_of_the_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    """A reader that is killed from outside, as for its memory, says nothing of the report."""
    dying(monkeypatch, what, "_batches")
    error = refused(store, store.hold(report("ORC")), tmp_path, CrrError)
    assert not isinstance(error, InventoryError)
    assert said in str(error)


def test_a_crash_before_the_file_is_read_is_no_fault_of_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pyarrow that this machine cannot load has not seen the file."""
    dying(monkeypatch, "os.kill(os.getpid(), signal.SIGILL)", "_line")
    error = refused(store, store.hold(report("ORC")), tmp_path, CrrError)
    assert not isinstance(error, InventoryError)
    assert "SIGILL" in str(error)


def test_a_reader_that_ends_in_the_middle_does_not_count(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that breaks off after some of its rows is not a short one."""
    dying(monkeypatch, "yield from real(*_); sys.stdout.flush(); os.kill(os.getpid(), signal.SIGSEGV)", "_batches")
    assert "SIGSEGV" in str(refused(store, store.hold(report("ORC")), tmp_path))


def mutated(store: Store, number: int, content: bytes) -> Manifest:
    return store.replace(store.hold(report("ORC")), number, content)


def _plain() -> bytes:
    table = pa.table({name: pa.concat_arrays([values] * 20) for name, values in COLUMNS.items()})
    out = io.BytesIO()
    orc.write_table(table, out, compression="uncompressed")
    return out.getvalue()


def test_a_process_that_cannot_be_started_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has no room for another process, or does not know its own Python, is named."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    error = refused(store, store.hold(report("ORC")), tmp_path, CrrError)
    assert not isinstance(error, InventoryError)
    assert "cannot be started" in str(error)
    assert isinstance(error.__cause__, OSError)


def test_damaged_files_do_not_end_the_task(store: Store) -> None:
    """Bytes of an uncompressed file are changed: it is read or refused, and the process that asks goes on."""
    good, chosen = _plain(), random.Random(10)
    places = [235, *chosen.sample(range(len(good)), 5)]
    for place in places:
        content = bytearray(good)
        content[place] = 127 if content[place] != 127 else 0
        with contextlib.suppress(InventoryFileInvalid):
            summarize_local(store.s3, mutated(store, 1, bytes(content)))


def test_without_time_zones_the_worker_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without time zones cannot read ORC's times, which is no fault of the report."""
    manifest = store.hold(report("ORC"))  # whose writer needs them, too
    monkeypatch.setenv("TZDIR", "/nonexistent")
    error = refused(store, manifest, tmp_path, CrrError)
    assert not isinstance(error, InventoryError)
    assert "TZDIR" in str(error)
    assert "another report" not in str(error)


def test_a_daemon_may_read_orc(store: Store, tmp_path: Path) -> None:
    """A process that may have no children by multiprocessing, as some executors' workers, reads ORC."""
    manifest = store.hold(report("ORC"))
    script = tmp_path / "daemon.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "from airflow_provider_crr.inventory.engines.orc import opened_orc\n"
        "from pathlib import Path\n"
        "def read(queue):\n"
        f"    with opened_orc(Path({str(tmp_path / 'data')!r}), {list(manifest.fields)!r}, 's3://b/k') as file:\n"
        "        rows = file.reader.read_all().num_rows\n"
        "        file.finish()\n"
        "        queue.put((rows, file.rows))\n"
        "if __name__ == '__main__':\n"
        "    queue = multiprocessing.Queue()\n"
        "    process = multiprocessing.Process(target=read, args=(queue,), daemon=True)\n"
        "    process.start()\n"
        "    print(queue.get(timeout=60))\n"
    )
    (tmp_path / "data").write_bytes(store.objects[manifest.files[0].key])  # type: ignore[arg-type]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stdout.strip() == "(2, 2)"


def test_the_reading_process_ends_with_the_reading(store: Store, tmp_path: Path) -> None:
    """Given up in the middle, the reader is gone, and nothing waits for it."""
    manifest = store.hold(report("ORC"))
    path = tmp_path / "data"
    path.write_bytes(store.objects[manifest.files[0].key])  # type: ignore[arg-type]
    with orc_files.opened_orc(path, manifest.fields, "s3://b/k") as file:
        process = file._process
    assert process.returncode is not None
    assert process.returncode in (0, -signal.SIGKILL)


@pytest.fixture(scope="module")
def many_alike() -> bytes:
    """An ORC file of a few kilobytes, whose one stripe has eight million rows."""
    count = 800_000
    columns = {name: pa.repeat(values[0], count) for name, values in COLUMNS.items()}
    out = io.BytesIO()
    writer = orc.ORCWriter(out, compression="zlib", dictionary_key_size_threshold=1.0, stripe_size=1 << 30)
    for _ in range(10):
        writer.write(pa.table(columns))
    writer.close()
    return out.getvalue()


def bounded(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    """Have something done in the reading process before it begins."""
    popen = subprocess.Popen

    def start(command: list[str], **kwargs: Any) -> Any:
        code = command[2].replace("import main;", f"import main; {before};")
        assert code != command[2]
        return popen([*command[:2], code], **kwargs)

    monkeypatch.setattr(subprocess, "Popen", start)


def test_what_a_file_may_take_of_memory_is_bounded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many_alike: bytes
) -> None:
    """A file of a few kilobytes would fill the memory of the worker: it is refused, and the bound is named."""
    assert len(many_alike) < 100_000
    manifest = store.replace(store.hold(report("ORC")), 1, many_alike)
    assert summarize_local(store.s3, manifest).volume.objects == 4 + 8_000_000
    module = "airflow_provider_crr.inventory.engines.orc_process"
    bounded(monkeypatch, f"sys.modules['{module}'].MOST_MEMORY = 250_000_000")
    error = refused(store, manifest, tmp_path)
    assert "more than 250,000,000 bytes of memory" in str(error)
    assert error.uri == manifest.file_uri(manifest.files[1])


def test_a_bound_of_the_worker_is_the_workers(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many_alike: bytes
) -> None:
    """Where the worker gives its processes less, the report is not blamed for it."""
    manifest = store.replace(store.hold(report("ORC")), 1, many_alike)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (250_000_000, 250_000_000))"
    bounded(monkeypatch, limit)
    error = refused(store, manifest, tmp_path, CrrError)
    assert not isinstance(error, InventoryError)
    assert "memory" in str(error.remedy)
