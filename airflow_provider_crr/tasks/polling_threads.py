"""
The few threads of a triggerer in which all gates, report sensors and watchers poll.

A poll is taken in steps. While a step waits for what it yielded, its thread takes the steps of others, first come,
first served. So a thousand gates need no thousand threads.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Hashable
from functools import partial
from itertools import takewhile
from threading import Condition, Event, Thread
from typing import Any

from airflow_provider_crr.replication.source import Later, Steps
from airflow_provider_crr.s3.ticker import TICKER
from airflow_provider_crr.tasks.turns import State, Turns

log = logging.getLogger(__name__)

#: How many threads there are while there is enough to do, and at most: those that are held up for long do not count.
FEWEST, MOST = 2, 12
#: Seconds after which a thread counts as held up for long by its step, and how many threads there are at most with
#: those.
_LONG, MOST_IN_ALL = 2.0, 64
#: How many of them one key, such as a connection, may hold at once: one that hangs holds up no other. Only one while
#: there are more than :data:`MOST`, so that it takes very many that hang to use up all threads.
MOST_OF_ONE = 3
#: Seconds for which every thread must be held up by its step until there is another thread.
_HELD_UP = 0.05
#: Seconds without a step after which a thread ends.
_IDLE = 1.0


class PollingThreads:
    """The threads. They start when there is something to do; a forked process has its own."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._changed = Condition()
        self._queue: deque[Turns] = deque()
        #: Those whose connection holds as many threads as it may.
        self._held: dict[Hashable, deque[Turns]] = {}
        self._running: Counter[Hashable] = Counter()
        #: The threads that take a step, and since when: the first has done so longest.
        self._since: dict[object, float] = {}
        self._threads = self._idle = 0
        self._taken_at = 0.0

    def begin(self, steps: Steps[Any], *, key: Hashable, stop: Event) -> Turns:
        """
        Go through steps, beginning now.

        :param steps: the steps.
        :param key: which connection they use.
        :param stop: see :class:`.Turns`.
        """
        turns = Turns(steps, key, stop)
        with self._changed:
            self._enqueue(turns)
        return turns

    def wake(self, turns: Turns) -> None:
        """Take the next step, though what it waits for has not come: its time is up."""
        with self._changed:
            if turns.state is State.WAITING:
                self._enqueue(turns)

    def drop(self, turns: Turns) -> None:
        """Give steps up: they are stopped, and closed by one of the threads. This does not wait for that."""
        turns.stop.set()
        with self._changed:
            turns.dropped = True
            if turns.state is State.WAITING:
                self._enqueue(turns)

    def leave_behind(self, turns: Turns) -> None:
        """Give up steps of which one does not end: its thread counts no more, and another may take its place."""
        self.drop(turns)
        with self._changed:
            if turns.state is State.RUNNING and turns.thread is not None:
                self._threads -= 1
                self._free(turns)
                self._hire()

    def tick(self) -> None:
        """Start another thread if all are held up while something waits."""
        with self._changed:
            if not self._queue:
                TICKER.remove(self)
            elif not self._idle and self._may_start() and time.monotonic() - self._taken_at > _HELD_UP:
                self._start()

    def _enqueue(self, turns: Turns) -> None:
        turns.state, turns.later = State.QUEUED, None
        self._queue.append(turns)
        self._hire()

    def _hire(self) -> None:
        """See that somebody takes what is queued."""
        if self._idle:
            self._changed.notify()
        if len(self._queue) > self._idle:
            if self._threads < FEWEST:
                self._start()
            TICKER.add(self)

    def _may_start(self) -> bool:
        return self._threads < MOST_IN_ALL and self._threads - self._held_up() < MOST

    def _held_up(self) -> int:
        """Return how many threads are held up for long."""
        before = time.monotonic() - _LONG
        return sum(1 for _ in takewhile(lambda since: since < before, self._since.values()))

    def _start(self) -> None:
        try:
            Thread(target=self._work, name="crr-poller", daemon=True).start()
        except RuntimeError:  # the system has no more of them just now; the next tick tries again
            log.debug("cannot start a thread", exc_info=True)
        else:
            self._threads += 1
            self._taken_at = time.monotonic()

    def _work(self) -> None:
        me = object()
        while (turns := self._take(me)) is not None:
            later = turns.step()
            stays = self._give_back(turns, later, me)
            if later is not None and turns.later is later:
                later.then(partial(self._came, turns, later))
            if not stays:
                return
            del turns, later  # held no longer than needed

    def _take(self, me: object) -> Turns | None:
        """Return what is to be done next; None if there was nothing for a while, and the thread is to end."""
        with self._changed:
            while (turns := self._first()) is None:
                self._idle += 1
                came = self._changed.wait(_IDLE)
                self._idle -= 1
                if not came and not self._queue:
                    self._threads -= 1
                    return None
            turns.state, turns.thread = State.RUNNING, me
            self._running[turns.key] += 1
            self._taken_at = self._since[me] = time.monotonic()
            return turns

    def _first(self) -> Turns | None:
        while self._queue:
            turns = self._queue.popleft()
            if self._may_have(turns.key):
                return turns
            self._held.setdefault(turns.key, deque()).append(turns)
        return None

    def _give_back(self, turns: Turns, later: Later | None, me: object) -> bool:
        """Note that a step ended; return whether the thread stays, as one that is left behind does not."""
        with self._changed:
            stays = turns.thread is me
            if stays:
                self._free(turns)
                if self._threads - self._held_up() > MOST:  # it was held up for long, and others came for it
                    self._threads, stays = self._threads - 1, False
            if later is None:
                turns.state = State.ENDED
            elif turns.dropped:
                self._enqueue(turns)  # to be closed
            else:
                turns.state, turns.later = State.WAITING, later
            return stays

    def _came(self, turns: Turns, later: Later) -> None:
        with self._changed:
            if turns.later is later:
                self._enqueue(turns)

    def _may_have(self, key: Hashable) -> bool:
        """Return whether a key may have another thread."""
        return self._running[key] < (MOST_OF_ONE if self._threads <= MOST else 1)

    def _free(self, turns: Turns) -> None:
        """Take a thread from its step, and let the key have another."""
        key = turns.key
        del self._since[turns.thread]
        turns.thread = None
        self._running[key] -= 1
        held = self._held.get(key)
        if held and self._may_have(key):
            self._queue.appendleft(held.popleft())  # it came before all that are queued
            if not held:
                del self._held[key]
        if not self._running[key]:
            del self._running[key]


#: Those of this process.
POLLING = PollingThreads()
