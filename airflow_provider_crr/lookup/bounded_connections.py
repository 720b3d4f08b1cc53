"""
Ends whatever a boto3 client waits for when the time is up: connections, answers, retries and credentials.

The guard of a thread says when its time is up (:mod:`airflow_provider_crr.s3.guard`). In a thread without a guard
the client waits as it always does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow_provider_crr.lookup.renewal import renew_early
from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.s3.redirects import follow_once
from airflow_provider_crr.s3.uninterruptible import waited


def end_in_time(client: Any) -> None:
    """
    Keep a client from retrying, pausing before a retry or waiting for credentials once the time is up.

    :param client: a boto3 client of S3 or of another service; to be called once for each.
    """
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    # The event and the id under which botocore decides on another attempt (``botocore.client``, ``retries.standard``).
    event, retries = f"needs-retry.{service}", f"retry-config-{service}"
    known = getattr(getattr(events, "_emitter", events), "_unique_id_handlers", {}).get(retries, {}).get("handler")
    if known is not None:
        events.unregister(event, unique_id=retries)
    events.register(event, _retries(known or (lambda **_: None)), unique_id=retries)
    renew_early(client._get_credentials())
    events.register_first(f"before-sign.{service}", lambda **_: renew(client._get_credentials()))
    follow_once(client)


def _retries(known: Callable[..., Any]) -> Callable[..., Any]:
    """Return botocore's handler of retries; the pause that it asks for is made here, where it can be ended."""

    def handler(**kwargs: Any) -> Any:
        guard = current()
        if guard is None:
            return known(**kwargs)
        if kwargs.get("caught_exception") is not None and guard.is_over():
            raise guard.ended()
        pause = known(**kwargs)
        if not pause:
            return pause
        guard.sleep(pause, f"{kwargs['operation'].name} was tried again")
        return 0

    return handler


def renew(credentials: Any) -> None:
    """
    Renew credentials if they are about to expire, as botocore does when they are asked for.

    :param credentials: botocore's; None for none.
    :raises TimeUp: if the time is up before the source of the credentials answers.
    """
    if current() is not None and getattr(credentials, "refresh_needed", bool)():
        waited(credentials.get_frozen_credentials, "the credentials were renewed")


class BoundedPool:
    """Mixed into a pool of urllib3: releases a connection from its guard when it comes back."""

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.release()
        super()._put_conn(connection)  # type: ignore[misc]


class BoundedConnection:
    """Mixed into a connection of urllib3: shut down when the time of the thread that uses it is up."""

    host: str
    port: int
    _guard: Any = None
    _awaited = "answered"
    #: The socket while it is opened, and the one that was used last: an answer may still be read from the latter when
    #: the connection itself has let go of it.
    _opening: Any = None
    _used: Any = None

    def _new_conn(self) -> Any:
        open_socket: Callable[[], Any] = super()._new_conn  # type: ignore[misc]
        if self._guard is None:
            return open_socket()
        where = f"{self.host}:{self.port}"
        opened = waited(open_socket, f"there was a connection to {where}", lambda late: late.close())
        self._opening = opened.dup()  # the TLS handshake takes the socket itself away
        return opened

    def connect(self) -> None:
        """Open it."""
        before = self._awaited
        self._watch("shook hands")
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._awaited = before
            opening, self._opening = self._opening, None
            if opening is not None:
                opening.close()

    def request(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        return self._send(super().request, method, *args, **kwargs)  # type: ignore[misc]

    def request_chunked(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request in chunks, as urllib3 1.26 does here."""
        return self._send(super().request_chunked, method, *args, **kwargs)  # type: ignore[misc]

    def _send(self, send: Callable[..., Any], method: str, *args: Any, **kwargs: Any) -> Any:
        self._watch(f"answered {method}")
        self._used = self.sock  # type: ignore[attr-defined]
        sent = send(method, *args, **kwargs)
        self._used = self.sock  # type: ignore[attr-defined]
        return sent

    def _watch(self, awaited: str) -> None:
        self._awaited = awaited
        guard = current()
        if guard is not self._guard:
            self.release()
        if guard is None:
            return
        self._guard = guard
        guard.watch(self)
        if guard.is_over():
            raise guard.ended(self.awaited())

    def release(self) -> None:
        """Release it from its guard: its answer was read."""
        if self._guard is not None:
            self._guard.release(self)
            self._guard = None

    def hang_up(self) -> None:
        """Shut its sockets down; called by another thread than the one that waits for them."""
        for each in (self._opening, self._used, getattr(self, "sock", None)):
            _shut_down(each)

    def awaited(self) -> str:
        """Return what is waited for."""
        return f"{self.host}:{self.port} {self._awaited}"


def _shut_down(sock: Any) -> None:
    while sock is not None and not isinstance(sock, socket.socket):  # TLS within TLS
        sock = getattr(sock, "socket", None)
    if sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not of SSLSocket, which would forget its state
