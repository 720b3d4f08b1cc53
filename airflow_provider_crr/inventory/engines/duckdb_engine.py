"""DuckDB, running the layers of the query file by file, with a proof that it read all of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.batch import repair_manifest
from airflow_provider_crr.errors import InventoryFileInvalid
from airflow_provider_crr.inventory.engines import columns, csv_text, duckdb_sql, relations
from airflow_provider_crr.inventory.engines.database import duckdb_errors
from airflow_provider_crr.inventory.engines.disk import disk_errors
from airflow_provider_crr.inventory.engines.files import FetchedFile
from airflow_provider_crr.inventory.engines.orc import opened_orc
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER, Manifest

if TYPE_CHECKING:
    import duckdb

#: More facts than this are merged once they have doubled, so that files x prefixes never pile up.
MERGE_ROWS = 1_000_000
#: How the rows to repair are written, as text only.
_BATCH_CSV = (
    "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '', COMPRESSION none, "
    "USE_TMP_FILE false, PER_THREAD_OUTPUT false"
)


class Engine:
    """
    Runs the layers of the query, the first two for each file and the last one at the end.

    :param connection: to an empty database.
    :param directory: name of the directory of the files, as readers are given it.
    :param manifest: the report.
    :param prefix_depth: as in :func:`~airflow_provider_crr.inventory.engines.duckdb_sql.groups_sql`.
    :param versions: as there.
    :raises InvalidArgument: as there.
    :raises CrrError: if pyarrow is missing for an ORC report.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: str,
        manifest: Manifest,
        prefix_depth: int,
        versions: str,
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._manifest = manifest
        self._depth = prefix_depth
        self._merged_rows = MERGE_ROWS
        self._encoded = manifest.file_format == "CSV"
        #: Statements that group one file; the next one is tried where the one before raises.
        self._grouping = [
            duckdb_sql.groups_sql(
                report,
                manifest.fields,
                prefix_depth=prefix_depth,
                versions=versions,
                encoded=self._encoded,
                sums=["text_bytes"] if self._encoded else [],
            )
            for report in self._reports()
        ]
        self._facts = duckdb_sql.facts_sql(
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

    def add(self, file: FetchedFile) -> None:
        """Count one data file, or nothing of it."""
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
        """Return how many rows the file says that it has, once its columns are those of S3; None for CSV."""
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
                opened.finish()  # what the reader says comes before what DuckDB makes of a stream that broke off
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
                self._run(f"CREATE OR REPLACE TABLE groups AS {statement}", parameters)
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
        """Refuse a file of which not every row was read, for a reader may leave out what it does not understand."""
        read = self._number("SELECT sum(objects) FROM groups")
        if rows is None:
            # A line for each row, and no byte but those of the values, two quotes each, and what comes after each.
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

    def list_failed(self, path: Path, pending_older_than: timedelta | None) -> None:
        """Append what is to be repaired of the file that was added last."""
        part = path.with_suffix(".part")
        rows = repair_manifest.rows_sql(
            "groups",
            self._manifest.fields,
            created_at=self._manifest.created_at,
            pending_older_than=pending_older_than,
            encoded=self._encoded,
        )
        target = self._seen(part).replace("'", "''")
        with duckdb_errors(self._manifest.uri):
            self._run(f"COPY ({rows}) TO '{target}' ({_BATCH_CSV})", {"bucket": self._manifest.source_bucket})
        with disk_errors(self._manifest.uri):
            with part.open("rb") as source, path.open("ab") as listed:
                shutil.copyfileobj(source, listed)
            part.unlink()

    def summary(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the last layer."""
        with duckdb_errors(self._manifest.uri):
            rows = self._run(duckdb_sql.summary_sql("FROM facts", prefix_depth=self._depth))
        # DuckDB 1.3 hands out sorted rows in another order where it need not preserve the order of insertion.
        rows.sort(key=lambda row: row[: duckdb_sql.SORTED_BY])
        return [dict(zip(duckdb_sql.SUMMARY_COLUMNS, row, strict=True)) for row in rows]

    def _seen(self, path: Path) -> str:
        return f"{self._directory}/{path.name}"

    def _number(self, statement: str, parameters: Mapping[str, str] | None = None) -> int:
        return int(self._run(statement, parameters)[0][0] or 0)

    def _run(self, statement: str, parameters: Mapping[str, str] | None = None) -> list[tuple[Any, ...]]:
        # Fetched to the end even where nothing is returned: until then DuckDB may not have run it all, and the
        # connection refuses other work.
        rows: list[tuple[Any, ...]] = self._connection.execute(statement, parameters).fetchall()
        return rows
