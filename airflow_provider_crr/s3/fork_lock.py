"""A lock that a fork, which Airflow makes of whatever is there, never leaves shut in the child."""

from __future__ import annotations

import os
from threading import Lock
from types import TracebackType


class ForkLock:
    """A lock of one process: a forked one has its own, open."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        """Wait for it."""
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the next one have it."""
        self._lock.release()
