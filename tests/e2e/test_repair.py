"""From FAILED to COMPLETED in a real Airflow: scheduler, DAG processor, triggerer and API server, as processes."""

from __future__ import annotations

from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.support.polling import until
from tests.support.repair_loop import REPAIRED, RepairLoop

DAG = "repair_failed"


def test_loop(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """
    The destination breaks, objects land, the gate names what FAILED, the report counts it, somebody mends the
    destination, one job repairs it, its report is read, the statuses are verified, and the second gate opens.
    """
    loop = RepairLoop(pair)
    run = airflow.trigger(DAG, **loop.params)

    def is_now(task: str, *states: str) -> bool:
        return airflow.task_states(DAG, run).get(task) in states

    until(lambda: is_now("gate", "failed"), "the gate to fail")
    until(lambda: is_now("report", "deferred"), "the report to be waited for")
    loop.deliver()
    until(loop.is_counted, "the manifest to be written")
    until(lambda: is_now("mended", "running"), "the mended destination to be waited for")
    assert airflow.task_states(DAG, run)["repair"] == "None"
    loop.mend()
    until(lambda: airflow.run_state(DAG, run) in ("success", "failed"), "the run to end")
    assert airflow.task_states(DAG, run) == {"gate": "failed", **dict.fromkeys(REPAIRED, "success")}
    told = ("gate", "count", "repair", "gate_again")
    loop.check({task: airflow.returned(DAG, run, task) for task in told})
    jobs = [job for job in aws.batch.jobs() if job["tasks"] and job["tasks"][0][0] == pair.source]
    assert len(jobs) == 1
