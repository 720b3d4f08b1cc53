"""
Region B alone: wait until region A's bucket says that a partition is replicated, then read the replica here.

Only the source bucket knows whether an object is replicated. So the gate asks region A's bucket, with the connection
``aws_region_a``; ``load`` reads the replica in region B, with ``aws_region_b``. Nothing runs in region A, and no second
Airflow is needed.

If region A does not answer, the gate goes on waiting until its timeout. It does not guess from what has arrived:
a replica shows that one object is there, not which ones are still missing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG, Param, task

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

# In Airflow 3 a cron schedule runs at its logical date: ds is the day that just began. With
# [scheduler] create_cron_data_intervals, as in Airflow 2, it is the day before: then write ds alone.
PARTITION = "orders/dt={{ macros.ds_add(ds, -1) }}/"

with DAG(
    dag_id="gate_from_region_b",
    description="Load a partition in region B once region A says that it is replicated",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["s3", "replication"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket of region A, with a replication rule"),
        "replica": Param("my-landing-bucket-replica", type="string", description="Bucket of region B"),
    },
) as dag:
    gate = S3ReplicationSensor(
        task_id="gate",
        bucket_key=[f"{PARTITION}_SUCCESS", f"{PARTITION}*"],
        bucket_name="{{ params.bucket }}",
        wildcard_match=True,
        aws_conn_id="aws_region_a",
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
    )

    @task
    def load(found: dict[str, Any], bucket: str, prefix: str) -> int:
        """Read the partition from the replica; here, only count its bytes."""
        s3 = S3Hook(aws_conn_id="aws_region_b")
        keys = s3.list_keys(bucket_name=bucket, prefix=prefix)
        print(f"{found['total']} objects are replicated, {len(keys)} are here")
        return sum(len(s3.get_key(key, bucket).get()["Body"].read()) for key in keys)

    load(gate.output, "{{ params.replica }}", PARTITION)
