"""Whose question is sent next, where one asker asks for many lookups."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.shared_pace import SharedPace
from airflow_provider_crr.s3.objects import S3Object


class Turns:
    """
    Buckets take turns, and so do the lookups that ask for one bucket: each sends one question at a time.

    So a lookup of three objects gets its answers soon beside one of a million. A question is given out only when its
    bucket's pace and its lookup's own allow it to leave. No bucket may have more than three times as many questions
    under way as are left for others: a bucket that gives no answers holds up itself alone. Not thread-safe.

    :param pace: the pace of each bucket.
    :param limit: questions that may be under way.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, pace: SharedPace, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._pace = pace
        self._clock = clock
        #: Lookups by the bucket that their next question is about.
        self._lines: dict[str, deque[Inquiry]] = {}
        #: The buckets of the lines; whose turn is next is the first.
        self._buckets: deque[str] = deque()
        #: Lookups that wait for their own pace: until when, in which order they came, and which.
        self._paced: list[tuple[float, int, Inquiry]] = []
        self._order = count()
        self._under_way: Counter[str] = Counter()
        self._total = 0

    def line_up(self, inquiry: Inquiry) -> None:
        """Let a lookup wait for its turn, if it has questions and does not wait already."""
        if inquiry.is_in_line or not inquiry.questions:
            return
        inquiry.is_in_line = True
        self._stand(inquiry)

    def next(self) -> tuple[Inquiry, S3Object] | None:
        """Return the next question, which is under way from now on, and whose it is; None if none may leave now."""
        while self._paced and self._paced[0][0] <= self._clock():
            self._stand(heappop(self._paced)[2])
        for _ in range(len(self._buckets)):
            bucket = self._buckets.popleft()
            if self._may_leave(bucket):
                inquiry = self._first(bucket)
                if inquiry is None:
                    del self._lines[bucket]
                    continue
                self._buckets.append(bucket)
                return inquiry, self._give_out(inquiry, bucket)
            self._buckets.append(bucket)
        return None

    def ended(self, obj: S3Object) -> None:
        """Note that a question is under way no more."""
        self._total -= 1
        self._under_way[obj.bucket] -= 1
        if not self._under_way[obj.bucket]:
            del self._under_way[obj.bucket]

    def delay(self) -> float | None:
        """Return the seconds until another question may leave; None if only an answer can bring that about."""
        delays = [self._pace.delay(bucket) for bucket in self._buckets if self._has_room(bucket)]
        if self._paced:
            delays.append(max(0.0, self._paced[0][0] - self._clock()))
        return min(delays, default=None)

    def under_way(self) -> int:
        """Return how many questions are under way."""
        return self._total

    def _may_leave(self, bucket: str) -> bool:
        return self._has_room(bucket) and not self._pace.delay(bucket)

    def _has_room(self, bucket: str) -> bool:
        return self._under_way[bucket] < 3 * (self.limit - self._total)

    def _first(self, bucket: str) -> Inquiry | None:
        """Take the first lookup of a line away whose own pace lets it ask; None if there is none."""
        line = self._lines[bucket]
        while line:
            inquiry = line.popleft()
            if not inquiry.questions:  # it has ended
                inquiry.is_in_line = False
            elif delay := inquiry.pacer.delay():
                heappush(self._paced, (self._clock() + delay, next(self._order), inquiry))
            else:
                return inquiry
        return None

    def _give_out(self, inquiry: Inquiry, bucket: str) -> S3Object:
        obj = inquiry.questions.popleft()
        inquiry.pacer.claim()
        if inquiry.questions:
            self._stand(inquiry)
        else:
            inquiry.is_in_line = False
        self._under_way[bucket] += 1
        self._total += 1
        return obj

    def _stand(self, inquiry: Inquiry) -> None:
        """Put a lookup at the end of the line of its next question's bucket."""
        if not inquiry.questions:
            inquiry.is_in_line = False
            return
        bucket = inquiry.questions[0].bucket
        if bucket not in self._lines:
            self._lines[bucket] = deque()
            self._buckets.append(bucket)
        self._lines[bucket].append(inquiry)
