"""What a client remembers of its endpoints, of which each bucket may have one of its own, is bounded."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from airflow_provider_crr.lookup.crt.handshakes import AskBoto3, Handshakes
from airflow_provider_crr.lookup.pairing import _MOST, Endpoint, Pairing, RecentIds


def endpoint(number: int) -> Endpoint:
    return Endpoint("https", f"bucket-{number}.s3.eu-west-1.amazonaws.com", 443)


def test_endpoints_that_were_needed_longest_ago_are_forgotten() -> None:
    """However many are asked, some thousand are remembered, among them all that are still being asked."""
    pairing = Pairing()
    busy = [pairing.at(endpoint(-number)) for number in range(1, 11)]
    for number in range(5 * _MOST):
        pairing.at(endpoint(number))
        assert pairing.at(endpoint(-1 - number % 10)) is busy[number % 10]
    assert len(pairing._exchanges) <= _MOST


def test_an_endpoint_that_answered_twice_is_never_forgotten() -> None:
    """No connection to it is used twice, however many others are asked meanwhile."""
    pairing = Pairing()
    pairing.at(endpoint(-1)).convict()
    for number in range(2 * _MOST):
        pairing.at(endpoint(number))
    assert pairing.at(endpoint(-1)).convicted


def test_request_ids_of_an_endpoint_that_was_forgotten_are_not_those_of_another() -> None:
    """Endpoints that count their answers alike are told apart, also where one takes the other's place in memory."""
    recent, pairings = RecentIds(), []
    for _ in range(50):
        pairing = Pairing()
        pairing._recent = recent
        exchange = pairing.at(endpoint(0))
        pairings.append([exchange.repeats(f"ID{number}", is_first=number == 0) for number in range(3)])
        del pairing, exchange
    assert pairings == [[False] * 3] * 50


def shake(where: Endpoint) -> None:
    """Shake hands with every other endpoint."""
    if where.host.startswith("bucket-1"):
        raise OSError("nobody is there")


def connect(where: Endpoint) -> Future[Any]:
    """Get no connection anywhere."""
    refused: Future[Any] = Future()
    refused.set_exception(OSError("nobody is there"))
    return refused


def test_handshakes_that_ended_are_forgotten() -> None:
    """An asker remembers only the handshakes that are under way, and the latest one."""
    handshakes = Handshakes(Pairing(), shake, connect)
    for number in range(50):
        assert isinstance(handshakes.open(endpoint(number)).exception(60), AskBoto3)
    assert sum(len(each) for each in vars(handshakes).values() if isinstance(each, dict)) <= 1


def test_an_endpoint_where_boto3_gets_no_connection_is_known_to_the_client() -> None:
    """The next asker of the same client does not try it again at once."""
    pairing = Pairing()
    assert not Handshakes(pairing, shake, connect).refuses(endpoint(1))
    assert isinstance(Handshakes(pairing, shake, connect).open(endpoint(1)).exception(60), AskBoto3)
    assert Handshakes(pairing, shake, connect).refuses(endpoint(1))
