"""How the event loop of a triggerer has done what would block it: by the polling threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from functools import partial
from threading import Event
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.source import Steps
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.tasks.polling_threads import POLLING
from airflow_provider_crr.tasks.turns import Turns

T = TypeVar("T")

#: Seconds that a step has to end once its time is up; then it is left behind.
_FAREWELL = 2.0


async def beside(seconds: float) -> None:
    """
    Wait beside a poll. It is no wait between two polls, which the doubles for tests of DAGs let pass at once.

    :param seconds: how long, by the machine's clock.
    """
    await asyncio.sleep(seconds)


async def in_turns(steps: Steps[T], *, key: Hashable, stop: Deadline | None = None) -> T:
    """
    Return what steps return. Their waiting for AWS ends with a cancel, or once the time is up.

    :param steps: the steps. They read no Airflow connection: :func:`in_thread` does.
    :param key: which connection they use, so that one that hangs holds up no other.
    :param stop: until when they may take; None for as long as they like.
    :raises LookupFailed: if they do not end then; the thread that takes their last step is left behind.
    """
    turns = POLLING.begin(steps, key=key, stop=stop or Event())
    coming: asyncio.Future[T] = asyncio.wrap_future(turns.result)
    try:
        return await _in_time(coming, stop, lambda: turns)
    finally:
        coming.cancel()  # if it has not come, nobody waits for it any more


async def in_thread(function: Callable[..., T], *arguments: Any, key: Hashable, stop: Deadline | None = None) -> T:
    """
    Return what a function returns. Its waiting for AWS ends with a cancel, or once the time is up.

    :param function: the function; it may read Airflow's connections.
    :param arguments: its arguments.
    :param key: see :func:`in_turns`.
    :param stop: see :func:`in_turns`.
    :raises LookupFailed: if it does not end then; its thread is left behind.
    """
    # sync_to_async: a hook reads its connection through the triggerer's own loop. A task of its own: a cancel would
    # wait for the thread otherwise.
    executor: Any = _OneCall(key, stop or Event())
    called = sync_to_async(function, thread_sensitive=False, executor=executor)(*arguments)
    running: asyncio.Task[T] = asyncio.ensure_future(called)
    running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # whether or not anybody reads it
    try:
        return await _in_time(running, stop, lambda: executor.turns)
    except asyncio.CancelledError:
        if executor.turns is None:
            running.cancel()
        raise


async def _in_time(coming: asyncio.Future[T], stop: Deadline | None, begun: Callable[[], Turns | None]) -> T:
    try:
        await asyncio.wait({coming}, timeout=None if stop is None else stop.left())
        turns = begun()
        if not coming.done() and turns is not None:
            POLLING.wake(turns)
            await asyncio.wait({coming}, timeout=_FAREWELL)
    except asyncio.CancelledError:
        if turns := begun():
            POLLING.drop(turns)
        raise
    if not coming.done():
        if turns is not None:
            POLLING.leave_behind(turns)
        raise LookupFailed(
            "a poll did not end in time", remedy="Look at the way to S3, and at what the triggerer logged"
        )
    return coming.result()


class _OneCall(Executor):
    """Has one function called by a polling thread."""

    def __init__(self, key: Hashable, stop: Event) -> None:
        self.turns: Turns | None = None
        self._key = key
        self._stop = stop

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.turns = POLLING.begin(_once(partial(function, *args, **kwargs)), key=self._key, stop=self._stop)
        return self.turns.result


def _once(function: Callable[[], T]) -> Steps[T]:
    """Call a function in one step."""
    yield from ()
    return function()
