"""Objects that were sent to be replicated: asked for wave by wave, until S3 says that they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication import verification
from airflow_provider_crr.replication.verification import SETTLES, Verification
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import MISSING, S3Server, stored

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


@pytest.fixture
def hook(s3: S3Server) -> S3ReplicationHook:
    return S3ReplicationHook()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def objects(*keys: str) -> Iterator[S3Object]:
    return iter([S3Object("b", key) for key in keys])


def test_objects_that_are_replicated_are_counted(s3: S3Server, hook: S3ReplicationHook) -> None:
    """COMPLETED and REPLICA are replicated."""
    s3.answers = {("b", "a"): stored("COMPLETED"), ("b", "b"): stored("REPLICA")}
    asked = Verification(objects("a", "b"), hook, since=NOW, clock=Clock())
    assert asked.poll()
    assert (asked.failure(), asked.statuses()) == (None, {"COMPLETED": 1, "REPLICA": 1})
    assert asked.progress() == "all 2 are replicated"


def test_no_objects_are_no_failure(hook: S3ReplicationHook) -> None:
    """There is nothing to ask for."""
    assert Verification(objects(), hook, since=NOW).poll()


def test_wave_after_wave(s3: S3Server, hook: S3ReplicationHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next wave is asked for once the one before is done; no object is asked for again that is done."""
    monkeypatch.setattr(verification, "WAVE", 2)
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    s3.answers = {("b", "c"): [stored("PENDING"), stored("COMPLETED")]}
    asked = Verification(objects("a", "b", "c", "d", "e"), hook, since=NOW, clock=Clock())
    assert not asked.poll()
    assert asked.progress().startswith("2 are replicated; of the next replicated 1 of 2")
    assert asked.statuses() == {"COMPLETED": 3, "PENDING": 1}
    assert not s3.heads(key="e")
    assert asked.poll()
    assert asked.statuses() == {"COMPLETED": 5}
    assert len(s3.heads()) == 6


@pytest.mark.parametrize("answer", ["FAILED", ""])
def test_what_was_there_before_does_not_count_for_a_while(s3: S3Server, hook: S3ReplicationHook, answer: str) -> None:
    """Just after it was sent an object may still show FAILED, or nothing; some minutes later that is the answer."""
    s3.answers = {("b", "a"): stored(answer or None)}
    clock = Clock()
    asked = Verification(objects("a"), hook, since=NOW, clock=clock)
    assert not asked.poll()
    assert asked.failure() is None
    clock.now += SETTLES
    assert asked.poll()
    assert f"1 {answer or 'NONE'}" in str(asked.failure())
    assert "s3://b/a" in str(asked.failure())


def test_failed_that_becomes_completed_is_replicated(s3: S3Server, hook: S3ReplicationHook) -> None:
    """It is asked for until it is."""
    s3.answers = {("b", "a"): [stored("FAILED"), stored("PENDING"), stored("COMPLETED")]}
    asked = Verification(objects("a"), hook, since=NOW, clock=Clock())
    assert [asked.poll() for _ in range(3)] == [False, False, True]
    assert asked.statuses() == {"COMPLETED": 1}


def test_object_that_is_gone_is_not_replicated(s3: S3Server, hook: S3ReplicationHook) -> None:
    """Somebody deleted it: that is no success."""
    s3.answers = {("b", "a"): MISSING}
    asked = Verification(objects("a"), hook, since=NOW - timedelta(hours=1), clock=Clock())
    assert asked.poll()
    assert "1 MISSING" in str(asked.failure())


def test_answer_that_nobody_can_read_is_waited_out(s3: S3Server, hook: S3ReplicationHook) -> None:
    """It is not COMPLETED."""
    s3.answers = {("b", "a"): stored("SOMETHING")}
    asked = Verification(objects("a"), hook, since=NOW - timedelta(hours=1), clock=Clock())
    assert not asked.poll()
