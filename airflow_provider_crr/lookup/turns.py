"""Whose question is sent next, where one asker asks for many lookups."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.shared_pace import SharedPace
from airflow_provider_crr.lookup.shares import Shares, a_little
from airflow_provider_crr.s3.objects import S3Object


class Turns:
    """
    Buckets take turns, and so do the lookups that ask for one bucket: each sends one question at a time.

    So a lookup of three objects gets its answers soon beside one of a million. A question is given out only when it can
    be sent: when its bucket's pace and its lookup's own allow it to leave, and when there is room for it. So what a
    lookup has not sent yet is here, and is forgotten with the lookup. Not thread-safe.

    :param pace: the pace of each bucket.
    :param limit: questions that may be under way.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, pace: SharedPace, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._under_way = Shares(limit, clock)
        self._little = a_little(limit)
        self._pace = pace
        self._clock = clock
        #: Lookups by the bucket that their next question is about.
        self._lines: dict[str, deque[Inquiry]] = {}
        #: The buckets of the lines; whose turn is next is the first.
        self._buckets: deque[str] = deque()
        #: Lookups that wait for their own pace: until when, in which order they came, and which.
        self._paced: list[tuple[float, int, Inquiry]] = []
        self._order = count()

    def allow(self, limit: int, little: int) -> None:
        """
        Change how many questions may be under way.

        :param limit: in all.
        :param little: of a bucket that gives no answers.
        """
        self._under_way.total, self._little = limit, little

    def line_up(self, inquiry: Inquiry) -> None:
        """Let a lookup wait for its turn, if it has questions and does not wait already."""
        if inquiry.is_in_line or not inquiry.questions:
            return
        inquiry.is_in_line = True
        self._stand(inquiry)

    def next(self, has_room: Callable[[str], bool] = lambda bucket: True) -> tuple[Inquiry, S3Object] | None:
        """
        Return the next question, which is under way from now on, and whose it is; None if none may leave now.

        :param has_room: whether a question about a bucket could be sent now.
        """
        while self._paced and self._paced[0][0] <= self._clock():
            self._stand(heappop(self._paced)[2])
        for _ in range(len(self._buckets)):
            bucket = self._buckets.popleft()
            may_leave = self._under_way.may_take(bucket) and not self._pace.delay(bucket) and has_room(bucket)
            inquiry = self._first(bucket) if may_leave else None
            if inquiry is None and not self._lines[bucket]:
                del self._lines[bucket]
                continue
            self._buckets.append(bucket)
            if inquiry is not None:
                return inquiry, self._give_out(inquiry, bucket)
        return None

    def ended(self, inquiry: Inquiry, obj: S3Object) -> None:
        """Note that a question of a lookup is under way no more."""
        inquiry.under_way -= 1
        self._under_way.give_back(obj.bucket)
        self._under_way.hear(obj.bucket)

    def delay(self) -> float | None:
        """Return the seconds until another question may leave; None if only an answer can bring that about."""
        delays = [self._pace.delay(bucket) for bucket in self._buckets if self._under_way.may_take(bucket)]
        if self._paced:
            delays.append(max(0.0, self._paced[0][0] - self._clock()))
        return min(delays, default=None)

    def _first(self, bucket: str) -> Inquiry | None:
        """Take the first lookup of a line away whose own pace lets it ask; None if there is none."""
        line = self._lines[bucket]
        # While the bucket gives no answers, one lookup leaves room for another, whose object may have one.
        most = None if self._under_way.is_heard(bucket) else max(2, self._little // 2)
        for _ in range(len(line)):
            inquiry = line.popleft()
            if not inquiry.questions:  # it has ended
                inquiry.is_in_line = False
            elif most is not None and inquiry.under_way >= most:
                line.append(inquiry)
            elif delay := inquiry.pacer.delay():
                heappush(self._paced, (self._clock() + delay, next(self._order), inquiry))
            else:
                return inquiry
        return None

    def _give_out(self, inquiry: Inquiry, bucket: str) -> S3Object:
        obj = inquiry.questions.popleft()
        inquiry.pacer.claim()
        inquiry.under_way += 1
        if inquiry.questions:
            self._stand(inquiry)
        else:
            inquiry.is_in_line = False
        self._under_way.take(bucket)
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
