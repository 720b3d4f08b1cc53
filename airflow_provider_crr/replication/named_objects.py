"""The objects that a gate's author named: which are open, which are done, and which version of them is waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain

from airflow_provider_crr.replication.checkpoint.value import Checkpoint
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.s3.objects import S3Object


class NamedObjects:
    """
    The objects that were named, and the versions that are waited for in the place of a key.

    :param objects: what was named.
    """

    def __init__(self, objects: Iterable[S3Object]) -> None:
        #: What is not done. A version that is pinned stands in the place of its key, also where a pattern listed that.
        self.open = list(objects)
        #: State -> what is done.
        self.done: dict[ObjectState, list[S3Object]] = {}

    def note_done(self, obj: S3Object, state: ObjectState) -> None:
        """
        Note that an object is done; :meth:`settle` takes it off the list.

        :param obj: an object that is open.
        :param state: what the answer said.
        """
        self.done.setdefault(state, []).append(obj)

    def count_done(self) -> Counter[ObjectState]:
        """Return how many are done, by state."""
        return Counter({state: len(objects) for state, objects in self.done.items()})

    def settle(self, done: set[S3Object], pinned: dict[S3Object, S3Object]) -> None:
        """
        Take what is done off the list, and put each pinned version in the place of its key.

        :param done: what is done.
        :param pinned: object without version -> the version of it that is waited for; emptied.
        """
        still_open = [pinned.pop(obj, obj) for obj in self.open if obj not in done]
        self.open = [*still_open, *pinned.values()]  # what is left here was listed by a pattern

    def recall(self, known: Checkpoint) -> None:
        """Go on from what is known of earlier polls."""
        self.done = known.done
        pinned = {S3Object(obj.bucket, obj.key): obj for obj in known.pinned}
        self.settle(set(chain.from_iterable(known.done.values())), pinned)
