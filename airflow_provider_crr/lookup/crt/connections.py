"""The connections of one asker: opened as they are needed, left to rest after each answer, closed at its end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from heapq import heappop, heappush
from itertools import count
from math import ceil
from typing import Any

from airflow_provider_crr.lookup.pairing import LONG_IDLE, Endpoint, Exchange, Pairing

#: Connections that may have a request under way. S3 answers 5,500 HEADs a second for a prefix, which takes as many
#: connections at 23 ms for a HEAD.
CONNECTIONS = 128
#: Connections in all, with those that rest. A rest lasts about as long as the slower answers take.
_MOST = 3 * CONNECTIONS
#: Connections that may be opened at the same time: a handshake costs more than many HEADs.
OPENING = 32
#: Rests end at multiples of so many seconds, so that the asker wakes once for many of them.
_TICK = 0.005
#: The runtime's error for bytes that nobody asked for; it closes the connection then.
_SURPLUS = "AWS_ERROR_INVALID_STATE"


class _Use:
    """
    How a connection was used last.

    The runtime calls it back at the connection's end. It does not refer to the connection, which is released only when
    nothing refers to it.
    """

    __slots__ = ("answered_at", "exchange", "waits")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.answered_at = 0.0
        #: Whether a question is under way.
        self.waits = False

    def asks(self) -> None:
        """Note a question."""
        self.waits = True

    def answers(self) -> None:
        """Note its answer."""
        self.waits, self.answered_at = False, time.monotonic()

    def ended(self, shutdown: Future[Any]) -> None:
        """
        Convict an endpoint that sent what nobody asked for; called in the runtime's thread.

        On a connection that was idle for long that is no offence: some proxies send 408 before they close it.
        """
        idle = not self.waits and time.monotonic() - self.answered_at >= LONG_IDLE
        if getattr(shutdown.exception(), "name", "") == _SURPLUS and not idle:
            self.exchange.convict()


class Connection:
    """
    One connection.

    :param native: the runtime's own object.
    :param endpoint: where it leads.
    :param exchange: how this endpoint answers.
    """

    __slots__ = ("answers", "endpoint", "exchange", "native", "rests_until", "use")

    def __init__(self, native: Any, endpoint: Endpoint, exchange: Exchange) -> None:
        self.native = native
        self.endpoint = endpoint
        self.exchange = exchange
        self.answers = 0
        self.rests_until = 0.0
        self.use = _Use(exchange)
        native.shutdown_future.add_done_callback(self.use.ended)

    def is_clean(self) -> bool:
        """Return whether each question on it had exactly one answer, as far as can be seen by now."""
        return not self.exchange.convicted and bool(self.native.is_open())

    def is_usable(self) -> bool:
        """Return whether its time to be used again has come; it must be clean, too."""
        return self.exchange.usable_at(self.use.answered_at, self.rests_until) <= time.monotonic()


class Connections:
    """
    A pool, which the caller opens connections for. Not thread-safe: the thread that asks uses it alone.

    :param pairing: what is known of the endpoints.
    """

    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        #: Connections that have rested, by endpoint: the endpoint that was used longest ago is the first, and so is the
        #: connection that rested longest.
        self._idle: dict[Endpoint, deque[Connection]] = {}
        #: Connections that rest: until when, in which order they were added, and which.
        self._resting: list[tuple[float, int, Connection]] = []
        self._order = count()
        #: Connections that have a question under way.
        self._used: set[Connection] = set()
        #: How many connections are being opened.
        self._opening = 0

    def __repr__(self) -> str:
        idle = sum(map(len, self._idle.values()))
        return f"connections: opening={self._opening} used={len(self._used)} resting={len(self._resting)} idle={idle}"

    def take(self, endpoint: Endpoint) -> Connection | None:
        """Return an idle connection, which is in use from now on; None if none may be used."""
        idle = self._idle.get(endpoint)
        while idle and not self._are_all_used():
            connection = idle[0]  # the one that rested longest
            clean = connection.is_clean()
            if clean and not connection.is_usable():
                return None
            idle.popleft()
            if not idle:
                del self._idle[endpoint]
            if clean:
                connection.exchange.note_quiet(connection.use.answered_at)
                self._used.add(connection)
                return connection
            connection.native.close()
        return None

    def reserve(self) -> bool:
        """Count a connection that the caller opens, and hands to :meth:`opened`; False if there may be no more."""
        if self._opening >= OPENING or self._are_all_used():
            return False
        if self._are_too_many():
            self._drop_useless()
            if self._are_too_many() and not self._drop_one():
                return False
        self._opening += 1
        return True

    def _are_too_many(self) -> bool:
        idle = sum(map(len, self._idle.values()))
        return self._opening + len(self._used) + len(self._resting) + idle >= _MOST

    def _drop_useless(self) -> None:
        """Drop the idle connections that nothing can be asked on, such as those that the endpoint has closed."""
        for endpoint, idle in list(self._idle.items()):
            for connection in [each for each in idle if not each.is_clean()]:
                self._drop(endpoint, connection)

    def _drop_one(self) -> bool:
        """Drop an idle connection to the endpoint that was used longest ago; return False if none is idle."""
        for endpoint, idle in self._idle.items():
            self._drop(endpoint, idle[-1])  # the latest: older ones show more of how an endpoint answers
            return True
        return False

    def _drop(self, endpoint: Endpoint, connection: Connection) -> None:
        idle = self._idle[endpoint]
        idle.remove(connection)
        if not idle:
            del self._idle[endpoint]
        connection.native.close()

    def unreserve(self) -> None:
        """Take back what :meth:`reserve` counted: the connection is not opened after all."""
        self._opening -= 1

    def _are_all_used(self) -> bool:
        return self._opening + len(self._used) >= CONNECTIONS

    def opened(self, endpoint: Endpoint, future: Future[Any]) -> Connection:
        """Return a connection that was opened, which is in use from now on; raise what kept it from being opened."""
        self._opening -= 1
        connection = Connection(future.result(), endpoint, self._pairing.at(endpoint))
        self._used.add(connection)
        return connection

    def answered(self, connection: Connection, sent_at: float, came_at: float, request_id: str | None) -> bool | None:
        """
        Take back a connection that gave an answer, and return whether the answer is its question's.

        :param connection: the connection, which rests now if it may be used again.
        :param sent_at: when the question was sent, by ``time.monotonic``.
        :param came_at: when the answer came.
        :param request_id: the answer's ``x-amz-request-id``.
        :return: False if it may be another question's; None if :meth:`rested` will tell.
        """
        connection.answers += 1
        connection.use.answers()
        is_first, exchange = connection.answers == 1, connection.exchange
        until = exchange.rest_until(sent_at, came_at)
        repeats = exchange.repeats(request_id, is_first=is_first)
        if exchange.convicted or repeats:
            self.give_back(connection, usable=False)
            return is_first
        self._used.discard(connection)
        connection.rests_until = until = ceil(until / _TICK) * _TICK
        heappush(self._resting, (until, next(self._order), connection))
        return True if is_first else None

    def rested(self) -> Iterator[tuple[Connection, bool]]:
        """Yield each connection whose rest has ended, and whether nothing followed its latest answer."""
        while self._resting and self._resting[0][0] <= time.monotonic():
            connection = heappop(self._resting)[2]
            clean = connection.is_clean()
            self.give_back(connection, usable=clean)
            yield connection, clean

    def until_rested(self) -> float | None:
        """Return the seconds until the next rest ends; None if none rests."""
        return max(0.0, self._resting[0][0] - time.monotonic()) if self._resting else None

    def give_back(self, connection: Connection, *, usable: bool) -> None:
        """Take back what :meth:`take` or :meth:`opened` gave."""
        self._used.discard(connection)
        if usable:
            idle = self._idle.pop(connection.endpoint, deque())
            idle.append(connection)
            self._idle[connection.endpoint] = idle  # the last one, because it was used just now
        else:
            connection.native.close()

    def close(self) -> None:
        """Close all; requests that are under way on them end with an error."""
        idle = (each for idle in self._idle.values() for each in idle)
        for connection in [*self._used, *idle, *(resting[2] for resting in self._resting)]:
            connection.native.close()
        self._used.clear()
        self._idle.clear()
        self._resting.clear()
