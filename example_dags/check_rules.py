"""
Say within seconds why objects would not be replicated, before a gate waits for them.

``check`` reads the bucket's replication rules and what these depend on: versioning, encryption, the destinations, the
replication role. It fails if something keeps what is below the prefix from being replicated, so that nobody learns it
from a gate that has waited for hours. What only may, such as metrics that are off, it writes to its log and its XCom.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_crr.operators.rules import S3ReplicationRulesCheckOperator
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

with DAG(
    dag_id="check_rules",
    description="Check the replication rules before a gate waits",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
        "prefix": Param("orders/", type="string", minLength=1, description="What is waited for below"),
    },
) as dag:
    check = S3ReplicationRulesCheckOperator(
        task_id="check",
        bucket_name="{{ params.bucket }}",
        prefixes=["{{ params.prefix }}"],
    )

    gate = S3ReplicationSensor(
        task_id="gate",
        bucket_key="s3://{{ params.bucket }}/{{ params.prefix }}*",
        wildcard_match=True,
        deferrable=True,
        timeout=timedelta(hours=6).total_seconds(),
    )

    check >> gate
