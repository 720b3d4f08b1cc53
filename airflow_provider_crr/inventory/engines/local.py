"""The summary made on this machine: data files fetched, checked and read by DuckDB, in bounded memory and disk."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import InvalidArgument, InventoryManifestInvalid
from airflow_provider_crr.inventory.engines.database import connect
from airflow_provider_crr.inventory.engines.disk import disk_errors
from airflow_provider_crr.inventory.engines.duckdb_engine import Engine
from airflow_provider_crr.inventory.engines.files import fetched
from airflow_provider_crr.inventory.engines.summary_rows import summary_from_rows
from airflow_provider_crr.inventory.engines.workspace import workspace
from airflow_provider_crr.inventory.manifest import Manifest
from airflow_provider_crr.inventory.summary import Summary

#: What DuckDB may hold in memory; the rest goes to disk. The process needs about 150 MB more.
MEMORY_LIMIT = "300MB"


def summarize_local(
    s3_client: Any,
    manifest: Manifest,
    *,
    prefix_depth: int = 0,
    versions: str = "all",
    failed_manifest: Path | None = None,
    pending_older_than: timedelta | None = None,
    work_dir: Path | str | None = None,
    memory_limit: str = MEMORY_LIMIT,
    threads: int | None = None,
) -> Summary:
    """
    Return the summary of one report, each of whose files is read once.

    :param s3_client: boto3 client for S3.
    :param manifest: the report.
    :param prefix_depth: how many key segments make a prefix; 0 leaves prefixes out.
    :param versions: ``all``, or ``current`` for the latest versions only.
    :param failed_manifest: file to write the FAILED versions to, as a manifest for S3 Batch Operations; it is there
        only if the whole report could be read, and may be empty.
    :param pending_older_than: list there what is PENDING for longer too, by the report's time; None for FAILED only.
    :param work_dir: directory for temporary files, which are always removed, those of a killed process by the next
        one: at most three unpacked data files, and what DuckDB moves out of memory. None for the system's; beware of
        one that is in memory itself.
    :param memory_limit: what DuckDB may hold in memory, as DuckDB writes it.
    :param threads: how many threads DuckDB uses; None for one on each processor, at most 4.
    :raises InvalidArgument: for a depth or a word for versions out of range.
    :raises InventoryNotFound: if a data file is not there.
    :raises InventoryFileInvalid: if a data file is not the one in the manifest, or has a row that does not fit.
    :raises InventoryManifestInvalid: if ``pending_older_than`` is given and the report has no LastModifiedDate.
    :raises InventoryError: if reading is not allowed.
    :raises LookupFailed: if S3 could not be asked.
    :raises CrrError: if pyarrow is missing for an ORC report, or memory or disk do not suffice.
    """
    _check_age(pending_older_than, manifest)
    if pending_older_than is not None and "last_modified_date" not in manifest.fields:
        raise InventoryManifestInvalid(
            "the report does not say how old what is PENDING is",
            uri=manifest.uri,
            remedy="Add the optional field LastModifiedDate to the inventory configuration, or ask for FAILED only",
        )
    with workspace(work_dir) as (directory, name):
        with connect(name, memory_limit, threads) as connection:
            engine = Engine(connection, name, manifest, prefix_depth, versions)
            listed = directory / "listed.csv" if failed_manifest else None
            with closing(fetched(s3_client, manifest, directory)) as files:
                for file in files:
                    engine.add(file)
                    if listed:
                        engine.list_failed(listed, pending_older_than)
            rows = engine.summary()
        if listed and failed_manifest:
            with disk_errors(manifest.uri):
                listed.touch()
                shutil.move(listed, failed_manifest)
    return summary_from_rows(rows, manifest, prefix_depth=prefix_depth, versions=versions)


def _check_age(age: timedelta | None, manifest: Manifest) -> None:
    try:
        _ = age is None or manifest.created_at - age
    except OverflowError as error:
        raise InvalidArgument(f"pending_older_than {age} is before the year 1", remedy="Give a shorter age") from error
