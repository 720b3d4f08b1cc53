"""One limit for each bucket, which all lookups of a connection share."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from airflow_provider_crr.lookup.pace import Pacer

#: Seconds after which a bucket is forgotten that nobody asks for, and what was learnt of S3's own limit with it.
_FORGOTTEN = 300.0


class _Bucket:
    """
    One bucket, and the limits of the lookups that ask for it now.

    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.pacer = Pacer(None, clock)
        self.limits: Counter[float | None] = Counter()
        self.left_at = clock()

    def allow(self) -> None:
        """Set the limit; after the last lookup it stays as it was."""
        if self.limits:
            self.pacer.allow(None if None in self.limits else max(limit for limit in self.limits if limit))


class SharedPace:
    """
    How fast each bucket is asked: at most as its least limited lookup may, and slower while S3 asks for that.

    One thread enters and leaves; others may claim.

    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def enter(self, bucket: str, per_second: float | None) -> None:
        """
        Note that a lookup asks for a bucket.

        :param bucket: the bucket.
        :param per_second: requests that the lookup may send each second; None for as many as possible.
        """
        known = self._buckets.get(bucket) or self._new(bucket)
        known.limits[per_second] += 1
        known.allow()

    def leave(self, bucket: str, per_second: float | None) -> None:
        """Note that a lookup that entered asks for a bucket no more."""
        known = self._buckets[bucket]
        known.limits[per_second] -= 1
        known.limits = +known.limits  # without those that nobody has any more
        known.left_at = self._clock()
        known.allow()

    def _new(self, bucket: str) -> _Bucket:
        oldest = self._clock() - _FORGOTTEN
        for name in [name for name, each in self._buckets.items() if not each.limits and each.left_at < oldest]:
            del self._buckets[name]
        return self._buckets.setdefault(bucket, _Bucket(self._clock))

    def delay(self, bucket: str) -> float:
        """Return the seconds until the next request to a bucket may leave; 0 if it may leave now."""
        known = self._buckets.get(bucket)
        return known.pacer.delay() if known else 0.0

    def claim(self, bucket: str) -> float:
        """Count one request to a bucket, and return the seconds after which it may leave."""
        known = self._buckets.get(bucket)
        return known.pacer.claim() if known else 0.0

    def answered(self, bucket: str, http_status: int) -> None:
        """Take note of an answer about a bucket, by its status code."""
        known = self._buckets.get(bucket)
        if known:
            known.pacer.answered(http_status)
