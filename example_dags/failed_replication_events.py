"""
Say why objects were not replicated, as soon as S3 says so.

S3 sends ``s3:Replication:OperationFailedReplication`` to a queue if the bucket's notification configuration says so and
replication metrics are enabled on the rule. The triggerer reads the queue and records an event of the asset for each
batch of messages. ``explain`` says in words what each failure means. There is no such event for success: to wait for
that, use ``S3ReplicationSensor``. S3 may send an event twice.

The triggerer needs ``apache-airflow-providers-amazon[aiobotocore]``, and the permissions sqs:ReceiveMessage and
sqs:DeleteMessage.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_crr.errors import EventInvalid
from airflow_provider_crr.replication.events import FAILED, parse_events

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/failed-replications"

FAILURES = Asset(
    "failed_replications",
    watchers=[
        AssetWatcher(name="queue", trigger=SqsSensorTrigger(sqs_queue=QUEUE, max_messages=10, waiter_delay=20)),
    ],
)

with DAG(
    dag_id="failed_replication_events",
    description="Explain each replication that S3 says has failed",
    schedule=[FAILURES],
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication", "events"],
    doc_md=__doc__,
) as dag:

    @task
    def explain(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Return what has failed and why; from here it may go to a ticket, or to S3 Batch Replication."""
        failures: list[dict[str, Any]] = []
        unread: list[EventInvalid] = []
        for asset_event in triggering_asset_events[FAILURES]:
            for message in asset_event.extra["payload"]["message_batch"]:
                for event in parse_events(message["Body"], rejected=unread):
                    if event.name == FAILED:
                        failures.append(event.to_dict())
                        print(json.dumps(failures[-1], indent=2))
        for error in unread:  # records that cannot be read do not keep the others from being explained
            print(error)
        return failures

    explain()
