"""
Where a gate asks, and how it waits there without holding a thread.

A gate's sweep is a generator, :data:`Steps`. It yields a :class:`Later` wherever it would wait. :func:`run` goes
through all steps in one thread, which waits. A triggerer has a few threads for many gates, so it goes on with another
gate meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from threading import Event
from typing import Any, Protocol, TypeAlias, TypeVar

from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object

T = TypeVar("T")

#: Seconds within which a thread that waits notices that it shall stop.
_TICK = 0.1


class Later(Protocol):
    """Something that is waited for. It comes once, and may have come already."""

    def wait(self, timeout: float) -> bool:
        """Wait for it, at most so many seconds; return whether it came."""

    def then(self, call: Callable[[], None]) -> None:
        """
        Have something called once, when it comes; at once if it came already.

        :param call: called in whichever thread; it must neither wait nor raise.
        """


#: What is done step by step: each :class:`Later` that it yields is to be waited for before the next step.
Steps: TypeAlias = Generator[Later, None, T]


def run(steps: Steps[T], stop: Event | None = None) -> T:
    """
    Go through all steps, and return what they return.

    :param steps: the steps; what they do notices by itself that ``stop`` is set.
    :param stop: once set, nothing is waited for any more.
    """
    try:
        while True:
            later = next(steps)
            while not later.wait(_TICK) and not (stop is not None and stop.is_set()):
                pass
    except StopIteration as ended:
        result: T = ended.value
        return result


class Source(Protocol):
    """What a gate asks of S3."""

    def get_replication_statuses(
        self, objects: Iterable[S3Object], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication | Later]:
        """
        Return one answer for each object, in any order. Among the objects there may be what the own listing yielded.

        Between two answers there may be a :class:`Later`: the next one is to be taken when that has come. Once ``stop``
        is set it may be taken at any time; what came until then follows, and then the error of a stopped lookup.
        """

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject | Later]:
        """
        Return the current objects whose keys match a pattern, in key order.

        Between two of them there may be a :class:`Later`, as between two answers. It is handed on to
        :meth:`get_replication_statuses` among the objects, and comes back among the answers.
        """

    def check_bucket(self, bucket_name: str) -> None:
        """Raise BucketNotFound if there is no such bucket."""

    def why_no_status(self, answer: ObjectReplication) -> str:
        """Return why an object has no replication status."""

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[ReplicationRule, ...]:
        """Return a bucket's rules; asked only about a store that replicates by itself."""

    def whereabouts(self) -> dict[str, Any]:
        """
        Return which endpoint is asked, and by which connection, as plain JSON.

        What is kept of earlier polls holds for the same whereabouts only: another endpoint has not answered.
        """
