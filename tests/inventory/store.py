"""A bucket on a local port that serves the objects of a report, or spoils them."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

import boto3
from botocore.config import Config

from airflow_provider_crr.inventory.manifest import Manifest
from local_aws.inventory import Report


class Store:
    """
    The server, as a context manager.

    ``objects`` maps a key to its content, or to the code of the error to answer; ``cuts`` says how often the connection
    breaks in the middle of a key, ``gets`` which keys were asked for.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes | str] = {}
        self.cuts: dict[str, int] = {}
        self.gets: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.store = self  # type: ignore[attr-defined]
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.s3 = self.client()

    def client(self, access_key: str | None = "reader") -> Any:
        """Return an S3 client of this server."""
        return boto3.Session(access_key, access_key and "secret", region_name="eu-west-1").client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._http.server_port}",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.s3.close()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def hold(self, report: Report) -> Manifest:
        """Serve a report and nothing else; return its manifest."""
        self.objects, self.cuts, self.gets = dict(report.objects), {}, []
        return parsed(self.objects[report.manifest_key], report.manifest_uri)  # type: ignore[arg-type]

    def replace(self, manifest: Manifest, number: int, content: bytes) -> Manifest:
        """Put another content in the place of a data file, and a manifest that says so."""
        file = manifest.files[number]
        self.objects[file.key] = content
        key = manifest.uri.split("/", 3)[3]
        data = json.loads(self.objects[key])
        data["files"][number] = {"key": file.key, "size": len(content), "MD5checksum": md5(content)}
        self.objects[key] = json.dumps(data).encode()
        return parsed(self.objects[key], manifest.uri)  # type: ignore[arg-type]


def parsed(body: bytes, uri: str = "s3://reports/b/daily/2026-11-20T01-00Z/manifest.json") -> Manifest:
    """Return the manifest of a body with its right checksum."""
    return Manifest.parse(body, uri=uri, checksum=md5(body))


def md5(content: bytes) -> str:
    """Return the hex MD5."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        store: Store = self.server.store  # type: ignore[attr-defined]
        key = unquote(self.path.partition("?")[0]).split("/", 2)[2]
        store.gets.append(key)
        content = store.objects.get(key, "NoSuchKey")
        if isinstance(content, str):
            status = {"NoSuchKey": 404, "NoSuchBucket": 404, "SlowDown": 503}.get(content, 403)
            self._send(status, f"<Error><Code>{content}</Code><Message>scripted</Message></Error>".encode())
            return
        cut = store.cuts.get(key, 0) > 0
        store.cuts[key] = store.cuts.get(key, 0) - 1
        self._send(200, content, cut=cut)

    def _send(self, status: int, body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut
