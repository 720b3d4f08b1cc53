"""What the log of a wait says: all that is known at first, then what has changed, and all again once an hour."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from airflow_provider_crr.tasks import endings

#: Seconds after which all is told again, if nothing has changed, and if only numbers have.
UNCHANGED, MOVING = 3600.0, 600.0
#: How many lines of a poller's progress have the numbers.
_NUMBERS = 2
_DIGITS = re.compile(r"[\d,.]+[dhms]?")


class Teller:
    """
    Tells a log how a wait goes on. What a poll shows once more is not repeated.

    :param log: the logger of the task or the trigger.
    :param begun: whether another process has told all already, just now.
    :param clock: returns seconds that pass evenly.
    """

    def __init__(self, log: Any, *, begun: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._all_at = clock() if begun else float("-inf")
        self._kind: str | None = None  # what was told, without its numbers
        self._standing: Any = None

    def tell(self, poller: endings.Poller, gives_up: datetime | None = None) -> None:
        """
        Write what the last poll showed.

        :param poller: what was polled.
        :param gives_up: when the wait gives up, UTC; None if it has ended.
        """
        self._lines(poller, gives_up)
        endings.tell_cost(poller, self._log)
        for warning in poller.warnings():
            self._log.warning(warning)

    def _lines(self, poller: endings.Poller, gives_up: datetime | None) -> None:
        lines = poller.progress().split("\n")
        standing = poller.standing() if isinstance(poller, endings.Standing) else lines
        kind = _DIGITS.sub("", " ".join(lines[:_NUMBERS]))
        since, same = self._clock() - self._all_at, self._standing == standing
        if same and since < UNCHANGED:
            return
        if since >= (UNCHANGED if same else MOVING) or (self._kind not in (None, kind)) or gives_up is None:
            lines = _with_end(lines, gives_up)
            self._all_at = self._clock()
        else:
            lines = lines[:_NUMBERS]
        self._kind, self._standing = kind, standing
        for line in lines:
            self._log.info(line)


def _with_end(lines: list[str], gives_up: datetime | None) -> list[str]:
    """Return lines, with one that says when the wait gives up before the one that says what to do next."""
    if gives_up is None:
        return lines
    end = f"Gives up at {gives_up:%Y-%m-%d %H:%M}Z"
    return [*lines[:-1], end, lines[-1]] if lines[-1].startswith("Next: ") else [*lines, end]
