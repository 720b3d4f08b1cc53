"""nginx on loopback: HEADs answered as S3 answers them, files served as S3 serves them, and every request counted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

#: Debian's package libnginx-mod-http-echo, which can make an answer wait.
_ECHO = "usr/lib/nginx/modules/ngx_http_echo_module.so"
_UNPACKED = Path(__file__).parent.parent / "build" / "nginx"
_CONFIG = """\
{load}
worker_processes 1; pid {home}/pid; error_log {home}/error.log; daemon off; worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300; sendfile on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  split_clients $request_id $refused {{ {refused} * 0; }}
  upstream listing {{ server 127.0.0.1:{listing}; keepalive 4; }}
  log_format hits '$request_method $msec';
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /bucket {{ proxy_pass http://listing; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location / {{ access_log {log}; if ($refused) {{ return 503; }} {head} }}
    location /late/ {{ internal; access_log {log}; {answer} }}
    location /files/ {{ alias {files}/; }}
  }}
}}
"""
_ANSWER = """\
      add_header x-amz-id-2 "n5q0Y6ZyzmDsqZbGJtqHnUq6tMJ8rYd3q2DkWzQe3jU1w4o4M4Zk0dXb0w=";
      add_header x-amz-request-id "PX5Q0Y6ZYZMDSQZB";
      add_header x-amz-replication-status COMPLETED;
      add_header x-amz-server-side-encryption AES256;
      add_header x-amz-version-id "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY";
      add_header Last-Modified "Mon, 23 Nov 2026 20:00:00 GMT";
      add_header ETag '"9b2cf535f27731c974343645a3985328"';
      add_header Accept-Ranges bytes;
      return 200 "";
"""


class Nginx:
    """
    The server, as a context manager.

    :param latency: seconds by which each answer to a HEAD is delayed, as the network to S3 would.
    :param failing: whether a third of the HEADs are answered with 503.
    :param listing: port of the server that lists the bucket; None for no listing.
    :param files: folder that is served as bucket ``files``; None for none.
    """

    def __init__(
        self, *, latency: float = 0.0, failing: bool = False, listing: int | None = None, files: Path | None = None
    ) -> None:
        root = _UNPACKED if (_UNPACKED / _ECHO).exists() else Path("/")
        self._program, self._echo = root / "usr/sbin/nginx", root / _ECHO
        if not (self._program.exists() and self._echo.exists()):
            raise SystemExit("benchmarks need nginx with its echo module: sh benchmarks/nginx.sh")
        self._home = Path(tempfile.mkdtemp(prefix="crr-bench-"))
        self._latency = latency
        self._failing = failing
        self._listing = listing
        self._files = files or self._home
        self._log = self._home / "hits.log"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Endpoint for S3 clients, path style."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        config = _CONFIG.format(
            home=self._home,
            port=self.port,
            files=self._files,
            log=f"{self._log} hits buffer=64k flush=200ms",
            load=f"load_module {self._echo};" if self._latency else "",
            head=f"echo_sleep {self._latency}; echo_exec /late$request_uri;" if self._latency else _ANSWER,
            answer=_ANSWER,
            refused="33.3% 1;" if self._failing else "",
            listing=self._listing or 9,
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
        deadline = time.monotonic() + 2
        while True:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            found = [float(line.split()[1]) for line in lines if line.startswith("HEAD ")]
            if len(found) >= expected or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if self._log.exists():
            os.truncate(self._log, 0)
        return found
