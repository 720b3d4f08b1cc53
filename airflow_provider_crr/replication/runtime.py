"""
The AWS Common Runtime: its S3 client made to do as a boto3 client does, for the length of one sweep.

A client is made for each sweep and closed with it, which takes a few milliseconds. Its threads are joined before a
fork, so a process that forks between sweeps, as Airflow does, hands nothing down to its child. The runtime does not
survive a fork amid a sweep (the child would join threads that it does not have, and crash): boto3 is used there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_crr.aws_errors import no_credentials, not_asked
from airflow_provider_crr.replication.boto import S3Client
from airflow_provider_crr.replication.status import S3Object
from airflow_provider_crr.replication.wire import Wire

#: Connections of one sweep: what S3's 5,500 HEADs a second for a prefix need at 23 ms each.
CONNECTIONS = 128
#: Gbit/s from which the client derives how many connections it may open; this allows 250.
_TARGET_GBPS = 100.0
#: Seconds for which credentials are used before they are asked for again; botocore renews minutes ahead.
_CREDENTIALS_AGE = 1.0
#: Seconds that the end of a sweep waits for its client to close.
_FAREWELL = 5.0
#: Seconds that a fork waits for the threads of past sweeps to end.
_JOIN = 2.0


class Runtime:
    """
    Sends signed requests from C threads.

    :param client: the boto3 client whose credentials, certificates and retries are used.
    :raises CredentialsNotFound: if the client has no credentials.
    """

    def __init__(self, client: S3Client) -> None:
        from awscrt import http, io, s3

        self._client = client
        self._credentials = client._get_credentials()  # what boto3's own Common Runtime transfers use
        if self._credentials is None:
            raise no_credentials(None, "none are configured")
        self._http, self._s3 = http, s3
        self._frozen: Any = None
        self._frozen_at = float("-inf")
        self._signing: dict[str, Any] = {}
        self._senders: dict[str, Any] = {}
        _forks.used = True
        _forks.open.add(self)
        self._loop = io.EventLoopGroup(1)

    def send(self, obj: S3Object, wire: Wire, on_headers: Callable[..., None], on_done: Callable[..., None]) -> Any:
        """Send one HEAD, and return the request; ``on_headers`` and ``on_done`` are called from a C thread."""
        return self._sender(wire.scheme).make_request(
            type=self._s3.S3RequestType.DEFAULT,
            operation_name="HeadObject",
            request=self._http.HttpRequest("HEAD", wire.path(obj), self._http.HttpHeaders(wire.headers)),
            signing_config=self._signing_for(wire.region, obj),
            on_headers=on_headers,
            on_done=on_done,
        )

    def _signing_for(self, region: str, obj: S3Object) -> Any:
        # Credentials are renewed in this thread, where an error can be raised, not in the C threads that sign.
        now = time.monotonic()
        if now - self._frozen_at > _CREDENTIALS_AGE:
            try:
                frozen = self._credentials.get_frozen_credentials()
            except Exception as error:
                raise not_asked(error, str(obj), "look up") from error
            if frozen != self._frozen:
                self._frozen = frozen
                self._signing.clear()
            self._frozen_at = now
        if region not in self._signing:
            self._signing[region] = _signing_config(region, self._frozen)
        return self._signing[region]

    def _sender(self, scheme: str) -> Any:
        if scheme not in self._senders:
            self._senders[scheme] = _s3_client(self._client, self._loop, secure=scheme == "https")
        return self._senders[scheme]

    def close(self) -> None:
        """Wait until threads and sockets are released; nothing else may refer to a request any more."""
        deadline = time.monotonic() + _FAREWELL
        try:
            while self._senders:
                # popitem leaves no reference behind: a client closes when nothing refers to it.
                self._senders.popitem()[1].shutdown_event.wait(max(0.0, deadline - time.monotonic()))
            loop_ended = self._loop.shutdown_event
            del self._loop
            loop_ended.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also when a signal ends the wait: the rest ends by itself
            _forks.open.discard(self)


class _Forks:
    """Keeps what a forked process would inherit to what it can bear."""

    def __init__(self) -> None:
        self.open: set[Runtime] = set()
        self.used = False
        self.inherited = False

    def before(self) -> None:
        """Join the threads of past sweeps, in the parent."""
        if self.used and not self.open:
            from awscrt.common import join_all_native_threads

            self.used = not join_all_native_threads(timeout_sec=_JOIN)

    def after(self) -> None:
        """Note in the child what could not be joined; it stays referenced, for releasing it would wait for ever."""
        self.inherited = self.inherited or self.used


_forks = _Forks()
os.register_at_fork(before=_forks.before, after_in_child=_forks.after)


def forked_amid_sweep() -> bool:
    """Return whether this process inherited threads of the runtime that it does not have."""
    return _forks.inherited


def certificates(client: S3Client) -> bool | str:
    """
    Return how a client checks certificates: False, True, or the file of the authorities that it trusts.

    :param client: a boto3 S3 client.
    :raises AttributeError: if this botocore keeps it elsewhere.
    """
    verify: bool | str = client._endpoint.http_session._verify
    return verify


def _signing_config(region: str, frozen: Any) -> Any:
    from awscrt import auth, s3

    provider = auth.AwsCredentialsProvider.new_static(frozen.access_key, frozen.secret_key, frozen.token)
    return s3.create_default_s3_signing_config(region=region, credential_provider=provider)


def _s3_client(client: S3Client, loop: Any, *, secure: bool) -> Any:
    from awscrt import io, s3

    return s3.S3Client(
        bootstrap=io.ClientBootstrap(loop, io.DefaultHostResolver(loop)),
        region=client.meta.region_name or "us-east-1",  # each request names its own
        tls_mode=s3.S3RequestTlsMode.ENABLED if secure else s3.S3RequestTlsMode.DISABLED,
        tls_connection_options=_tls(client) if secure else None,
        throughput_target_gbps=_TARGET_GBPS,
        max_active_connections_override=CONNECTIONS,
        **_retries(client.meta.config.retries or {}),
    )


def _retries(configured: dict[str, Any]) -> dict[str, Any]:
    """Return as many retries as boto3 was told to make; at least one, and the runtime's own five if told nothing."""
    from awscrt import s3

    attempts = configured.get("total_max_attempts") or configured.get("max_attempts", -1) + 1
    if not attempts or not hasattr(s3, "S3RetryConfig"):  # which came after awscrt 0.31
        return {}
    return {"retry_config": s3.S3RetryConfig(max_retries=max(1, attempts - 1))}


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
