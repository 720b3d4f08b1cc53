"""
Delete from a landing bucket what is replicated, and nothing else.

``check`` asks about every version and says which could be deleted. It deletes nothing. Only a run that was triggered
with ``dry_run`` set to false goes on to ``delete``. That asks about everything again, and permanently deletes exactly
the versions that S3 reports COMPLETED. Versions that are PENDING, FAILED or were never replicated are refused, and
stay.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator

with DAG(
    dag_id="delete_safely",
    description="Delete the object versions that are replicated",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
        "prefix": Param("orders/", type="string", minLength=1, description="What to delete below"),
        "dry_run": Param(True, type="boolean", description="Only say what would be deleted"),
    },
) as dag:
    what: dict[str, Any] = {
        "bucket_key": "s3://{{ params.bucket }}/{{ params.prefix }}*",
        "wildcard_match": True,
        # Every version of every key. "current" leaves older versions alone.
        "versions": "all",
    }
    check = S3DeleteReplicatedObjectsOperator(task_id="check", dry_run=True, **what)

    @task.short_circuit
    def is_meant(params: dict[str, Any]) -> bool:
        """Go on only if this run was asked to delete."""
        return not params["dry_run"]

    # on_refused="report": refused versions are expected here; log and XCom name them.
    check >> is_meant() >> S3DeleteReplicatedObjectsOperator(task_id="delete", on_refused="report", **what)
