"""
The ASGI application: MiniStack's, with a PENDING phase added to its answers, S3 Batch Operations beside it, and its
requests counted.

``/_local_aws/...`` is the control endpoint of :class:`local_aws.server.LocalAws`. It is served by the same event loop
as S3, so a command that was answered applies to every request that arrives after that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from local_aws.batch.service import BatchOperations
from local_aws.dates import date_back
from local_aws.pending import PendingPhase

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: No bucket's path begins so, because a bucket name has no underscore.
CONTROL_PATH = "/_local_aws/"


class LocalAwsApp:
    """
    MiniStack's application with a layer around it.

    :param inner: MiniStack's ASGI application.
    :param phase: decides which objects are shown as PENDING.
    :param batch: answers what is asked about jobs of S3 Batch Operations.
    :param on_started: called once, when the application can answer requests.
    """

    def __init__(self, inner: App, phase: PendingPhase, batch: BatchOperations, on_started: Callable[[], None]) -> None:
        self._inner = inner
        self._phase = phase
        self._batch = batch
        self._on_started = on_started
        #: Requests by method, bucket and key.
        self._requests: Counter[tuple[str, str, str]] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or run MiniStack's start and end."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, self._announcing(send))
        elif scope["type"] != "http":
            await self._inner(scope, receive, send)
        elif scope["path"].startswith(CONTROL_PATH):
            await self._control(scope["path"].removeprefix(CONTROL_PATH), receive, send)
        elif self._batch.is_asked(scope["path"], _headers(scope)):
            await self._about_jobs(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _about_jobs(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("ascii")
        body = await _body(receive)
        status, answer = await self._batch.answer(scope["method"], scope["path"], query, _headers(scope), body)
        await _answer(send, status, answer, b"application/xml")

    async def _pass_on(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        # Path-style addresses only: an endpoint that is an IP address has no virtual hosts.
        bucket, _, key = scope["path"].removeprefix("/").partition("/")
        method = scope["method"]
        self._requests[method, bucket, key] += 1

        async def send_shown(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._phase.shown(message.get("headers", ()), bucket, key)}
            await send(message)

        await self._inner(scope, receive, send_shown if method in ("GET", "HEAD") else send)

    def _announcing(self, send: Send) -> Send:
        async def announcing(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._on_started()

        return announcing

    async def _control(self, action: str, receive: Receive, send: Send) -> None:
        try:
            status, answer = 200, self._do(action, json.loads(await _body(receive)))
        except (ValueError, TypeError, KeyError) as error:
            status, answer = 400, {"error": f"{action}: {error}"}
        await _answer(send, status, json.dumps(answer).encode(), b"application/json")

    def _do(self, action: str, arguments: dict[str, Any]) -> Any:
        if action == "hold":
            return self._phase.hold(**arguments)
        if action == "release":
            return self._phase.release(**arguments)
        if action == "pending-seconds":
            self._phase.seconds = float(arguments["seconds"])
            return None
        if action == "date-back":
            return date_back(**arguments)
        if action == "requests":
            return self._counted(**arguments)
        if action == "reset-counts":
            return self._requests.clear()
        if action.startswith("batch-"):
            return self._batch.order(action.removeprefix("batch-"), arguments)
        raise ValueError("no such action")

    def _counted(self, bucket: str = "", prefix: str = "") -> dict[str, int]:
        counted: Counter[str] = Counter()
        for (method, of_bucket, key), count in self._requests.items():
            if bucket in ("", of_bucket) and key.startswith(prefix):
                # HeadBucket asks about no object.
                counted["HEAD_BUCKET" if method == "HEAD" and not key else method] += count
        return dict(counted)


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
