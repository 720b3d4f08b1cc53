"""
One thread of this process, which looks ten times a second at what other threads wait for.

It starts with the first thing to look at, and ends soon after the last. A forked process has one of its own.
"""

from __future__ import annotations

import logging
import os
import time
from threading import Condition, Thread
from typing import Protocol

log = logging.getLogger(__name__)

#: Seconds between two looks, and seconds without anything to look at after which the thread ends.
TICK = 0.1
_IDLE = 1.0


class Ticking(Protocol):
    """What is looked at."""

    def tick(self) -> None:
        """Do what is due; called again and again by one thread, so it must not wait."""


class Ticker:
    """Looks at things that are added, until they are removed."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._changed = Condition()
        self._all: set[Ticking] = set()
        self._thread: Thread | None = None

    def add(self, each: Ticking) -> None:
        """
        Look at something from now on.

        :param each: what is looked at; adding it twice is adding it once.
        """
        with self._changed:
            self._all.add(each)
            if self._thread is None:
                thread = Thread(target=self._run, name="crr-ticker", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify_all()

    def remove(self, each: Ticking) -> None:
        """
        Do not look at something any more; a look that has begun may still go on.

        :param each: what was added; harmless if it was not.
        """
        with self._changed:
            self._all.discard(each)

    def _run(self) -> None:
        while self._has_something():
            time.sleep(TICK)
            self._look()

    def _look(self) -> None:
        with self._changed:
            due = list(self._all)
        for each in due:
            try:
                each.tick()
            except Exception:  # one of them must not end the looking at all others
                log.debug("cannot look at %r", each, exc_info=True)

    def _has_something(self) -> bool:
        """Return whether there is something to look at; wait for it a while, and end the thread if nothing comes."""
        with self._changed:
            if self._changed.wait_for(lambda: self._all, _IDLE):
                return True
            self._thread = None
            return False


#: That of this process.
TICKER = Ticker()
