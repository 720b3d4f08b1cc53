"""The engine of this machine: data files are fetched, checked and read by DuckDB, in bounded memory and disk."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from airflow_provider_crr.inventory.disk_errors import disk_errors
from airflow_provider_crr.inventory.engines.duckdb_connection import connect
from airflow_provider_crr.inventory.engines.duckdb_engine import Engine
from airflow_provider_crr.inventory.engines.files import fetched
from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
from airflow_provider_crr.inventory.engines.summary_rows import summary_from_rows
from airflow_provider_crr.inventory.manifest import Manifest
from airflow_provider_crr.inventory.summary import Summary
from airflow_provider_crr.inventory.workspace import workspace

#: What DuckDB may hold in memory; the rest goes to disk. The process needs about 150 MB more.
MEMORY_LIMIT = "300MB"


class LocalSummarizer:
    """
    A :class:`~airflow_provider_crr.inventory.engines.summarizer.Summarizer` that reads each data file once, here.

    :param s3_client: boto3 client for S3.
    :param work_dir: directory for temporary files: at most three unpacked data files, and what DuckDB moves out of
        memory. They are always removed; those of a killed process are removed by the next one. None for the system's
        directory; beware of one that is in memory itself.
    :param memory_limit: what DuckDB may hold in memory, as DuckDB writes it.
    :param threads: how many threads DuckDB uses; None for one on each processor, at most 4.
    """

    def __init__(
        self,
        s3_client: Any,
        *,
        work_dir: Path | str | None = None,
        memory_limit: str = MEMORY_LIMIT,
        threads: int | None = None,
    ) -> None:
        self._s3_client = s3_client
        self._work_dir = work_dir
        self._memory_limit = memory_limit
        self._threads = threads

    def summarize(self, manifest: Manifest, request: SummaryRequest) -> Summary:
        """
        Return the summary of a report.

        :param manifest: the report.
        :param request: what is asked of it.
        :raises InventoryNotFound: if a data file is not there.
        :raises InventoryFileInvalid: if a data file is not the one in the manifest, or has a row that does not fit.
        :raises PackageMissing: if pyarrow is missing for an ORC report.
        :raises OutOfMemory: if DuckDB's memory does not suffice.
        :raises DiskFull: if ``work_dir`` has no room.
        :raises CrrError: for whatever else :meth:`.Summarizer.summarize` raises.
        """
        request.check(manifest)
        with workspace(self._work_dir) as (directory, name):
            with connect(name, self._memory_limit, self._threads) as connection:
                engine = Engine(connection, name, manifest, request)
                listed = directory / "listed.csv" if request.failed_manifest else None
                with closing(fetched(self._s3_client, manifest, directory)) as files:
                    for file in files:
                        engine.add(file)
                        if listed:
                            engine.list_failed(listed)
                rows = engine.summary()
            if listed and request.failed_manifest:
                with disk_errors(manifest.uri):
                    listed.touch()
                    shutil.move(listed, request.failed_manifest)
        return summary_from_rows(rows, manifest, request)
