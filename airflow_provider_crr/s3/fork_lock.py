"""
A lock for a process that may be forked at any moment, as Airflow does it.

A plain lock that another thread holds at that moment would stay locked in the child for ever.
"""

from __future__ import annotations

import os
from threading import Lock
from types import TracebackType


class ForkLock:
    """A lock that is open in a forked child, whatever it was in the parent."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        """Acquire the lock."""
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lock."""
        self._lock.release()
