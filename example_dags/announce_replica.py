"""
Region A: announce a day's partition once its replica is there.

``gate`` has the replica as an outlet. When it opens, Airflow records an event of that asset, and starts what is
scheduled by it: ``load_replica``, in region B. The event's ``extra`` says how many objects there are, which patterns
they match, and in which buckets the replicas are, from the bucket's replication rules. A gate that fails announces
nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

#: Two DAGs mean the same asset if its URI is the same.
REPLICA = Asset("s3://my-landing-bucket-replica/orders/")

with DAG(
    dag_id="announce_replica",
    description="Announce a daily partition once it is replicated",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["s3", "replication", "assets"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
    },
) as dag:
    S3ReplicationSensor(
        task_id="gate",
        # In Airflow 3 a cron schedule runs at its logical date: ds is the day that just began. With
        # [scheduler] create_cron_data_intervals, as in Airflow 2, it is the day before: then write ds alone.
        bucket_key=[
            "s3://{{ params.bucket }}/orders/dt={{ macros.ds_add(ds, -1) }}/_SUCCESS",
            "s3://{{ params.bucket }}/orders/dt={{ macros.ds_add(ds, -1) }}/*",
        ],
        wildcard_match=True,
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
        outlets=[REPLICA],
    )
