"""
An S3 with scripted answers on a local port. It checks the signature of each request.

It answers HEAD and GET of objects from a script, ListObjectsV2, ListObjectVersions, HEAD of buckets, ``GET
?replication`` and other settings of buckets, and actions of IAM and STS.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from tests.support import sigv4

ETAG = '"9b2cf535f27731c974343645a3985328"'
LAST_MODIFIED = "Mon, 05 Oct 2026 20:00:00 GMT"
REGION = "eu-west-1"


@dataclass(frozen=True)
class Answer:
    r"""
    One answer to a HEAD.

    :param status: HTTP status.
    :param headers: headers beside Date, Server and Content-Length, or instead of them; an empty one is left out.
    :param code: error code in the body of a GET.
    :param delay: seconds before it is sent.
    :param gate: if given, sent only once this is set.
    :param raw: sent instead, byte by byte; the connection is closed after it.
    :param interim: sent before it, such as ``b"HTTP/1.1 103 Early Hints\r\n\r\n"``.
    :param interim_delay: seconds between the two; 0 sends both in one segment.
    :param lines: header lines as they are, sent after ETag and Content-Length and before the rest of the headers.
    :param surplus: sent after it, where nothing may follow; ``TWICE`` repeats the answer.
    :param surplus_delay: seconds before the surplus; 0 sends both in one segment.
    :param message: message in the body of an error.
    :param names_version: whether an answer about a version names it, as S3 does.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    delay: float = 0.0
    gate: threading.Event | None = None
    raw: bytes | None = None
    interim: bytes = b""
    interim_delay: float = 0.0
    lines: bytes = b""
    surplus: bytes = b""
    surplus_delay: float = 0.0
    names_version: bool = True
    message: str = "scripted"


#: A surplus: the answer once more.
TWICE = b"the same answer"


def stored(replication: str | None = None, **more: Any) -> Answer:
    """Return the answer for an object that exists; ``headers`` are added to S3's usual ones."""
    headers = {"ETag": ETAG, "Last-Modified": LAST_MODIFIED, **more.pop("headers", {})}
    if replication is not None:
        headers["x-amz-replication-status"] = replication
    return Answer(headers=headers, **more)


#: The connection is closed instead of an answer.
CUT = Answer(raw=b"")
MISSING = Answer(404, code="NoSuchKey")

#: What S3 says of the settings of a bucket that is versioned and nothing else. Name in the query -> XML or an answer.
SETTINGS: dict[str, str | Answer] = {
    "versioning": "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    "encryption": (
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256"
        "</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
    ),
    "object-lock": Answer(404, code="ObjectLockConfigurationNotFoundError"),
    "lifecycle": Answer(404, code="NoSuchLifecycleConfiguration"),
    "requestPayment": "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
    "location": f"<LocationConstraint>{REGION}</LocationConstraint>",
}

Script = Answer | Sequence[Answer] | Callable[[], Answer]


@dataclass(frozen=True)
class Listed:
    """One row of a listing."""

    size: int = 4
    etag: str = ETAG
    last_modified: str = "2026-10-05T20:00:00.000Z"


@dataclass(frozen=True)
class Request:
    """One request as received; ``fault`` says what is wrong with its signature, "" if nothing is."""

    method: str
    bucket: str
    key: str
    version_id: str | None
    target: str
    query: dict[str, str]
    headers: dict[str, str]
    region: str
    fault: str
    #: Of the client's end of the connection.
    port: int = 0


class S3Server:
    """
    The server, as a context manager.

    ``answers`` maps (bucket, key) or (bucket, key, version id) to an answer, to a sequence of answers whose last
    one repeats, or to a function. Other objects are answered by ``default``. ``listings`` maps a bucket to its
    keys, ``regions`` to the region that it insists on, ``replication`` to the XML of its configuration or an
    answer. All may be changed at any time.

    :param tls: if given, the server speaks HTTPS with its certificate.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[tuple[str, ...], Script] = {}
        self.default: Callable[[str, str, str | None], Answer] = lambda bucket, key, version: MISSING
        self.listings: dict[str, dict[str, Listed]] = {}
        self.regions: dict[str, str] = {}
        self.replication: dict[str, str | Answer] = {}
        #: (bucket, setting) -> its XML or an answer, instead of :data:`SETTINGS`.
        self.settings: dict[tuple[str, str], str | Answer] = {}
        #: Action of IAM or STS -> its XML or an answer; others are denied.
        self.actions: dict[str, str | Answer] = {}
        self.missing_buckets: set[str] = set()
        #: What was put at (bucket, key), and the headers with it; and what a PUT is answered, if it is refused.
        self.written: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = {}
        self.refuses_writes: Answer | None = None
        #: ARN of the principal that STS names, which is at the same endpoint; "" for a server without STS.
        self.caller = ""
        #: What a GET of (bucket, key) returns, instead of an answer.
        self.contents: dict[tuple[str, str], str] = {}
        #: Versions of each bucket as (key, version id), the latest of a key first; "marker..." is a delete marker.
        self.versions: dict[str, list[tuple[str, str]]] = {}
        #: Most rows of a page of a listing.
        self.page_size = 1000
        #: Given a LIST and its right page, returns what is answered instead.
        self.on_list: Callable[[Request, str], tuple[Answer, str]] | None = None
        self.secrets = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
        self.token: str | None = None
        #: Called before each LIST is answered, as when somebody writes between two pages.
        self.before_listing: Callable[[Request], None] = lambda request: None
        #: Status with which a request signed for another region is answered.
        self.elsewhere = 301
        #: Value of the Server header; None for Python's own.
        self.server_header: str | None = None
        #: Whether each answer has a request id of its own, as S3's answers have.
        self.distinct_ids = False
        self.requests: list[Request] = []
        #: Most requests that were under way at once.
        self.peak = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.under_way = 0
        self._turns: dict[tuple[str, ...], int] = {}
        self._ids = 0
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.s3 = self
        self._scheme = "https" if tls else "http"
        if tls:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()

    @property
    def endpoint_url(self) -> str:
        """URL of the server."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_port}"

    def reset(self) -> None:
        """Forget answers, listings, missing buckets and requests, for the next test that shares this server."""
        for held in (self.answers, self.listings, self.missing_buckets, self.requests, self._turns):
            held.clear()
        self.contents.clear()
        self.written.clear()
        self.refuses_writes, self.caller = None, ""
        self.settings.clear()
        self.actions.clear()
        self.versions.clear()
        self.on_list = None
        self.default = lambda bucket, key, version: MISSING
        self.before_listing, self.page_size = lambda request: None, 1000

    def client(self, verify: bool | str | None = None, **config: Any) -> Any:
        """Return a boto3 client of this server; ``config`` goes to botocore's Config."""
        import boto3
        from botocore.config import Config

        key, secret = next(iter(self.secrets.items()))
        session = boto3.Session(key, secret, self.token, region_name=REGION)
        return session.client("s3", endpoint_url=self.endpoint_url, verify=verify, config=Config(**config))

    def airflow_connection_json(self) -> str:
        """Return an Airflow connection to this server, as ``AIRFLOW_CONN_...`` takes it."""
        key, secret = next(iter(self.secrets.items()))
        extra = {"endpoint_url": self.endpoint_url, "region_name": REGION}
        if self.token:
            extra["aws_session_token"] = self.token
        return json.dumps({"conn_type": "aws", "login": key, "password": secret, "extra": extra})

    @property
    def connections(self) -> int:
        """Connections that clients have open."""
        return self._http.count()

    def heads(self, bucket: str | None = None, key: str | None = None) -> list[Request]:
        """Return the HEADs of objects, of one bucket or of one key."""
        return [
            request
            for request in list(self.requests)
            if request.method == "HEAD"
            and request.key
            and bucket in (None, request.bucket)
            and key in (None, request.key)
        ]

    def faults(self) -> list[str]:
        """Return what was wrong with signatures."""
        return [request.fault for request in list(self.requests) if request.fault]

    def request_id(self) -> str:
        """Return the id of the next answer."""
        with self.lock:
            self._ids += self.distinct_ids
            return f"0A49CE4060975{self._ids:03X}" if self.distinct_ids else "0A49CE4060975EAC"

    def next_answer(self, bucket: str, key: str, version: str | None) -> Answer:
        """Return the next answer of the script for one object."""
        with self.lock:
            name: tuple[str, ...] = (bucket, key, version or "")
            script = self.answers.get(name) if version else None
            if script is None:
                name = (bucket, key)
                script = self.answers.get(name)
            if script is None:
                return self.default(bucket, key, version)
            if isinstance(script, Answer):
                return script
            if callable(script):
                return script()
            turn = self._turns.get(name, 0)
            self._turns[name] = turn + 1
            return script[min(turn, len(script) - 1)]


class _Http(ThreadingHTTPServer):
    s3: S3Server
    request_queue_size = 512
    daemon_threads = False  # joined when the server closes: nothing outlives a test

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def count(self) -> int:
        return len(self._connections)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up at any time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, *_: object) -> None:
        """Keep quiet; requests are recorded."""

    def version_string(self) -> str:
        return self.server.s3.server_header or super().version_string()

    def do_HEAD(self) -> None:
        self._serve()

    do_GET = do_PUT = do_HEAD

    def do_POST(self) -> None:
        """Answer an action of IAM or STS; a server without STS answers 501 to GetCallerIdentity."""
        s3 = self.server.s3
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        action = parse_qs(sent)["Action"][0]
        usual: str | Answer = Answer(403, code="AccessDenied")
        if action == "GetCallerIdentity":
            usual = f"<Arn>{s3.caller}</Arn>" if s3.caller else Answer(501, code="NotImplemented")
        found = s3.actions.get(action, usual)
        asked = Request("POST", "", "", None, self.path, {}, {}, "", "")
        if isinstance(found, str):
            self._send(
                Answer(), f"<{action}Response><{action}Result>{found}</{action}Result></{action}Response>", asked
            )
            return
        error = f"<Type>Sender</Type><Code>{found.code}</Code><Message>{escape(found.message)}</Message>"
        self._send(found, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>", asked)

    def _serve(self) -> None:
        s3 = self.server.s3
        target = self.requestline.split(" ")[1]  # self.path loses leading slashes
        path, _, query = target.partition("?")
        bucket, _, key = path.removeprefix("/").partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault, region = sigv4.fault(self.command, target, headers, s3.secrets, s3.token)
        words = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        request = Request(
            self.command,
            bucket,
            unquote(key),
            words.get("versionId"),
            target,
            words,
            headers,
            region,
            fault,
            self.client_address[1],
        )
        sent = self.rfile.read(int(headers.get("content-length") or 0)) if self.command == "PUT" else b""
        with s3.lock:
            s3.requests.append(request)
            s3.under_way += 1
            s3.peak = max(s3.peak, s3.under_way)
        try:
            answer, body = self._put(request, sent) if self.command == "PUT" else self._answer(request)
            if answer.delay:
                s3.closing.wait(answer.delay)
            while answer.gate and not answer.gate.wait(0.02) and not s3.closing.is_set():
                pass
        finally:
            with s3.lock:
                s3.under_way -= 1
        self._send(answer, body, request)

    def _put(self, request: Request, sent: bytes) -> tuple[Answer, str]:
        s3 = self.server.s3
        if request.fault or s3.refuses_writes:
            return _error(s3.refuses_writes or Answer(403, code="SignatureDoesNotMatch"), request.fault)
        s3.written[request.bucket, request.key] = (sent, request.headers)
        return Answer(), ""

    def _answer(self, request: Request) -> tuple[Answer, str]:
        s3 = self.server.s3
        if request.fault:
            return _error(Answer(403, code="SignatureDoesNotMatch"), request.fault)
        if request.bucket in s3.missing_buckets:
            return _error(Answer(404, code="NoSuchBucket"), request.bucket)
        home = s3.regions.get(request.bucket, request.region)
        if request.region != home:
            found = Answer(s3.elsewhere, {"x-amz-bucket-region": home}, code="AuthorizationHeaderMalformed")
            return _error(found, f"<Region>{home}</Region>")
        if request.method == "GET" and (request.bucket, request.key) in s3.contents:
            return Answer(), s3.contents[request.bucket, request.key]
        if request.key:
            found = s3.next_answer(request.bucket, request.key, request.version_id)
            return (found, "") if found.status < 300 else _error(found, request.key)
        if request.method == "HEAD":
            return Answer(headers={"x-amz-bucket-region": home}), ""
        if "replication" in request.query:
            configured = s3.replication.get(request.bucket, Answer(404, code="ReplicationConfigurationNotFoundError"))
            return _error(configured, "") if isinstance(configured, Answer) else (Answer(), configured)
        for name, usual in SETTINGS.items():
            if name in request.query:
                setting = s3.settings.get((request.bucket, name), usual)
                return _error(setting, "") if isinstance(setting, Answer) else (Answer(), setting)
        s3.before_listing(request)
        if "versions" in request.query:
            page = _versions(request.bucket, s3.versions.get(request.bucket, []), request.query, s3.page_size)
        else:
            page = _listing(request.bucket, s3.listings.get(request.bucket, {}), request.query, s3.page_size)
        return s3.on_list(request, page) if s3.on_list else (Answer(), page)

    def _send(self, answer: Answer, body: str, request: Request) -> None:
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            self.close_connection = True
            return
        content = body.encode()
        head = self._head(answer, request, len(content))
        whole = head if self.command == "HEAD" else head + content
        surplus = whole if answer.surplus is TWICE else answer.surplus
        pieces = [
            (answer.interim, answer.interim_delay),
            (whole, answer.surplus_delay if surplus else 0.0),
            (surplus, 0.0),
        ]
        segment = b""
        for piece, pause in pieces:
            segment += piece
            if pause and piece and segment:
                self.wfile.write(segment)
                segment = b""
                self.server.s3.closing.wait(pause)
        self.wfile.write(segment)

    def _head(self, answer: Answer, request: Request, length: int) -> bytes:
        own = {
            "Server": self.version_string(),
            "Date": self.date_time_string(),
            "x-amz-request-id": self.server.s3.request_id(),
        }
        headers = {name: value for name, value in {**own, **answer.headers}.items() if value or name not in own}
        if request.version_id and answer.names_version and answer.status == 200:
            headers.setdefault("x-amz-version-id", request.version_id)
        if not answer.lines:
            headers["Content-Length"] = str(length)
            first: dict[str, str] = {}
        else:
            first = {"ETag": headers.pop("ETag", ETAG), "Content-Length": str(length)}
        self.send_response_only(answer.status)
        for name, value in first.items():
            self.send_header(name, value)
        self._headers_buffer.append(answer.lines)  # type: ignore[attr-defined]
        for name, value in headers.items():
            self.send_header(name, value)
        head = b"".join(self._headers_buffer) + b"\r\n"  # type: ignore[attr-defined]
        self._headers_buffer.clear()  # type: ignore[attr-defined]
        return head


def _error(answer: Answer, about: str) -> tuple[Answer, str]:
    about = about if about.startswith("<Region>") else f"<Resource>{escape(about)}</Resource>"
    return answer, f"<Error><Code>{answer.code}</Code><Message>{escape(answer.message)}</Message>{about}</Error>"


def _listing(bucket: str, keys: dict[str, Listed], query: dict[str, str], page_size: int) -> str:
    token = query.get("continuation-token", "")
    after = unquote(token or query.get("start-after") or "")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = min(int(query.get("max-keys", 1000)), page_size)
    encode = quote if query.get("encoding-type") == "url" else escape
    rows: list[str] = []
    folders: dict[str, None] = {}
    last, more = "", False
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key <= after:
            continue
        rest = key[len(prefix) :]
        folder = prefix + rest[: rest.index(delimiter) + 1] if delimiter and delimiter in rest else ""
        if folder and (folder in folders or after.startswith(folder)):
            last = key if folder in folders else last
            continue
        if len(rows) + len(folders) == limit:
            more = True
            break
        last = key
        if folder:
            folders[folder] = None
            continue
        row = keys[key]
        rows.append(
            f"<Contents><Key>{encode(key)}</Key><LastModified>{row.last_modified}</LastModified>"
            f"<ETag>{escape(row.etag)}</ETag><Size>{row.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{encode(prefix)}</Prefix><KeyCount>{len(rows) + len(folders)}</KeyCount>"
        f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>"
        + ("<EncodingType>url</EncodingType>" if encode is quote else "")
        + (f"<ContinuationToken>{escape(token)}</ContinuationToken>" if token else "")
        + (f"<NextContinuationToken>{quote(last)}</NextContinuationToken>" if more else "")
        + "".join(rows)
        + "".join(f"<CommonPrefixes><Prefix>{encode(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        + "</ListBucketResult>"
    )


def _versions(bucket: str, rows: list[tuple[str, str]], query: dict[str, str], page_size: int) -> str:
    """Return a page of versions; a list keeps the order that its rows of one key have."""
    prefix, marker = query.get("prefix", ""), (query.get("key-marker", ""), query.get("version-id-marker", ""))
    encode = quote if query.get("encoding-type") == "url" else escape
    rows = sorted((row for row in rows if row[0].startswith(prefix)), key=lambda row: row[0].encode())
    if marker[1]:
        rows = rows[rows.index(marker) + 1 :]
    elif marker[0]:  # S3 goes on with the next key
        rows = [row for row in rows if row[0] > marker[0]]
    more, rows = rows[page_size:], rows[:page_size]
    last = rows[-1] if more else ("", "")
    listed = "".join(
        f"<{name}><Key>{encode(key)}</Key><VersionId>{version}</VersionId>"
        f"<LastModified>2026-10-05T20:00:00.000Z</LastModified></{name}>"
        for key, version in rows
        for name in ["DeleteMarker" if version.startswith("marker") else "Version"]
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{encode(prefix)}</Prefix><KeyMarker>{encode(marker[0])}</KeyMarker>"
        f"<VersionIdMarker>{marker[1]}</VersionIdMarker><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>"
        + ("<EncodingType>url</EncodingType>" if encode is quote else "")
        + (f"<NextKeyMarker>{encode(last[0])}</NextKeyMarker>" if more else "")
        + (f"<NextVersionIdMarker>{last[1]}</NextVersionIdMarker>" if more else "")
        + listed
        + "</ListVersionsResult>"
    )
