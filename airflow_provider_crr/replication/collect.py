"""
One collect of a gate: its patterns listed once, what is unfinished asked for, and all of it counted.

A listing is pages that were read one after the other while a writer went on, so what one shows may never have been
there together. Two that show the same are a snapshot: what did not change from the one to the other was there together
in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object


@dataclass(slots=True)
class Marks:
    """
    Fingerprints, of which only number and sum are kept: a million take no memory, and two collects can be compared.

    :param count: how many there are.
    :param total: their sum, in whatever order they came.
    """

    count: int = 0
    total: int = 0

    def add(self, mark: bytes) -> None:
        """Count one more."""
        self.count += 1
        self.total += int.from_bytes(mark, "big")


@dataclass(slots=True)
class Collect:
    """
    What one collect found.

    :param tally: the answers, counted.
    :param marks: fingerprints of the listed objects that are done.
    :param asked: objects that were asked for.
    :param young: listed objects that are done, if their ETag and time cannot be of a later version, which is not sure.
    """

    tally: Tally
    marks: Marks = field(default_factory=Marks)
    asked: int = 0
    young: list[S3Object] = field(default_factory=list)

    def confirms(self, other: Collect) -> bool:
        """Return whether this began after the last answer of another collect, and shows just what that counted."""
        return not self.asked and self.marks == other.marks

    def counted(self, objects: Iterable[S3Object]) -> Iterator[S3Object]:
        """Yield objects to ask for, and count them."""
        for obj in objects:
            self.asked += 1
            yield obj


class Listing:
    """
    Patterns that are listed once: what is done is counted, the rest is handed out to be asked.

    :param patterns: the patterns.
    :param list_matching: lists one.
    :param fingerprint: returns what identifies one state of a listed key.
    :param done: fingerprints of what is done -> its state; it may grow meanwhile.
    :param marks: takes the fingerprints of what is done.
    """

    def __init__(
        self,
        patterns: Sequence[S3Object],
        list_matching: Callable[[S3Object], Iterator[ListedObject]],
        fingerprint: Callable[..., bytes],
        done: Mapping[bytes, ObjectState],
        marks: Marks,
    ) -> None:
        self.done: Counter[ObjectState] = Counter()
        self._list_matching = list_matching
        self._fingerprint = fingerprint
        self._known = done
        self._marks = marks
        self._patterns = patterns
        self._unmatched = dict.fromkeys(patterns)

    def unfinished(self, pinned: Iterable[S3Object], stop: Event | None) -> Iterator[S3Object]:
        """
        Yield what is to be asked, each state of a key once.

        :param pinned: objects that are asked for in any case.
        :param stop: set by another thread to end the listing early, with an error.
        """
        names = {(obj.bucket, obj.key) for obj in pinned}
        # A key that two patterns match and that changed between their listings is asked for again.
        seen: set[bytes] | None = set() if len(self._patterns) > 1 else None
        for listed in self._listed():
            if stop is not None and stop.is_set():
                raise LookupFailed("the listing was stopped", remedy="Ask again: nothing is known of the rest")
            obj = listed.object
            if (obj.bucket, obj.key) in names:
                continue
            mark = self._fingerprint(obj, listed.etag, listed.last_modified)
            if seen is not None:
                if mark in seen:
                    continue
                seen.add(mark)
            state = self._known.get(mark)
            if state is None:
                yield obj
            else:
                self._marks.add(mark)
                self.done[state] += 1

    def _listed(self) -> Iterator[ListedObject]:
        for pattern in self._patterns:
            for listed in self._list_matching(pattern):
                self._unmatched.pop(pattern, None)
                yield listed

    def unmatched(self) -> list[ObjectReplication]:
        """Return an answer in the place of each pattern that matches nothing."""
        return [
            ObjectReplication(pattern, ObjectState.MISSING, http_status=0, detail="no object matches the pattern")
            for pattern in self._unmatched
        ]
