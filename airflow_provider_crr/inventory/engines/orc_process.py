"""
The process that reads an ORC file for :mod:`~airflow_provider_crr.inventory.engines.orc`.

To standard output it writes two lines of JSON: that it is ready, and the number of rows in the file's footer. The
columns follow as an Arrow stream. If it fails, its last line on standard error says why, in JSON. It imports nothing of
Airflow.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import InventoryFileInvalid
from airflow_provider_crr.inventory.engines.columns import check_orc, read_names

#: The file is standard input, because Arrow opens only paths that are UTF-8.
_FILE = "/dev/fd/0"
#: A stripe may be a whole file, and DuckDB reads a batch with one thread, and has it in its own memory.
_BATCH_ROWS, _BATCH_BYTES = 100_000, 64_000_000
#: What the process may have. A stripe is in memory as a whole, and that of a file of 160 kB may need gigabytes.
MOST_MEMORY = 4 * 1024**3
#: Words of ORC's errors where there is no memory; of damage zlib says "Data error".
_NO_MEMORY = ("Memory error", "Stream error in ZlibDecompressionStream", "bad_alloc")
#: Exit status of a process that wrote why it failed to standard error.
SAID = 3


def main(fields: list[str]) -> None:
    """
    Read the file and write its rows to standard output; exit with status :data:`SAID` if it cannot be read to its end.

    :param fields: the columns of the report.
    """
    import pyarrow
    from pyarrow import ipc, orc

    out = sys.stdout.buffer
    is_bounded = _bound_memory()
    _line(out, {"ready": True})
    try:
        file = orc.ORCFile(_FILE)
        whole = file.schema
        check_orc(list(zip(whole.names, whole.types, strict=True)), fields, "")
        schema = pyarrow.schema([whole.field(name) for name in read_names(fields)])
        _line(out, {"rows": file.nrows})
        with ipc.new_stream(out, schema) as stream:
            for batch in _batches(file.nstripes, schema):
                stream.write_batch(batch)
        out.flush()
    except BrokenPipeError:  # nobody reads any longer
        sys.stderr.close()
    except InventoryFileInvalid as error:
        _end({"refused": error.message})
    except Exception as error:
        no_memory = isinstance(error, pyarrow.ArrowMemoryError) or any(words in str(error) for words in _NO_MEMORY)
        if no_memory and is_bounded:
            _end({"refused": f"reading it takes more than {MOST_MEMORY:,} bytes of memory"})
        # An error of the system has a number. pyarrow's errors about the bytes have none, or are ArrowExceptions.
        of_system = isinstance(error, MemoryError | RuntimeError) or getattr(error, "errno", None) is not None
        of_worker = no_memory or (of_system and not isinstance(error, pyarrow.ArrowException))
        _end({"error": f"{type(error).__name__}: {str(error)[:600]}", "worker": of_worker})


def _bound_memory() -> bool:
    """Bound the memory of this process; return False if the worker bounds it to less."""
    with contextlib.suppress(OSError):  # where memory runs out, the system shall end this process, and not the task
        Path("/proc/self/oom_score_adj").write_text("1000")
    bounds = resource.getrlimit(resource.RLIMIT_DATA)
    if any(bound not in (resource.RLIM_INFINITY, -1) and bound < MOST_MEMORY for bound in bounds):
        return False
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, bounds[1]))
    return True


def _line(out: Any, value: dict[str, Any]) -> None:
    out.write(json.dumps(value).encode() + b"\n")
    out.flush()


def _end(why: dict[str, Any]) -> None:
    _line(sys.stderr.buffer, why)
    sys.exit(SAID)


def _batches(stripes: int, schema: Any) -> Iterator[Any]:
    import pyarrow
    from pyarrow import orc

    # Reading a stripe is mostly unpacking, which pyarrow does with one thread. So two threads read it, each about half
    # of the bytes: keys are as long as all other columns. Two stripes at a time would need more memory.
    halves = [[name for name in schema.names if (name in ("bucket", "key")) is long] for long in (True, False)]

    def read(number: int, names: list[str]) -> dict[str, Any]:
        # A file object for each thread: pyarrow does not document that two may share one.
        stripe = orc.ORCFile(_FILE).read_stripe(number, columns=names)
        return {name: stripe.column(name) for name in names}

    with ThreadPoolExecutor(len(halves), thread_name_prefix="inventory-orc") as threads:
        for number in range(stripes):
            columns: dict[str, Any] = {}
            for part in threads.map(read, [number] * len(halves), halves):
                columns.update(part)
            stripe = pyarrow.RecordBatch.from_arrays([columns.pop(name) for name in schema.names], schema=schema)
            stripe.validate(full=True)  # that texts are UTF-8, which neither the reader nor DuckDB checks
            step = max(1, min(_BATCH_ROWS, stripe.num_rows * _BATCH_BYTES // max(1, stripe.nbytes)))
            for first in range(0, stripe.num_rows, step):
                yield stripe.slice(first, step)
