"""
Free a landing bucket of what is replicated, and of nothing else.

``check`` looks every version up and says what could go: it deletes nothing. Only a run that was triggered with
``dry_run`` set to false goes on to ``delete``, which looks everything up again, and deletes for good the very versions
that S3 reports COMPLETED. What is PENDING, FAILED or was never replicated is refused and stays.
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

    # on_refused="report": what must stay is expected here, and named in the log and in XCom.
    check >> is_meant() >> S3DeleteReplicatedObjectsOperator(task_id="delete", on_refused="report", **what)
