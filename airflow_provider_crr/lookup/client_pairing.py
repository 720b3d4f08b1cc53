"""
Makes a boto3 client's connections keep questions and answers paired.

Each client of botocore has a session that names the classes of its connection pools. Ours derive from whatever classes
are named there, so proxies, certificates and time-outs stay botocore's. Other users of the client are served by them,
too, and notice nothing as long as each question has one answer.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any
from weakref import WeakSet

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.boto3_connection import PairingConnection
from airflow_provider_crr.lookup.boto3_pool import PairingPool, RestedQueue
from airflow_provider_crr.lookup.bounded_connections import BoundedConnection, BoundedPool, end_in_time
from airflow_provider_crr.lookup.pairing import Pairing
from airflow_provider_crr.lookup.store_headers import send_store_headers
from airflow_provider_crr.s3.fork_lock import ForkLock

_SCHEMES = ("http", "https")
#: Where a session keeps its pairing.
_NAME = "_crr_pairing"
_MAKING = ForkLock()


def is_of_boto3(client: object) -> bool:
    """Return whether a client is one of boto3, and no test double."""
    from botocore.client import BaseClient

    base: type[Any] = BaseClient
    return isinstance(client, base)


def pairing_of(client: Any) -> Pairing:
    """
    Make a client's connections keep questions and answers paired, once, and return what is known of its endpoints.

    :param client: a boto3 S3 client; anything else, such as a test double, is left as it is.
    :raises LookupFailed: if this botocore keeps its connections elsewhere, because then no answer could be trusted.
    """
    if not is_of_boto3(client):
        return Pairing()
    try:
        session = client._endpoint.http_session
        found: Pairing | None = vars(session).get(_NAME)
        if found is not None:
            return found
        with _MAKING:
            if _NAME not in vars(session):  # no other thread was faster
                _pair(client, session)
            pairing: Pairing = vars(session)[_NAME]
    except (AttributeError, KeyError, TypeError) as error:
        raise LookupFailed(
            f"cannot match answers to requests: this botocore keeps its connections elsewhere ({error})",
            remedy="Install an older botocore, or a newer apache-airflow-provider-crr",
        ) from error
    return pairing


def _pair(client: Any, session: Any) -> None:
    pairing = Pairing()
    send_store_headers(client, pairing)
    end_in_time(client)
    pools: WeakSet[Any] = WeakSet()
    bound = (pairing, pools, session)
    ours = {scheme: partial(_pool(session._pool_classes_by_scheme[scheme]), *bound) for scheme in _SCHEMES}  # type: ignore[misc]
    session._pool_classes_by_scheme.update(ours)
    for manager in (session._manager, *session._proxy_managers.values()):
        manager.pool_classes_by_scheme = session._pool_classes_by_scheme
        # Requests that are under way through the pools of before go on with them.
        manager.pools = type(manager.pools)()
    session._manager.pools = _closing(type(session._manager.pools))()  # type: ignore[arg-type]
    session._manager.pools.opened = pools
    setattr(session, _NAME, pairing)  # last, for other threads may use it from now on


@cache
def _pool(base: type[Any]) -> type[Any]:
    """Return a pool like ``base``, whose connections pair questions and answers."""
    connection_class = type("PairingConnection", (PairingConnection, BoundedConnection, base.ConnectionCls), {})
    return type(
        "PairingPool", (PairingPool, BoundedPool, base), {"ConnectionCls": connection_class, "QueueCls": RestedQueue}
    )


@cache
def _closing(base: type[Any]) -> type[Any]:
    """Return a container of pools like ``base`` that closes all pools of the client when the client is closed."""

    def clear(self: Any) -> None:
        # By itself a pool keeps its connections open as long as the error of an abandoned request refers to it.
        base.clear(self)
        for pool in list(self.opened):
            pool.close()

    return type("ClosingPools", (base,), {"clear": clear})
