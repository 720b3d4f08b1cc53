"""
Region A: tell the Airflow of region B that a day's partition is replicated.

For two Airflow deployments, one in each region. When ``gate`` opens, ``announce`` records an event of the replica's
asset in the other Airflow, through its REST API. There the DAG ``load_replica`` is scheduled by that asset, and gets
the event as if a gate of its own Airflow had recorded it. A gate that fails announces nothing.

If the other Airflow does not answer, ``announce`` is tried again for about eight hours. S3 is not asked again.

The connection ``airflow_region_b`` is of type HTTP: the address of the other Airflow, and the name and password of a
user who may read assets and create asset events.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import DAG, Param, task

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

#: Name of the asset that schedules the DAG in region B.
REPLICA = "s3://my-landing-bucket-replica/orders/"

# In Airflow 3 a cron schedule runs at its logical date: ds is the day that just began. With
# [scheduler] create_cron_data_intervals, as in Airflow 2, it is the day before: then write ds alone.
PARTITION = "s3://{{ params.bucket }}/orders/dt={{ macros.ds_add(ds, -1) }}/"


class AirflowToken(requests.auth.AuthBase):
    """Signs requests with a token, which Airflow gives for name and password, and takes for a day."""

    def __init__(self, login: str, password: str) -> None:
        self._user = {"username": login, "password": password}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Ask for a token, and add it to a request."""
        address = str(request.url).partition("/api/v2/")[0]
        answer = requests.post(f"{address}/auth/token", json=self._user, timeout=30)
        answer.raise_for_status()
        request.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return request


def ask(method: str, path: str, **arguments: Any) -> Any:
    """Ask the other Airflow; an answer that is no success is an error."""
    hook = HttpHook(method, http_conn_id="airflow_region_b", auth_type=AirflowToken)
    return hook.run(f"api/v2/{path}", extra_options={"timeout": 30}, **arguments).json()


with DAG(
    dag_id="announce_to_region_b",
    description="Announce a daily partition to another Airflow once it is replicated",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["s3", "replication", "assets"],
    doc_md=__doc__,
    params={
        "bucket": Param("my-landing-bucket", type="string", description="Bucket with a replication rule"),
    },
) as dag:
    gate = S3ReplicationSensor(
        task_id="gate",
        bucket_key=[f"{PARTITION}_SUCCESS", f"{PARTITION}*"],
        wildcard_match=True,
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=12).total_seconds(),
    )

    @task(
        retries=20,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=30),
    )
    def announce(found: dict[str, Any], target: str, ti: Any = None) -> str:
        """Record the event, unless an earlier try of this task has done so; return who announced it."""
        assets = ask("GET", "assets", data={"name_pattern": REPLICA})["assets"]
        asset = next((asset["id"] for asset in assets if asset["name"] == REPLICA), None)
        if asset is None:
            raise LookupError(f"no DAG of the other Airflow names the asset {REPLICA}")
        # Stays the same when Airflow retries the task, and changes when somebody clears it.
        announced_by = f"{ti.dag_id}/{ti.run_id}/{ti.max_tries}"
        if ti.try_number > 1:
            # The other Airflow may have taken the event, and its answer was lost.
            asked = {"asset_id": asset, "order_by": "-timestamp", "limit": 100}
            events = ask("GET", "assets/events", data=asked)["asset_events"]
            if any((event["extra"] or {}).get("announced_by") == announced_by for event in events):
                return announced_by
        # What load_replica reads of the event of a gate.
        extra = {"total": found["total"], "statuses": found["statuses"], "targets": [target]}
        event = {"asset_id": asset, "extra": {**extra, "announced_by": announced_by}}
        ask("POST", "assets/events", json=event)
        return announced_by

    announce(gate.output, f"{PARTITION}*")
