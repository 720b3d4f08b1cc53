"""
Calls that nothing can interrupt: finding the address of a name, opening a connection, fetching credentials.

Such a call runs in a thread of its own. When the time of the waiting thread is up, that thread is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Any, TypeVar, cast

from airflow_provider_crr.s3.guard import current

T = TypeVar("T")

#: Seconds within which the end of the time is noticed.
_TICK = 0.1


def waited(function: Callable[[], T], awaited: str, too_late: Callable[[T], None] = lambda result: None) -> T:
    """
    Return what a function returns, or give up once the time of this thread is up. Without a guard, just call it.

    :param function: what cannot be interrupted.
    :param awaited: what is waited for, as "the wait was stopped before ..." goes on.
    :param too_late: gets what the function returns after that.
    :raises TimeUp: once the time is up.
    """
    guard = current()
    if guard is None:
        return function()
    call = _Call(too_late)
    context = copy_context()
    Thread(target=lambda: call.run(lambda: context.run(function)), name="crr-waited", daemon=True).start()
    while not call.came.wait(_TICK):
        if guard.is_over():
            call.give_up()
            raise guard.ended(awaited)
    return cast("T", call.taken())


class _Call:
    """A call in one thread for another one, which may have given up waiting for its result."""

    def __init__(self, too_late: Callable[[Any], None]) -> None:
        self.came = Event()
        self._too_late = too_late
        self._given_up = False
        self._lock = Lock()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, function: Callable[[], Any]) -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        with self._lock:
            self._result, self._error, given_up = result, error, self._given_up
            self.came.set()
        if given_up and error is None:
            self._too_late(result)

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            unseen = self.came.is_set() and self._error is None
        if unseen:
            self._too_late(self._result)

    def taken(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result
