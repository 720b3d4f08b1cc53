"""A server whose answer never ends."""

from __future__ import annotations

import socket
import threading


class Flooding:
    """
    The server, as a context manager that returns its URL.

    :param piece: what is sent again and again after the status line and the beginning of a header.
    """

    def __init__(self, piece: bytes) -> None:
        self._piece = piece
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._connections: list[socket.socket] = []

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for each in (self._listening, *self._connections):
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                came = self._listening.accept()[0]
            except OSError:
                return
            self._connections.append(came)
            threading.Thread(target=self._flood, args=(came,), daemon=True).start()

    def _flood(self, came: socket.socket) -> None:
        try:
            came.recv(65536)
            came.sendall(b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 4\r\nx-amz-request-id: 0A\r\nx-amz-meta-a: ")
            while True:
                came.sendall(self._piece)
        except OSError:
            came.close()
