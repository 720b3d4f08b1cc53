"""Faults on this side that keep a request from being sent. No retry mends them, but botocore would retry."""

from __future__ import annotations

import re
import ssl
from os import PathLike
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.error_origin import shorten
from airflow_provider_crr.text.legible import told

#: What botocore makes of another scheme than these: it puts http:// before it.
_TWO_SCHEMES = re.compile(r"http://[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DOTS = frozenset({".", ".."})


def raise_for_files(connection: Any, error: Exception) -> None:
    """
    Raise our error if the files that a connection was given cannot be used.

    :param connection: a connection of urllib3.
    :param error: what it raised when it was to be opened.
    :raises LookupFailed: if certificates or keys cannot be read.
    """
    if not isinstance(error, OSError) and "SSLError" not in type(error).__name__:
        return
    if isinstance(error, ssl.SSLCertVerificationError):  # the server's certificate, and not a file of ours
        return
    authorities, certificate = getattr(connection, "ca_certs", None), getattr(connection, "cert_file", None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except OSError as fault:  # ssl.SSLError is one
        raise LookupFailed(
            f"no certificates can be trusted: {authorities}: {fault}",
            remedy="Let verify, in the connection or the argument, or AWS_CA_BUNDLE name a file of PEM certificates",
        ) from error
    try:
        if certificate:
            context.load_cert_chain(certificate, connection.key_file, password="")
    except (OSError, ValueError) as fault:
        raise LookupFailed(
            f"the client certificate cannot be used: {certificate}: {fault}",
            remedy="Let client_cert in the connection's config_kwargs name a certificate and its key, unencrypted",
        ) from error


def raise_for_settings(client: Any) -> None:
    """
    Raise our error if a client's proxy or ``verify`` can never be used. botocore finds out when it sends a request.

    :param client: a boto3 client.
    :raises LookupFailed: if the mapping of schemes to URLs, such a URL, or a file for it cannot be read, or if
        ``verify`` is neither a truth value nor a path.
    """
    session, asked = client._endpoint.http_session, client.meta.endpoint_url
    if asked.startswith("https:"):
        _raise_for_verify(getattr(session, "_verify", None))
    proxies, manager_of = getattr(session, "_proxy_config", None), getattr(session, "_get_connection_manager", None)
    if proxies is None or manager_of is None:  # a botocore that has them elsewhere
        return
    try:
        proxy = proxies.proxy_url_for(asked)
        if proxy:
            manager_of(asked, proxy)
    except Exception as error:
        shorten(error)
        raise _bad_proxy(f"{type(error).__name__}: {told(error).rstrip('.')}") from error
    if proxy and _TWO_SCHEMES.match(proxy):
        raise _bad_proxy("botocore knows http:// and https:// only, in small letters")


def _raise_for_verify(verify: object) -> None:
    """Raise our error for a ``verify`` that is refused with each request, or that, empty, would trust everybody."""
    is_path = isinstance(verify, (str, bytes, PathLike)) and verify not in ("", b"")
    if not (verify is None or isinstance(verify, bool) or is_path or verify == 0):
        given = f"of type {type(verify).__name__}" if verify else "empty"
        raise LookupFailed(
            f"no certificates can be trusted: verify is {given}",
            remedy="Let verify, in the connection or the argument, be true, false, or name a file of PEM certificates",
        )


def _bad_proxy(why: str) -> LookupFailed:
    return LookupFailed(
        f"the proxy cannot be used: {why}",
        remedy='Let proxies in the connection\'s config_kwargs map "https" or "http" to a URL, or correct'
        " HTTPS_PROXY or HTTP_PROXY; name and password in it are percent-encoded",
    )


def raise_for_target(target: str) -> None:
    """
    Raise our error if urllib3 would ask for another key than the one that is meant.

    A proxy that is to send a request on is given the whole URL (RFC 9112, section 3.2.2). urllib3 removes dot segments
    from such a URL (RFC 3986, section 6.2.2.3), and so may the proxy.

    :param target: path or URL that is asked for.
    :raises LookupFailed: if a URL has such segments.
    """
    if not target.startswith("/") and _DOTS.intersection(urlsplit(target).path.split("/")):
        raise LookupFailed(
            'a proxy may take "." and ".." in a key for folders, and then ask for another object',
            remedy="Use an https endpoint, through which the proxy does not look, or except the endpoint with NO_PROXY",
        )
