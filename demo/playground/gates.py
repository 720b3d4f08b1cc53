"""
``python -m demo.playground.gates``: let the mapped gates of one DAG wait in the triggerer, in this Airflow's tables.

A worker process for each of a thousand gates would need most of an hour on two cores. So they are written through
Airflow's own models, as its API server writes a task that defers. The DAG stays paused, so that the scheduler does not
look at them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from airflow_provider_crr.replication import progress
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

DAG, RUN = "many_gates", "now"
TIMEOUT = timedelta(hours=6)


def main() -> None:
    """Make the run and its gates in one transaction."""
    now = datetime.now(UTC)
    with create_session() as session:
        dag: Any = SerializedDagModel.get(DAG, session=session)
        run = dag.dag.create_dagrun(
            run_id=RUN,
            logical_date=now,
            data_interval=(now, now),
            run_after=now,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            start_date=now,
            session=session,
        )
        gates = run.get_task_instances(session=session)
        triggers = [Trigger(*_trigger(gate.map_index, now).serialize()) for gate in gates]
        session.add_all(triggers)
        session.flush()
        for gate, trigger in zip(gates, triggers, strict=True):
            gate.state, gate.start_date, gate.try_number = TaskInstanceState.DEFERRED, now, 1
            gate.trigger_id, gate.next_method, gate.next_kwargs = trigger.id, "execute_complete", {}
            XComModel.set(
                progress.KEY,
                _progress(gate.map_index, now),
                dag_id=DAG,
                task_id=gate.task_id,
                run_id=RUN,
                map_index=gate.map_index,
                session=session,
            )


def _targets(number: int) -> Targets:
    return Targets.parse(f"s3://tables/table-{number:04}/_SUCCESS")


def _trigger(number: int, now: datetime) -> S3ReplicationTrigger:
    return S3ReplicationTrigger(
        targets=_targets(number).to_stored(),
        policy={},
        hook={"aws_conn_id": "aws_default", "max_requests_per_second": 1_000.0},
        poke_interval=30.0,
        started_at=now.timestamp(),
        deadline=(now + TIMEOUT).timestamp(),
    )


def _progress(number: int, now: datetime) -> dict[str, Any]:
    """Return what a worker says of the wait before it defers; from then on the triggerer does."""
    wait = progress.Wait(at=now, deadline=now + TIMEOUT, where="worker", host="localhost")
    gate = progress.Progress(_targets(number), GatePolicy(), "aws_default")
    return gate.value(wait, None, started_at=now, head_requests=0, lag=None)


if __name__ == "__main__":
    main()
