"""
How long a thread waits for AWS: until a moment, or until another thread sets an event.

Code that waits asks the guard of its thread (:func:`current`), so that nothing has to be handed through boto3. When the
time is up, the guard shuts down sockets. What cannot be interrupted is waited for by
:func:`airflow_provider_crr.s3.uninterruptible.waited`. A thread without a guard waits as boto3 does.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, local
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from airflow_provider_crr.errors import LookupFailed

T = TypeVar("T")
R = TypeVar("R")

#: Seconds within which the end of the time is noticed.
_TICK = 0.1
#: The guard of each thread.
_thread = local()


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


class TimeUp(TimeoutError):
    """What a thread waited for did not come before its time was up. The text says what that was."""


class Interruptible(Protocol):
    """What a thread waits for, such as a connection."""

    def hang_up(self) -> None:
        """End the waiting; called from another thread, and harmless if nobody waits."""

    def awaited(self) -> str:
        """Return what is waited for, as "the wait was stopped before ..." goes on."""


class Guard:
    """
    Ends the waiting of its threads once an event is set.

    :param stop: the event.
    :param outer: a guard whose event ends the waiting, too.
    """

    def __init__(self, stop: Event, outer: Guard | None = None) -> None:
        self._stop = stop
        self._outer = outer
        self._awaited = ""
        self._watched: WeakSet[Any] = WeakSet()
        self._lock = Lock()
        self._closed = Event()
        self._watcher: Thread | None = None

    def is_over(self) -> bool:
        """Return whether the time is up."""
        return self._stop.is_set() or (self._outer is not None and self._outer.is_over())

    def ends_with(self, stop: Event) -> bool:
        """Return whether it ends once an event is set."""
        return stop is self._stop or (self._outer is not None and self._outer.ends_with(stop))

    def ended(self, awaited: str = "") -> TimeUp:
        """
        Return the error for a wait that was ended.

        :param awaited: what was waited for, as "the wait was stopped before ..." goes on; "" for the connection that
            was hung up last.
        """
        self._awaited = awaited or self._awaited or "S3 answered"
        return TimeUp(f"the wait was stopped before {self._awaited}")

    def watch(self, connection: Interruptible) -> None:
        """Hang up a connection once the time is up, until :meth:`release`."""
        with self._lock:
            self._watched.add(connection)
            if self._watcher is None and not self._closed.is_set():
                watcher = Thread(target=self._run, name="crr-deadline", daemon=True)
                watcher.start()
                self._watcher = watcher

    def release(self, connection: Interruptible) -> None:
        """Do not hang up a connection any more: nobody waits for it."""
        with self._lock:
            self._watched.discard(connection)

    def _run(self) -> None:
        while not self._closed.wait(_TICK):
            if self.is_over():
                self.hang_up()

    def hang_up(self) -> None:
        """Hang up all connections that are watched."""
        with self._lock:
            for connection in self._watched:
                self._awaited = connection.awaited()
                connection.hang_up()

    def sleep(self, seconds: float, awaited: str) -> None:
        """
        Sleep.

        :raises TimeUp: once the time is up.
        """
        until = time.monotonic() + seconds
        while not self.is_over():
            if (left := until - time.monotonic()) <= 0:
                return
            time.sleep(min(left, _TICK))
        raise self.ended(awaited)

    @contextmanager
    def held(self) -> Iterator[None]:
        """
        Be the guard of this thread inside the block.

        :raises LookupFailed: instead of any error that hanging up has caused.
        """
        before, _thread.guard = current(), self
        try:
            yield
        except LookupFailed:
            raise
        except Exception as error:
            if not self._awaited and not isinstance(error, TimeUp):
                raise
            said = error if isinstance(error, TimeUp) else self.ended()
            raise LookupFailed(str(said), remedy="Look at the way to S3, or wait longer", passing=True) from error
        finally:
            _thread.guard = before

    def close(self) -> None:
        """End the watching."""
        self._closed.set()
        if self._watcher is not None:
            self._watcher.join()


def current() -> Guard | None:
    """Return the guard of this thread; None if it waits as long as it takes."""
    return getattr(_thread, "guard", None)


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
