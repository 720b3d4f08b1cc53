"""Which connections a thread's requests may use, and which ones are held back after their answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from typing import Any

#: Whether this thread wants a fresh connection, and what holds the connections that it used.
_thread = local()


@contextmanager
def on_a_fresh_connection() -> Iterator[None]:
    """Let this thread's requests go over connections that were not used before, whose first answer is the right one."""
    before, _thread.fresh = wants_fresh(), True
    try:
        yield
    finally:
        _thread.fresh = before


def wants_fresh() -> bool:
    """Return whether this thread's requests need connections that were not used before."""
    return getattr(_thread, "fresh", False)


class HeldConnections:
    """
    The connections that a thread used. They are held back from their pools until it is known whether anything follows.

    :param single: whether somebody waits for this one answer, rather than for many.
    """

    def __init__(self, *, single: bool) -> None:
        self.single = single
        self._held: list[tuple[Any, Any]] = []

    def hold(self, pool: Any, connection: Any) -> None:
        """Hold one."""
        self._held.append((pool, connection))

    def settle(self) -> bool:
        """Give them back, and return whether the last answer belongs to its question; wait until that is known."""
        settled = True
        for pool, connection in self._held:
            settled = connection.answers == 1 or connection.stays_quiet()
            pool.take_back(connection)
        self._held.clear()
        return settled


@contextmanager
def holding(*, single: bool) -> Iterator[HeldConnections]:
    """
    Hold the connections that this thread's requests use; :meth:`HeldConnections.settle` must be called.

    :param single: whether somebody waits for this one answer, rather than for many.
    """
    _thread.held = held = HeldConnections(single=single)
    try:
        yield held
    finally:
        _thread.held = None


def held_connections() -> HeldConnections | None:
    """Return what holds this thread's connections; None if nothing does."""
    return getattr(_thread, "held", None)
