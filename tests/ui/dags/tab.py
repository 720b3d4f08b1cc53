"""Tasks whose Replication tab is looked at; what they look at comes with each run."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

BEGUN = datetime(2026, 1, 1)
GATE = {"bucket_name": "{{ params.bucket }}", "poke_interval": 1, "timeout": 300, "deferrable": True}


@task
def behind(found: dict[str, object]) -> str:
    """Return something that is none of ours."""
    return f"{found['total']} objects"


with DAG("landing", schedule=None, start_date=BEGUN, params={"bucket": "", "prefix": ""}):
    gate = S3ReplicationSensor(task_id="gate", bucket_key="{{ params.prefix }}*", wildcard_match=True, **GATE)
    behind(gate.output)

with DAG("mapped", schedule=None, start_date=BEGUN, params={"bucket": ""}):
    S3ReplicationSensor.partial(task_id="gate", **GATE).expand(bucket_key=["orders/a", "orders/b"])

with DAG("archive_check", schedule=None, start_date=BEGUN, params={"manifest": "", "reports": ""}):
    S3InventorySummaryOperator(
        task_id="summary",
        inventory="{{ params.manifest }}",
        prefix_depth=2,
        max_failed=0,
        report_uri="s3://{{ params.reports }}/report.html",
    )
