"""
Gate a task on a whole partition, whatever objects it has.

Two patterns together say when a partition is complete. A pattern must match at least one object, so the gate stays shut
until the writer has put its ``_SUCCESS`` marker. And everything below the partition must be replicated, the marker,
too. Without a marker, a gate over ``*`` opens as soon as everything that was written *so far* is replicated.

The patterns are listed again at every sweep. A finished object is not asked about again unless it was overwritten.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

with DAG(
    dag_id="gate_partition",
    description="Run a task once a daily partition is replicated",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["s3", "replication"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
        "table": Param("events", type="string", description="Folder of the table"),
    },
) as dag:
    gate = S3ReplicationSensor(
        task_id="gate",
        # In Airflow 3 a cron schedule runs at its logical date: ds is the day that just began. With
        # [scheduler] create_cron_data_intervals, as in Airflow 2, it is the day before: then write ds alone.
        bucket_key=[
            "s3://{{ params.bucket }}/{{ params.table }}/dt={{ macros.ds_add(ds, -1) }}/_SUCCESS",
            "s3://{{ params.bucket }}/{{ params.table }}/dt={{ macros.ds_add(ds, -1) }}/*",
        ],
        wildcard_match=True,
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
        max_pending_age=timedelta(hours=2),
        # Of the 5,500 requests a second that S3 allows a prefix, leave most to those who read and replicate.
        max_requests_per_second=1000,
    )

    @task
    def load(found: dict[str, Any]) -> int:
        """Read the partition in the other region; here, only say how many objects it has."""
        print(f"{found['total']} objects are replicated, after {found['waited_seconds']} s")
        return int(found["total"])

    load(gate.output)
