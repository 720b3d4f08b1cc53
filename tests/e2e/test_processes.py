"""A gate in a real Airflow: scheduler, DAG processor, triggerer and API server, as processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="module")
def airflow(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Airflow's processes, once for these tests."""
    home = tmp_path_factory.mktemp("airflow") / "home"
    with Airflow(home, aws.airflow_connection_uri_json(), dags=DAGS, policy="") as running:
        yield running


def until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait for a condition, asked for often, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(0.2)


def land(pair: ReplicatedPair, number: int) -> None:
    for each in range(number):
        pair.source_client.put_object(Bucket=pair.source, Key=f"dt=1/{each}", Body=b"x")


def finished(airflow: Airflow, dag: str, run: str) -> dict[str, str]:
    until(lambda: airflow.run_state(dag, run) in ("success", "failed"), f"run of {dag} to end")
    return airflow.task_states(dag, run)


def test_deferred_gate_opens_for_the_task_behind_it(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """A deferred gate over 50 PENDING objects waits in the triggerer, and opens for the task behind it."""
    aws.hold(pair.source)
    land(pair, 50)
    run = airflow.trigger("deferred", bucket=pair.source)
    until(lambda: airflow.messages("deferred", run, "gate"), "first sweep in the triggerer")
    assert airflow.task_states("deferred", run)["gate"] == "deferred"
    aws.release(pair.source)
    assert finished(airflow, "deferred", run) == {"gate": "success", "behind": "success"}
    assert airflow.returned("deferred", run, "gate")["statuses"] == {"COMPLETED": 50}


def test_gate_survives_the_death_of_its_triggerer(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """A triggerer is killed while a gate waits; another one goes on, and the gate opens."""
    aws.hold(pair.source)
    land(pair, 5)
    run = airflow.trigger("deferred", bucket=pair.source)
    until(lambda: airflow.messages("deferred", run, "gate"), "first sweep in the triggerer")
    airflow.kill("triggerer")
    aws.reset_counts()
    airflow.start("triggerer")
    until(lambda: aws.heads(pair.source) >= 5, "a sweep by the new triggerer")
    aws.release(pair.source)
    assert finished(airflow, "deferred", run) == {"gate": "success", "behind": "success"}


def test_failed_object_fails_the_deferred_gate_without_retry(airflow: Airflow, denied_pair: ReplicatedPair) -> None:
    """A FAILED object fails the gate at once though it has retries left, with its XCom; nothing runs behind it."""
    land(denied_pair, 2)
    run = airflow.trigger("failing", bucket=denied_pair.source)
    assert finished(airflow, "failing", run) == {"gate": "failed", "behind": "upstream_failed"}
    assert airflow.returned("failing", run, "gate")["statuses"] == {"FAILED": 2}


def test_rescheduled_gate_opens(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """A gate that is rescheduled frees its worker between pokes, and opens when the objects complete."""
    aws.hold(pair.source)
    land(pair, 3)
    run = airflow.trigger("rescheduled", bucket=pair.source)
    until(lambda: airflow.task_states("rescheduled", run)["gate"] == "up_for_reschedule", "the gate to be rescheduled")
    aws.release(pair.source)
    assert finished(airflow, "rescheduled", run) == {"gate": "success", "behind": "success"}
    assert airflow.returned("rescheduled", run, "gate")["waited_seconds"] > 0
