"""
The AWS Common Runtime for one asker: it signs requests and opens connections as a boto3 client would.

Each asker has an event loop of its own, which takes a few milliseconds to start and to end. Its thread is joined
before a fork, so a process that forks between two lookups, as Airflow does, passes no thread on to its child. A child
that was forked while an asker was open cannot use the runtime: it would join threads that it does not have, and crash.
It uses boto3.

Requests go over ``awscrt.http``, and not over ``awscrt.s3.S3Client``: the retries of the latter cannot be seen, counted
or turned off, so ``max_requests_per_second`` would not hold.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any

from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.bounded_connections import renew
from airflow_provider_crr.lookup.client_pairing import pairing_of
from airflow_provider_crr.lookup.crt.handshakes import Handshakes, shake_hands
from airflow_provider_crr.lookup.crt.request_template import RequestTemplate
from airflow_provider_crr.lookup.pairing import Endpoint
from airflow_provider_crr.s3.caller_errors import no_credentials
from airflow_provider_crr.s3.client_errors import raise_not_asked
from airflow_provider_crr.s3.error_origin import note_connection
from airflow_provider_crr.s3.objects import S3Object

#: Seconds for which the credentials and the time of a signature are used again. botocore renews credentials minutes
#: before they expire, and S3 accepts a signature for 15 minutes.
_SIGNING_AGE = 1.0
#: Seconds that a fork waits for the threads of past lookups to end.
_JOIN = 2.0


class Runtime:
    """
    Signs requests and opens connections.

    :param client: the boto3 client whose credentials, certificates and timeouts are used.
    :raises CredentialsNotFound: if the client has no credentials.
    """

    def __init__(self, client: S3Client) -> None:
        from awscrt import auth, http, io

        self._client = client
        self._handshakes = Handshakes(pairing_of(client), partial(shake_hands, client), self._connect)
        self._credentials = client._get_credentials()  # what boto3's own Common Runtime transfers use
        if self._credentials is None:
            raise no_credentials(None, "none are configured")
        self._auth, self._http = auth, http
        self._frozen: Any = None
        self._provider: Any = None
        self._signed_at = float("-inf")
        self._signing: dict[tuple[str, str], Any] = {}
        self._loop = io.EventLoopGroup(1)
        self._bootstrap = io.ClientBootstrap(self._loop, io.DefaultHostResolver(self._loop))
        self._socket = io.SocketOptions()
        if client.meta.config.connect_timeout:
            self._socket.connect_timeout_ms = int(1000 * client.meta.config.connect_timeout)
        _forks.used = True
        _forks.open.add(self)

    def request(self, template: RequestTemplate, obj: S3Object) -> Any:
        """
        Return a signed HEAD.

        :raises LookupFailed: if there are no credentials any more.
        """
        self.renew(obj)
        kind = (template.region, template.body_hash)
        if kind not in self._signing:
            self._signing[kind] = _signing_config(template, self._provider)
        request = self._http.HttpRequest("HEAD", template.path(obj), self._http.HttpHeaders(template.headers))
        try:
            return self._auth.aws_sign_request(request, self._signing[kind]).result()
        except Exception as error:  # the runtime's own
            raise_not_asked(error, str(obj), "look up")

    def renew(self, obj: S3Object) -> None:
        """
        Renew the credentials if need be, and the time of the signatures.

        :param obj: what is asked for, for messages.
        :raises LookupFailed: if there are no credentials any more.
        """
        now = time.monotonic()
        if now - self._signed_at <= _SIGNING_AGE:
            return
        try:
            renew(self._credentials)
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:
            note_connection(self._client, error)
            raise_not_asked(error, str(obj), "look up")
        if frozen != self._frozen:
            self._frozen = frozen
            self._provider = self._auth.AwsCredentialsProvider.new_static(
                frozen.access_key, frozen.secret_key, frozen.token
            )
        self._signing.clear()
        self._signed_at = now

    def refuses(self, endpoint: Endpoint) -> bool:
        """Return whether only boto3 gets a connection there."""
        return self._handshakes.refuses(endpoint)

    def connect(self, endpoint: Endpoint) -> Future[Any]:
        """Return a future connection; with TLS it ends with :class:`.AskBoto3` if there is none in time."""
        return self._handshakes.open(endpoint) if endpoint.scheme == "https" else self._connect(endpoint)

    def expire(self) -> None:
        """Give up connections that take too long to open."""
        self._handshakes.expire()

    def _connect(self, endpoint: Endpoint) -> Future[Any]:
        options = None
        if endpoint.scheme == "https":
            options = tls_context(self._client).new_connection_options()
            options.set_server_name(endpoint.host)
        future: Future[Any] = self._http.HttpClientConnection.new(
            endpoint.host, endpoint.port, self._bootstrap, self._socket, options
        )
        return future

    def give_up(self) -> bool:
        """Give up connections that are being opened with TLS; return whether it may take long until threads end."""
        return self._handshakes.close()

    def close(self, deadline: float) -> None:
        """
        Wait until threads and sockets are released, which happens only if nothing else refers to a connection.

        :param deadline: until when to wait, by ``time.monotonic``.
        """
        try:
            loop_ended = self._loop.shutdown_event
            del self._bootstrap, self._loop
            loop_ended.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also when a signal ends the wait; threads and sockets then end by themselves
            _forks.open.discard(self)


class _Forks:
    """Keeps a forked process from using what it cannot inherit."""

    def __init__(self) -> None:
        self.open: set[Runtime] = set()
        self.used = False
        self.inherited = False

    def before(self) -> None:
        """Join the threads of past lookups; called in the parent."""
        if self.used and not self.open:
            from awscrt.common import join_all_native_threads

            self.used = not join_all_native_threads(timeout_sec=_JOIN)

    def after(self) -> None:
        """
        Note that threads were not joined; called in the child.

        The runtimes that had them stay referenced by :attr:`open`, because releasing one would wait for ever.
        """
        self.inherited = self.inherited or self.used


_forks = _Forks()
os.register_at_fork(before=_forks.before, after_in_child=_forks.after)


def forked_amid_lookup() -> bool:
    """Return whether the runtime cannot be used, because this process was forked while it had threads."""
    return _forks.inherited


def certificates(client: S3Client) -> bool | str:
    """
    Return how a client checks certificates: False, True, or the file of the authorities that it trusts.

    :param client: a boto3 S3 client.
    :raises AttributeError: if this botocore keeps it elsewhere.
    """
    verify: bool | str = client._endpoint.http_session._verify
    return verify


def _signing_config(template: RequestTemplate, provider: Any) -> Any:
    from awscrt import s3

    config = s3.create_default_s3_signing_config(region=template.region, credential_provider=provider)
    return config.replace(signed_body_value=template.body_hash) if template.body_hash else config


def tls_context(client: S3Client) -> Any:
    """
    Return the runtime's form of the authorities that a client trusts.

    It is cached, because reading the file of authorities takes longer than many HEADs.

    :param client: a boto3 S3 client.
    :raises Exception: if the runtime cannot read the file, or has no means for it.
    """
    path = _authorities(client)
    stat = os.stat(path) if path else None
    return _read_context(path, stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino), os.getpid())


def _authorities(client: S3Client) -> str | None:
    """Return the file with the authorities that boto3 trusts; slim images often have none for the whole system."""
    from botocore.httpsession import get_cert_path

    verify: Any = certificates(client)
    return os.path.expanduser(str(get_cert_path(verify))) if verify else None  # as urllib3 does


@lru_cache(maxsize=4)
def _read_context(path: str | None, stamp: Any, process: int) -> Any:
    from awscrt import io

    options = io.TlsContextOptions()
    options.min_tls_ver = io.TlsVersion.TLSv1_2  # Python's own, and therefore boto3's
    if path is None:
        options.verify_peer = False
    else:
        options.override_default_trust_store_from_path(ca_filepath=path)
    return io.ClientTlsContext(options)
