"""
Check a whole bucket once a day, from its S3 Inventory report.

Gates check only the objects that they wait for. This DAG checks *every* object, without a request for each. It fails if
a version is FAILED or was PENDING for a day. Before it fails, it writes a report for people, and a manifest with which
S3 Batch Replication can repair the FAILED versions.

The bucket needs a daily inventory configuration with the optional fields ReplicationStatus and, for the age of PENDING
versions, LastModifiedDate.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor

with DAG(
    dag_id="inventory_check",
    description="Fail once a day if S3 Inventory lists objects that are not replicated",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["s3", "replication", "inventory"],
    doc_md=__doc__,
    params={
        "inventory": Param(
            "s3://my-inventory-bucket/my-landing-bucket/daily/",
            type="string",
            description="Folder of the inventory configuration: s3://destination/prefix/source-bucket/config-id/",
        ),
        "reports": Param(
            "s3://my-reports-bucket/replication", type="string", description="Where reports are written to"
        ),
    },
) as dag:
    report = S3InventorySensor(
        task_id="report",
        inventory="{{ params.inventory }}",
        # A daily report is delivered some hours after S3 began it. One from the day before this run is new enough.
        newer_than="{{ (dag_run.run_after - macros.timedelta(days=1)).isoformat() }}",
        deferrable=True,
        poke_interval=timedelta(minutes=10).total_seconds(),
        # S3 may take two days to deliver, and does not tell if it never will.
        timeout=timedelta(days=2).total_seconds(),
    )

    S3InventorySummaryOperator(
        task_id="summary",
        inventory=report.output,
        prefix_depth=1,
        max_failed=0,
        max_pending_age=timedelta(days=1),
        report_uri="{{ params.reports }}/{{ dag_run.run_after.strftime('%Y-%m-%d') }}.html",
        failed_manifest_uri="{{ params.reports }}/{{ dag_run.run_after.strftime('%Y-%m-%d') }}-failed.csv",
    )
