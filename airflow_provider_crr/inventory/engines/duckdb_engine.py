"""DuckDB, running the layers of the query file by file, with a proof that it read all of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.batch import repair_manifest
from airflow_provider_crr.errors import InventoryFileInvalid
from airflow_provider_crr.inventory.disk_errors import disk_errors
from airflow_provider_crr.inventory.engines import columns, csv_text, duckdb_sql, relations
from airflow_provider_crr.inventory.engines.duckdb_connection import duckdb_errors
from airflow_provider_crr.inventory.engines.files import FetchedFile
from airflow_provider_crr.inventory.engines.orc import opened_orc, require_pyarrow
from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER, Manifest

if TYPE_CHECKING:
    import duckdb

#: Facts of several files are merged from so many rows on, and then whenever they have doubled: otherwise there would be
#: a row for each file and prefix.
MERGE_ROWS = 1_000_000
#: What DuckDB does without. A Parquet file tells the least and the greatest value of each column. If they are wrong,
#: DuckDB would conclude from them, without a look at the rows, that none is FAILED. Of its own tables they are right.
_DO_WITHOUT = "SET disabled_optimizers = '{}'"
#: How DuckDB writes a repair manifest.
_REPAIR_CSV = (
    f"FORMAT csv, HEADER false, DELIMITER '{repair_manifest.DELIMITER}', QUOTE '{repair_manifest.QUOTE}', "
    f"ESCAPE '{repair_manifest.QUOTE}', NULLSTR '', COMPRESSION none, USE_TMP_FILE false, PER_THREAD_OUTPUT false"
)


class Engine:
    """
    Runs the layers of the query: the first two for each file, and the last one at the end.

    :param connection: a connection to an empty database.
    :param directory: name of the directory of the files, in the form for readers, see
        :func:`~airflow_provider_crr.inventory.workspace.workspace`.
    :param manifest: the report.
    :param request: what is asked of it.
    :raises PackageMissing: if pyarrow is missing for an ORC report.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, directory: str, manifest: Manifest, request: SummaryRequest
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._manifest = manifest
        self._request = request
        self._merged_rows = MERGE_ROWS
        self._encoded = manifest.file_format == "CSV"
        #: Statements that group one file; the second one is tried if the first one fails.
        self._grouping = [
            duckdb_sql.groups_sql(
                report,
                manifest.fields,
                prefix_depth=request.prefix_depth,
                versions=request.versions,
                encoded=self._encoded,
                sums=["text_bytes"] if self._encoded else [],
            )
            for report in self._reports()
        ]
        self._facts = duckdb_sql.facts_sql(
            "FROM groups",
            manifest.fields,
            created_at=manifest.created_at,
            prefix_depth=request.prefix_depth,
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
        require_pyarrow()
        return [relations.orc_sql(fields)]

    def add(self, file: FetchedFile) -> None:
        """Count one data file; if it is refused, nothing of it is counted."""
        with duckdb_errors(file.uri), disk_errors(file.uri):
            if self._manifest.file_format == "ORC":
                self._add_orc(file)
            else:
                self._group(file, self._rows_of(file))
            self._run(f"INSERT INTO facts {self._facts}")
            self._merge()
        defect = self._number("SELECT max(at_ms) FROM facts WHERE kind = 'defect'")
        if defect:
            raise InventoryFileInvalid(f"it has {duckdb_sql.DEFECTS[defect]}", uri=file.uri, remedy=NAME_ANOTHER)

    def _rows_of(self, file: FetchedFile) -> int | None:
        """Check the columns of a Parquet file, and return the number of rows in its footer; None for CSV."""
        if self._manifest.file_format == "CSV":
            return None
        path = {"path": self._seen(file.path)}
        columns.check_parquet(self._run(columns.PARQUET_COLUMNS_SQL, path), self._manifest.fields, file.uri)
        return self._number("SELECT sum(num_rows) FROM parquet_file_metadata($path)", path)

    def _add_orc(self, file: FetchedFile) -> None:
        with opened_orc(file.path, self._manifest.fields, file.uri) as opened:
            self._connection.register(relations.ORC_RELATION, opened.reader)
            try:
                self._group(file, opened.rows, opened.finish)
            except Exception:
                opened.finish()  # if the reader failed, its error says more than DuckDB's about its stream
                raise
            finally:
                self._connection.unregister(relations.ORC_RELATION)

    def _group(self, file: FetchedFile, rows: int | None, finish: Callable[[], None] = lambda: None) -> None:
        import duckdb

        parameters = {"bucket": self._manifest.source_bucket}
        if self._manifest.file_format != "ORC":
            parameters["path"] = self._seen(file.path)
        for statement in self._grouping:
            try:
                self._run(_DO_WITHOUT.format("statistics_propagation"))
                self._run(f"CREATE OR REPLACE TABLE groups AS {statement}", parameters)
                self._run(_DO_WITHOUT.format(""))
                finish()
                self._prove(file, rows)
                return
            except (
                InventoryFileInvalid,
                duckdb.NotImplementedException,
                duckdb.InvalidInputException,
                duckdb.ConversionException,
            ):
                if statement is self._grouping[-1]:
                    raise

    def _prove(self, file: FetchedFile, rows: int | None) -> None:
        """Refuse a file if not every row was read: a reader may leave out a row that it does not understand."""
        read = self._number("SELECT sum(objects) FROM groups")
        if rows is None:
            # The usual CSV file has one line a row, and each value has three bytes more: two quotes, and the comma or
            # line break after it. If all adds up to the size of the file, every row was read.
            text = self._number("SELECT sum(text_bytes) FROM groups") + 3 * len(self._manifest.fields) * read
            if (read, text) == (file.lines, file.path.stat().st_size):
                return
            rows = csv_text.count_records(file.path, len(self._manifest.fields), file.uri)
        if read != rows:
            raise InventoryFileInvalid(
                f"it has {rows} rows, of which {read} could be read", uri=file.uri, remedy=NAME_ANOTHER
            )

    def _merge(self) -> None:
        if self._number("SELECT count(*) FROM facts") < self._merged_rows:
            return
        self._run(f"CREATE TABLE merged AS {duckdb_sql.merged_sql('FROM facts')}")
        self._run("DROP TABLE facts")
        self._run("ALTER TABLE merged RENAME TO facts")
        self._merged_rows = max(MERGE_ROWS, 2 * self._number("SELECT count(*) FROM facts"))

    def list_failed(self, path: Path) -> None:
        """Append the rows of the Batch Operations manifest for the file that was added last."""
        part = path.with_suffix(".part")
        rows = duckdb_sql.repair_sql(
            "groups",
            self._manifest.fields,
            created_at=self._manifest.created_at,
            pending_older_than=self._request.pending_older_than,
            encoded=self._encoded,
        )
        target = self._seen(part).replace("'", "''")
        with duckdb_errors(self._manifest.uri):
            self._run(f"COPY ({rows}) TO '{target}' ({_REPAIR_CSV})", {"bucket": self._manifest.source_bucket})
        with disk_errors(self._manifest.uri):
            with part.open("rb") as source, path.open("ab") as listed:
                shutil.copyfileobj(source, listed)
            part.unlink()

    def summary(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the last layer."""
        with duckdb_errors(self._manifest.uri):
            rows = self._run(duckdb_sql.summary_sql("FROM facts", prefix_depth=self._request.prefix_depth))
        # Sorted here, because DuckDB 1.3 returns even sorted rows in another order unless it has to preserve the order
        # of insertion.
        rows.sort(key=lambda row: row[: duckdb_sql.SORTED_BY])
        return [dict(zip(duckdb_sql.SUMMARY_COLUMNS, row, strict=True)) for row in rows]

    def _seen(self, path: Path) -> str:
        return f"{self._directory}/{path.name}"

    def _number(self, statement: str, parameters: Mapping[str, str] | None = None) -> int:
        return int(self._run(statement, parameters)[0][0] or 0)

    def _run(self, statement: str, parameters: Mapping[str, str] | None = None) -> list[tuple[Any, ...]]:
        # Fetched even if there is no result: until then DuckDB may not have run the whole statement, and the connection
        # refuses other statements.
        rows: list[tuple[Any, ...]] = self._connection.execute(statement, parameters).fetchall()
        return rows
