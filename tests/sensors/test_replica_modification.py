"""Two-way replication with replica modification sync: what a gate makes of a replica whose metadata was changed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.targets import Targets
from tests.support.polling import event_of
from tests.support.s3_server import Listed, S3Server, stored

REPLICA, PENDING, FAILED, COMPLETED = map(stored, ("REPLICA", "PENDING", "FAILED", "COMPLETED"))


def polls(*keys: str, times: int, wildcard_match: bool = False, **policy: Any) -> list[str]:
    """Return how each poll of one gate ended, until it is decided."""
    targets = Targets.parse([f"s3://b/{key}" for key in keys], wildcard_match=wildcard_match)
    watch = Watch(targets, GatePolicy(**policy), S3ReplicationHook())
    found = []
    for _ in range(times):
        event = event_of(watch)
        found.append(event["status"] if event else "waits")
        if event:
            break
    return found


@pytest.mark.parametrize("done", [REPLICA, COMPLETED], ids=["replica", "source"])
def test_change_that_is_on_its_way_is_waited_for(s3: S3Server, done: Any) -> None:
    """While S3 copies a change of metadata the object is PENDING, and the gate waits until it is what it was."""
    s3.answers["b", "k"] = [PENDING, PENDING, done]
    assert polls("k", times=9) == ["waits", "waits", "done"]


def test_change_that_could_not_be_copied_fails_the_gate(s3: S3Server) -> None:
    """FAILED may be said of the object or of a change of it: the gate stays shut, for good unless told otherwise."""
    s3.answers["b", "k"] = [PENDING, FAILED]
    assert polls("k", times=9) == ["waits", "failed"]
    s3.answers["b", "repaired"] = [FAILED, PENDING, REPLICA]
    assert polls("repaired", times=9, on_failed="wait") == ["waits", "waits", "done"]


def test_change_after_the_answer_is_not_asked_about(s3: S3Server) -> None:
    """What was a replica when it was asked is done, whatever is changed while the gate waits for another object."""
    s3.answers["b", "tagged"] = [REPLICA, PENDING, FAILED]
    s3.answers["b", "slow"] = [PENDING, PENDING, COMPLETED]
    assert polls("tagged", "slow", times=9) == ["waits", "waits", "done"]
    assert len(s3.heads("b", "tagged")) == 1


def test_age_of_a_change_is_that_of_the_object(s3: S3Server) -> None:
    """A change of metadata leaves Last-Modified as it was: with max_pending_age an older object fails at once."""
    s3.answers["b", "k"] = [PENDING, REPLICA]
    assert polls("k", times=9, max_pending_age=3600) == ["failed"]


def test_pattern_waits_for_a_change_and_then_takes_it_for_a_replica(s3: S3Server) -> None:
    """Under a pattern a changed replica is waited for, and then is what the gate makes of replicas there."""
    s3.listings["b"] = {"k": Listed()}
    s3.answers["b", "k"] = [PENDING, REPLICA]
    assert polls("*", times=9, wildcard_match=True) == ["waits", "failed"]
    s3.answers["b", "k"] = REPLICA
    assert polls("*", times=9, wildcard_match=True, on_replica="done") == ["done"]
