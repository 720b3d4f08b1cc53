"""One DAG for each thing that goes wrong. The buckets are those of ``demo/playground/situations.py``."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

DAY = "dt=2026-11-24"
GATE: dict[str, Any] = {
    "task_id": "gate",
    "wildcard_match": True,
    "deferrable": True,
    "poke_interval": 10,
    "timeout": timedelta(hours=6).total_seconds(),
}


@task
def load(found: dict[str, Any]) -> str:
    """Do what has to wait for the replica."""
    return f"{found['total']} objects are replicated"


def playground_dag(dag_id: str, description: str) -> DAG:
    return DAG(
        dag_id,
        description=description,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        tags=["playground"],
        default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    )


with playground_dag("stuck", "Some objects stay PENDING"):
    load(S3ReplicationSensor(bucket_key=f"s3://landing/orders/{DAY}/*", **GATE).output)

with playground_dag("failed", "S3 reports FAILED: the destination refuses the replication role"):
    load(S3ReplicationSensor(bucket_key=f"s3://exports/invoices/{DAY}/*", **GATE).output)

with playground_dag("no_status", "S3 reports no status: no rule covers the keys"):
    load(S3ReplicationSensor(bucket_key=f"s3://events/click/{DAY}/*", **GATE).output)

with playground_dag("forbidden", "S3 answers 403: the connection may not read the objects"):
    load(
        S3ReplicationSensor(
            bucket_key=["salaries/2026-10.parquet", "salaries/2026-11.parquet"],
            bucket_name="payroll",
            aws_conn_id="aws_reader",
            **{**GATE, "wildcard_match": False},
        ).output
    )

with playground_dag("missing_column", "The inventory report has no column ReplicationStatus"):
    S3InventorySummaryOperator(task_id="summary", inventory="s3://inventory/archive/daily/", max_failed=0)

with playground_dag("moving", "One object a second is replicated"):
    load(S3ReplicationSensor(bucket_key=f"s3://uploads/photos/{DAY}/*", **GATE).output)

with playground_dag("many_gates", "Many gates wait in one triggerer"):
    S3ReplicationSensor.partial(**{**GATE, "wildcard_match": False}).expand(
        bucket_key=[f"s3://tables/table-{number:04}/_SUCCESS" for number in range(int(os.environ["PLAYGROUND_GATES"]))],
    )
