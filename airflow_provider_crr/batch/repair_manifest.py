"""
The objects to repair, as a manifest for S3 Batch Operations.

``S3BatchOperations_CSV_20180820`` has no header, and on each row a bucket, a URL-encoded key and perhaps a version id:
`Specifying a manifest <https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html>`__.
"""

# ruff: noqa: S608 - text of a report reaches SQL as a parameter only

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from airflow_provider_crr.inventory.engines.duckdb_sql import decoded, failed_sql, older_than_sql


def rows_sql(
    groups: str,
    fields: Collection[str],
    *,
    created_at: datetime,
    pending_older_than: timedelta | None = None,
    encoded: bool = False,
) -> str:
    """
    Return the rows of the manifest: each FAILED version once, and each that is PENDING for too long.

    :param groups: a table that holds what :func:`.duckdb_sql.groups_sql` returned; ``$bucket`` is the bucket that was
        listed.
    :param fields: which columns the report has; without version ids the manifest has two columns.
    :param created_at: when S3 began the listing.
    :param pending_older_than: age from which a PENDING version is listed too; None lists FAILED ones only.
    :param encoded: whether the keys in ``groups`` are URL-encoded.
    """
    stuck = f" OR {older_than_sql(created_at, pending_older_than)}" if pending_older_than is not None else ""
    # A slash stays as it is, as in the reports of S3; "%2F" can only be an encoded slash here, since a literal one
    # has become "%252F".
    key = f"replace(url_encode({decoded('name', encoded)}), '%2F', '/')"
    version = ", version" if "version_id" in fields else ""
    return f"SELECT $bucket, {key}{version} FROM {groups} WHERE {failed_sql()}{stuck}"
