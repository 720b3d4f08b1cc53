"""How much of what all buckets share each of them may take, so that one that hangs holds up no other."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from threading import Lock

#: Seconds without an answer after which a bucket is not heard of any more.
_SILENT = 2.0
#: What any bucket may have, as long as anything is left.
_LEAST = 3
#: Buckets whose last answer is remembered.
_MOST = 2000


class Shares:
    """
    The shares of buckets in something, such as connections.

    A bucket may have three times as much as would be left for others; an eighth of all is kept for those that have
    little. One that gives no answers may only have a quarter of what is left. So some buckets that hang leave room for
    one that does not. Not thread-safe.

    :param total: how much there is.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self._clock = clock
        self._taken: Counter[str] = Counter()
        #: How much all have: it is needed for each question, and there may be many buckets.
        self._by_all = 0
        #: When each bucket answered last; the one that was heard of longest ago is the first.
        self._heard: dict[str, float] = {}

    def may_take(self, bucket: str) -> bool:
        """Return whether a bucket may take one more."""
        return is_fair(self._taken[bucket], self._by_all, self.total, is_heard=self.is_heard(bucket))

    def is_heard(self, bucket: str) -> bool:
        """Return whether an answer of a bucket came lately."""
        return self._clock() - self._heard.get(bucket, float("-inf")) < _SILENT

    def take(self, bucket: str) -> None:
        """Note that a bucket has one more."""
        self._taken[bucket] += 1
        self._by_all += 1

    def give_back(self, bucket: str) -> None:
        """Note that it has one less."""
        self._by_all -= 1
        self._taken[bucket] -= 1
        if not self._taken[bucket]:
            del self._taken[bucket]

    def hear(self, bucket: str) -> None:
        """Note that an answer of a bucket came."""
        self._heard.pop(bucket, None)
        self._heard[bucket] = self._clock()
        if len(self._heard) > _MOST:
            del self._heard[next(iter(self._heard))]


def a_little(total: int) -> int:
    """Return how much a bucket may have that gives no answers, of so much, if no other bucket has any."""
    return max(_LEAST, total // 5)


def is_fair(taken: int, by_all: int, total: int, *, is_heard: bool = True) -> bool:
    """
    Return whether a bucket may take one more; see :class:`Shares`.

    :param taken: how many it has.
    :param by_all: how many all buckets have.
    :param total: how many there are.
    :param is_heard: whether an answer of the bucket came lately.
    """
    left = total - by_all
    most = 3 * (left - total // 8) if is_heard else left // 4
    return left > 0 and taken < max(_LEAST, most)


class Waiting:
    """
    What is begun at once, or as soon as the share of its bucket allows. Used by several threads.

    :param total: how much may be under way.
    """

    def __init__(self, total: int) -> None:
        self._shares = Shares(total)
        self._lines: dict[str, deque[Callable[[], None]]] = {}
        self._lock = Lock()

    def add(self, bucket: str, begin: Callable[[], None]) -> None:
        """
        Begin something that :meth:`ended` is called for.

        :param bucket: whose share it takes.
        :param begin: begins it; it must not wait.
        """
        with self._lock:
            self._lines.setdefault(bucket, deque()).append(begin)
            self._go_on()

    def ended(self, bucket: str) -> None:
        """Note that something of a bucket ended."""
        with self._lock:
            self._shares.give_back(bucket)
            self._shares.hear(bucket)
            self._go_on()

    def is_empty(self, bucket: str) -> bool:
        """Return whether nothing of a bucket waits."""
        return bucket not in self._lines

    def _go_on(self) -> None:
        buckets = list(self._lines)
        while buckets:  # one of each in turn
            buckets = [bucket for bucket in buckets if self._begin_first(bucket)]

    def _begin_first(self, bucket: str) -> bool:
        """Begin the first that waits; return whether the next one may follow."""
        line = self._lines.get(bucket)
        if not line or not self._shares.may_take(bucket):
            return False
        self._shares.take(bucket)
        line.popleft()()
        if not line:
            del self._lines[bucket]
        return True
