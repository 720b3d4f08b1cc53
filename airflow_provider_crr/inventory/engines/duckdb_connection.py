"""A connection to DuckDB, which sees one directory and guesses nothing; and what its errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid, OutOfMemory
from airflow_provider_crr.inventory import disk_errors
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER

if TYPE_CHECKING:
    import duckdb

#: Settings that could change an answer. Most are DuckDB's defaults; they are given here so that neither its release nor
#: the environment decides.
_SETTINGS = {
    "TimeZone": "UTC",  # the default is the machine's
    "default_collation": "",  # bytes are compared, not words
    "default_null_order": "nulls_last",
    "default_order": "asc",
    "file_search_path": "",
    "enable_external_file_cache": "false",  # each file is read once
}

#: Exceptions that say that this release does not understand a statement. By name, because not every release has each.
_KINDS_OF_THE_RELEASE = frozenset(
    f"{kind}Exception"
    for kind in (
        *("Binder", "Catalog", "Connection", "Dependency", "HTTP", "Interrupt", "Parser", "Permission", "Sequence"),
        *("Syntax", "Transaction", "TypeMismatch"),
    )
)
#: Messages that say that this release lacks a part.
_OF_THE_RELEASE = re.compile(
    r"Missing Extension Error: |[A-Z][A-Za-z ]+ Error: (Unimplemented type for cast|Failed to load)"
)


@contextmanager
def connect(directory: str, memory_limit: str, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    Connect to an empty database that reads and writes nothing outside a directory.

    :param directory: the directory. What does not fit in memory goes to ``spill`` in it.
    :param memory_limit: what DuckDB may hold in memory, as DuckDB writes it.
    :param threads: how many threads DuckDB uses; None for one on each processor, at most 4.
    :raises CrrError: if DuckDB does not take the settings, or lacks a part that every release has.
    """
    # Imported here, because it takes a while and parsing a DAG does not need it.
    import duckdb

    config: dict[str, Any] = {
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
    connection = None
    try:
        connection = duckdb.connect(config=config)
        for name, value in _SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        # Even if a text of a report became part of a statement, that could not leave the directory.
        connection.execute("SET allowed_directories = [$directory]", {"directory": directory})
        connection.execute("SET enable_external_access = false")  # neither can be changed again
    except (duckdb.Error, RuntimeError) as error:
        if connection is not None:
            connection.close()
        raise CrrError(
            f"DuckDB {duckdb.__version__} does not begin: {_short(error)}",
            remedy="Check memory_limit and threads; install a release of duckdb that this provider was tested with",
        ) from error
    with connection:
        yield connection


@contextmanager
def duckdb_errors(uri: str) -> Iterator[None]:
    """
    Turn an exception of DuckDB's in the block into an error of this provider; the original is its cause.

    Only a complaint about its bytes is blamed on the report. Memory, disk and the release of DuckDB are the worker's.

    :param uri: what was read.
    :raises OutOfMemory: if the memory does not suffice.
    :raises DiskFull: if the disk has no room.
    :raises InventoryFileInvalid: if the file is not what the manifest says.
    :raises CrrError: for other errors of the worker.
    """
    import duckdb

    try:
        yield
    except UnicodeError as error:  # in a text of the file, or in a message of DuckDB's about it
        raise _of_the_file(error, uri) from error
    except (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException) as error:
        error_class = OutOfMemory if isinstance(error, duckdb.OutOfMemoryException) else CrrError
        raise error_class(
            f"DuckDB could not go on: {_short(error)}",
            uri=uri,
            remedy="Give a work_dir with more room, or a smaller prefix_depth",
        ) from error
    except (duckdb.Error, RuntimeError, MemoryError) as error:
        said = _short(error)
        if isinstance(error, duckdb.IOException) and (code := disk_errors.code_in(str(error))):
            raise disk_errors.refused(code, said, uri) from error
        if not isinstance(error, duckdb.Error) or _is_of_the_release(error):
            error_class = OutOfMemory if isinstance(error, MemoryError) else CrrError
            raise error_class(
                f"DuckDB {duckdb.__version__} could not do what it was asked: {said}",
                uri=uri,
                remedy="Look at the worker; install a release of duckdb that this provider was tested with",
            ) from error
        raise _of_the_file(error, uri) from error


def _of_the_file(error: Exception, uri: str) -> InventoryFileInvalid:
    return InventoryFileInvalid(f"not what the manifest says it is: {_short(error)}", uri=uri, remedy=NAME_ANOTHER)


def _is_of_the_release(error: Exception) -> bool:
    """Return whether DuckDB does not understand the statement or lacks a part, which is never the fault of a file."""
    return type(error).__name__ in _KINDS_OF_THE_RELEASE or _OF_THE_RELEASE.match(str(error)) is not None


def _short(error: Exception) -> str:
    # DuckDB quotes the line that it could not read, which may be long, and then explains its own options.
    return " ".join(" ".join(str(error).splitlines()[:4]).split())[:600]
