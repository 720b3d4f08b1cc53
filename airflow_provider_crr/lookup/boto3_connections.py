"""
The connections of a boto3 client, made to hold question and answer together.

botocore lets its session name the classes of its connection pools, for each client. Ours derive from whatever is named
there: proxies, certificates and time-outs stay botocore's. Whoever else uses the client is served by them too, and
notices nothing as long as there is one answer to a question.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from queue import LifoQueue
from threading import local
from typing import Any
from weakref import WeakSet

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.bounded_connections import BoundedConnection, BoundedPool, end_in_time
from airflow_provider_crr.lookup.http_answers import REPEATABLE, Doubtful, StrictResponse
from airflow_provider_crr.lookup.own_faults import raise_for_files, raise_for_target
from airflow_provider_crr.lookup.pairing import LONG_IDLE, Endpoint, Exchange, Pairing
from airflow_provider_crr.lookup.store_headers import send_store_headers
from airflow_provider_crr.s3.fork_lock import ForkLock

#: Whether this thread wants a fresh connection, and who keeps the connections that it used.
_thread = local()
_SCHEMES = ("http", "https")
#: What some proxies say on a connection that was idle for long, before they close it (RFC 9110, section 15.5.9).
_IDLE_TOO_LONG = b"HTTP/1.1 408"
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


def shake_hands(client: Any, endpoint: Endpoint) -> None:
    """
    Open a connection with TLS as a boto3 client does, and leave it to the client's pool; an idle one is as good.

    :param client: a boto3 S3 client.
    :param endpoint: where to.
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


@contextmanager
def on_a_fresh_connection() -> Iterator[None]:
    """Let this thread's requests go over connections that were not used before: their first answer is theirs."""
    before, _thread.fresh = _wants_fresh(), True
    try:
        yield
    finally:
        _thread.fresh = before


def _keeper() -> Kept | None:
    return getattr(_thread, "kept", None)


def _wants_fresh() -> bool:
    return getattr(_thread, "fresh", False)


class Kept:
    """
    The connections that a thread used, held back from their pools until it is known whether something followed.

    :param single: whether somebody waits for this one answer, rather than for many.
    """

    def __init__(self, *, single: bool) -> None:
        self.single = single
        self._held: list[tuple[Any, Any]] = []

    def hold(self, pool: Any, connection: Any) -> None:
        """Keep one."""
        self._held.append((pool, connection))

    def settle(self) -> bool:
        """Give them back, and return whether the last answer is its question's; wait until that can be said."""
        settled = True
        for pool, connection in self._held:
            settled = connection.answers == 1 or connection.stays_quiet()
            pool.take_back(connection)
        self._held.clear()
        return settled


@contextmanager
def keeping(*, single: bool) -> Iterator[Kept]:
    """
    Keep the connections that this thread's requests use; :meth:`Kept.settle` must be called.

    :param single: whether somebody waits for this one answer, rather than for many.
    """
    _thread.kept = kept = Kept(single=single)
    try:
        yield kept
    finally:
        _thread.kept = None


class _Rested(LifoQueue):  # type: ignore[type-arg]
    """The idle connections of a pool, and None for each that may still be opened; who rested longest is first."""

    queue: list[Any]

    def _get(self) -> Any:
        chosen = self._longest_idle()
        if chosen is not None and None in self.queue and chosen.is_sooner_replaced():
            chosen = None
        self.queue.remove(chosen)
        return chosen

    def is_on_probation(self) -> bool:
        """Return whether all are open, and all are to show first whether something follows their answers."""
        with self.mutex:
            chosen = None if None in self.queue else self._longest_idle()
            return chosen is not None and not chosen.exchange.is_trusted and chosen.is_sooner_replaced()

    def _longest_idle(self) -> Any:
        idle = (connection for connection in self.queue if connection is not None)
        return min(idle, key=lambda each: each.answered_at, default=None)


@cache
def _closing(base: type[Any]) -> type[Any]:
    """Return a container of pools like ``base``: closing the client clears it, and it closes all of the client's."""

    def clear(self: Any) -> None:
        # Else a pool keeps its connections open as long as an error of a request that was given up refers to it.
        base.clear(self)
        for pool in list(self.opened):
            pool.close()

    return type("ClosingPools", (base,), {"clear": clear})


@cache
def _pool(base: type[Any]) -> type[Any]:
    """Return a pool like ``base``, whose connections pair questions and answers."""
    connection_class = type("PairingConnection", (_PairingConnection, BoundedConnection, base.ConnectionCls), {})
    return type(
        "PairingPool", (_PairingPool, BoundedPool, base), {"ConnectionCls": connection_class, "QueueCls": _Rested}
    )


class _PairingPool:
    """Mixed into a pool of urllib3."""

    def __init__(
        self, pairing: Pairing, pools: WeakSet[Any], host: str, port: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(host, port, **kwargs)  # type: ignore[call-arg]
        pools.add(self)  # those of a proxy's, too, whose manager is made only when it is used
        self.exchange = pairing.at(Endpoint(self.scheme, host.strip("[]"), port or 0))  # type: ignore[attr-defined]

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]
        connection.exchange = self.exchange
        return connection

    def _get_conn(self, *args: Any, **kwargs: Any) -> Any:
        if self.pool is not None and self.pool.is_on_probation():  # type: ignore[attr-defined]
            return self._new_conn()  # beside the pool
        connection = super()._get_conn(*args, **kwargs)  # type: ignore[misc]
        if connection.sock is not None and (_wants_fresh() or not connection.may_be_used_again()):
            connection.close()  # opens anew when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        kept = _keeper()
        is_open = connection is not None and connection.sock is not None
        if is_open and connection.is_followed_by_bytes():
            connection.close()
            self._return(None)  # the answer goes on referring to the connection if it is refused
            connection.refuse_unless_first()
        elif is_open and kept is not None:
            kept.hold(self, connection)
        else:
            self._return(connection)

    def _return(self, connection: Any) -> None:
        if connection is not None and (self.pool is None or self.pool.full()):  # type: ignore[attr-defined]
            connection.close()  # urllib3 would warn of each that was opened beside the pool
        else:
            super()._put_conn(connection)  # type: ignore[misc]

    def take_back(self, connection: Any) -> None:
        """Take a connection that was kept."""
        if self.exchange.convicted:
            connection.close()
        else:
            self._return(connection)

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; once more on a fresh connection if the answer may be another question's."""
        from urllib3.exceptions import ProtocolError

        raise_for_target(kwargs.get("url") or args[1])
        kwargs["enforce_content_length"] = True  # a body that was cut is none; botocore 1.44 takes it
        try:
            return super().urlopen(*args, **kwargs)  # type: ignore[misc]
        except ProtocolError as error:
            if not any(isinstance(each, Doubtful) for each in error.args):
                raise
        with on_a_fresh_connection():
            return super().urlopen(*args, **kwargs)  # type: ignore[misc]


class _PairingConnection:
    """Mixed into a connection of urllib3: counts answers, and looks for what follows them."""

    exchange: Exchange
    #: Answers since it was opened.
    answers = 0
    answered_at = 0.0
    rests_until = 0.0
    connect_seconds = 0.0
    _process = 0
    _sent_at = 0.0
    _leftover = False
    _asked = ""

    def connect(self) -> None:
        """Open it."""
        started = time.monotonic()
        try:
            super().connect()  # type: ignore[misc]
        except Exception as error:
            raise_for_files(self, error)
            raise
        self.connect_seconds = time.monotonic() - started
        self.answers, self._leftover, self._process = 0, False, os.getpid()

    def request(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        self._note_question(method)
        return super().request(method, *args, **kwargs)  # type: ignore[misc]

    def request_chunked(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request in chunks, as urllib3 1.26 does here."""
        self._note_question(method)
        return super().request_chunked(method, *args, **kwargs)  # type: ignore[misc]

    def _note_question(self, method: str) -> None:
        self._asked, self._sent_at, self._leftover = method, time.monotonic(), False

    def response_class(self, *args: Any, **kwargs: Any) -> StrictResponse:
        """Return a response that is read strictly."""
        return StrictResponse(*args, leftover=self._note_leftover, **kwargs)

    @property
    def is_connected(self) -> bool:
        """Whether it was opened; :meth:`may_be_used_again` looks closer than urllib3 does."""
        return self.sock is not None  # type: ignore[attr-defined, no-any-return]

    def getresponse(self) -> Any:
        """
        Return the answer.

        :raises Doubtful: if it may be another question's.
        """
        response = super().getresponse()  # type: ignore[misc]
        self.answers += 1
        self.answered_at = time.monotonic()
        kept = _keeper()
        single = kept.single if kept else True
        self.rests_until = self.exchange.rest_until(self._sent_at, self.answered_at, single=single)
        repeats = self.exchange.repeats(response.headers.get("x-amz-request-id"), is_first=self.answers == 1)
        followed = self._asked == "HEAD" and self._is_followed(response)
        if repeats or followed or self.exchange.convicted:
            self._refuse_unless_first()
        return response

    def _refuse_unless_first(self) -> None:
        if self.answers > 1 and self._asked in REPEATABLE:
            raise Doubtful("it may be the answer to another question")

    def _is_followed(self, response: Any) -> bool:
        """Return whether there is more than the answer to a HEAD, or its end cannot be seen."""
        if self.sock is None:  # type: ignore[attr-defined]
            return True  # it says that it is the last one: nothing can be seen of what follows
        if getattr(response, "_original_response", response).has_more():
            self.exchange.convict()
            return True
        return False

    def _note_leftover(self, found: bool) -> None:
        self._leftover = found

    def is_followed_by_bytes(self) -> bool:
        """Return whether bytes came along with the end of an answer that was read whole."""
        if self._leftover:
            self.exchange.convict()
        return self._leftover

    def refuse_unless_first(self) -> None:
        """
        Refuse an answer whose body was read already.

        :raises ProtocolError: if it may be another question's; botocore asks again.
        """
        from urllib3.exceptions import ProtocolError

        try:
            self._refuse_unless_first()
        except Doubtful as error:
            raise ProtocolError("Connection aborted.", error) from error

    def rest_left(self) -> float:
        """Return for how many seconds it rests."""
        return max(0.0, self.rests_until - time.monotonic())

    def use_left(self) -> float:
        """Return after how many seconds it may be used again."""
        return max(0.0, self.exchange.usable_at(self.answered_at, self.rests_until) - time.monotonic())

    def is_sooner_replaced(self) -> bool:
        """Return whether a new connection could be used sooner."""
        return self.use_left() > self.connect_seconds

    def may_be_used_again(self) -> bool:
        """Return whether each question so far had exactly one answer; wait until that can be said, if that is short."""
        if self._process != os.getpid():  # the parent uses it
            return False
        return self._is_quiet(self.use_left())

    def stays_quiet(self) -> bool:
        """Return whether nothing follows the answer while it rests, neither bytes nor the end of the connection."""
        return self._is_quiet(self.rest_left())

    def _is_quiet(self, seconds: float) -> bool:
        if self.exchange.convicted:
            return False
        found = _next_bytes(self.sock, seconds)  # type: ignore[attr-defined]
        if found is None and self.answers:  # one that only shook hands proves nothing
            self.exchange.note_quiet(self.answered_at)
        elif found and not (found.startswith(_IDLE_TOO_LONG) and time.monotonic() - self.answered_at >= LONG_IDLE):
            self.exchange.convict()
        return found is None and not self.exchange.convicted


def _next_bytes(sock: Any, seconds: float) -> bytes | None:
    """Return what can be read within some seconds: None for nothing, empty for the end of the connection."""
    from urllib3.util import wait_for_read

    if sock is None:
        return b""
    timeout, until = sock.gettimeout(), time.monotonic() + seconds
    sock.settimeout(0)
    try:
        while True:
            try:
                return bytes(sock.recv(len(_IDLE_TOO_LONG)))
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            if (left := until - time.monotonic()) <= 0:
                return None
            wait_for_read(sock, left)
    except OSError:
        return b""
    finally:
        sock.settimeout(timeout)
