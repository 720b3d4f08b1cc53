"""HEAD through the AWS Common Runtime: AWS's own client in C, at several times boto3's rate for less CPU."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from airflow_provider_crr.replication.boto import BotoAsker, S3Client, head, judge
from airflow_provider_crr.replication.runtime import CONNECTIONS, Runtime
from airflow_provider_crr.replication.status import ObjectReplication, S3Object, without_answer
from airflow_provider_crr.replication.wire import Wire, prepare

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
    :raises CredentialsNotFound: if the client has no credentials.
    """

    limit = 4 * CONNECTIONS

    def __init__(self, client: S3Client) -> None:
        self._runtime = Runtime(client)
        self._client = client
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._under_way: dict[_Question, Any] = {}
        self._wires: dict[tuple[str, bool], Wire | None] = {}
        self._settled: set[str] = set()
        self._boto: BotoAsker | None = None

    def ask(self, obj: S3Object) -> None:
        """Send one HEAD."""
        self._ask(obj, again=False)

    def _ask(self, obj: S3Object, again: bool) -> None:
        kind = (obj.bucket, obj.version_id is not None)
        if kind not in self._wires:
            self._wires[kind] = prepare(self._client, obj)
        wire = self._wires[kind]
        if wire is None:
            self._ask_boto(obj)
            return
        question = _Question(obj, wire, again, self._answers.put)
        self._under_way[question] = self._runtime.send(obj, wire, question.on_headers, question.on_done)

    def _ask_boto(self, obj: S3Object) -> None:
        if self._boto is None:
            self._boto = BotoAsker(self._client, self._answers)
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
        if not status or (status == 200 and question.error):  # good headers count only of a request that ended well
            name = getattr(question.error, "name", "")
            if name == "AWS_ERROR_CRT_CALLBACK_EXCEPTION":  # not UTF-8; boto3 reads headers as ISO-8859-1
                self._ask_boto(obj)
                return None
            if name in _SERVER_ERRORS:
                return judge(obj, _SERVER_ERRORS[name], {})
            return without_answer(obj, f"no answer: {question.error}")
        headers = {name.lower(): value for name, value in question.headers}
        if len(headers) < len(question.headers):
            headers = _joined(question.headers)
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
        found = head(self._client, obj)
        self._wires[kind] = prepare(self._client, obj)
        if self._wires[kind] == question.wire:
            self._settled.add(obj.bucket)  # boto3 knows no better place either
        return found

    def close(self) -> None:
        """Cancel what is under way, and wait until threads and sockets are released."""
        if self._boto is not None:
            self._boto.close()
        while self._under_way:
            self._under_way.popitem()[1].cancel()
        self._runtime.close()


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Return headers of which some are repeated, their values joined as boto3 joins them."""
    joined: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
