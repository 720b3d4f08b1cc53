"""DuckDB, shut in a directory, running the layers of the query file by file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid
from airflow_provider_crr.inventory import batch_manifest, query, relations
from airflow_provider_crr.inventory.files import NAME_ANOTHER
from airflow_provider_crr.inventory.manifest import Manifest

if TYPE_CHECKING:
    import duckdb

#: More facts than this are merged once they have doubled, so that files x prefixes never pile up.
MERGE_ROWS = 1_000_000


@contextmanager
def connect(directory: Path, memory_limit: str, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
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
            "temp_directory": str(directory / "spill"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
    ) as connection:
        # Whatever the text in a report might make of a statement, it stays in the directory.
        connection.execute("SET allowed_directories = [$directory]", {"directory": str(directory)})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


class Engine:
    """
    Runs the layers of the query, the first two for each file and the last one at the end.

    :param connection: to an empty database.
    :param manifest: the report.
    :param prefix_depth: as in :func:`~airflow_provider_crr.inventory.query.groups_sql`.
    :param versions: as there.
    :raises InvalidArgument: as there.
    :raises CrrError: if pyarrow is missing for an ORC report.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, manifest: Manifest, prefix_depth: int, versions: str
    ) -> None:
        self._connection = connection
        self._manifest = manifest
        self._depth = prefix_depth
        self._merged_rows = MERGE_ROWS
        self._encoded = manifest.file_format == "CSV"
        #: Statements that group one file; the next one is tried where the one before raises.
        self._grouping = [
            query.groups_sql(
                report, manifest.fields, prefix_depth=prefix_depth, versions=versions, encoded=self._encoded
            )
            for report in self._reports()
        ]
        self._facts = query.facts_sql(
            "FROM groups",
            manifest.fields,
            created_at=manifest.created_at,
            prefix_depth=prefix_depth,
            encoded=self._encoded,
        )
        self._run(
            "CREATE TABLE facts (kind VARCHAR, name VARCHAR, status VARCHAR, at_ms BIGINT, "
            "objects HUGEINT, bytes HUGEINT, noncurrent HUGEINT)"
        )

    def _reports(self) -> list[str]:
        fields = self._manifest.fields
        if self._manifest.file_format == "CSV":
            return [relations.csv_sql(fields, parallel=True), relations.csv_sql(fields, parallel=False)]
        if self._manifest.file_format == "Parquet":
            return [relations.parquet_sql(fields)]
        relations.require_pyarrow()
        return [relations.orc_sql(fields)]

    def add(self, path: Path, uri: str) -> None:
        """Count one data file, or nothing of it."""
        with _duckdb_errors(uri):
            self._group(path, uri)
            self._run(f"INSERT INTO facts {self._facts}")
            self._merge()
        defect = self._number("SELECT max(at_ms) FROM facts WHERE kind = 'defect'")
        if defect:
            raise InventoryFileInvalid(f"it has {query.DEFECTS[defect]}", uri=uri, remedy=NAME_ANOTHER)

    def _group(self, path: Path, uri: str) -> None:
        import duckdb

        parameters = {"bucket": self._manifest.source_bucket, "path": str(path)}
        if self._manifest.file_format == "ORC":
            del parameters["path"]
            reader = relations.orc_reader(path, self._manifest.fields, uri)
            self._connection.register(relations.ORC_RELATION, reader)
        for statement in self._grouping:
            try:
                self._run(f"CREATE OR REPLACE TABLE groups AS {statement}", parameters)
                return
            except (duckdb.NotImplementedException, duckdb.InvalidInputException, duckdb.ConversionException):
                if statement is self._grouping[-1] or relations.is_cut_short(path):
                    raise

    def _merge(self) -> None:
        if self._number("SELECT count(*) FROM facts") < self._merged_rows:
            return
        self._run(f"CREATE TABLE merged AS {query.merged_sql('FROM facts')}")
        self._run("DROP TABLE facts")
        self._run("ALTER TABLE merged RENAME TO facts")
        self._merged_rows = max(MERGE_ROWS, 2 * self._number("SELECT count(*) FROM facts"))

    def list_failed(self, path: Path, pending_older_than: timedelta | None) -> None:
        """Append what is to be repaired of the file that was added last."""
        part = path.with_suffix(".part")
        rows = batch_manifest.rows_sql(
            "groups",
            self._manifest.fields,
            created_at=self._manifest.created_at,
            pending_older_than=pending_older_than,
            encoded=self._encoded,
        )
        with _duckdb_errors(self._manifest.uri):
            self._run(
                f"COPY ({rows}) TO $path (FORMAT csv, HEADER false)",
                {"bucket": self._manifest.source_bucket, "path": str(part)},
            )
        with part.open("rb") as source, path.open("ab") as target:
            shutil.copyfileobj(source, target)

    def summary(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the last layer."""
        with _duckdb_errors(self._manifest.uri):
            rows = self._run(query.summary_sql("FROM facts", prefix_depth=self._depth))
        return [dict(zip(query.SUMMARY_COLUMNS, row, strict=True)) for row in rows]

    def _number(self, statement: str) -> int:
        return int(self._run(statement)[0][0] or 0)

    def _run(self, statement: str, parameters: Mapping[str, str] | None = None) -> list[tuple[Any, ...]]:
        # Fetched to the end even where nothing is returned: until then DuckDB may not have run it all, and the
        # connection refuses other work.
        rows: list[tuple[Any, ...]] = self._connection.execute(statement, parameters).fetchall()
        return rows


@contextmanager
def _duckdb_errors(uri: str) -> Iterator[None]:
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
