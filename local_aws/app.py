"""
The ASGI application: MiniStack's, with a PENDING phase added to its answers and its requests counted.

``/_local_aws/...`` is the control endpoint of :class:`local_aws.server.LocalAws`. It is served by the same event loop
as S3, so a command that was answered applies to every request that arrives after that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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
    :param on_started: called once, when the application can answer requests.
    """

    def __init__(self, inner: App, phase: PendingPhase, on_started: Callable[[], None]) -> None:
        self._inner = inner
        self._phase = phase
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
        else:
            await self._pass_on(scope, receive, send)

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
        body = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

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
