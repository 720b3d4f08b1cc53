"""
Connections of the runtime with TLS. boto3 decides which servers to trust, so it makes a handshake first.

The two differ about certificates. The runtime takes an intermediate authority for a root, which OpenSSL does not.
OpenSSL knows kinds of keys that the runtime does not, such as Ed25519. And where the runtime refuses a certificate, it
reports that 10 to 30 seconds later ("Blinding" in s2n-tls's usage guide). So where boto3 gets no connection the runtime
opens none, and where the runtime gets none in time boto3 is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any
from weakref import ref

from airflow_provider_crr.lookup.pairing import Endpoint, Pairing

#: Seconds that boto3's handshake may take. After them boto3 is used, which has time-outs of its own.
_SHAKING = 5.0
#: Seconds that the runtime's handshake may take at least; and how many times as long as boto3's it may take.
_LEAST, _TIMES = 2.0, 4.0
#: Seconds for which a client remembers how the handshakes with an endpoint ended.
_KNOWN = 600.0
#: Seconds for which boto3 is used where the runtime gets no connection for another reason than TLS.
_REFUSED = 10.0


class AskBoto3(Exception):
    """The runtime gets no connection. boto3 is to be used, and tells what is wrong if it gets none either."""


class _Opening(Future[Any]):
    """A connection that is being opened, and until when it is waited for."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint
        #: Whether boto3 trusts the endpoint, so that the runtime opens the connection now.
        self.is_trusted = False
        self.until = time.monotonic() + _SHAKING

    def fail(self, why: object) -> None:
        """End it without a connection, unless it has ended already."""
        with suppress(InvalidStateError):
            self.set_exception(AskBoto3(str(why)))


class Handshakes:
    """
    Opens the connections of one asker. Nothing here waits; what is returned may end in another thread.

    :param pairing: what the client knows of the endpoints.
    :param shake: makes a handshake as boto3 does, or raises.
    :param connect: opens a connection of the runtime.
    """

    def __init__(
        self, pairing: Pairing, shake: Callable[[Endpoint], None], connect: Callable[[Endpoint], Future[Any]]
    ) -> None:
        self._pairing = pairing
        self._shake = shake
        self._connect = connect
        #: boto3's handshakes that are under way; each ends with the seconds that it took.
        self._shaken: dict[Endpoint, Future[float]] = {}
        #: Connections that are waited for.
        self._openings: set[_Opening] = set()
        #: Connections that the runtime is still opening, also those that nobody waits for any more.
        self._natives: set[Future[Any]] = set()

    def refuses(self, endpoint: Endpoint) -> bool:
        """Return whether the runtime gets no connection there."""
        return time.monotonic() < self._pairing.at(endpoint).refused_until

    def open(self, endpoint: Endpoint) -> Future[Any]:
        """Return a future connection; it ends with :class:`AskBoto3` if there is none in time."""
        opening = _Opening(endpoint)
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)  # type: ignore[arg-type]
        if time.monotonic() < self._pairing.at(endpoint).trusted_until:
            self._open(opening, 0.0)
        else:
            # By a weak reference: the handshake may last, and would keep an opening alive that was given up.
            self._shaking(endpoint).add_done_callback(partial(self._go_on, ref(opening)))
        return opening

    def expire(self) -> None:
        """Give up the connections that take too long to open."""
        now = time.monotonic()
        for opening in [each for each in list(self._openings) if each.until < now]:
            self._refuse(opening.endpoint, _KNOWN if opening.is_trusted else _REFUSED)
            opening.fail("no handshake in time")

    def close(self) -> bool:
        """Give up all connections that are being opened; return whether the runtime goes on opening some."""
        for opening in list(self._openings):
            opening.fail("the sweep has ended")
        return bool(self._natives)

    def _refuse(self, endpoint: Endpoint, seconds: float) -> None:
        exchange = self._pairing.at(endpoint)
        exchange.refused_until = max(exchange.refused_until, time.monotonic() + seconds)

    def _shaking(self, endpoint: Endpoint) -> Future[float]:
        shaken = self._shaken.get(endpoint)
        if shaken is None or shaken.done():
            self._shaken = {each: shaken for each, shaken in self._shaken.items() if not shaken.done()}
            shaken = self._shaken[endpoint] = Future()
            # It may last as long as boto3's connect_timeout; as a daemon it does not hold up the end of the process.
            Thread(target=_shake, args=(self._shake, endpoint, shaken), name="s3-handshake", daemon=True).start()
        return shaken

    def _go_on(self, kept: ref[_Opening], shaken: Future[float]) -> None:
        opening = kept()
        if opening is None:  # it was given up
            return
        if error := shaken.exception():
            self._refuse(opening.endpoint, _REFUSED)
            opening.fail(error)
            return
        self._pairing.at(opening.endpoint).trusted_until = time.monotonic() + _KNOWN
        self._open(opening, shaken.result())

    def _open(self, opening: _Opening, took: float) -> None:
        if opening.done():
            return
        opening.until = time.monotonic() + max(_LEAST, _TIMES * took)
        opening.is_trusted = True
        try:
            native = self._connect(opening.endpoint)
        except Exception as error:  # such as a file of authorities that was changed since
            self._refuse(opening.endpoint, _REFUSED)
            opening.fail(error)
            return
        self._natives.add(native)
        native.add_done_callback(partial(self._opened, opening))

    def _opened(self, opening: _Opening, native: Future[Any]) -> None:
        self._natives.discard(native)
        error = native.exception()
        if error:
            if str(getattr(error, "name", "")).startswith("AWS_IO_TLS"):
                self._refuse(opening.endpoint, _KNOWN)
            opening.fail(error)
            return
        try:
            opening.set_result(native.result())
        except InvalidStateError:  # it was given up
            native.result().close()


def shake_hands(client: Any, endpoint: Endpoint) -> None:
    """
    Make sure that a boto3 client can open a connection with TLS; the connection is left to the client's pool.

    A connection that is idle in the pool proves the same.

    :param client: a boto3 S3 client.
    :param endpoint: where the connection leads.
    """
    session = client._endpoint.http_session
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    url = f"{endpoint.scheme}://{host}:{endpoint.port}"
    pool = session._manager.connection_from_url(url)
    session._setup_ssl_cert(pool, url, session._verify)
    connection = pool._get_conn()
    try:
        connection.timeout = pool.timeout.connect_timeout
        pool._validate_conn(connection)
    except BaseException:
        connection.close()
        raise
    finally:
        pool._put_conn(connection)


def _shake(shake: Callable[[Endpoint], None], endpoint: Endpoint, shaken: Future[float]) -> None:
    started = time.monotonic()
    try:
        shake(endpoint)
    except BaseException as error:
        shaken.set_exception(error)
    else:
        shaken.set_result(time.monotonic() - started)
