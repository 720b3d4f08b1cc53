"""A gate in a real Airflow: scheduler, DAG processor, triggerer and API server, as processes."""

from __future__ import annotations

import time
from collections.abc import Callable

from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair


def until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait for a condition, asked for often, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(0.2)


def land(pair: ReplicatedPair, number: int, prefix: str = "dt=1/") -> None:
    for each in range(number):
        pair.source_client.put_object(Bucket=pair.source, Key=f"{prefix}{each}", Body=b"x")


def finished(airflow: Airflow, dag: str, run: str) -> dict[str, str]:
    until(lambda: airflow.run_state(dag, run) in ("success", "failed"), f"run of {dag} to end")
    return airflow.task_states(dag, run)


def test_deferred_gate_opens_for_the_task_behind_it(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """A deferred gate over 50 PENDING objects waits in the triggerer, and opens for the task behind it."""
    aws.hold(pair.source)
    land(pair, 50)
    run = airflow.trigger("deferred", bucket=pair.source)
    until(lambda: airflow.messages("deferred", run, "gate"), "first sweep in the triggerer")
    assert airflow.task_states("deferred", run) == {"gate": "deferred", "behind": "None"}
    aws.release(pair.source)
    assert finished(airflow, "deferred", run) == {"gate": "success", "behind": "success"}
    assert airflow.returned("deferred", run, "gate")["statuses"] == {"COMPLETED": 50}
    assert airflow.returned("deferred", run, "behind") == {"COMPLETED": 50}


def test_gates_survive_the_death_of_their_triggerer(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """After a triggerer is killed, another goes on with its gates: one opens, one times out when it was due."""
    aws.hold(pair.source)
    land(pair, 5, "opens/")
    land(pair, 1, "overdue/")
    opens = airflow.trigger("deferred", bucket=pair.source, prefix="opens/")
    overdue = airflow.trigger("overdue", bucket=pair.source, prefix="overdue/")
    for dag, run in (("deferred", opens), ("overdue", overdue)):
        until(lambda dag=dag, run=run: airflow.messages(dag, run, "gate"), f"first sweep of {dag}")
    both_wait = time.monotonic()
    airflow.kill("triggerer")
    aws.reset_counts()
    airflow.start("triggerer")
    for prefix in ("opens/", "overdue/"):
        until(lambda prefix=prefix: aws.heads(pair.source, prefix), f"sweep of {prefix} by the new triggerer")
    without_triggerer = time.monotonic() - both_wait
    aws.release(pair.source, "opens/")
    assert finished(airflow, "deferred", opens) == {"gate": "success", "behind": "success"}
    # Both count from when they were deferred, not from when they were taken over.
    assert airflow.returned("deferred", opens, "gate")["waited_seconds"] >= without_triggerer
    assert finished(airflow, "overdue", overdue) == {"gate": "failed", "behind": "upstream_failed"}
    assert 20 <= airflow.returned("overdue", overdue, "gate")["waited_seconds"] < 20 + without_triggerer


def test_failed_object_fails_the_deferred_gate_without_retry(airflow: Airflow, denied_pair: ReplicatedPair) -> None:
    """A FAILED object fails the gate at once though it has retries left, with its XCom; nothing runs behind it."""
    land(denied_pair, 2)
    run = airflow.trigger("failing", bucket=denied_pair.source)
    assert finished(airflow, "failing", run) == {"gate": "failed", "behind": "upstream_failed"}
    assert airflow.tries("failing", run, "gate") == 1
    assert airflow.returned("failing", run, "gate")["statuses"] == {"FAILED": 2}


def test_rescheduled_gate_opens(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """A gate that is rescheduled frees its worker between pokes, and opens when the objects complete."""
    aws.hold(pair.source)
    land(pair, 3)
    run = airflow.trigger("rescheduled", bucket=pair.source)
    until(lambda: airflow.task_states("rescheduled", run)["gate"] == "up_for_reschedule", "the gate to be rescheduled")
    aws.release(pair.source)
    assert finished(airflow, "rescheduled", run) == {"gate": "success", "behind": "success"}
    summary = airflow.returned("rescheduled", run, "gate")
    assert summary["statuses"] == {"COMPLETED": 3}
    assert summary["waited_seconds"] >= 4  # counted from the first poke
