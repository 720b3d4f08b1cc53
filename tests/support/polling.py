"""Waiting in tests: for a condition, with a deadline, never for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_crr.tasks import endings

Found = TypeVar("Found")


def until(condition: Callable[[], Found], what: str, seconds: float = 480) -> Found:
    """
    Ask for a condition, often, until it holds; return what it returned.

    :param condition: what must become true.
    :param what: its name, for the message of a test that fails.
    :param seconds: the deadline; generous, because it is only ever waited for by a test that fails.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(0.2)
    return found


def event_of(poller: endings.Poller) -> dict[str, Any] | None:
    """Poll once; return the event that a task would end with, None if it is not decided."""
    return endings.ended(poller) if poller.poll() else None
