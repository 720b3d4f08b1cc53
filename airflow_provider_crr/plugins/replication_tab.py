"""
The Replication tab of a task instance, and the page of all gates that wait now, in Airflow 3.1 and later; Airflow 3.0
does not know such pages.

Airflow serves a plugin's pages to everybody, without a login. So these are files without data: their script reads
XComs and logs through Airflow's REST API with the viewer's own session, and Airflow decides what that viewer may see.

No release of Airflow can be told on which tasks to show the tab: it is on every one, and empty where nothing is ours.

Every component of Airflow imports this module, also the process of each task. So the web framework is imported only on
the first request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from airflow_provider_crr.tasks import settings
from airflow_provider_crr.tasks.compat import AirflowPlugin

#: Where the files are served, below Airflow's base URL.
PATH = "airflow-provider-crr"
FILES = Path(__file__).parent / "tab"

#: The pages may load these files and ask Airflow's API, and nothing else. Only Airflow may frame them, and no text is
#: taken for markup.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
    ]
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),  # the browser asks each time, and an upgrade shows at once
]

_ICONS = {"icon": f"{PATH}/icon-light.svg", "icon_dark_mode": f"{PATH}/icon-dark.svg"}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StaticPages:
    """
    An ASGI application that serves one folder, with headers that forbid everything else.

    :param folder: what to serve; ``index.html`` at its root.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: Any = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if self._files is None:
            from starlette.staticfiles import StaticFiles

            self._files = StaticFiles(directory=self._folder, html=True)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._files(scope, receive, send_with_headers)


class ReplicationTabPlugin(AirflowPlugin):
    """What Airflow reads of both pages, by the entry point ``airflow.plugins``."""

    name = "airflow_provider_crr"
    fastapi_apps = [{"app": StaticPages(FILES), "url_prefix": f"/{PATH}", "name": "S3 replication tab"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Replication",
            # Without a leading slash: below Airflow's base URL, whatever that is. Airflow fills in and encodes the
            # names; MAP_INDEX it leaves as it is where the task is not mapped.
            "href": f"{PATH}/?dag_id={{DAG_ID}}&run_id={{RUN_ID}}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}",
            "destination": "task_instance",
            "url_route": "s3-replication",
            **_ICONS,
        },
        {
            "name": "Gates waiting now",
            "href": f"{PATH}/gates.html",
            "destination": "nav",
            "category": "browse",
            "url_route": "s3-replication-gates",
            **_ICONS,
        },
    ]


if not settings.shows_tab():
    ReplicationTabPlugin.fastapi_apps = ReplicationTabPlugin.external_views = []
