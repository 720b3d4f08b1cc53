"""The policy of a gate: which values it takes, and how old PENDING may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(("age", "outcome"), [(60.0, Outcome.WAIT), (61.0, Outcome.FAIL), (None, Outcome.WAIT)])
def test_pending_fails_once_older_than_the_limit(age: float | None, outcome: Outcome) -> None:
    """PENDING fails only when Last-Modified shows it older than max_pending_age."""
    written = None if age is None else NOW - timedelta(seconds=age)
    answer = ObjectReplication(S3Object("b", "k"), ObjectState.PENDING, last_modified=written)
    assert GatePolicy(max_pending_age=60).judge(answer, NOW) is outcome


@pytest.mark.parametrize(
    "arguments",
    [
        {"on_failed": "done"},
        {"on_none": "skip"},
        {"on_missing": None},
        {"max_pending_age": -1.0},
        {"max_pending_age": float("nan")},
    ],
)
def test_policy_refuses_what_means_nothing(arguments: dict[str, object]) -> None:
    """A policy value outside its choices, or a negative age, is refused with the choices."""
    with pytest.raises(InvalidArgument):
        GatePolicy(**arguments)  # type: ignore[arg-type]
