"""
What ends the waiting of a thread for AWS: its guard.

Code that waits asks the guard of its thread (:func:`current`), so that nothing has to be handed through boto3. When the
time is up, the guard shuts down sockets. One thread looks at the guards of all threads. What cannot be interrupted is
waited for by :func:`airflow_provider_crr.s3.uninterruptible.waited`. A thread without a guard waits as boto3 does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, local
from typing import Any, Protocol
from weakref import WeakSet

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.ticker import TICK, TICKER

#: The guard of each thread.
_thread = local()


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
        self._closed = False

    def is_over(self) -> bool:
        """Return whether the time is up."""
        return self._stop.is_set() or (self._outer is not None and self._outer.is_over())

    def ends_with(self, stop: Event) -> bool:
        """Return whether it ends once an event is set."""
        return stop is self._stop or (self._outer is not None and self._outer.ends_with(stop))

    def ended(self, awaited: str = "") -> TimeUp:
        """
        Return the error for a wait that was ended.

        :param awaited: what was waited for, as "the wait was stopped before ..." goes on; "" for what was told
            before, or else for the connection that was hung up first.
        """
        self._awaited = awaited or self._awaited or "S3 answered"
        return TimeUp(f"the wait was stopped before {self._awaited}")

    def watch(self, connection: Interruptible) -> None:
        """Hang up a connection once the time is up, until :meth:`release`."""
        with self._lock:
            self._watched.add(connection)
            if not self._closed:
                TICKER.add(self)

    def release(self, connection: Interruptible) -> None:
        """Do not hang up a connection any more: nobody waits for it."""
        with self._lock:
            self._watched.discard(connection)

    def tick(self) -> None:
        """Hang up if the time is up."""
        if self.is_over():
            self.hang_up()

    def hang_up(self) -> None:
        """Hang up all connections that are watched."""
        with self._lock:
            for connection in () if self._closed else self._watched:
                self._awaited = self._awaited or connection.awaited()  # who was told says it more exactly
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
            time.sleep(min(left, TICK))
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
        except (LookupFailed, StopIteration):  # the latter is no error: steps have ended, and say how
            raise
        except Exception as error:
            if not self._awaited and not isinstance(error, TimeUp):
                raise
            said = error if isinstance(error, TimeUp) else self.ended()
            raise LookupFailed(str(said), remedy="Look at the way to S3, or wait longer", passing=True) from error
        finally:
            _thread.guard = before

    def close(self) -> None:
        """End the watching: nothing is hung up from now on."""
        with self._lock:
            self._closed = True
        TICKER.remove(self)


def current() -> Guard | None:
    """Return the guard of this thread; None if it waits as long as it takes."""
    return getattr(_thread, "guard", None)
