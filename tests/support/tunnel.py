"""A proxy that opens tunnels, as HTTP proxies do for HTTPS."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on, and the end after them."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class _Tunnel(socketserver.BaseRequestHandler):
    """Answers CONNECT, and passes bytes on both ways."""

    def handle(self) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += self.request.recv(4096)
        host, _, port = asked.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pass_on, args=(there, self.request))
            back.start()
            pass_on(self.request, there)
            back.join()


@contextmanager
def tunnelling(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """
    Run such a proxy.

    :param tls: if given, the proxy speaks TLS with its clients.
    :return: its URL.
    """
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel) as running:
        running.daemon_threads = True
        if tls:
            running.socket = tls.wrap_socket(running.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()
