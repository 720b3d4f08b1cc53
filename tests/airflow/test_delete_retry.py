"""What a second try of a delete does about what the first has deleted, in Airflow's task runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.tasks.task_state import has_task_state_store
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer
from tests.support.versioned_s3 import Deleted, VersionedS3

KEEPS = has_task_state_store()
needs_store = pytest.mark.skipif(not KEEPS, reason="Airflow keeps state of tasks from 3.3 on")
KEYS = ["a", "b", "c", "d", "e"]
NAMED: dict[str, dict[str, Any]] = {
    "keys": {"bucket_key": [f"s3://b/{key}" for key in KEYS]},
    "patterns": {"bucket_key": [f"s3://b/{key}*" for key in KEYS], "wildcard_match": True},
    "versions": {"bucket_key": [{"bucket": "b", "key": key, "version_id": f"{key}2"} for key in KEYS]},
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[VersionedS3]:
    monkeypatch.setattr("airflow_provider_crr.replication.deletion.batches.BATCH", 2)
    with VersionedS3() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        for key in KEYS:
            server.put("b", key, f"{key}1", f"{key}2")
        yield server


def fail_second_request(s3: VersionedS3) -> None:
    """Refuse the second DeleteObjects as a whole, once."""
    asked: list[int] = []

    def script(objects: Sequence[Deleted]) -> Answer | None:
        asked.append(len(objects))
        return Answer(403, code="AccessDenied") if len(asked) == 2 else None

    s3.on_delete = script


@pytest.mark.parametrize(
    ("named", "versions"),
    [
        pytest.param("keys", "all", marks=needs_store),
        pytest.param("patterns", "all", marks=needs_store),
        ("versions", "all"),
        pytest.param("keys", "current", marks=needs_store),
        pytest.param("patterns", "current", marks=needs_store),
        ("versions", "current"),
    ],
)
def test_second_try_ends_what_the_first_began(
    run_task: Callable[..., TaskRun], s3: VersionedS3, named: str, versions: str
) -> None:
    """What the first try has deleted is done in the second, and nothing older goes."""
    fail_second_request(s3)
    run = run_task(S3DeleteReplicatedObjectsOperator, versions=versions, retries=1, retry_delay=0, **NAMED[named])
    assert (run.state, type(run.error)) == ("success", LookupFailed)
    older = {} if versions == "all" and named != "versions" else {key: [f"{key}1"] for key in KEYS}
    assert s3.left() == older
    assert run.xcom["refused"] == 0
    assert run.xcom["deleted"] + run.xcom["already_gone"] == (5 if older else 10)
    if KEEPS:
        assert run.xcom["already_gone"] == 0


@pytest.mark.skipif(KEEPS, reason="Airflow keeps state of tasks from 3.3 on")
@pytest.mark.parametrize("named", ["keys", "patterns"])
def test_before_airflow_3_3_what_is_current_is_not_deleted_twice(
    run_task: Callable[..., TaskRun], s3: VersionedS3, named: str
) -> None:
    """Where nothing is kept between tries, the second deletes nothing of what became current by the first."""
    fail_second_request(s3)
    run = run_task(S3DeleteReplicatedObjectsOperator, versions="current", retries=1, retry_delay=0, **NAMED[named])
    assert (run.state, type(run.error)) == ("failed", LookupFailed)  # the first error is kept
    left = s3.left()
    assert sorted(left) == KEYS
    assert sum(map(len, left.values())) == 8


@needs_store
def test_cleared_delete_takes_what_is_current_then(run_task: Callable[..., TaskRun], s3: VersionedS3) -> None:
    """A user who clears a finished delete asks anew: the versions before are current then."""
    run = run_task(S3DeleteReplicatedObjectsOperator, versions="current", then_clear=lambda: None, **NAMED["keys"])
    assert (run.state, run.xcom["deleted"], s3.left()) == ("success", 5, {})
