"""Threads of a triggerer, for what would block its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from threading import Event, Thread
from typing import Any

from asgiref.sync import sync_to_async

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.deadline import Deadline, until

#: Seconds that a thread has to end once its time is up; then it is left behind.
_FAREWELL = 2.0


class _OwnThread(Executor):
    """Runs each function in a thread of its own; a process that ends does not wait for it."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        Thread(
            target=self._run, args=(future, partial(function, *args, **kwargs)), name="crr-trigger", daemon=True
        ).start()
        return future

    @staticmethod
    def _run(future: Future[Any], function: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)


async def in_thread(function: Callable[..., Any], *arguments: Any, stop: Deadline | None = None) -> Any:
    """
    Return what a function returns. Its waiting for AWS ends with a cancel, or once the time is up.

    :param function: the function.
    :param arguments: its arguments.
    :param stop: until when it may take; None for as long as it likes.
    :raises LookupFailed: if it does not end then; its thread is left behind.
    """
    # A thread of its own: a poll of a million objects must not hold one of the loop's few shared threads.
    # sync_to_async: the hook reads its connection through the triggerer's own loop. A task of its own: a cancel would
    # wait for the thread otherwise.
    ending = Event() if stop is None else stop

    def run() -> Any:
        with until(ending):
            return function(*arguments)

    executor: Any = _OwnThread()
    running = asyncio.ensure_future(sync_to_async(run, thread_sensitive=False, executor=executor)())
    running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # whether or not anybody reads it
    try:
        await asyncio.wait({running}, timeout=None if stop is None else stop.left() + _FAREWELL)
    except asyncio.CancelledError:
        ending.set()
        raise
    if not running.done():
        raise LookupFailed(
            "a poll did not end in time", remedy="Look at the way to S3, and at what the triggerer logged"
        )
    return running.result()
