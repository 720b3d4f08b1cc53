"""A server of ListObjectsV2 for any number of keys, which makes each page when it is asked for."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
_ROW = (
    "<Contents><Key>{key}</Key><LastModified>2026-11-23T20:00:00.000Z</LastModified>"
    "<ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>4</Size><StorageClass>STANDARD</StorageClass>"
    "</Contents>"
)


class Listing:
    """
    The server, as a context manager.

    :param objects: how many keys are listed.
    """

    def __init__(self, objects: int) -> None:
        handler = type("Handler", (_Handler,), {"objects": objects})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self.port = int(self._http.server_port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects = 0

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        first = int(query.get("continuation-token", ["0"])[0])
        last = min(self.objects, first + PAGE)
        rows = "".join(_ROW.format(key=f"orders/part-{number:08d}.parquet") for number in range(first, last))
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < self.objects else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bucket</Name>'
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{rows}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
