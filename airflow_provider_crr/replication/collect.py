"""
One collect of a gate: its patterns listed once, what is unfinished asked for, and all of it counted.

A listing is read page by page while a writer goes on. So what one listing shows may never have been there together.
Two listings that show the same are a snapshot: what did not change between them was there together in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from airflow_provider_crr.replication.source import Later
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.s3.objects import S3Object


@dataclass(slots=True)
class Marks:
    """
    Fingerprints, of which only number and sum are kept.

    A million of them take no memory, and those of two collects can be compared.

    :param count: how many there are.
    :param total: their sum, which does not depend on their order.
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
    :param unmatched: the patterns that have matched nothing so far, as keys.
    :param marks: fingerprints of the listed objects that are done.
    :param finished: how many listed objects an earlier answer said to be done, by state.
    :param asked: how many objects were asked for.
    :param young: listed objects that are done now, but may still be overwritten with the same ETag and time.
    """

    tally: Tally
    unmatched: dict[S3Object, None] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)
    finished: Counter[ObjectState] = field(default_factory=Counter)
    asked: int = 0
    young: list[S3Object] = field(default_factory=list)

    def confirms(self, other: Collect) -> bool:
        """Return whether this began after the last answer of another collect, and shows exactly what that counted."""
        return not self.asked and self.marks == other.marks

    def counted(self, objects: Iterable[S3Object | Later]) -> Iterator[S3Object | Later]:
        """Yield objects to ask for, and count them; what is to be waited for in between is passed on."""
        for obj in objects:
            self.asked += isinstance(obj, S3Object)
            yield obj

    def without_match(self) -> list[ObjectReplication]:
        """Return an answer for each pattern that matched nothing."""
        return [
            ObjectReplication(pattern, ObjectState.MISSING, http_status=0, detail="no object matches the pattern")
            for pattern in self.unmatched
        ]
