"""
ORC files, each read by a process of its own.

Apache's ORC reader, which is part of pyarrow, crashes on some damaged files: with SIGSEGV, and in pyarrow 18 also with
SIGABRT. So :mod:`~airflow_provider_crr.inventory.engines.orc_process` reads the file, as another process, and sends the
rows.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid, PackageMissing
from airflow_provider_crr.inventory.disk_errors import disk_errors
from airflow_provider_crr.inventory.engines.orc_process import SAID
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER

#: The signals of a crash.
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP})
#: Words of pyarrow's errors where the machine has no time zones.
_NO_ZONES = ("TZDIR", "Time zone file", "time zone database")


class OrcFile:
    """
    An ORC file that is being read, as a context manager.

    :param path: the file.
    :param fields: the columns of the report.
    :param uri: its S3 URI, for messages.
    :raises CrrError: if this worker cannot read it.
    :raises InventoryFileInvalid: if it is no ORC file, does not have these columns, or crashes the reader.
    """

    def __init__(self, path: Path, fields: Collection[str], uri: str) -> None:
        self._uri = uri
        self._ready = False
        self._errors: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - open as long as this is
        # As multiprocessing's "spawn" does it. That itself starts no process from a daemon, which a task may be.
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from airflow_provider_crr.inventory.engines.orc_process import main; main({list(fields)!r})"
        )
        with disk_errors(uri), path.open("rb") as file:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this Python, and no text of the report but names
                    [sys.executable, "-c", code], stdin=file, stdout=subprocess.PIPE, stderr=self._errors
                )
            except OSError as error:
                self._errors.close()
                raise self._reader_failed(f"it cannot be started: {error}") from error
        assert self._process.stdout is not None
        self._out = self._process.stdout
        try:
            self._ready = "ready" in self._head()
            self.rows = int(self._head()["rows"])
            #: A ``pyarrow.RecordBatchReader``, whose batches are at most a stripe.
            self.reader = self._stream()
        except BaseException:
            self.close()
            raise

    def _head(self) -> dict[str, Any]:
        line = self._out.readline()
        if not line.endswith(b"\n"):
            self.finish()
        try:
            head: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise self._reader_failed(f"it wrote {line[:80]!r}") from error
        return head

    def _stream(self) -> Any:
        import pyarrow
        from pyarrow import ipc

        try:
            return ipc.open_stream(self._out)
        except (pyarrow.ArrowException, OSError) as error:
            self.finish()
            raise self._reader_failed(str(error)) from error

    def finish(self) -> None:
        """
        Wait for the end of the process, and read what is left of its output; raise an error if the process failed.

        :raises CrrError: if this worker cannot read the file.
        :raises InventoryFileInvalid: if it is no ORC file, does not have these columns, or crashes the reader.
        """
        while self._out.read(1 << 20):
            pass
        status = self._process.wait()
        if status == 0:
            return
        why = self._said()
        if status == SAID and why.get("refused"):
            raise InventoryFileInvalid(why["refused"], uri=self._uri, remedy=NAME_ANOTHER)
        said = str(why.get("error", "it did not say why"))
        if any(words in said for words in _NO_ZONES):  # in pyarrow 18 this ends the process
            raise CrrError(
                f"pyarrow finds no time zones on this machine: {said}",
                uri=self._uri,
                remedy="Install the system's package tzdata, or let the variable TZDIR name a folder zoneinfo",
            )
        if status == SAID and not why.get("worker"):
            raise InventoryFileInvalid(f"not an ORC file as S3 writes it: {said}", uri=self._uri, remedy=NAME_ANOTHER)
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
        if self._ready and -status in _CRASHES:
            raise InventoryFileInvalid(
                f"reading it ended the reading process with {name}: the file is damaged, or not as S3 writes it",
                uri=self._uri,
                remedy=NAME_ANOTHER,
            )
        raise self._reader_failed(f"it ended with {name}: {said}")

    def _said(self) -> dict[str, Any]:
        self._errors.seek(0)
        text = self._errors.read(100_000).decode("utf-8", "replace").strip()
        last = text.rpartition("\n")[2]
        with contextlib.suppress(ValueError):
            why = json.loads(last)
            if isinstance(why, dict):
                return why
        return {"error": last[:600]} if last else {}

    def _reader_failed(self, what: str) -> CrrError:
        return CrrError(
            f"the process that reads ORC files failed: {what}",
            uri=self._uri,
            remedy="Look at the worker's memory, and whether this Python can import pyarrow.orc",
        )

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._errors.close()


@contextlib.contextmanager
def opened_orc(path: Path, fields: Collection[str], uri: str) -> Iterator[OrcFile]:
    """Open an ORC file, see :class:`OrcFile`, and end its process at the end of the block."""
    file = OrcFile(path, fields, uri)
    try:
        yield file
    finally:
        file.close()


def require_pyarrow() -> None:
    """
    Fail before anything is fetched if an ORC report cannot be read.

    :raises PackageMissing: without pyarrow.
    """
    try:
        import pyarrow.orc  # noqa: F401
    except ImportError as error:
        raise PackageMissing(
            "reading an ORC report needs pyarrow",
            remedy="Install pyarrow, as airflow-provider-crr[orc] does, or have the report in Parquet or CSV",
        ) from error
