"""A pause of some seconds, for which no thread has to sleep."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Timer


class Pause:
    """
    A :class:`~airflow_provider_crr.replication.source.Later` that comes after some seconds.

    :param seconds: how long from now.
    """

    def __init__(self, seconds: float) -> None:
        self._over = Event()
        self._calls: list[Callable[[], None]] = []
        timer = Timer(seconds, self._come)
        timer.daemon = True
        timer.start()

    def wait(self, timeout: float) -> bool:
        """Wait for its end, at most so many seconds; return whether it came."""
        return self._over.wait(timeout)

    def then(self, call: Callable[[], None]) -> None:
        """Have something called once, at its end."""
        self._calls.append(call)
        if self._over.is_set():
            self._call()

    def _come(self) -> None:
        self._over.set()
        self._call()

    def _call(self) -> None:
        while self._calls:
            try:
                call = self._calls.pop()
            except IndexError:
                return
            call()
