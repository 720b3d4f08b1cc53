"""How fast requests may leave: no faster than was asked for, and slower while S3 asks for that."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from airflow_provider_crr.errors import InvalidArgument

#: Seconds of requests that may be caught up at once after a pause. This bounds a burst.
CATCH_UP = 0.05
#: Statuses that ask for fewer requests: S3's Slow Down ("Best practices design patterns: optimizing Amazon S3
#: performance"), and what some S3-compatible stores say instead.
THROTTLED = frozenset({429, 503})
#: What the rate is multiplied by when S3 throttles, at most once in :data:`REACTION` seconds.
CUT = 0.7
#: What the rate is multiplied by after :data:`REACTION` seconds without throttling.
GROWTH = 1.1
#: Seconds in which answers still arrive to requests that were sent before the rate was cut.
REACTION = 1.0
#: Requests a second below which the rate is not cut, or a lookup might never end. It is a fiftieth of S3's limit.
FLOOR = 100.0


class Pace(Protocol):
    """How fast each bucket is asked. Used by several threads."""

    def delay(self, bucket: str) -> float:
        """Return the seconds until the next request to a bucket may leave; 0 if it may leave now."""

    def claim(self, bucket: str) -> float:
        """Count one request to a bucket, and return the seconds after which it may leave."""

    def answered(self, bucket: str, http_status: int) -> None:
        """Take note of an answer about a bucket, by its status code."""


class CountedPace:
    """
    A pace that counts what left, or was about to.

    :param pace: the pace.
    """

    def __init__(self, pace: Pace) -> None:
        self.claimed = 0
        self.delay = pace.delay
        self.answered = pace.answered
        self._pace = pace
        self._lock = Lock()

    def claim(self, bucket: str) -> float:
        """Count one request to a bucket, and return the seconds after which it may leave."""
        with self._lock:
            self.claimed += 1
        return self._pace.claim(bucket)


class OnePace:
    """
    One limit for all buckets together.

    :param pacer: says when the next request may leave, whichever bucket it is for.
    """

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    def delay(self, bucket: str) -> float:
        """Return the seconds until the next request may leave; 0 if it may leave now."""
        return self._pacer.delay()

    def claim(self, bucket: str) -> float:
        """Count one request, and return the seconds after which it may leave."""
        return self._pacer.claim()

    def answered(self, bucket: str, http_status: int) -> None:
        """Take note of an answer, by its status code."""
        self._pacer.answered(http_status)


class Pacer:
    """
    Spreads requests evenly over time. Used by several threads.

    Each attempt is to be claimed, so that retries count. botocore's own adaptive mode is of no use here: it learns from
    the body of an answer that S3 throttles, and the answer to a HEAD has none.

    :param per_second: requests that may leave each second; None for as many as possible.
    :param clock: a monotonic clock, in seconds.
    :raises InvalidArgument: if ``per_second`` is not above zero.
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        if per_second is not None and not per_second > 0:
            raise InvalidArgument(
                f"max_requests_per_second is {per_second!r}",
                remedy="Give a number above 0, or None for no limit",
            )
        self._most = per_second or float("inf")
        #: What S3 seems to take, if it takes less than is allowed.
        self._learnt = float("inf")
        self._clock = clock
        self._lock = Lock()
        now = clock()
        self._due = now
        self._throttled_at = self._cut_at = self._grown_at = now - REACTION
        self._counted_since, self._counted, self._measured = now, 0, 0.0

    def allow(self, per_second: float | None) -> None:
        """
        Change the limit. What was learnt of S3's own limit stays.

        :param per_second: requests that may leave each second from now on, above zero; None for as many as possible.
        """
        with self._lock:
            self._most = per_second or float("inf")
            self._due = min(self._due, self._clock() + 1 / self._rate)  # of the slower limit before, nothing is owed

    @property
    def _rate(self) -> float:
        return min(self._most, self._learnt)

    def delay(self) -> float:
        """Return the seconds until the next request may leave; 0 if it may leave now."""
        return max(0.0, self._due - self._clock())

    def claim(self) -> float:
        """Count one request, and return the seconds after which it may leave."""
        with self._lock:
            now = self._clock()
            self._measure(now)
            if self._learnt < self._most and now - max(self._throttled_at, self._grown_at) >= REACTION:
                self._learnt *= GROWTH
                self._grown_at = now
            wait = max(0.0, self._due - now)
            self._due = max(self._due, now - CATCH_UP) + 1 / self._rate
            return wait

    def answered(self, http_status: int) -> None:
        """
        Take note of an answer.

        :param http_status: its status code.
        """
        if http_status not in THROTTLED:
            return
        with self._lock:
            now = self._throttled_at = self._clock()
            rate = min(self._rate, self._measured or float("inf"))
            if now - self._cut_at < REACTION or rate == float("inf"):
                return
            self._cut_at = now
            self._due = max(self._due, now)  # nothing is caught up after a cut
            self._learnt = max(FLOOR, CUT * rate)

    def _measure(self, now: float) -> None:
        passed = now - self._counted_since
        if passed >= REACTION / 2:
            # A pause, such as between two lookups, says nothing about the rate.
            self._measured = self._counted / passed if passed < 2 * REACTION else 0.0
            self._counted_since, self._counted = now, 0
        self._counted += 1
