"""The connections of one sweep: opened as they are needed, kept while it lasts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

#: Connections at once: what S3's 5,500 HEADs a second for a prefix need at 23 ms each.
CONNECTIONS = 128
#: Connections that may be opened at the same time: a handshake costs more than many HEADs.
OPENING = 32


class Endpoint(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


class Connections:
    """
    A pool. Not thread-safe: all of it is used by the thread that sweeps.

    :param connect: opens a connection; its callers' callbacks may run in other threads.
    """

    def __init__(self, connect: Callable[[Endpoint], Future[Any]]) -> None:
        self._connect = connect
        self._idle: dict[Endpoint, deque[Any]] = {}
        self._used: set[Any] = set()
        self._opening = 0

    def take(self, endpoint: Endpoint) -> Any:
        """Return an idle connection, or None."""
        idle = self._idle.get(endpoint)
        while idle:
            connection = idle.pop()  # the one used last is the least likely to be closed by S3
            if connection.is_open():
                self._used.add(connection)
                return connection
        return None

    def open(self, endpoint: Endpoint) -> Future[Any] | None:
        """Return a connection to be, which :meth:`opened` must be told of; None if there may be no more."""
        if self._opening >= OPENING:
            return None
        if self._opening + len(self._used) + sum(map(len, self._idle.values())) >= CONNECTIONS:
            unused = next((idle for idle in self._idle.values() if idle), None)
            if unused is None:
                return None
            unused.popleft().close()
        self._opening += 1
        return self._connect(endpoint)

    def opened(self, future: Future[Any]) -> Any:
        """Return the connection, in use; raises what kept it from being opened."""
        self._opening -= 1
        connection = future.result()
        self._used.add(connection)
        return connection

    def give_back(self, endpoint: Endpoint, connection: Any, *, usable: bool) -> None:
        """Take back what :meth:`take` or :meth:`opened` gave."""
        self._used.discard(connection)
        if usable:
            self._idle.setdefault(endpoint, deque()).append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close all; what is under way on them ends with an error."""
        for connection in [*self._used, *(each for idle in self._idle.values() for each in idle)]:
            connection.close()
        self._used.clear()
        self._idle.clear()
