"""Gates in a real Airflow: scheduler, DAG processor, triggerers and API server, as processes."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

from demo.airflow import Airflow, DemoFailed
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.support.polling import until
from tests.support.s3_server import Listed, S3Server, stored
from tests.support.statsd import StatsD, values

#: Connection of the S3 of scripted answers: in Airflow's database, while aws_default is in the environment.
SCRIPTED = "scripted"
#: Of triggerers that run beside each other: neither takes the other for dead, however slow the machine is. Reading its
#: first connection from the database alone keeps a triggerer busy for seconds.
PATIENT = {"TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "600"}


@pytest.fixture(scope="session")
def scripted(airflow: Airflow) -> Iterator[S3Server]:
    """An S3 that keeps an answer back until it is told to send it."""
    with S3Server() as server:
        airflow.add_connection(SCRIPTED, json.loads(server.airflow_connection_json()))
        yield server


@pytest.fixture
def one_triggerer(airflow: Airflow) -> Iterator[None]:
    """Afterwards there is the one triggerer again that the other tests expect."""
    yield
    for name in airflow.running("triggerer"):
        airflow.kill(name)
    airflow.start("triggerer")


def land(pair: ReplicatedPair, number: int, prefix: str = "dt=1/") -> None:
    def put(each: int) -> None:
        pair.source_client.put_object(Bucket=pair.source, Key=f"{prefix}{each}", Body=b"x")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(number)))


def half_answered(server: S3Server, number: int) -> tuple[str, threading.Event]:
    """
    Script a bucket of objects, half of which are COMPLETED. The others are PENDING at the worker's look, and COMPLETED
    in an answer that comes only once the event is set.
    """
    bucket, answer = f"scripted-{uuid.uuid4().hex[:12]}", threading.Event()
    keys = [f"dt=1/{each}" for each in range(number)]
    server.listings[bucket] = dict.fromkeys(keys, Listed())
    for index, key in enumerate(keys):
        late = [stored("PENDING"), stored("COMPLETED", gate=answer)]
        server.answers[bucket, key] = late if index % 2 else stored("COMPLETED")
    return bucket, answer


def asked(server: S3Server, bucket: str, since: int = 0) -> set[str]:
    """Return the keys that were asked about after the first HEADs: more than once each, where an answer is late."""
    return {request.key for request in server.heads(bucket)[since:]}


def finished(airflow: Airflow, dag: str, run: str) -> dict[str, str]:
    until(lambda: airflow.run_state(dag, run) in ("success", "failed"), f"run of {dag} to end")
    return airflow.task_states(dag, run)


def swept(aws: LocalAws, bucket: str, prefix: str, heads: int) -> None:
    """Wait until so many HEADs were sent; of a deferred gate, the first sweep is the worker's look."""
    until(lambda: aws.heads(bucket, prefix) >= heads, f"{heads} HEADs below {prefix}")


def judged(value: dict[str, Any]) -> dict[str, Any]:
    """Return of a gate's XCom what does not depend on when and how often it asked."""
    sample = sorted(value["sample"], key=lambda named: str(named["uri"]))
    return {"total": value["total"], "statuses": value["statuses"], "sample": sample}


def failure(airflow: Airflow, dag: str, run: str) -> list[str]:
    """Return the lines of the message with which a gate failed, its objects in order."""
    lines = [line for file in airflow.logged(dag, run, "gate").values() for line in file]
    (failed,) = [line for line in lines if line["event"] == "Task failed with exception"]
    message = str(failed["error_detail"][0]["exc_value"])
    return sorted(message.splitlines())


def test_thousand_objects_are_asked_no_more_than_they_must(
    airflow: Airflow, aws: LocalAws, pair: ReplicatedPair, statsd: StatsD
) -> None:
    """
    A deferred gate of 1,000 objects opens after one HEAD for each, and one more a poll for each not finished. Worker
    and triggerer send how many those are.
    """
    before = len(statsd.of("gate"))
    aws.hold(pair.source, "dt=1/late/")
    land(pair, 900, "dt=1/soon/")
    land(pair, 100, "dt=1/late/")
    run = airflow.trigger("deferred", bucket=pair.source)
    swept(aws, pair.source, "dt=1/late/", 300)
    assert airflow.task_states("deferred", run) == {"gate": "deferred", "behind": "None"}
    aws.release(pair.source)
    assert finished(airflow, "deferred", run) == {"gate": "success", "behind": "success"}
    found = airflow.returned("deferred", run, "gate")
    assert found["statuses"] == {"COMPLETED": 1000}
    assert airflow.returned("deferred", run, "behind") == {"COMPLETED": 1000}
    said = [line for line in airflow.messages("deferred", run, "gate") if re.match("waiting for|replicated", line)]
    assert said[0] == f"waiting for 100 of 1,000 in s3://{pair.source}/dt=1/* (connection aws_default)"
    assert said[-1] == "replicated 1,000 of 1,000"
    late = aws.heads(pair.source, "dt=1/late/")
    assert aws.heads(pair.source, "dt=1/soon/") == 900
    assert found["head_requests"] == 900 + late
    pending = values(statsd.of("gate")[before:], "gate.pending")
    assert (pending[:2], pending[-1]) == ([100, 100], 0)
    assert late <= 100 * max(aws.heads(pair.source, f"dt=1/late/{number}") for number in range(10, 100))


@pytest.mark.skipif(
    Version(version("apache-airflow")) < Version("3.3.2"), reason="a triggerer can set an XCom from Airflow 3.3.2 on"
)
def test_waiting_gate_is_shown_on_the_worker_and_in_the_triggerer(
    airflow: Airflow, aws: LocalAws, pair: ReplicatedPair
) -> None:
    """What a deferred gate waits for is an XCom from the worker's look on; the triggerer renews it until it opens."""
    aws.hold(pair.source)
    land(pair, 3)
    run = airflow.trigger("deferred", bucket=pair.source)

    def shown() -> dict[str, Any]:
        try:
            found: dict[str, Any] = airflow.returned("deferred", run, "gate", key="crr_progress")
        except DemoFailed:  # there is none yet
            return {}
        return found

    until(lambda: shown().get("where") == "triggerer", "a value of the triggerer")
    first = shown()
    assert (first["state"], first["total"], first["done"]) == ("waiting", 3, 0)
    assert first["message"].startswith(f"waiting for 3 of 3 in s3://{pair.source}/dt=1/* (connection aws_default)\n")
    assert [rule["destination"] for rule in first["rules"]] == [pair.destination]
    aws.release(pair.source, "dt=1/0")
    moved = until(lambda: (now := shown())["done"] == 1 and now, "a value that has moved")
    assert moved["replication_lag"]["objects"] == 1
    assert [done for _, done, _ in moved["history"]] == sorted(done for _, done, _ in moved["history"])
    aws.release(pair.source)
    assert finished(airflow, "deferred", run)["gate"] == "success"
    last = shown()
    assert (last["state"], last["done"], last["next_look"], last["where"]) == ("done", 3, None, "triggerer")
    assert last["replication_lag"] == airflow.returned("deferred", run, "gate")["replication_lag"]


def test_rescheduled_gate_opens_as_a_deferred_one(airflow: Airflow, aws: LocalAws, pair: ReplicatedPair) -> None:
    """
    A gate that is rescheduled frees its worker between pokes, and opens with the XCom of a deferred one; so does one
    that is due again before Airflow has noticed the end of its process.
    """
    aws.hold(pair.source)
    land(pair, 3)
    runs = {dag: airflow.trigger(dag, bucket=pair.source) for dag in ("rescheduled", "deferred", "rescheduled_soon")}
    rescheduled = runs["rescheduled"]
    until(lambda: airflow.task_states("rescheduled", rescheduled)["gate"] == "up_for_reschedule", "a reschedule")
    until(lambda: airflow.task_states("deferred", runs["deferred"])["gate"] == "deferred", "a deferral")
    swept(aws, pair.source, "", 12)  # one sweep of these two, and two of the third
    aws.release(pair.source)
    values = []
    for dag, run in runs.items():
        assert finished(airflow, dag, run) == {"gate": "success", "behind": "success"}
        values.append(airflow.returned(dag, run, "gate"))
    assert judged(values[0]) == judged(values[1]) == judged(values[2])
    assert values[0]["statuses"] == {"COMPLETED": 3}
    assert values[0]["waited_seconds"] >= 10  # counted from the first poke


def test_failed_objects_fail_gates_of_each_mode_alike(airflow: Airflow, denied_pair: ReplicatedPair) -> None:
    """FAILED objects fail a gate at once though it has retries left, with one message and XCom in each mode."""
    land(denied_pair, 2)
    runs = {dag: airflow.trigger(dag, bucket=denied_pair.source) for dag in ("failing", "failing_rescheduled")}
    values = []
    for dag, run in runs.items():
        assert finished(airflow, dag, run) == {"gate": "failed", "behind": "upstream_failed"}
        assert airflow.tries(dag, run, "gate") == 1
        values.append(airflow.returned(dag, run, "gate"))
    assert judged(values[0]) == judged(values[1])
    assert values[0]["statuses"] == {"FAILED": 2}
    messages = [failure(airflow, dag, run) for dag, run in runs.items()]
    assert messages[0] == messages[1]
    assert "the gate stays shut: 2 FAILED; replicated 0 of 2" in messages[0]


def test_gates_survive_the_death_of_their_triggerer(
    airflow: Airflow, aws: LocalAws, pair: ReplicatedPair, scripted: S3Server
) -> None:
    """After a triggerer is killed, another goes on with its gates: they open, or time out when they were due."""
    bucket, answer = half_answered(scripted, 20)
    aws.hold(pair.source)
    land(pair, 5, "opens/")
    land(pair, 1, "overdue/")
    opens = airflow.trigger("deferred", bucket=pair.source, prefix="opens/")
    amid = airflow.trigger("deferred", bucket=bucket, conn=SCRIPTED)
    swept(aws, pair.source, "opens/", 10)
    until(lambda: len(asked(scripted, bucket, 20)) == 10, "the sweep that is to be interrupted")
    assert len(asked(scripted, bucket)) == 20
    overdue = airflow.trigger("overdue", bucket=pair.source, prefix="overdue/")
    swept(aws, pair.source, "overdue/", 2)
    all_wait = time.monotonic()
    airflow.kill("triggerer")
    aws.reset_counts()
    killed = len(scripted.heads(bucket))
    airflow.start("triggerer")
    for prefix in ("opens/", "overdue/"):
        until(partial(aws.heads, pair.source, prefix), f"sweep of {prefix} by the new triggerer")
    without_triggerer = time.monotonic() - all_wait
    # What the worker had found COMPLETED is asked by neither triggerer.
    until(lambda: len(asked(scripted, bucket, killed)) == 10, "the sweep that begins again")
    assert airflow.task_states("deferred", amid) == {"gate": "deferred", "behind": "None"}
    answer.set()
    aws.release(pair.source, "opens/")
    assert finished(airflow, "deferred", opens) == {"gate": "success", "behind": "success"}
    assert finished(airflow, "deferred", amid) == {"gate": "success", "behind": "success"}
    assert airflow.returned("deferred", amid, "gate")["statuses"] == {"COMPLETED": 20}
    # All count from when they were deferred, not from when they were taken over.
    assert airflow.returned("deferred", opens, "gate")["waited_seconds"] >= without_triggerer
    assert finished(airflow, "overdue", overdue) == {"gate": "failed", "behind": "upstream_failed"}
    assert 45 <= airflow.returned("overdue", overdue, "gate")["waited_seconds"] < 45 + without_triggerer


@pytest.mark.usefixtures("one_triggerer")
def test_two_triggerers_share_ten_mapped_gates(
    airflow: Airflow, aws: LocalAws, pair: ReplicatedPair, scripted: S3Server
) -> None:
    """Ten mapped gates, and one amid a sweep, go on in two triggerers when theirs is stopped, each in one of them."""
    bucket, answer = half_answered(scripted, 20)
    aws.hold(pair.source)
    land(pair, 10)
    run = airflow.trigger("mapped", bucket=pair.source)
    amid = airflow.trigger("deferred", bucket=bucket, conn=SCRIPTED)

    def swept_gates(times: int = 1) -> int:
        return sum(aws.heads(pair.source, f"dt=1/{index}") >= times for index in range(10))

    def asked_again(gates: int) -> bool:
        return swept_gates() + (len(asked(scripted, bucket, stopped)) == 10) == gates

    until(lambda: airflow.mapped_states("mapped", run, "gate") == ["deferred"] * 10, "ten gates to be deferred")
    until(lambda: swept_gates(2) == 10, "a sweep of each gate by its trigger")
    until(lambda: len(asked(scripted, bucket, 20)) == 10, "the sweep that is to be interrupted")
    assert airflow.stop("triggerer") == 0
    stopped = len(scripted.heads(bucket))
    before = [set(triggerers(airflow, run, index)) for index in range(10)]
    assert all(len(names) == 1 for names in before)
    aws.reset_counts()
    # One after the other, because SQLite locks no rows: two that are free at once may both take a gate, for a second.
    for name, capacity, taken in (("triggerer-a", 6, 6), ("triggerer-b", 5, 11)):
        airflow.start(name, "triggerer", "--skip-serve-logs", "--capacity", str(capacity), **PATIENT)
        until(partial(asked_again, taken), f"{taken} gates to be taken over")
    aws.release(pair.source)
    answer.set()
    assert finished(airflow, "mapped", run)["behind_all"] == "success"
    assert finished(airflow, "deferred", amid) == {"gate": "success", "behind": "success"}
    assert airflow.mapped_states("mapped", run, "gate") == ["success"] * 10
    assert airflow.returned("mapped", run, "behind_all") == [{"COMPLETED": 1}] * 10
    shared = set()
    for index in range(10):
        after = triggerers(airflow, run, index)
        for name in before[index]:
            del after[name]
        ((name, said),) = after.items()  # none was in both
        shared.add(name)
        assert said.count("Trigger fired event") == 1
        value = airflow.returned("mapped", run, "gate", index)
        # One is the worker's look, which its trigger told the next one.
        assert value["head_requests"] == 1 + aws.heads(pair.source, f"dt=1/{index}")
        assert value["sample"][0]["uri"].startswith(f"s3://{pair.source}/dt=1/{index}?versionId=")
    assert len(shared) == 2


def triggerers(airflow: Airflow, run: str, index: int) -> dict[str, list[str]]:
    """Return what was logged of a mapped gate in each triggerer that had it, by the name of the triggerer's file."""
    logged = airflow.logged("mapped", run, "gate", index)
    return {name: [str(line["event"]) for line in lines] for name, lines in logged.items() if ".trigger." in name}
