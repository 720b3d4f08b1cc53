"""
A scripted s3control: it answers each operation with the wire forms that a test gives it.

boto3 puts the account before the host, so that ``http://127.0.0.1:1234`` becomes ``http://111122223333.127.0.0.1:1234``,
which is no address: whoever makes the client has to take it out again, as
:func:`local_aws.batch.endpoint.reach_by_address` does.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from local_aws.batch.endpoint import reach_by_address
from tests.support.batch_forms import NAMESPACE, refusal
from tests.support.http_server import Asked, HttpServer, Said

JOBS = "/v20180820/jobs"
#: An answer that never comes: the connection is closed after the request was read.
LOST = Said(cut=True)


@dataclass(frozen=True)
class Call:
    """One request, as the operation it is."""

    operation: str
    account_id: str
    job_id: str
    query: dict[str, str]
    body: bytes

    def text(self, path: str) -> str | None:
        """Return the text of an element of the request, such as "Report/Bucket"."""
        names = "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))
        return ElementTree.fromstring(self.body).findtext(names)


class S3ControlServer:
    """
    The server, as a context manager.

    :param answers: what to say, by operation ("CreateJob", "DescribeJob", "UpdateJobStatus", "UpdateJobPriority",
        "ListJobs"): bodies, which are said with 200, names of :data:`tests.support.batch_forms.REFUSALS`, or
        :class:`tests.support.http_server.Said`. The last is said again and again.
    """

    def __init__(self, **answers: Sequence[str | Said]) -> None:
        self.answers = answers
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._said: dict[str, int] = defaultdict(int)
        self._http = HttpServer(self._answer)

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    @property
    def url(self) -> str:
        """Endpoint, as a connection has it."""
        return self._http.url

    def count(self, operation: str) -> int:
        """Return how often an operation was asked for."""
        return sum(call.operation == operation for call in self.calls)

    def _answer(self, asked: Asked) -> Said:
        call = _call(asked)
        with self._lock:
            self.calls.append(call)
            answers = self.answers.get(call.operation, ())
            if not answers:
                return Said(*refusal("bad request"))
            answer = answers[min(self._said[call.operation], len(answers) - 1)]
            self._said[call.operation] += 1
        if isinstance(answer, Said):
            return answer
        return Said(body=answer) if answer.startswith("<") else Said(*refusal(answer))


def _call(asked: Asked) -> Call:
    parts = urlsplit(asked.target)
    job_id, _, what = parts.path.removeprefix(JOBS).strip("/").partition("/")
    if not parts.path.startswith(JOBS):
        operation = parts.path
    elif job_id:
        operation = {"status": "UpdateJobStatus", "priority": "UpdateJobPriority"}.get(what, "DescribeJob")
    else:
        operation = "CreateJob" if asked.method == "POST" else "ListJobs"
    account_id = asked.headers.get("x-amz-account-id", "")
    if not account_id and (found := re.match(r"\d{12}(?=\.)", asked.headers.get("host", ""))):
        account_id = found.group()
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Call(operation, account_id, job_id, query, asked.body)


def client_of(server: S3ControlServer) -> Any:
    """Return boto3's client of a server; it asks once."""
    import boto3
    from botocore.config import Config

    return reach_by_address(
        boto3.client(
            "s3control",
            region_name="eu-west-1",
            endpoint_url=server.url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )
    )
