"""
Asking for many objects: one answer for each, with a bounded number of requests under way.

Each way of asking implements :class:`Asker`, and :mod:`.choice` chooses one. It need not explain refusals, nor keep
the order of the objects.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from threading import Event
from typing import Protocol

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.objects import S3Object

#: Seconds that one wait for an answer may last. A stop is noticed within this time, and a signal is handled.
PATIENCE = 0.1


class Asker(Protocol):
    """A way of asking S3, at its own pace. :meth:`ask` never waits. Each question gets one answer, in any order."""

    #: Questions that may be under way at once.
    limit: int

    def ask(self, obj: S3Object) -> None:
        """Send one HEAD, as soon as it may leave."""

    def answer(self, timeout: float) -> ObjectReplication | None:
        """Return one answer, or None if none came within ``timeout`` seconds."""

    def close(self) -> None:
        """Abandon what is under way, and release threads and sockets."""


def ask_all(
    objects: Iterable[S3Object], open_asker: Callable[[], Asker], stop: Event | None
) -> Generator[ObjectReplication]:
    """
    Yield one answer for each object, in the order of arrival.

    The caller's own thread asks the questions, between two answers. So no thread can be left behind, an error of the
    input reaches the caller as it is, and nothing more is asked while the caller takes no answers.

    :param objects: what to ask for; read only as far as questions can be sent.
    :param open_asker: returns the way of asking; called once, by the process that will use it.
    :param stop: once set, nothing more is asked.
    :raises LookupFailed: if ``stop`` is set before every answer is in, for an end without an error would look like
        a finished lookup; or if this process is a fork of the one that began.
    """
    process = os.getpid()
    under_way = answered = 0

    def check() -> None:
        if stop is not None and stop.is_set():
            raise LookupFailed(
                f"lookup was stopped: {answered:,} answers came, {under_way:,} were awaited",
                remedy="Ask again: nothing is known of the objects not yet answered",
            )
        if os.getpid() != process:
            raise LookupFailed("lookup belongs to the process that forked this one", remedy="Begin one here")

    remaining = iter(objects)
    exhausted = False
    check()
    asker = open_asker()
    try:
        while not exhausted or under_way:
            while not exhausted and under_way < asker.limit:
                check()
                try:
                    obj = next(remaining)
                except StopIteration:
                    exhausted = True
                    break
                asker.ask(obj)
                under_way += 1
            check()
            answer = asker.answer(PATIENCE) if under_way else None
            while answer is not None:
                under_way -= 1
                answered += 1
                yield answer
                check()
                answer = asker.answer(0) if under_way else None
    finally:
        if os.getpid() == process:  # a forked process has neither the threads nor the right to end them
            asker.close()
