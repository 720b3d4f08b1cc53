"""
Repair what failed, from FAILED to COMPLETED, in one DAG.

``gate`` waits for what ``land`` wrote. If S3 reports FAILED for some of it, the gate fails, because S3 never tries
again by itself. Only then does the rest run:

- ``report`` waits for the next S3 Inventory report, and ``count`` counts in it what is FAILED in the whole bucket: a
  destination that is broken fails more than the objects that somebody waits for.
- ``mended`` waits until somebody has mended the destination. What is wrong with it is in the gate's log.
- ``repair`` lets S3 Batch Replication replicate all that is FAILED, reads the report of that job, and asks S3 for the
  status of each object afterwards.
- ``gate_again`` asks for what ``land`` wrote once more.

``publish`` runs after whichever gate opened.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG, Param, task

from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

with DAG(
    dag_id="repair_failed",
    description="Gate objects; if their replication failed, repair it with S3 Batch Replication and gate them again",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication", "batch"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
        "destination": Param("my-replica-bucket", type="string", description="Bucket of its replicas"),
        "inventory": Param(
            "s3://my-inventory-bucket/my-landing-bucket/daily/",
            type="string",
            description="Folder of the inventory configuration: s3://destination/prefix/source-bucket/config-id/",
        ),
        "reports": Param(
            "s3://my-reports-bucket/repair", type="string", description="Where manifest and reports are written to"
        ),
        "role_arn": Param(
            "arn:aws:iam::111122223333:role/batch", type="string", description="Role of the S3 Batch Operations job"
        ),
    },
) as dag:

    @task
    def land(params: dict[str, Any]) -> list[dict[str, str]]:
        """Write three objects, and return the versions that S3 made of them."""
        s3 = S3Hook(aws_conn_id="aws_default").get_conn()
        written = []
        for part in range(3):
            key = f"orders/part-{part}.csv"
            version = s3.put_object(Bucket=params["bucket"], Key=key, Body=b"id,amount\n1,9.99\n")["VersionId"]
            written.append({"bucket": params["bucket"], "key": key, "version_id": version})
        return written

    landed = land()

    gate = S3ReplicationSensor(
        task_id="gate",
        bucket_key=landed,
        deferrable=True,
        poke_interval=30,
        timeout=timedelta(hours=6).total_seconds(),
    )

    report = S3InventorySensor(
        task_id="report",
        # If the gate opens, this is skipped, and all that depends on it.
        trigger_rule="one_failed",
        inventory="{{ params.inventory }}",
        newer_than="{{ dag_run.run_after.isoformat() }}",
        deferrable=True,
        poke_interval=timedelta(minutes=10).total_seconds(),
        timeout=timedelta(days=3).total_seconds(),
    )

    count = S3InventorySummaryOperator(
        task_id="count",
        inventory=report.output,
        failed_manifest_uri="{{ params.reports }}/failed.csv",
    )

    @task.sensor(poke_interval=60, timeout=timedelta(days=3).total_seconds(), mode="reschedule")
    def mended(params: dict[str, Any]) -> bool:
        """Tell whether versioning is enabled at the destination. Ask here for what can break in your place."""
        s3 = S3Hook(aws_conn_id="aws_default").get_conn()
        return bool(s3.get_bucket_versioning(Bucket=params["destination"]).get("Status") == "Enabled")

    repair = S3BatchReplicationOperator(
        task_id="repair",
        manifest_uri="{{ ti.xcom_pull(task_ids='count')['failed_manifest_uri'] }}",
        role_arn="{{ params.role_arn }}",
        completion_report_uri="{{ params.reports }}",
        deferrable=True,
    )

    gate_again = S3ReplicationSensor(
        task_id="gate_again",
        bucket_key=landed,
        deferrable=True,
        poke_interval=30,
        timeout=timedelta(hours=6).total_seconds(),
    )

    @task(trigger_rule="one_success")
    def publish() -> str:
        """Do what had to wait."""
        return "the objects are replicated"

    gate >> report >> count >> mended() >> repair >> gate_again
    [gate, gate_again] >> publish()
