"""
How long a thread waits for AWS: until a moment, or until another thread sets an event.

Inside of :func:`until` and :func:`each_until` a thread has a guard, which ends its waiting:
:mod:`airflow_provider_crr.s3.guard`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from airflow_provider_crr.s3.guard import Guard, current

T = TypeVar("T")
R = TypeVar("R")


class Deadline(Event):
    """
    An event that is set at a moment, if nobody sets it before.

    :param seconds: how long from now.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left."""
        return 0.0 if super().is_set() else max(0.0, self._ends - time.monotonic())

    def is_set(self) -> bool:
        """Return whether the time is up."""
        return not self.left()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is up, at most ``timeout`` seconds; return whether it is."""
        left = self.left()
        super().wait(left if timeout is None else min(timeout, left))
        return self.is_set()


def _new(stop: Event | None) -> Guard | None:
    outer = current()
    return None if stop is None or (outer is not None and outer.ends_with(stop)) else Guard(stop, outer)


@contextmanager
def until(stop: Event | None) -> Iterator[None]:
    """
    Have this thread wait for AWS, inside the block, only until an event is set.

    :param stop: the event, such as a :class:`Deadline`; None to wait as long as it takes.
    :raises LookupFailed: if something is waited for when the event is set; ``passing``.
    """
    guard = _new(stop)
    if guard is None:
        yield
        return
    try:
        with guard.held():
            yield
    finally:
        guard.close()


def each_until(stop: Event | None, elements: Generator[T, None, R]) -> Generator[T, None, R]:
    """
    Yield what a generator yields, and return what it returns.

    The generator runs under the guard, in whichever thread takes the next element; the code between its elements does
    not.

    :param stop: see :func:`until`.
    :param elements: the generator.
    """
    guard = _new(stop)
    if guard is None:
        return (yield from elements)
    try:
        while True:
            with guard.held():
                try:
                    each = next(elements)
                except StopIteration as ended:
                    result: R = ended.value
                    return result
            yield each
    finally:
        try:
            with guard.held():
                elements.close()
        finally:
            guard.close()
