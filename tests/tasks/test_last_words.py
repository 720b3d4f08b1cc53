"""What a trigger does once a wait has failed: the event comes, with or without evidence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.sharing.lazy_hook import LazyHook
from airflow_provider_crr.tasks import gate_evidence, last_words
from airflow_provider_crr.tasks.endings import failed
from airflow_provider_crr.tasks.last_words import could_not_ask, with_evidence
from airflow_provider_crr.tasks.who import TRIGGERER

EVENT = failed("the gate stays shut", {"total": 1})


class Poller:
    """A poller that has failed, and does this when it is to leave its evidence."""

    def __init__(self, leave: Callable[[], Any]) -> None:
        self.leave = leave

    def poll(self, stop: Event | None = None) -> bool:
        return True

    def failure(self) -> str | None:
        return "the gate stays shut, with evidence"

    def progress(self) -> str:
        return ""

    def warnings(self) -> list[str]:
        return []

    def value(self) -> Any:
        return {"total": 1}


def left(leave: Callable[[], Any], ends: float) -> dict[str, Any]:
    return asyncio.run(with_evidence(Poller(leave), EVENT, "key", logging.getLogger(__name__), ends))


def test_event_comes_before_airflows_own_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's timeout would retry what has failed for good: near it evidence has less time, or hardly any."""
    monkeypatch.setattr(last_words, "_FOR_THE_EVENT", 1.0)
    go, began = Event(), time.monotonic()
    try:
        assert left(lambda: go.wait(60), time.time() + 2.0) == EVENT
        assert time.monotonic() - began < 15
    finally:
        go.set()


def test_evidence_that_cannot_be_left_does_not_lose_the_verdict() -> None:
    """Whatever is raised, such as when no thread can be started, the event of the failure is sent."""

    def leave() -> None:
        raise RuntimeError("can't start new thread")

    assert left(leave, time.time() + 60) == EVENT


def test_evidence_is_waited_for() -> None:
    """With time enough the event tells what was left."""
    assert left(lambda: None, time.time() + 60)["message"] == "the gate stays shut, with evidence"


def test_who_was_refused_is_said_if_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of whatever kind on the way to the name leaves the event as it would be without it."""
    error = LookupFailed("denied")
    error.is_denied = True

    async def broken(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(last_words, "in_thread", broken)
    event = asyncio.run(could_not_ask(error, LazyHook({}), "key", time.time() + 60))
    assert event["message"] == "denied"


def test_evidence_has_some_seconds_at_most() -> None:
    """In the triggerer other gates wait for the threads."""
    assert gate_evidence.SECONDS[TRIGGERER] <= 20
