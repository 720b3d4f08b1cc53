"""A server that answers each request with given bytes, whatever they are, and closes the connection."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self


class RawServer:
    """
    The server, as a context manager.

    :param answer: the bytes, or a function of the request line that returns them. A HEAD gets no body.
    """

    def __init__(self, answer: bytes | Callable[[bytes], bytes] = b"") -> None:
        self.answer = answer
        #: The requests that it received.
        self.requests = 0
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self._listener.settimeout(0.02)
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.settimeout(10)
                with connection, contextlib.suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            first = stream.readline()
            length = 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not first:
                return
            stream.read(length)
            self.requests += 1
            answer = self.answer(first) if callable(self.answer) else self.answer
            head, end, _ = answer.partition(b"\r\n\r\n")
            connection.sendall(head + end if first.startswith(b"HEAD") else answer)
            connection.shutdown(socket.SHUT_WR)

    @property
    def endpoint_url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def airflow_connection_json(self, **config: Any) -> str:
        """Return an Airflow connection to it; ``config`` goes to botocore's Config."""
        extra = {"endpoint_url": self.endpoint_url, "region_name": "eu-west-1", "config_kwargs": config}
        return json.dumps({"conn_type": "aws", "login": "AKIDEXAMPLE", "password": "secret", "extra": extra})
