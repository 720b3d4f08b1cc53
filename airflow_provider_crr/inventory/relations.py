"""The data files of a report as relations: columns named and typed as the query reads them, whatever the format."""

# ruff: noqa: S608 - text of a report reaches SQL as a parameter only

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid
from airflow_provider_crr.inventory.files import CHUNK_BYTES

#: The columns that the query reads, and their types. Only these names ever become SQL; a manifest can hold any other.
TYPES = {
    "bucket": "VARCHAR",
    "key": "VARCHAR",
    "version_id": "VARCHAR",
    "is_latest": "BOOLEAN",
    "is_delete_marker": "BOOLEAN",
    "size": "UBIGINT",
    "last_modified_date": "TIMESTAMP",
    "replication_status": "VARCHAR",
}
#: Name of the relation that is an ORC file.
ORC_RELATION = "orc_file"
#: A stripe may be a whole file, and whoever reads it works on one batch a thread.
_ORC_BATCH_ROWS = 100_000


def csv_sql(fields: Collection[str], *, parallel: bool = True) -> str:
    """
    Return the relation of an unpacked CSV file, whose path is ``$path``; nothing about it is guessed or forgiven.

    :param fields: the columns of the report, in order.
    :param parallel: whether several threads read the file, each from a place of its own. If that place is inside a
        field with line breaks, DuckDB notices, at the latest where the next thread began, and raises: then it takes
        one thread to read the file.
    """
    names = [name if name in TYPES else f"column{number}" for number, name in enumerate(fields)]
    columns = ", ".join(f"{name}: '{TYPES.get(name, 'VARCHAR')}'" for name in names)
    return (
        f"SELECT * FROM read_csv($path, columns = {{{columns}}}, auto_detect = false, header = false, "
        "delim = ',', quote = '\"', escape = '\"', new_line = '\\n', nullstr = '', strict_mode = true, "
        "null_padding = false, ignore_errors = false, compression = 'none', "
        f"parallel = {str(parallel).lower()})"
    )


def is_cut_short(path: Path) -> bool:
    """
    Return whether a CSV file ends inside quotes: DuckDB drops such a row without a word where one thread reads.

    :param path: the unpacked file.
    """
    with path.open("rb") as text:
        # Also a quote within quotes is written as two.
        return sum(chunk.count(b'"') for chunk in iter(lambda: text.read(CHUNK_BYTES), b"")) % 2 == 1


def parquet_sql(fields: Collection[str]) -> str:
    """
    Return the relation of a Parquet file, whose path is ``$path``.

    :param fields: the columns of the report; a file without one of those that are read is refused, for Parquet readers
        otherwise answer NULL for it.
    """
    return f"SELECT {_columns(fields)} FROM read_parquet($path)"


def orc_sql(fields: Collection[str]) -> str:
    """
    Return the relation of the ORC file that is registered as :data:`ORC_RELATION`.

    :param fields: the columns of the report.
    """
    return f"SELECT {_columns(fields)} FROM {ORC_RELATION}"


def _columns(fields: Collection[str]) -> str:
    # Cast, for the writers differ: timestamps of several units, bucket names as dictionaries. Not LastModifiedDate,
    # which may be a timestamp with a time zone and would be cast to local time; the query takes its epoch.
    return ", ".join(
        name if name == "last_modified_date" else f"{name}::{TYPES[name]} AS {name}" for name in TYPES if name in fields
    )


def orc_reader(path: Path, fields: Collection[str], uri: str) -> Any:
    """
    Return a ``pyarrow.RecordBatchReader`` over an ORC file, one stripe in memory at a time.

    :param path: the file.
    :param fields: the columns of the report.
    :param uri: its S3 URI, for messages.
    :raises CrrError: without pyarrow.
    :raises InventoryFileInvalid: if it is no ORC file, or has not these columns.
    """
    require_pyarrow()
    import pyarrow
    from pyarrow import orc

    wanted = [name for name in TYPES if name in fields]
    try:
        file = orc.ORCFile(path)
        schema = pyarrow.schema([file.schema.field(name) for name in wanted])
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise InventoryFileInvalid(
            f"not an ORC file with the columns {', '.join(wanted)}: {error}", uri=uri, remedy="Name another report"
        ) from error
    return pyarrow.RecordBatchReader.from_batches(schema, _batches(path, file.nstripes, schema))


def _batches(path: Path, stripes: int, schema: Any) -> Iterator[Any]:
    import pyarrow
    from pyarrow import orc

    # Reading a stripe is mostly unpacking, for which pyarrow takes one thread: so two read it, about half of the bytes
    # each, for keys are as long as all else. That needs no more memory, as reading another stripe meanwhile would.
    halves = [[name for name in schema.names if (name in ("bucket", "key")) is long] for long in (True, False)]

    def read(number: int, names: list[str]) -> dict[str, Any]:
        # An own file for each thread: nobody says that two may share one.
        stripe = orc.ORCFile(path).read_stripe(number, columns=names)
        return {name: stripe.column(name) for name in names}

    with ThreadPoolExecutor(len(halves), thread_name_prefix="inventory-orc") as threads:
        for number in range(stripes):
            columns: dict[str, Any] = {}
            for part in threads.map(read, [number] * len(halves), halves):
                columns.update(part)
            stripe = pyarrow.RecordBatch.from_arrays([columns.pop(name) for name in schema.names], schema=schema)
            for first in range(0, stripe.num_rows, _ORC_BATCH_ROWS):
                yield stripe.slice(first, _ORC_BATCH_ROWS)


def require_pyarrow() -> None:
    """
    Fail early where an ORC report could not be read.

    :raises CrrError: without pyarrow.
    """
    try:
        import pyarrow.orc  # noqa: F401
    except ImportError as error:
        raise CrrError(
            "reading an ORC report needs pyarrow",
            remedy="Install pyarrow, as airflow-provider-crr[orc] does, or have the report in Parquet or CSV",
        ) from error
