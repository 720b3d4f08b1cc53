"""Pauses, for which no thread has to sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock

from airflow_provider_crr.s3.ticker import TICKER


class GoFirst:
    """A :class:`~airflow_provider_crr.replication.source.Later` that has come already: it only lets others go first."""

    def wait(self, timeout: float) -> bool:
        """Return at once that it came."""
        return True

    def then(self, call: Callable[[], None]) -> None:
        """Have something called at once."""
        call()


class Pause:
    """
    A :class:`~airflow_provider_crr.replication.source.Later` that comes after some seconds, or a tenth later.

    :param seconds: how long from now.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._over = Event()
        self._calls: list[Callable[[], None]] = []
        self._lock = Lock()
        TICKER.add(self)

    def wait(self, timeout: float) -> bool:
        """Wait for its end, at most so many seconds; return whether it came."""
        return self._over.wait(timeout)

    def then(self, call: Callable[[], None]) -> None:
        """Have something called once, at its end; at once if that has come."""
        with self._lock:
            if not self._over.is_set():
                self._calls.append(call)
                return
        call()

    def tick(self) -> None:
        """Come if it is time."""
        if time.monotonic() < self._ends:
            return
        with self._lock:
            self._over.set()
            calls, self._calls = self._calls, []
        TICKER.remove(self)
        for call in calls:
            call()
