"""A lookup through a shared asker: it never waits, but says what is to be waited for."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from threading import Event
from typing import Protocol

from airflow_provider_crr.errors import CrrError, LookupFailed, again
from airflow_provider_crr.lookup.asker import PATIENCE, NotAsked, check_going_on
from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.pace import Pacer
from airflow_provider_crr.lookup.refusals import Refusals
from airflow_provider_crr.replication.pause import Pause
from airflow_provider_crr.replication.source import Later
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.deadline import each_until
from airflow_provider_crr.s3.objects import S3Object

#: Questions that one lookup may have put and not yet taken the answers of.
WINDOW = 512
#: Seconds, in so many turns, that a lookup waits for the answers to what was sent before somebody refused.
_REST, _TURNS = 2.0, 20


class _Asks(Protocol):
    """The shared asker, as far as a lookup knows it."""

    def tell(self, inquiry: Inquiry) -> None:
        """Have the asker's thread look at an inquiry that was changed."""


class SharedLookup:
    """
    A :class:`~airflow_provider_crr.lookup.choice.HeadLookup` through a shared asker. It never waits for an answer.

    :param shared: the shared asker.
    :param client: its boto3 S3 client, through which refusals are explained.
    :param limit: requests a second, None for as many as possible.
    """

    def __init__(self, shared: _Asks, client: S3Client, limit: float | None) -> None:
        self._shared = shared
        self._client = client
        self._limit = limit
        self._pacer = Pacer(limit)

    def __call__(
        self, objects: Iterable[S3Object | Later], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication | Later]:
        """
        Yield exactly one answer for each object, in any order, and whatever is to be waited for in between.

        :param objects: what to ask for, of any length; read only a few hundred ahead of the answers. What is to be
            waited for in between is yielded.
        :param stop: once set, nothing more is asked.
        :raises LookupFailed: if ``stop`` is set before every answer is in, or S3 cannot be asked.
        """
        return each_until(stop, self._answers(objects, stop))

    def _answers(self, objects: Iterable[S3Object | Later], stop: Event | None) -> Generator[ObjectReplication | Later]:
        refusals = Refusals(self._client)
        process, inquiry = os.getpid(), Inquiry(self._limit, self._pacer)
        remaining, exhausted = iter(objects), False
        under_way = answered = 0
        new: list[S3Object] = []
        refused: list[NotAsked] = []
        try:
            while not exhausted or under_way:
                for answer in inquiry.take():
                    under_way -= 1
                    if isinstance(answer, NotAsked):
                        refused.append(answer)
                        continue
                    answered += 1
                    yield refusals.explain(answer)
                if refused:
                    break
                later: Later | None = None
                while not exhausted and later is None and under_way + len(new) < WINDOW:
                    check_going_on(stop, process, answered, under_way)
                    obj = next(remaining, None)
                    exhausted = obj is None
                    if isinstance(obj, S3Object):
                        new.append(obj)
                    else:
                        later = obj
                check_going_on(stop, process, answered, under_way)
                if new:
                    inquiry.put(new)
                    under_way, new = under_way + len(new), []
                    self._shared.tell(inquiry)
                if later is not None:
                    yield later
                elif under_way:
                    # Woken when the window is half empty, or by the last answer: a sweep is judged at its end.
                    inquiry.expects(under_way if exhausted else WINDOW // 2)
                    yield inquiry
            if refused:
                if not inquiry.questions.dropped:
                    yield from self._rest(inquiry, under_way, refused, stop, refusals)
                raise again(refused[0].why())  # others may raise the same one
        except CrrError as error:
            if os.getpid() == process:
                error.not_sent = len(new) + self._not_sent(inquiry, refused)
            raise
        finally:
            inquiry.is_over = True
            if os.getpid() == process:
                self._shared.tell(inquiry)

    def _rest(
        self, inquiry: Inquiry, under_way: int, refused: list[NotAsked], stop: Event | None, refusals: Refusals
    ) -> Iterator[ObjectReplication | Later]:
        """
        Yield the answers to what was sent before somebody refused, but do not wait long for them.

        :param inquiry: the questions; those that were not sent are withdrawn.
        :param under_way: how many have no answer yet.
        :param refused: what could not be asked; what comes is added.
        :param stop: once set, nothing is waited for.
        :param refusals: explains answers.
        """
        self._withdraw(inquiry)
        for _ in range(_TURNS):
            if (inquiry.settles(0) and under_way <= inquiry.withdrawn) or (stop is not None and stop.is_set()):
                return
            yield Pause(_REST / _TURNS)
            for answer in inquiry.take():
                under_way -= 1
                if isinstance(answer, NotAsked):
                    refused.append(answer)
                else:
                    yield refusals.explain(answer)

    def _not_sent(self, inquiry: Inquiry, refused: list[NotAsked]) -> int:
        """Return how many questions were put and certainly not sent."""
        if inquiry.questions.dropped and not inquiry.settles(0):
            return 0  # the asker itself has failed
        self._withdraw(inquiry)
        inquiry.settles(PATIENCE)
        return inquiry.withdrawn + len(refused)

    def _withdraw(self, inquiry: Inquiry) -> None:
        inquiry.withdraw()
        with suppress(LookupFailed):  # the asker is closed, and sends nothing more
            self._shared.tell(inquiry)
