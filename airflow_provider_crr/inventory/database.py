"""DuckDB, shut in a directory and told everything that it would otherwise guess."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER

if TYPE_CHECKING:
    import duckdb

#: What could change an answer, as DuckDB has it by default: nothing of it is left to its release or the environment.
_SETTINGS = {
    "TimeZone": "UTC",  # or that of the machine
    "default_collation": "",  # bytes are compared, not words
    "default_null_order": "nulls_last",
    "default_order": "asc",
    "file_search_path": "",
    "enable_external_file_cache": "false",  # each file is read once
}


@contextmanager
def connect(directory: str, memory_limit: str, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    Connect to an empty database that reads and writes nothing outside a directory.

    :param directory: that directory; what does not fit in memory goes to ``spill`` in it.
    :param memory_limit: what DuckDB may hold in memory, as DuckDB writes it.
    :param threads: how many threads DuckDB uses; None for one on each processor, at most 4.
    """
    # Here, for it takes a while and nobody needs it to parse a DAG.
    import duckdb

    with duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": threads or min(4, os.cpu_count() or 1),
            "temp_directory": f"{directory}/spill",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
        }
    ) as connection:
        for name, value in _SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        # Whatever the text in a report might make of a statement, it stays in the directory.
        connection.execute("SET allowed_directories = [$directory]", {"directory": directory})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


@contextmanager
def duckdb_errors(uri: str) -> Iterator[None]:
    """
    Raise what DuckDB raises as an error of this provider, with the original as its cause.

    :param uri: what was read.
    """
    import duckdb

    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException) as error:
        raise CrrError(
            f"DuckDB could not go on: {_short(error)}",
            uri=uri,
            remedy="Give it a higher memory_limit, or a work_dir with room",
        ) from error
    except duckdb.Error as error:
        if "No space left on device" in str(error):
            raise CrrError(
                f"the disk is full: {_short(error)}", uri=uri, remedy="Give a work_dir with more room"
            ) from error
        raise InventoryFileInvalid(
            f"not what the manifest says it is: {_short(error)}", uri=uri, remedy=NAME_ANOTHER
        ) from error


def _short(error: Exception) -> str:
    # DuckDB quotes the line that it could not read, which can be long, and then explains its own options.
    return " ".join(" ".join(str(error).splitlines()[:4]).split())[:600]
