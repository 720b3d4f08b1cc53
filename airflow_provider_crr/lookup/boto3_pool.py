"""A pool of urllib3 whose connections pair questions and answers."""

from __future__ import annotations

from queue import LifoQueue
from typing import Any
from weakref import WeakSet

from airflow_provider_crr.lookup.held_connections import held_connections, on_a_fresh_connection, wants_fresh
from airflow_provider_crr.lookup.http_answers import Doubtful
from airflow_provider_crr.lookup.own_faults import raise_for_target
from airflow_provider_crr.lookup.pairing import Endpoint, Pairing


class RestedQueue(LifoQueue):  # type: ignore[type-arg]
    """The idle connections of a pool, the one that rested longest first, and None for each that may still be opened."""

    queue: list[Any]

    def _get(self) -> Any:
        chosen = self._longest_idle()
        if chosen is not None and None in self.queue and chosen.is_sooner_replaced():
            chosen = None
        self.queue.remove(chosen)
        return chosen

    def is_on_probation(self) -> bool:
        """Return whether all are open, the endpoint is on probation, and a new one could be used sooner than any."""
        with self.mutex:
            chosen = None if None in self.queue else self._longest_idle()
            return chosen is not None and not chosen.exchange.is_trusted and chosen.is_sooner_replaced()

    def _longest_idle(self) -> Any:
        idle = (connection for connection in self.queue if connection is not None)
        return min(idle, key=lambda each: each.answered_at, default=None)


class PairingPool:
    """
    Mixed into a pool of urllib3: gives out and takes back connections so that questions and answers stay paired.

    :param pairing: what the client knows of its endpoints.
    :param pools: to which the pool adds itself.
    :param session: the client's session of botocore.
    """

    def __init__(
        self,
        pairing: Pairing,
        pools: WeakSet[Any],
        session: Any,
        host: str,
        port: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(host, port, **kwargs)  # type: ignore[call-arg]
        self._session = session
        pools.add(self)  # a proxy's pools, too, although their manager is made only when it is used
        self.exchange = pairing.at(Endpoint(self.scheme, host.strip("[]"), port or 0))  # type: ignore[attr-defined]

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]
        connection.exchange = self.exchange
        if self.scheme == "https":  # type: ignore[attr-defined]
            # Whenever it connects, urllib3 loads certificates into the context, which botocore has all threads share.
            # OpenSSL forbids that (SSL_CTX_new(3), description): handshakes fail, or the process ends by SIGSEGV.
            connection.ssl_context = self._session._get_ssl_context()
            to_proxy = getattr(connection, "proxy_config", None)
            if to_proxy is not None and to_proxy.ssl_context is not None:
                context = self._session._setup_proxy_ssl_context(self.proxy.url)  # type: ignore[attr-defined]
                connection.proxy_config = to_proxy._replace(ssl_context=context)
        return connection

    def _get_conn(self, *args: Any, **kwargs: Any) -> Any:
        if self.pool is not None and self.pool.is_on_probation():  # type: ignore[attr-defined]
            return self._new_conn()  # beside the pool
        connection = super()._get_conn(*args, **kwargs)  # type: ignore[misc]
        if connection.sock is not None and (wants_fresh() or not connection.may_be_used_again()):
            connection.close()  # opens again when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        held = held_connections()
        is_open = connection is not None and connection.sock is not None
        if is_open and connection.is_followed_by_bytes():
            connection.close()
            self._return(None)  # the pool may open another; this one is referred to by its answer
            connection.refuse_unless_first()
        elif is_open and held is not None:
            held.hold(self, connection)
        else:
            self._return(connection)

    def _return(self, connection: Any) -> None:
        if connection is not None and (self.pool is None or self.pool.full()):  # type: ignore[attr-defined]
            connection.close()  # it was opened beside the pool, and urllib3 would warn of it
        else:
            super()._put_conn(connection)  # type: ignore[misc]

    def take_back(self, connection: Any) -> None:
        """Take back a connection that was held."""
        if self.exchange.convicted:
            connection.close()
        else:
            self._return(connection)

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; once more on a fresh connection if the answer may belong to another question."""
        from urllib3.exceptions import ProtocolError

        raise_for_target(kwargs.get("url") or args[1])
        kwargs["enforce_content_length"] = True  # else botocore 1.44 takes a body that was cut off
        try:
            return super().urlopen(*args, **kwargs)  # type: ignore[misc]
        except ProtocolError as error:
            if not any(isinstance(each, Doubtful) for each in error.args):
                raise
        with on_a_fresh_connection():
            return super().urlopen(*args, **kwargs)  # type: ignore[misc]
