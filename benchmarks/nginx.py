"""
nginx on loopback: HEADs answered as S3 answers them, files served as S3 serves them, and every request counted.

An object whose key ends with ``.missing`` is not there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.tls import authority

#: Debian's package libnginx-mod-http-echo, which can make an answer wait.
_ECHO = "usr/lib/nginx/modules/ngx_http_echo_module.so"
_UNPACKED = Path(__file__).parent.parent / "build" / "nginx"
_CONFIG = """\
{load}
worker_processes 1; pid {home}/pid; error_log {home}/error.log; daemon off; worker_rlimit_nofile 40000;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300; sendfile on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  split_clients $request_id $refused {{ {refused} * 0; }}
  upstream listing {{ server 127.0.0.1:{listing}; keepalive 4; }}
  map $uri $folder {{ ~^(?:/late)?/[^/]+/(?<below>[^/]+)/ $below; }}
  log_format hits '$request_method $msec $connection';
  server {{
    listen 127.0.0.1:{port} backlog=4096{tls};
    location = /bucket {{ proxy_pass http://listing; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location / {{ access_log {log}; if ($refused) {{ return 503; }} {head} }}
    location /late/ {{ internal; access_log {log}; {answer} }}
    location ~ \\.missing$ {{ access_log {log}; return 404; }}
    location /files/ {{ alias {files}/; }}
  }}
}}
"""
_TLS = " ssl; ssl_certificate {home}/server.pem; ssl_certificate_key {home}/server.key; ssl_session_cache off"
_ANSWER = """\
      add_header x-amz-id-2 "n5q0Y6ZyzmDsqZbGJtqHnUq6tMJ8rYd3q2DkWzQe3jU1w4o4M4Zk0dXb0w=";
      add_header x-amz-request-id "PX5Q0Y6ZYZMDSQZB";
{status}
      add_header x-amz-server-side-encryption AES256;
      add_header x-amz-version-id "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY";
      add_header Last-Modified "Mon, 23 Nov 2026 20:00:00 GMT";
      add_header ETag '"9b2cf535f27731c974343645a3985328"';
      add_header Accept-Ranges bytes;
      return 200 "";
"""
_COMPLETED = "      add_header x-amz-replication-status COMPLETED;"
#: One look at the disk for each answer.
_PENDING = """\
      set $replication PENDING;
      if (-e {completed}/$folder) {{ set $replication COMPLETED; }}
      add_header x-amz-replication-status $replication;"""


@dataclass(frozen=True)
class Hit:
    """
    A HEAD that was answered.

    :param moment: when, in seconds since the epoch.
    :param connection: number of its connection; later ones have higher numbers.
    """

    moment: float
    connection: int


class Nginx:
    """
    The server, as a context manager.

    :param latency: seconds by which each answer to a HEAD is delayed, as the network to S3 would.
    :param failing: whether a third of the HEADs are answered with 503.
    :param listing: port of the server that lists the bucket; None for no listing.
    :param files: folder that is served as bucket ``files``; None for none.
    :param pending: whether objects are PENDING until :meth:`complete` is called for their folder.
    :param tls: whether it speaks HTTPS; the certificate to trust is :attr:`certificate`.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        failing: bool = False,
        listing: int | None = None,
        files: Path | None = None,
        pending: bool = False,
        tls: bool = False,
    ) -> None:
        root = _UNPACKED if (_UNPACKED / _ECHO).exists() else Path("/")
        self._program, self._echo = root / "usr/sbin/nginx", root / _ECHO
        if not (self._program.exists() and self._echo.exists()):
            raise SystemExit("benchmarks need nginx with its echo module: sh benchmarks/nginx.sh")
        self._home = Path(tempfile.mkdtemp(prefix="crr-bench-"))
        self._home.chmod(0o755)  # its worker is another user if it is started by root
        self._completed = self._home / "completed"
        self._completed.mkdir()
        self._latency = latency
        self._failing = failing
        self._listing = listing
        self._pending = pending
        self._tls = tls
        self._files = files or self._home
        self._log = self._home / "hits.log"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Endpoint for S3 clients, path style."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> str:
        """Path of the certificate to trust, in PEM."""
        return str(self._home / "cert.pem")

    def complete(self, folder: str) -> None:
        """Let what is below ``s3://any-bucket/FOLDER/`` be replicated from now on."""
        (self._completed / folder).touch()

    def __enter__(self) -> Self:
        if self._tls:
            authority(self._home)
        status = _PENDING.format(completed=self._completed) if self._pending else _COMPLETED
        answer = _ANSWER.format(status=status)
        config = _CONFIG.format(
            home=self._home,
            port=self.port,
            files=self._files,
            log=f"{self._log} hits buffer=64k flush=200ms",
            load=f"load_module {self._echo};" if self._latency else "",
            head=f"echo_sleep {self._latency}; echo_exec /late$request_uri;" if self._latency else answer,
            answer=answer,
            refused="33.3% 1;" if self._failing else "",
            listing=self._listing or 9,
            tls=_TLS.format(home=self._home) if self._tls else "",
        )
        (self._home / "nginx.conf").write_text(config)
        self._process = subprocess.Popen(
            [self._program, "-p", str(self._home), "-c", str(self._home / "nginx.conf")], stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def heads(self, expected: int = 0) -> list[float]:
        """
        Return when each HEAD since the last call was answered, in seconds.

        :param expected: wait until there are as many, for two seconds at most: the log is written with some delay.
        """
        return [hit.moment for hit in self.hits(expected)]

    def hits(self, expected: int = 0) -> list[Hit]:
        """Return the same as :meth:`heads`, with the connection of each."""
        deadline = time.monotonic() + 2
        while True:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            found = [line.split() for line in lines if line.startswith("HEAD ")]
            if len(found) >= expected or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if self._log.exists():
            os.truncate(self._log, 0)
        return [Hit(float(moment), int(connection)) for _, moment, connection in found]
