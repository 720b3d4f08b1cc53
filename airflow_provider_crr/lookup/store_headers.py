"""
The headers that a store must be asked with.

A botocore event adds them to each request about an object, so both clients send them: the requests of the Common
Runtime are copied from one that botocore prepared.
"""

from __future__ import annotations

from functools import partial
from threading import local
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_crr.lookup.pairing import Pairing
from airflow_provider_crr.s3.endpoint import is_amazons
from airflow_provider_crr.s3.stores import MINIO

#: Requests about an object: HEAD, and the GET of its first byte that says why a HEAD was refused.
_EVENTS = ("before-sign.s3.HeadObject", "before-sign.s3.GetObject")
_FIRST_BYTE = "bytes=0-0"
_thread = local()


def send_store_headers(client: Any, pairing: Pairing) -> None:
    """
    Send the headers that MinIO needs, signed, to every endpoint that has no name of Amazon's.

    They are not left to when MinIO was seen to answer, because a proxy may hide that.

    :param client: a boto3 S3 client.
    :param pairing: says whether MinIO was met at an endpoint with a name of Amazon's; then it is sent them too.
    """
    for event in _EVENTS:
        client.meta.events.register(event, partial(_add, pairing), unique_id=f"crr-{event}")


def sending_begins() -> None:
    """Forget whether this thread's last request had the headers."""
    _thread.sent = False


def were_sent() -> bool:
    """Return whether this thread's last request had the headers."""
    return getattr(_thread, "sent", False)


def _add(pairing: Pairing, request: Any, **_: Any) -> None:
    if request.method == "GET" and _text(request.headers.get("Range")) != _FIRST_BYTE:
        return
    _thread.sent = pairing.at_minio or not is_amazons(urlsplit(request.url).hostname or "")
    if _thread.sent:
        for name, value in MINIO.asked_with.items():
            del request.headers[name]
            request.headers[name] = value


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
