"""Gates for the tests with real Airflow processes; bucket and prefix come with each run."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_provider_crr.sensors.replication import S3ReplicationSensor


@task
def behind(summary: dict[str, object]) -> object:
    """Run only behind an open gate."""
    return summary["statuses"]


PATTERN = {"bucket_key": "s3://{{ params.bucket }}/{{ params.prefix }}*", "wildcard_match": True, "poke_interval": 1}

for name, arguments in {
    "deferred": {**PATTERN, "deferrable": True},
    "overdue": {**PATTERN, "deferrable": True, "timeout": 20},
    # Airflow takes a task for killed that is due again before its worker's end was noticed, up to two heartbeats late.
    "rescheduled": {**PATTERN, "mode": "reschedule", "poke_interval": 4},
    "failing": {
        "bucket_key": ["dt=1/0", "dt=1/1"],
        "bucket_name": "{{ params.bucket }}",
        "deferrable": True,
        "retries": 2,
        "retry_delay": 0.1,
    },
}.items():
    with DAG(name, schedule=None, start_date=datetime(2026, 1, 1), params={"bucket": "", "prefix": "dt=1/"}):
        gate = S3ReplicationSensor(task_id="gate", **{"timeout": 300, "deferrable": False, **arguments})
        behind(gate.output)
