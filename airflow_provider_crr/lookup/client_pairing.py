"""
A boto3 client, made to hold question and answer together.

botocore lets its session name the classes of its connection pools, for each client. Ours derive from whatever is named
there: proxies, certificates and time-outs stay botocore's. Whoever else uses the client is served by them too, and
notices nothing as long as there is one answer to a question.
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


def pairing_of(client: Any) -> Pairing:
    """
    Make the client's connections hold question and answer together, once, and return what is known of its endpoints.

    :param client: a boto3 S3 client; what stands in the place of one is left as it is.
    :raises LookupFailed: if this botocore keeps its connections elsewhere, for then no answer could be believed.
    """
    from botocore.client import BaseClient

    base: type[Any] = BaseClient
    if not isinstance(client, base):
        return Pairing()
    try:
        session = client._endpoint.http_session
        found: Pairing | None = vars(session).get(_NAME)
        if found is not None:
            return found
        with _MAKING:
            if _NAME not in vars(session):  # nobody else was faster
                _pair(client, session)
            pairing: Pairing = vars(session)[_NAME]
    except (AttributeError, KeyError, TypeError) as error:
        raise LookupFailed(
            f"cannot tell whose answer is whose: this botocore keeps its connections elsewhere ({error})",
            remedy="Install an older botocore, or a newer apache-airflow-provider-crr",
        ) from error
    return pairing


def _pair(client: Any, session: Any) -> None:
    pairing = Pairing()
    send_store_headers(client, pairing)
    end_in_time(client)
    pools: WeakSet[Any] = WeakSet()
    ours = {scheme: _bound(session._pool_classes_by_scheme[scheme], pairing, pools) for scheme in _SCHEMES}
    session._pool_classes_by_scheme.update(ours)
    for manager in (session._manager, *session._proxy_managers.values()):
        manager.pool_classes_by_scheme = session._pool_classes_by_scheme
        # Whoever uses one of the others goes on with it.
        manager.pools = type(manager.pools)()
    session._manager.pools = _closing(type(session._manager.pools))()  # type: ignore[arg-type]
    session._manager.pools.opened = pools
    setattr(session, _NAME, pairing)  # last: whoever finds it finds all of it


def _bound(base: type[Any], pairing: Pairing, pools: WeakSet[Any]) -> Any:
    return partial(_pool(base), pairing, pools)  # type: ignore[misc, arg-type]


@cache
def _pool(base: type[Any]) -> type[Any]:
    """Return a pool like ``base``, whose connections pair questions and answers."""
    connection_class = type("PairingConnection", (PairingConnection, BoundedConnection, base.ConnectionCls), {})
    return type(
        "PairingPool", (PairingPool, BoundedPool, base), {"ConnectionCls": connection_class, "QueueCls": RestedQueue}
    )


@cache
def _closing(base: type[Any]) -> type[Any]:
    """Return a container of pools like ``base``: closing the client clears it, and it closes all of the client's."""

    def clear(self: Any) -> None:
        # Else a pool keeps its connections open as long as an error of a request that was given up refers to it.
        base.clear(self)
        for pool in list(self.opened):
            pool.close()

    return type("ClosingPools", (base,), {"clear": clear})
