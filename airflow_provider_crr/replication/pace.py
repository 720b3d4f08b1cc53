"""How fast requests may leave."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_crr.errors import InvalidArgument

#: Time that may be caught up in one go after a pause, in seconds: it bounds a burst to this much of the rate.
CATCH_UP = 0.05


class Pacer:
    """
    Spreads requests evenly over time.

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
        self._interval = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._due = clock()

    def delay(self) -> float:
        """Return the seconds until the next request may leave; 0 if it may leave now."""
        return max(0.0, self._due - self._clock()) if self._interval else 0.0

    def spend(self) -> None:
        """Count one request as sent."""
        if self._interval:
            self._due = max(self._due, self._clock() - CATCH_UP) + self._interval
