"""What a gate keeps of one poke, try or clear for the next: HEADs counted at the server, in Airflow's task runner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr.errors import BucketNotFound
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.task_state import has_task_state_store
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, Listed, S3Server, stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
KEEPS = has_task_state_store()
needs_store = pytest.mark.skipif(not KEEPS, reason="Airflow keeps state of tasks from 3.3 on")
SOON: dict[str, Any] = {"poke_interval": 0.05, "timeout": 60}


def heads(s3: S3Server) -> dict[str, int]:
    """Return how many HEADs each key got since the last call."""
    found = Counter(request.key for request in s3.heads())
    s3.requests.clear()
    return dict(found)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pattern", [False, True], ids=["explicit", "pattern"])
def test_finished_object_is_asked_once_and_unfinished_once_a_poll(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: Any, pattern: bool
) -> None:
    """A finished object costs one HEAD, an unfinished one more for each poll; before 3.3, reschedule asks anew."""
    pending = {"dt=1/a": 0, "dt=1/b": 1, "dt=1/c": 3, "dt=1/d": 0}
    for key, polls in pending.items():
        s3.answers["landing", key] = [*[stored("PENDING")] * polls, stored("COMPLETED")]
    s3.listings["landing"] = {key: Listed() for key in pending}
    keys = "s3://landing/dt=1/*" if pattern else [f"s3://landing/{key}" for key in pending]
    run = run_task(S3ReplicationSensor, bucket_key=keys, wildcard_match=pattern, **SOON, **MODES[mode])
    anew = mode == "reschedule" and not KEEPS
    assert heads(s3) == {key: 4 if anew else polls + 1 for key, polls in pending.items()}
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": 4})
    assert run.xcom["head_requests"] == (4 if anew else 8)
    assert run.left == []  # an open gate keeps nothing, and a deferrable one never did


@pytest.mark.parametrize(
    "mode",
    # In Airflow 3.0, dag.test() resumes a deferred task that it should try again.
    ["poke", "reschedule", pytest.param("deferrable", marks=needs_store)],
)
def test_retry_asks_only_for_the_rest(run_task: Callable[..., TaskRun], s3: S3Server, mode: str) -> None:
    """After a try that ended with an error, the next asks only for the rest; deferrable or before 3.3 for all."""
    s3.missing_buckets.add("later")
    asked: list[int] = []

    def waits_until_the_second_try() -> Answer:
        asked.append(1)
        if len(asked) == 2:
            s3.missing_buckets.clear()
        return stored("PENDING" if len(asked) < 3 else "COMPLETED")

    s3.answers["landing", "done"] = stored("COMPLETED")
    s3.answers["landing", "open"] = waits_until_the_second_try
    s3.answers["later", "x"] = stored("COMPLETED")
    run = run_task(
        S3ReplicationSensor,
        bucket_key=["s3://landing/done", "s3://landing/open", "s3://later/x"],
        retries=1,
        retry_delay=0,
        **SOON,
        **MODES[mode],
    )
    assert (run.state, type(run.error)) == ("success", BucketNotFound)
    found = heads(s3)
    assert found["open"] == 3
    assert found["done"] == (1 if KEEPS and mode != "deferrable" else 3 if mode == "reschedule" else 2)


@needs_store
@pytest.mark.parametrize("mode", MODES)
def test_cleared_gate_asks_for_what_may_have_changed(run_task: Callable[..., TaskRun], s3: S3Server, mode: Any) -> None:
    """A cleared gate asks for keys and what FAILED, not for named versions that are done; deferrable for all."""
    s3.answers["landing", "plain"] = stored("COMPLETED")
    s3.answers["landing", "named", "v"] = stored("COMPLETED", headers={"x-amz-version-id": "v"})
    s3.answers["landing", "mended"] = stored("FAILED")
    first: list[dict[str, int]] = []

    def mend() -> None:
        first.append(heads(s3))
        s3.answers["landing", "mended"] = stored("COMPLETED")
        s3.answers["landing", "plain"] = [stored("PENDING"), stored("COMPLETED")]

    run = run_task(
        S3ReplicationSensor,
        bucket_key=[
            "s3://landing/plain",
            {"bucket": "landing", "key": "named", "version_id": "v"},
            "s3://landing/mended",
        ],
        then_clear=mend,
        **SOON,
        **MODES[mode],
    )
    assert first == [{"plain": 1, "named": 1, "mended": 1}]
    assert heads(s3) == {"plain": 2, "mended": 1} | ({"named": 1} if mode == "deferrable" else {})
    assert (run.state, run.xcom["statuses"], run.left) == ("success", {"COMPLETED": 3}, [])


@needs_store
def test_rescheduled_gate_waits_for_the_version_that_it_pinned(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """With pin_versions each poke of mode="reschedule" asks for the version that answered the first one."""
    s3.answers["landing", "k"] = [
        stored("PENDING", headers={"x-amz-version-id": "v1"}),
        stored("COMPLETED", headers={"x-amz-version-id": "v2"}),
    ]
    s3.answers["landing", "k", "v1"] = [
        stored(status, headers={"x-amz-version-id": "v1"}) for status in ("PENDING", "COMPLETED")
    ]
    run = run_task(S3ReplicationSensor, bucket_key="s3://landing/k", pin_versions=True, **SOON, **MODES["reschedule"])
    assert run.state == "success"
    assert [request.version_id for request in s3.heads()] == [None, "v1", "v1"]


@needs_store
@pytest.mark.parametrize("method", ["get", "set"])
def test_gate_opens_without_a_store_that_fails(
    run_task: Callable[..., TaskRun], s3: S3Server, database: None, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A task state store that answers 500 makes each poke ask anew, and neither fails nor opens the gate."""
    from airflow.state.metastore import MetastoreBackend

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the state store is down")

    monkeypatch.setattr(MetastoreBackend, method, fail)
    s3.answers["landing", "a"] = stored("COMPLETED")
    s3.answers["landing", "b"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    run = run_task(S3ReplicationSensor, bucket_key=["s3://landing/a", "s3://landing/b"], **SOON, **MODES["reschedule"])
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": 2})
    assert heads(s3) == {"a": 3, "b": 3}
