"""
Summarize each S3 Inventory report as soon as it is delivered.

This needs no schedule, and no sensor that waits. The triggerer looks for new reports and records an event of the asset
for each: once, whatever is restarted meanwhile (from Airflow 3.3 on; see ``S3InventoryReportTrigger``). S3 delivers a
daily report some hours after it began it, sometimes a day or two later, and then perhaps two at a time. So one run may
get several events, and the summary is mapped over them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.triggers.inventory_report import S3InventoryReportTrigger

#: The folder of the inventory configuration: s3://destination/prefix/source-bucket/config-id/
INVENTORY = "s3://my-inventory-bucket/my-landing-bucket/daily/"

REPORTS = Asset(
    INVENTORY,
    watchers=[
        AssetWatcher(name="delivered", trigger=S3InventoryReportTrigger(inventory=INVENTORY, poke_interval=600)),
    ],
)

with DAG(
    dag_id="summarize_delivered_report",
    description="Summarize each S3 Inventory report when it is delivered",
    schedule=[REPORTS],
    start_date=datetime(2026, 1, 1),
    tags=["s3", "replication", "inventory", "assets"],
    doc_md=__doc__,
) as dag:

    @task
    def delivered(triggering_asset_events: Any = None) -> list[str]:
        """Return the manifests of the reports that this run is about."""
        return [event.extra["payload"]["manifest"] for event in triggering_asset_events[REPORTS]]

    S3InventorySummaryOperator.partial(task_id="summary", prefix_depth=1, max_failed=0).expand(inventory=delivered())
