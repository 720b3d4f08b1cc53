"""
Gate a task on exactly the objects that an upstream task wrote.

``land`` writes objects and returns which versions it wrote. ``gate`` gets that list as it is (``task.output``), and
opens once S3 reports COMPLETED for every one of those versions. It fails at once if S3 reports FAILED, because S3 does
not retry by itself. ``publish`` runs only after the gate has opened: readers in the other region can have the data.

The versions are named, so that an overwrite in between cannot change what the gate waits for. While it waits, the gate
is in the triggerer and takes no worker slot.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG, Param, task

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

with DAG(
    dag_id="gate_objects_from_upstream",
    description="Run a task once the objects that an upstream task wrote are replicated",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
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
        # Most objects replicate within minutes. Say so early when these do not.
        max_pending_age=timedelta(hours=2),
    )

    @task
    def publish(found: dict[str, Any]) -> str:
        """Do what had to wait; the gate hands over what it saw."""
        message = f"{found['total']} objects are replicated: {found['statuses']}"
        print(message)
        return message

    publish(gate.output)
