"""
Asking for many objects: one answer for each, with a bounded number of requests under way.

Each way of asking implements :class:`Asker`, and :mod:`.choice` chooses one. It need not explain refusals, nor keep
the order of the objects.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from threading import Event
from typing import NamedTuple, Protocol, TypeAlias

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

#: Seconds that one wait for an answer may last. A stop is noticed within this time, and a signal is handled.
PATIENCE = 0.1


class NotAsked(NamedTuple):
    """
    An object that could not be asked for, so that nothing is known of it.

    No HEAD was sent for it, unless one was to be sent a second time.

    :param object: the object.
    :param error: why: somebody other than S3 refused, or no request can be made of it.
    """

    object: S3Object
    error: BaseException

    def why(self) -> CrrError:
        """Return the error as one of this provider's; it is itself if it is one already."""
        if isinstance(self.error, CrrError):
            return self.error
        failed = LookupFailed(
            f"could not be asked: {type(self.error).__name__}: {told(self.error)}",
            uri=str(self.object),
            remedy="Look at the log of this process",
            passing=True,
        )
        failed.__cause__ = self.error
        return failed


Answer: TypeAlias = ObjectReplication | NotAsked


class Caller(Protocol):
    """For whom an asker asks, where it asks for many."""

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for the answers any more, so that nothing is sent again."""

    def sends_again(self) -> None:
        """Take note of a request beyond the first for an object: it counts in the caller's own limit."""


class Asker(Protocol):
    """
    A way of asking S3, at its own pace. :meth:`ask` never waits. Each question gets one answer, in any order.

    The object in an answer is the very one that was asked for, and not only an equal one: so it is known whose question
    was answered. One thread uses an asker; any other may call :meth:`wake`.
    """

    #: Questions that may be under way at once.
    limit: int
    #: Of these, questions about a bucket that gives no answers, if it leaves some to others.
    little: int

    def ask(self, obj: S3Object, caller: Caller | None = None) -> None:
        """
        Send one HEAD, as soon as it may leave.

        :param obj: what to ask for.
        :param caller: for whom; None where there is only one.
        """

    def has_room(self, bucket: str) -> bool:
        """Return whether a question about a bucket could be sent now, as far as connections go."""

    def answer(self, timeout: float) -> Answer | None:
        """Return one answer, or None if none came within ``timeout`` seconds, or before :meth:`wake`."""

    def wake(self) -> None:
        """Have the thread that waits for an answer wait no longer."""

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
    :raises LookupFailed: if ``stop`` is set before every answer is in, because an end without an error would look
        like a finished lookup; or if this process is a fork of the one that began. If an object cannot be asked for,
        its error ends the lookup.
    """
    process = os.getpid()
    under_way = answered = 0

    def check() -> None:
        check_going_on(stop, process, answered, under_way)

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
                if isinstance(answer, NotAsked):
                    raise answer.why()
                under_way -= 1
                answered += 1
                yield answer
                check()
                answer = asker.answer(0) if under_way else None
    finally:
        if os.getpid() == process:  # a forked process has neither the threads nor the right to end them
            asker.close()


def check_going_on(stop: Event | None, process: int, answered: int, under_way: int) -> None:
    """
    Make sure that a lookup may go on.

    :param stop: set once it may not.
    :param process: the process that began it.
    :param answered: how many answers came.
    :param under_way: how many are awaited.
    :raises LookupFailed: if it may not.
    """
    if stop is not None and stop.is_set():
        raise LookupFailed(
            f"the lookup was stopped: {answered:,} answers had come, {under_way:,} were missing",
            remedy="Ask again: nothing is known of the objects whose answer is missing",
        )
    if os.getpid() != process:
        raise LookupFailed("the lookup was begun before this process was forked", remedy="Begin one here")
