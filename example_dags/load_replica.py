"""
Region B: load what region A has announced, from the replica.

The replica's asset schedules this DAG: when ``announce_replica`` has recorded an event of it, Airflow starts a run and
passes it the event. One run may get several events if they came quickly. Each event names its own partition.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Asset, task

#: Two DAGs mean the same asset if its URI is the same.
REPLICA = Asset("s3://my-landing-bucket-replica/orders/")

with DAG(
    dag_id="load_replica",
    description="Load partitions from the replica, once they are there",
    schedule=[REPLICA],
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication", "assets"],
    doc_md=__doc__,
) as dag:

    @task
    def load(triggering_asset_events: Any = None) -> list[str]:
        """Read each partition in its replica's bucket; here, only say which, and how many objects it has."""
        loaded = []
        for event in triggering_asset_events[REPLICA]:
            # Without s3:GetReplicationConfiguration the gate cannot say where the replicas are.
            bucket = event.extra.get("destinations", ["my-landing-bucket-replica"])[0]
            keys = event.extra["targets"][-1].split("/", 3)[3]
            loaded.append(f"{event.extra['total']} objects in s3://{bucket}/{keys}")
            print(loaded[-1])
        return loaded

    load()
