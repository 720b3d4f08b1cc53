"""A server that never answers, or never ends its answer, like a firewall or a process that hangs."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import Any, Self

#: An answer that never ends: headers, one byte after the other.
DRIP = b"HTTP/1.1 200 OK\r\n" + b"x-amz-meta-a: b\r\n" * 10_000
#: The same for a body.
DRIPPING_BODY = b"HTTP/1.1 200 OK\r\nx-amz-request-id: 1\r\nContent-Length: 1000000\r\n\r\n" + b" " * 100_000


class StuckServer:
    """
    The server, as a context manager.

    :param says: the bytes that it sends, one by one, to each client; empty for none.
    :param every: seconds between two bytes.
    :param at_once: how many bytes are sent together at first.
    :param accepts: whether it takes connections at all; otherwise they stay half open.
    """

    def __init__(self, says: bytes = b"", *, every: float = 0.05, at_once: int = 0, accepts: bool = True) -> None:
        self._says, self._every, self._at_once = says, every, at_once
        self._accepts = accepts
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200 if accepts else 0)
        self._listener.settimeout(0.02)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        #: The connections that were opened.
        self.connections = 0

    def __enter__(self) -> Self:
        if self._accepts:
            self._start(self._accept)
        else:  # a client that connects after these is not answered
            for _ in range(4):
                filling = socket.socket()
                filling.setblocking(False)
                filling.connect_ex(self._listener.getsockname())
                self._open.append(filling)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()
        for each in (*self._open, self._listener):
            each.close()

    def _start(self, run: Any, *args: Any) -> None:
        thread = threading.Thread(target=run, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.connections += 1
                if self._says:
                    self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(self._says[: self._at_once])
            for byte in self._says[self._at_once :]:
                if self._closing.wait(self._every):
                    return
                connection.sendall(bytes([byte]))

    def endpoint_url(self, scheme: str = "http") -> str:
        """Return its URL."""
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def client(self, scheme: str = "http", **config: Any) -> Any:
        """Return a boto3 client that asks it; ``config`` goes to botocore's Config."""
        import boto3
        from botocore.config import Config

        session = boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")
        return session.client("s3", endpoint_url=self.endpoint_url(scheme), verify=False, config=Config(**config))

    def airflow_connection_json(self, **extra: Any) -> str:
        """Return an Airflow connection to it, as ``AIRFLOW_CONN_...`` takes it."""
        found = {"endpoint_url": self.endpoint_url(), "region_name": "eu-west-1", **extra}
        return json.dumps({"conn_type": "aws", "login": "AKIDEXAMPLE", "password": "secret", "extra": found})
