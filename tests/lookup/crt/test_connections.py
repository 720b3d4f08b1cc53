"""Which connections a pool keeps, and which it drops to open others. Nothing is sent: the runtime's are stand-ins."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from airflow_provider_crr.lookup.crt.connections import _MOST, Connection, Connections
from airflow_provider_crr.lookup.pairing import Endpoint, Pairing

BUSY = Endpoint("https", "busy", 443)


class Native:
    """A connection of the runtime, which the far end closes when the test says so."""

    def __init__(self) -> None:
        self.shutdown_future: Future[Any] = Future()
        self.open = True

    def is_open(self) -> bool:
        return self.open

    def close(self) -> None:
        self.open = False


def opened(connections: Connections, endpoint: Endpoint) -> Connection:
    """Open a connection, which is in use."""
    assert connections.reserve()
    future: Future[Any] = Future()
    future.set_result(Native())
    return connections.opened(endpoint, future)


def idle(connections: Connections, endpoint: Endpoint, count: int = 1) -> list[Connection]:
    """Open connections and leave them idle."""
    found = [opened(connections, endpoint) for _ in range(count)]
    for each in found:
        connections.give_back(each, usable=True)
    return found


def old(number: int) -> Endpoint:
    return Endpoint("https", f"old{number}", 443)


def live(found: list[Connection]) -> int:
    return sum(each.native.open for each in found)


def test_closed_connections_make_room_before_live_ones() -> None:
    """Where a pool is full of connections that S3 has closed, these are dropped, and no live one is."""
    connections = Connections(Pairing())
    busy = idle(connections, BUSY, 20)
    for number in range(_MOST - 20):
        for each in idle(connections, old(number)):
            each.native.close()
    new = [idle(connections, Endpoint("https", f"new{number}", 443))[0] for number in range(50)]
    assert live(busy) == 20
    assert live(new) == 50
    assert repr(connections) == "connections: opening=0 used=0 resting=0 idle=70"


def test_connections_to_what_was_used_longest_ago_make_room() -> None:
    """Where all connections are live, an endpoint that is asked now keeps its own, however early it was known."""
    connections = Connections(Pairing())
    busy = idle(connections, BUSY, 20)
    others = [idle(connections, old(number))[0] for number in range(_MOST - 20)]
    taken = connections.take(BUSY)
    assert taken
    connections.give_back(taken, usable=True)
    for number in range(30):
        idle(connections, Endpoint("https", f"new{number}", 443))
    assert live(busy) == 20
    assert [each.native.open for each in others] == [False] * 30 + [True] * (len(others) - 30)


def test_an_endpoint_without_connections_is_forgotten() -> None:
    """What is remembered of idle connections does not grow with the endpoints that were ever asked."""
    connections = Connections(Pairing())
    for number in range(5 * _MOST):
        idle(connections, old(number))
    assert len(connections._idle) == _MOST
