"""The objects that match a gate's patterns: they are listed again for each collect, and what is done is remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Event

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.checkpoint.value import MARK
from airflow_provider_crr.replication.collect import Collect
from airflow_provider_crr.replication.source import Later, Source
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object

#: S3 tells in whole seconds when an object was written: within one second the same bytes may be written twice.
_SECOND = timedelta(seconds=1)
#: Most young objects that are asked again before the next collect, which asks for the others itself.
_MAX_YOUNG = 10_000
#: How far the clocks of a client and of S3 may be apart: S3 refuses a signature that is older, or newer
#: (RequestTimeTooSkewed, "Authenticating Requests: AWS Signature Version 4").
_MAX_SKEW = timedelta(minutes=15)


class ListedObjects:
    """
    What patterns match, and which of it is done.

    An object is known by its key, its ETag and its time: if the listing shows another ETag or time, it is asked for
    again. Where versions are pinned it is known by its key alone.

    :param patterns: the patterns.
    :param source: where they are listed.
    :param pin_versions: whether the version that answers first is waited for, even if its key is overwritten.
    :param clock: returns the current time, UTC.
    """

    def __init__(
        self,
        patterns: Sequence[S3Object],
        source: Source,
        *,
        pin_versions: bool,
        clock: Callable[[], datetime],
    ) -> None:
        #: Fingerprint of each object that is done -> its state.
        self.done: dict[bytes, ObjectState] = {}
        self._patterns = patterns
        self._source = source
        self._pin_versions = pin_versions
        self._clock = clock
        self._first_answered: dict[bytes, datetime] = {}  # of the young ones, by our clock

    def unfinished(self, collect: Collect, named: Iterable[S3Object], stop: Event | None) -> Iterator[S3Object | Later]:
        """
        List every pattern, count what is done, and yield the rest, each state of a key once.

        Whatever else the source yields among what it lists is passed on.

        :param collect: counts what is done, and crosses off the patterns that match.
        :param named: objects that are asked for in any case.
        :param stop: set by another thread to end the listing early, with an error.
        """
        names = {(obj.bucket, obj.key) for obj in named}
        # A key that two patterns match and that changed between their listings is asked for again.
        seen: set[bytes] | None = set() if len(self._patterns) > 1 else None
        for pattern in self._patterns:
            for listed in self._source.list_matching(pattern):
                if stop is not None and stop.is_set():
                    raise LookupFailed("the listing was stopped", remedy="Ask again: nothing is known of the rest")
                if not isinstance(listed, ListedObject):
                    yield listed
                    continue
                collect.unmatched.pop(pattern, None)
                obj = listed.object
                if (obj.bucket, obj.key) in names:
                    continue
                mark = self._fingerprint(obj, listed.etag, listed.last_modified)
                if seen is not None:
                    if mark in seen:
                        continue
                    seen.add(mark)
                state = self.done.get(mark)
                if state is None:
                    yield obj
                else:
                    collect.marks.add(mark)
                    collect.finished[state] += 1

    def note_done(self, answer: ObjectReplication, collect: Collect, began: datetime) -> None:
        """
        Note an answer that says that an object is done.

        It is not asked for again once no later version can have the same ETag and time; until then it is young.

        :param answer: the answer.
        :param collect: the collect that asked.
        :param began: when the asking for this and other objects began, by the clock.
        """
        mark = self._fingerprint(answer.object, answer.etag, answer.last_modified)
        collect.marks.add(mark)
        if self._pin_versions or self._is_settled(mark, answer, began):
            self.done[mark] = answer.state
            self._first_answered.pop(mark, None)
        elif len(collect.young) < _MAX_YOUNG:
            collect.young.append(answer.object)

    def _is_settled(self, mark: bytes, answer: ObjectReplication, began: datetime) -> bool:
        """
        Return whether nothing that is written after an answer can have the same ETag and time.

        So it is if the answer was given in a later second than that in which the object was written. The answer names
        its time, by the clock of the store or of a proxy before it. Where it names none, or one before the object's,
        the object is asked for again: a second later, the same answer settles it.
        """
        now = self._clock()
        answered = answer.answered_at or now - _MAX_SKEW
        if answer.last_modified is not None and answer.last_modified.replace(microsecond=0) + _SECOND <= answered:
            return True
        return self._first_answered.setdefault(mark, now) + _SECOND <= began

    def _fingerprint(self, obj: S3Object, etag: str | None, last_modified: datetime | None) -> bytes:
        """Return what identifies one state of a listed key: 16 bytes, so that a million take little memory."""
        parts = [obj.bucket, obj.key]
        if not self._pin_versions:
            parts += [etag or "", str(int(last_modified.timestamp())) if last_modified else ""]
        return sha256("\0".join(parts).encode()).digest()[:MARK]
