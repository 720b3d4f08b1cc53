"""
HEAD through the AWS Common Runtime: AWS's own client in C, several times the rate of boto3's for less CPU.

A client is made for each sweep and closed with it: that costs a few milliseconds, and leaves nothing that a
process forked later could inherit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from airflow_provider_crr.errors import CredentialsNotFound
from airflow_provider_crr.replication.boto import BotoAsker, S3Client, head, judge, translate
from airflow_provider_crr.replication.status import ObjectReplication, S3Object, without_answer
from airflow_provider_crr.replication.wire import Wire, prepare

#: Connections of one sweep: what S3's 5,500 HEADs a second for a prefix need at 23 ms each.
CONNECTIONS = 128
#: Gbit/s from which the client derives how many connections it may open; this allows 250.
_TARGET_GBPS = 100.0
#: Seconds for which credentials are used before they are asked for again; botocore renews minutes ahead.
_CREDENTIALS_AGE = 1.0
#: Seconds that an abandoned sweep waits for the client to close.
_FAREWELL = 5.0
#: What the client says after its own retries of a server error.
_SERVER_ERRORS = {"AWS_ERROR_S3_SLOW_DOWN": 503, "AWS_ERROR_S3_INTERNAL_ERROR": 500}


class _Question:
    """One request under way. Its callbacks run in the client's threads and only take notes."""

    __slots__ = ("_deliver", "again", "error", "headers", "http_status", "obj", "wire")

    def __init__(self, obj: S3Object, wire: Wire, again: bool, deliver: Callable[[Any], None]) -> None:
        self.obj = obj
        self.wire = wire
        self.again = again
        self.http_status = 0
        self.headers: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self._deliver = deliver

    def on_headers(self, status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
        """Note status and headers, of a good answer or a bad one."""
        self.http_status = status_code
        self.headers = headers

    def on_done(self, error: Exception | None = None, **_: Any) -> None:
        """Hand the answer over."""
        self.error = error
        self._deliver(self)


class CrtAsker:
    """
    Asks through ``awscrt.s3.S3Client``; what needs boto3 is asked through boto3.

    :param client: the boto3 client whose endpoint, credentials and certificates are used.
    :param arguments: further arguments of ``head_object``.
    :raises CredentialsNotFound: if the client has no credentials.
    """

    limit = 4 * CONNECTIONS

    def __init__(self, client: S3Client, arguments: Mapping[str, str]) -> None:
        from awscrt import http, io, s3

        self._client = client
        self._arguments = arguments
        self._credentials = client._get_credentials()  # what boto3's own Common Runtime transfers use
        if self._credentials is None:
            raise CredentialsNotFound(
                "no AWS credentials", remedy="Set them in the Airflow connection, or give the worker a role"
            )
        self._http, self._s3 = http, s3
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._under_way: dict[_Question, Any] = {}
        self._wires: dict[tuple[str, bool], Wire | None] = {}
        self._settled: set[str] = set()
        self._signing: dict[str, Any] = {}
        self._signing_made = float("-inf")
        self._frozen: Any = None
        self._senders: dict[str, Any] = {}
        self._boto: BotoAsker | None = None
        self._loop = io.EventLoopGroup(1)

    def ask(self, obj: S3Object) -> None:
        """Send one HEAD."""
        self._ask(obj, again=False)

    def _ask(self, obj: S3Object, again: bool) -> None:
        kind = (obj.bucket, obj.version_id is not None)
        if kind not in self._wires:
            self._wires[kind] = prepare(self._client, obj, self._arguments)
        wire = self._wires[kind]
        if wire is None:
            self._ask_boto(obj)
            return
        question = _Question(obj, wire, again, self._answers.put)
        self._under_way[question] = self._sender(wire.scheme).make_request(
            type=self._s3.S3RequestType.DEFAULT,
            operation_name="HeadObject",
            request=self._http.HttpRequest("HEAD", wire.path(obj), self._http.HttpHeaders(wire.headers)),
            signing_config=self._signing_for(wire.region, obj),
            on_headers=question.on_headers,
            on_done=question.on_done,
        )

    def _ask_boto(self, obj: S3Object) -> None:
        if self._boto is None:
            self._boto = BotoAsker(self._client, self._arguments, self._answers)
        self._boto.ask(obj)

    def answer(self, timeout: float) -> ObjectReplication | None:
        """Return one answer, or None if none came within ``timeout`` seconds."""
        try:
            found = self._answers.get(timeout=timeout) if timeout else self._answers.get_nowait()
        except Empty:
            return None
        if isinstance(found, _Question):
            del self._under_way[found]
            return self._read(found)
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, ObjectReplication)
        return found

    def _read(self, question: _Question) -> ObjectReplication | None:
        obj, status = question.obj, question.http_status
        if not status:
            name = getattr(question.error, "name", "")
            if name == "AWS_ERROR_CRT_CALLBACK_EXCEPTION":  # not UTF-8; boto3 reads headers as ISO-8859-1
                self._ask_boto(obj)
                return None
            if name in _SERVER_ERRORS:
                return judge(obj, _SERVER_ERRORS[name], {})
            return without_answer(obj, f"no answer: {question.error}")
        headers: dict[str, str] = {}
        for header, value in question.headers:
            header = header.lower()
            headers[header] = f"{headers[header]}, {value}" if header in headers else value
        if status != 200 and not question.again and self._is_elsewhere(question, headers):
            return self._follow(question)
        return judge(obj, status, headers)

    def _is_elsewhere(self, question: _Question, headers: dict[str, str]) -> bool:
        if question.obj.bucket in self._settled:
            return False
        if 300 <= question.http_status < 400:
            return True
        # A HEAD that is signed for another region is answered 400, without a word in its body.
        return (
            question.http_status == 400
            and headers.get("x-amz-bucket-region", question.wire.region) != question.wire.region
        )

    def _follow(self, question: _Question) -> ObjectReplication | None:
        """Let boto3 find the bucket's region, once a bucket; then everything about it is asked there."""
        obj = question.obj
        kind = (obj.bucket, obj.version_id is not None)
        if self._wires[kind] is not question.wire:  # learnt meanwhile
            self._ask(obj, again=True)
            return None
        found = head(self._client, obj, self._arguments)
        self._wires[kind] = prepare(self._client, obj, self._arguments)
        if self._wires[kind] == question.wire:
            self._settled.add(obj.bucket)  # boto3 knows no better place either
        return found

    def _signing_for(self, region: str, obj: S3Object) -> Any:
        now = time.monotonic()
        if now - self._signing_made > _CREDENTIALS_AGE:
            try:
                frozen = self._credentials.get_frozen_credentials()
            except Exception as error:
                raise translate(error, obj) from error
            if frozen != self._frozen:
                self._frozen = frozen
                self._signing.clear()
            self._signing_made = now
        if region not in self._signing:
            self._signing[region] = _signing_config(region, self._frozen)
        return self._signing[region]

    def _sender(self, scheme: str) -> Any:
        if scheme not in self._senders:
            self._senders[scheme] = _s3_client(self._client, self._loop, secure=scheme == "https")
        return self._senders[scheme]

    def close(self) -> None:
        """Cancel what is under way, and wait until threads and sockets are released."""
        if self._boto is not None:
            self._boto.close()
        for request in self._under_way.values():
            request.cancel()
        closed = [sender.shutdown_event for sender in self._senders.values()]
        closed.append(self._loop.shutdown_event)
        self._under_way.clear()
        self._senders.clear()
        del self._loop  # the last reference: the client closes when nothing refers to it
        deadline = time.monotonic() + _FAREWELL
        for event in closed:
            event.wait(max(0.0, deadline - time.monotonic()))


def _signing_config(region: str, frozen: Any) -> Any:
    from awscrt import auth, s3

    provider = auth.AwsCredentialsProvider.new_static(frozen.access_key, frozen.secret_key, frozen.token)
    return s3.create_default_s3_signing_config(region=region, credential_provider=provider)


def _s3_client(client: S3Client, loop: Any, *, secure: bool) -> Any:
    from awscrt import io, s3

    config = client.meta.config
    retries = config.retries or {}
    attempts = retries.get("total_max_attempts") or retries.get("max_attempts", -1) + 1
    return s3.S3Client(
        bootstrap=io.ClientBootstrap(loop, io.DefaultHostResolver(loop)),
        region=client.meta.region_name or "us-east-1",  # each request names its own
        tls_mode=s3.S3RequestTlsMode.ENABLED if secure else s3.S3RequestTlsMode.DISABLED,
        tls_connection_options=_tls(client) if secure else None,
        throughput_target_gbps=_TARGET_GBPS,
        max_active_connections_override=CONNECTIONS,
        retry_config=s3.S3RetryConfig(max_retries=max(1, attempts - 1) if attempts else 0),
    )


def _tls(client: S3Client) -> Any:
    from awscrt import io
    from botocore.httpsession import get_cert_path

    options = io.TlsContextOptions()
    verify: Any = certificates(client)
    if verify is False:
        options.verify_peer = False
    else:  # the very authorities that boto3 trusts, which slim images often do not have system-wide
        options.override_default_trust_store_from_path(ca_filepath=get_cert_path(verify))
    return io.ClientTlsContext(options).new_connection_options()


def certificates(client: S3Client) -> bool | str:
    """
    Return how the client checks certificates: False, True, or the file of the authorities that it trusts.

    :param client: a boto3 S3 client.
    :raises AttributeError: if this botocore keeps it elsewhere.
    """
    verify: bool | str = client._endpoint.http_session._verify
    return verify
