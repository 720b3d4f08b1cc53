"""
The other end of :mod:`~airflow_provider_crr.inventory.engines.orc`: the process that reads an ORC file.

It writes a line of JSON, either the rows that the file says that it has or why it is refused, and then the columns that
are read as a stream of Arrow's. It imports nothing of Airflow, and dies alone of a file that its reader cannot bear.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_provider_crr.errors import InventoryFileInvalid
from airflow_provider_crr.inventory.engines.columns import check_orc, read_names

#: The file is the process's standard input: its name may be anything, and Arrow takes UTF-8 only.
_FILE = "/dev/fd/0"
#: A stripe may be a whole file, and whoever reads it works on one batch a thread.
_BATCH_ROWS = 100_000
#: How the process ends where it could say why: a line of JSON on standard error.
SAID = 3


def main(fields: list[str]) -> None:
    """
    Write what the file has to standard output; end with status :data:`SAID` where it cannot be read to its end.

    :param fields: the columns of the report.
    """
    import pyarrow
    from pyarrow import ipc, orc

    out = sys.stdout.buffer
    _line(out, {"ready": True})
    try:
        file = orc.ORCFile(_FILE)
        found = file.schema
        check_orc(list(zip(found.names, found.types, strict=True)), fields, "")
        schema = pyarrow.schema([found.field(name) for name in read_names(fields)])
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
        # What the system refuses has a number; what pyarrow says of the bytes has none, and is of its own kinds.
        of_pyarrow = isinstance(error, pyarrow.ArrowException)
        of_worker = isinstance(error, MemoryError | RuntimeError) or getattr(error, "errno", None) is not None
        _end({"error": f"{type(error).__name__}: {str(error)[:600]}", "worker": of_worker and not of_pyarrow})


def _line(out: Any, found: dict[str, Any]) -> None:
    out.write(json.dumps(found).encode() + b"\n")
    out.flush()


def _end(why: dict[str, Any]) -> None:
    _line(sys.stderr.buffer, why)
    sys.exit(SAID)


def _batches(stripes: int, schema: Any) -> Iterator[Any]:
    import pyarrow
    from pyarrow import orc

    # Reading a stripe is mostly unpacking, for which pyarrow takes one thread: so two read it, about half of the bytes
    # each, for keys are as long as all else. That needs no more memory, as reading another stripe meanwhile would.
    halves = [[name for name in schema.names if (name in ("bucket", "key")) is long] for long in (True, False)]

    def read(number: int, names: list[str]) -> dict[str, Any]:
        # An own file for each thread: nobody says that two may share one.
        stripe = orc.ORCFile(_FILE).read_stripe(number, columns=names)
        return {name: stripe.column(name) for name in names}

    with ThreadPoolExecutor(len(halves), thread_name_prefix="inventory-orc") as threads:
        for number in range(stripes):
            columns: dict[str, Any] = {}
            for part in threads.map(read, [number] * len(halves), halves):
                columns.update(part)
            stripe = pyarrow.RecordBatch.from_arrays([columns.pop(name) for name in schema.names], schema=schema)
            stripe.validate(full=True)  # that texts are UTF-8: neither ORC's reader nor DuckDB looks
            for first in range(0, stripe.num_rows, _BATCH_ROWS):
                yield stripe.slice(first, _BATCH_ROWS)
