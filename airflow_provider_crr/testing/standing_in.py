"""What answers in the place of S3, and how it gets there: between boto3 and the network."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from threading import Lock, local
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.sharing import shared_hook
from airflow_provider_crr.testing.documents import Answer
from airflow_provider_crr.testing.objects import Layer
from airflow_provider_crr.testing.service import Service
from airflow_provider_crr.testing.waiting import no_waiting

#: The doubles that are there now, the innermost last.
_LAYERS: list[Layer] = []
_SERVICE = Service(_LAYERS)
_ANSWERING = Lock()
_NUMBERS = itertools.count(1)
#: The parameters of the requests that a thread is about to send, by their names.
_thread = local()
#: No profile, no file, no machine is asked for credentials.
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "fake",
    "AWS_SECRET_ACCESS_KEY": "fake",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_UNSET = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_REGION = "us-east-1"


@contextmanager
def standing_in(layer: Layer, *, patient: bool) -> Iterator[None]:
    """
    Answer for S3 within the block.

    :param layer: what this double adds to the others.
    :param patient: whether sensors and triggers really wait between two looks.
    """
    with ExitStack() as stack:
        stack.callback(shared_hook.begin_anew)
        if not _LAYERS:
            stack.enter_context(_between_boto3_and_the_network())
        _LAYERS.append(layer)
        stack.callback(_LAYERS.remove, layer)
        if not patient:
            stack.enter_context(no_waiting())
        shared_hook.begin_anew()
        yield


@contextmanager
def _between_boto3_and_the_network() -> Iterator[None]:
    from unittest.mock import patch

    import boto3
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    from botocore import handlers
    from botocore.httpsession import URLLib3Session

    from airflow_provider_crr.lookup import choice
    from airflow_provider_crr.lookup.crt import asker

    # Sessions, and the clients made by them, begin with these handlers.
    ours: list[Any] = [("before-parameter-build.s3", _note), ("before-send", _answer)]
    environment: Any = {**_ENVIRONMENT, "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", _REGION)}
    with (
        patch.object(handlers, "BUILTIN_HANDLERS", [*handlers.BUILTIN_HANDLERS, *ours]),
        patch.object(boto3, "DEFAULT_SESSION", None),
        patch.object(URLLib3Session, "send", _refuse),
        patch.object(AwsGenericHook, "get_session", _session(AwsGenericHook.get_session)),
        patch.object(choice, "why_not_crt", lambda client: "fake_s3 answers in the place of S3"),
        patch.object(asker, "Runtime", _refuse_runtime),  # of a hook that was used before
        patch.dict(os.environ, environment),
    ):
        for name in _UNSET:
            os.environ.pop(name, None)  # patch.dict gives it back
        yield


def _session(by_connection: Any) -> Any:
    def get_session(self: Any, region_name: str | None = None, deferrable: bool = False) -> Any:
        """Return a session in the connection's Region; whatever that says, nobody is asked for credentials."""
        import boto3

        if deferrable:  # of aiobotocore, which is not answered
            return by_connection(self, region_name=region_name, deferrable=True)
        region = region_name or getattr(self.conn_config, "region_name", None) or self.region_name or _REGION
        key = _ENVIRONMENT["AWS_ACCESS_KEY_ID"]
        return boto3.session.Session(key, key, region_name=region)

    return get_session


def _note(params: Any, model: Any, **_: Any) -> None:
    setattr(_thread, model.name, params)  # by the name, because one request may need another one first


def _answer(request: Any, event_name: str, **_: Any) -> Any:
    """Answer a request to S3; one to any other service is left to other doubles."""
    service, operation = event_name.split(".")[1:]
    if service != "s3":
        return None
    if not _LAYERS:
        raise LookupFailed(
            "this client was made within fake_s3, which has ended", remedy="Make a client after it, for its own use"
        )
    if type(request).__module__.startswith("aiobotocore."):
        raise LookupFailed(
            "fake_s3 does not answer aiobotocore", remedy="Let other tasks of the DAG not defer in this test"
        )
    with _ANSWERING:
        answer = _SERVICE.answer(operation, getattr(_thread, operation))
    return _received(request, answer)


def _received(request: Any, answer: Answer) -> Any:
    """Return an answer as botocore's own HTTP session returns it: read from bytes, as strictly as what S3 sends."""
    from botocore.awsrequest import AWSResponse
    from urllib3.response import HTTPResponse

    from airflow_provider_crr.lookup.http_answers import StrictResponse

    read = StrictResponse(_Wire(_sent(answer, request.method)), method=request.method, leftover=lambda _: None)
    read.begin()
    raw: Any = HTTPResponse(
        body=read,
        headers=read.headers.items(),  # type: ignore[arg-type]
        status=read.status,
        preload_content=False,
        decode_content=False,
        original_response=read,
        request_method=request.method,
    )
    response = AWSResponse(request.url, raw.status, raw.headers, raw)
    if not request.stream_output:
        _ = response.content
    return response


def _sent(answer: Answer, method: str) -> bytes:
    number, body = next(_NUMBERS), answer.body or b""
    headers = {
        "Date": format_datetime(datetime.now(UTC), usegmt=True),
        "Server": "AmazonS3",
        "x-amz-request-id": f"{number:016X}",
        "Content-Length": str(len(body)),
        **answer.headers,
    }
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("iso-8859-1")
    return head if method == "HEAD" else head + body


class _Wire:
    """A socket from which one answer can be read."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._sent))  # type: ignore[arg-type]

    def gettimeout(self) -> None:
        return None

    def settimeout(self, seconds: float | None) -> None:
        """There is nothing to wait for."""


def _refuse(self: Any, request: Any) -> Any:
    raise _leaving(f"{request.method} {request.url.partition('?')[0]}")


def _refuse_runtime(client: Any) -> Any:
    raise _leaving(f"HEAD {client.meta.endpoint_url}")


def _leaving(request: str) -> LookupFailed:
    return LookupFailed(
        f"{request} would leave the process",
        remedy="fake_s3 answers clients of S3 that are made within it; give other services a double of their own",
    )
