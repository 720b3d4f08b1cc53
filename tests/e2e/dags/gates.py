"""Gates for the tests with real Airflow processes; bucket, prefix and connection come with each run."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_provider_crr.sensors.replication import S3ReplicationSensor

BEGUN = datetime(2026, 1, 1)
COMMON = {"aws_conn_id": "{{ params.conn }}", "timeout": 900, "deferrable": False}
PARAMS = {"bucket": "", "prefix": "dt=1/", "conn": "aws_default"}


@task
def behind(summary: dict[str, object]) -> object:
    """Run only behind an open gate."""
    return summary["statuses"]


PATTERN = {"bucket_key": "s3://{{ params.bucket }}/{{ params.prefix }}*", "wildcard_match": True, "poke_interval": 1}
# Airflow takes a task for killed that is due again before its worker's end was noticed, which takes 5 seconds and more:
# what is due within 10 seconds is waited for on the worker.
RESCHEDULED = {"mode": "reschedule", "poke_interval": 10}
NAMED = {
    "bucket_key": ["dt=1/0", "dt=1/1"],
    "bucket_name": "{{ params.bucket }}",
    "retries": 2,
    "retry_delay": 0.1,
}

for name, arguments in {
    "deferred": {**PATTERN, "deferrable": True},
    "overdue": {**PATTERN, "deferrable": True, "timeout": 45},
    "rescheduled": {**PATTERN, **RESCHEDULED},
    "rescheduled_soon": {**PATTERN, **RESCHEDULED, "poke_interval": 3},
    "failing": {**NAMED, "deferrable": True},
    "failing_rescheduled": {**NAMED, **RESCHEDULED},
}.items():
    with DAG(name, schedule=None, start_date=BEGUN, params=PARAMS):
        gate = S3ReplicationSensor(task_id="gate", **{**COMMON, **arguments})
        behind(gate.output)

with DAG("mapped", schedule=None, start_date=BEGUN, params=PARAMS):
    gates = S3ReplicationSensor.partial(
        task_id="gate", bucket_name="{{ params.bucket }}", poke_interval=1, **{**COMMON, "deferrable": True}
    ).expand(bucket_key=[f"dt=1/{index}" for index in range(10)])

    @task
    def behind_all(summaries: list[dict[str, object]]) -> object:
        """Run once, behind all open gates."""
        return [summary["statuses"] for summary in summaries]

    behind_all(gates.output)
