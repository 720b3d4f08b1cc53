"""HEAD through the AWS Common Runtime: AWS's own client in C, at several times boto3's rate for less CPU."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from airflow_provider_crr.lookup.boto3_asker import BotoAsker, S3Client, judge
from airflow_provider_crr.lookup.boto3_connections import pairing_of
from airflow_provider_crr.lookup.crt.connections import CONNECTIONS, Connection, Connections
from airflow_provider_crr.lookup.crt.handshakes import AskBoto3
from airflow_provider_crr.lookup.crt.memory import Growth
from airflow_provider_crr.lookup.crt.request_template import Wire, prepare
from airflow_provider_crr.lookup.crt.session import Runtime, attempts
from airflow_provider_crr.lookup.http_answers import joined, may_be_too_long
from airflow_provider_crr.lookup.pace import Pacer
from airflow_provider_crr.replication.status import ObjectReplication, without_answer
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of

log = logging.getLogger(__name__)

#: Answers that may be another one a moment later ("Error responses": SlowDown, InternalError, and those of gateways).
_PASSING = frozenset({429, 500, 502, 503, 504})
#: Before the n-th retry up to this much time passes, times 2 to the n-th, in seconds (full jitter); and the most.
_BACKOFF = 0.25
_MAX_BACKOFF = 20.0
#: Seconds that the end of a sweep waits for its connections and threads to end.
_FAREWELL = 1.0
#: How the runtime calls headers that are not UTF-8; boto3 reads them as ISO-8859-1.
_UNREADABLE = frozenset({"AWS_ERROR_UNKNOWN", "AWS_ERROR_CRT_CALLBACK_EXCEPTION", "AWS_ERROR_HTTP_CALLBACK_FAILURE"})


class _Question:
    """One object's HEAD. Its callbacks run in the runtime's thread and only take notes."""

    __slots__ = (
        "again",
        "attempts",
        "came_at",
        "connection",
        "events",
        "floods",
        "found",
        "fresh",
        "headers",
        "http_status",
        "obj",
        "pending",
        "sent_at",
        "stream",
        "wire",
    )

    def __init__(self, obj: S3Object, events: SimpleQueue[Any], again: bool = False) -> None:
        self.obj = obj
        self.events = events
        self.again = again
        #: Whether it must go over a connection that was not used before.
        self.fresh = False
        #: Whether its answer has no end.
        self.floods = False
        self.attempts = 0
        self.wire: Any = None
        #: What is waited for: a connection, or the end of the stream.
        self.pending: Future[Any] | None = None
        self.connection: Any = None
        self.stream: Any = None
        self.sent_at = 0.0
        #: When its answer came; it may have waited for us since.
        self.came_at = 0.0
        self.http_status = 0
        self.headers: list[tuple[str, str]] = []
        #: The headers by name.
        self.found: dict[str, str] = {}

    def wait_for(self, future: Future[Any]) -> None:
        """Be told of the end of a connection's opening, or of a stream."""
        self.pending = future
        future.add_done_callback(self.on_done)

    def on_done(self, future: Future[Any]) -> None:
        """Hand over what was waited for."""
        self.events.put((self, future))

    def on_response(self, status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
        """Note status and headers, of a good answer or a bad one; the first is the answer."""
        if not self.http_status:
            self.came_at = time.monotonic()
            self.http_status = status_code
            self.headers = headers


class CrtAsker:
    """
    Asks through ``awscrt.http``; what needs boto3 is asked through boto3.

    :param client: the boto3 client whose endpoint, credentials, certificates, timeouts and retries are used.
    :param pacer: says when each attempt may leave.
    :raises CredentialsNotFound: if the client has no credentials.
    """

    limit = 4 * CONNECTIONS

    def __init__(self, client: S3Client, pacer: Pacer) -> None:
        self._pairing = pairing_of(client)
        self._attempts = attempts(client)
        self._runtime = Runtime(client)  # what may raise comes before it, for nobody would close it
        self._connections = Connections(self._runtime.connect, self._pairing)
        self._client = client
        self._pacer = pacer
        self._patience = client.meta.config.read_timeout or float("inf")
        #: What happened: questions with what they waited for, and answers and errors from boto3.
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._waiting: deque[_Question] = deque()
        self._later: list[tuple[float, int, _Question]] = []
        self._order = count()
        #: Questions that a connection is opened for.
        self._opening: set[_Question] = set()
        #: Questions that S3 has, the oldest first.
        self._under_way: dict[_Question, None] = {}
        self._wires: dict[tuple[str, bool], Wire | None] = {}
        self._settled: set[str] = set()
        #: Buckets that boto3 is asked about because they are elsewhere: by which object, and who waits for it.
        self._followed: dict[str, tuple[S3Object, list[S3Object]]] = {}
        self._ready: deque[ObjectReplication] = deque()
        self._growth = Growth()
        self._boto: BotoAsker | None = None

    def ask(self, obj: S3Object) -> None:
        """Send one HEAD, as soon as pace and connections allow."""
        self._waiting.append(_Question(obj, self._events))
        if len(self._waiting) == 1:  # else whatever holds the first one back holds this one back too
            self._send_waiting()

    def answer(self, timeout: float) -> ObjectReplication | None:
        """Return one answer, or None if none came within ``timeout`` seconds."""
        if not self._ready:
            self._settle()
            self._send_waiting()
        while not self._ready:
            try:
                found = self._events.get(timeout=self._until_due(timeout)) if timeout else self._events.get_nowait()
            except Empty:
                return None
            timeout = 0  # an answer that is held makes room for none
            if answer := self._go_on(*found) if isinstance(found, tuple) else self._of_boto(found):
                return answer
        return self._ready.popleft()

    def _of_boto(self, found: ObjectReplication | BaseException) -> ObjectReplication:
        if isinstance(found, BaseException):
            raise found
        self._learn(found)
        return found

    def close(self) -> None:
        """Abandon what is under way, and wait until threads and sockets are released."""
        deadline = time.monotonic() + _FAREWELL
        lingers = self._runtime.give_up()
        try:
            if self._boto is not None:
                self._boto.close()
            self._connections.close()
            # The runtime ends only when nothing refers to a stream or a connection any more.
            while (self._under_way or self._opening) and (left := deadline - time.monotonic()) > 0:
                with suppress(Empty):
                    self._forget(self._events.get(timeout=left))
            self._waiting.clear()
            self._later.clear()
        finally:  # also when a signal ends the wait
            self._runtime.close(0.0 if lingers else deadline)

    def _forget(self, found: Any) -> None:
        if not isinstance(found, tuple):
            return
        question, future = found
        if question in self._opening:
            self._opening.discard(question)
            with suppress(Exception):
                self._connections.give_back(self._connections.opened(question.wire.endpoint, future), usable=False)
        self._under_way.pop(question, None)
        question.connection = question.stream = question.pending = None

    def _go_on(self, question: _Question, future: Future[Any]) -> ObjectReplication | None:
        if question.pending is not future:  # of a stream that was given up
            return None
        question.pending = None
        return self._read(question, future) if question.stream else self._send_opened(question, future)

    def _send_waiting(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._waiting.appendleft(heappop(self._later)[2])
        while self._waiting and not self._pacer.delay():
            question = self._waiting[0]
            if question.obj.bucket in self._followed:  # it would be sent to where the bucket is not
                self._followed[question.obj.bucket][1].append(self._waiting.popleft().obj)
                continue
            kind = (question.obj.bucket, question.obj.version_id is not None)
            if kind not in self._wires:
                self._wires[kind] = prepare(self._client, question.obj)
            wire = self._wires[kind]
            if wire is None or self._runtime.refuses(wire.endpoint):
                self._ask_boto(self._waiting.popleft().obj)
                continue
            connection = None if question.fresh else self._connections.take(wire.endpoint)
            opening = None if connection else self._connections.open(wire.endpoint)
            if not connection and not opening:
                return
            self._pacer.claim()
            self._waiting.popleft()
            question.wire = wire
            if connection:
                self._send(question, connection)
            elif opening:
                self._opening.add(question)
                question.wait_for(opening)

    def _until_due(self, timeout: float) -> float:
        if self._waiting:
            timeout = min(timeout, self._pacer.delay() or timeout)
        if self._later:
            timeout = min(timeout, max(0.0, self._later[0][0] - time.monotonic()))
        if (resting := self._connections.until_rested()) is not None:
            timeout = min(timeout, resting)
        self._hang_up()
        return timeout

    def _hang_up(self) -> None:
        """Close the connections whose answer is overdue, which ends their questions; give up what does not open."""
        self._runtime.expire()
        overdue = time.monotonic() - self._patience
        flooding = self._growth.since(next((each.sent_at for each in self._under_way), None))
        for question in self._under_way:
            if question.sent_at > max(overdue, flooding):
                return
            question.floods = question.floods or question.sent_at <= flooding
            question.connection.native.close()

    def _ask_boto(self, obj: S3Object) -> None:
        if self._boto is None:
            self._boto = BotoAsker(self._client, self._pacer, self._events)
        self._boto.ask(obj)

    def _send_opened(self, question: _Question, opening: Future[Any]) -> ObjectReplication | None:
        self._opening.discard(question)
        try:
            connection = self._connections.opened(question.wire.endpoint, opening)
        except AskBoto3 as refused:
            log.debug("Asking for %s through boto3: the Common Runtime has no connection: %s", question.obj, refused)
            self._ask_boto(question.obj)
            return None
        except Exception as error:
            return self._unless_retried(question, without_answer(question.obj, f"no connection: {error}"))
        self._send(question, connection)
        return None

    def _send(self, question: _Question, connection: Connection) -> None:
        request = self._runtime.request(question.wire, question.obj)
        question.http_status = 0
        question.headers = []
        question.sent_at = time.monotonic()
        connection.use.asks()
        try:
            stream = connection.native.request(request, question.on_response)
            stream.activate()
        except Exception as error:  # S3 closed the connection since it was used last
            self._connections.give_back(connection, usable=False)
            found = self._unless_retried(question, without_answer(question.obj, f"not sent: {error}"))
            if found:
                self._ready.append(found)
            return
        question.connection, question.stream = connection, stream
        self._under_way[question] = None
        question.wait_for(stream.completion_future)

    def _read(self, question: _Question, completion: Future[Any]) -> ObjectReplication | None:
        obj, status, connection = question.obj, question.http_status, question.connection
        error = completion.exception()
        del self._under_way[question]
        question.stream = question.connection = None
        if not status or error:  # headers count only of a request that ended well
            self._connections.give_back(connection, usable=False)
            if question.floods or getattr(error, "name", "") in _UNREADABLE:
                self._ask_boto(obj)
                return None
            late = time.monotonic() - question.sent_at > self._patience
            why = f"none within {self._patience:g} s" if late else error
            return self._unless_retried(question, without_answer(obj, f"no answer: {why}"))
        if may_be_too_long(question.headers):
            self._connections.give_back(connection, usable=False)
            self._ask_boto(obj)  # which says what is wrong with it
            return None
        self._pacer.answered(status)
        return self._pair(question, connection)

    def _pair(self, question: _Question, connection: Connection) -> ObjectReplication | None:
        """Let the connection rest; an answer that is not its first is held until nothing followed it by then."""
        connection.answers += 1
        connection.use.answers()
        is_first, exchange = connection.answers == 1, connection.exchange
        until = exchange.rest_until(question.sent_at, question.came_at)
        question.found = joined(question.headers)
        repeats = exchange.repeats(question.found.get("x-amz-request-id"), is_first=is_first)
        if exchange.convicted or repeats:
            self._connections.give_back(connection, usable=False)
            if is_first:
                return self._conclude(question)
            self._ask_again(question)
            return None
        self._connections.rest(connection, until, None if is_first else question)
        return self._conclude(question) if is_first else None

    def _settle(self) -> None:
        """Conclude what was held, or ask again for it."""
        for connection, question in self._connections.rested():
            usable = connection.is_clean()
            self._connections.give_back(connection, usable=usable)
            if question is None:
                continue
            if not usable:
                self._ask_again(question)
            elif found := self._conclude(question):
                self._ready.append(found)

    def _ask_again(self, question: _Question) -> None:
        """Ask on a fresh connection: the answer may be another question's."""
        question.fresh = True
        self._waiting.appendleft(question)

    def _conclude(self, question: _Question) -> ObjectReplication | None:
        """Return what an answer means, unless the object is to be asked for again."""
        headers = question.found
        if question.http_status != 200 and not question.again and self._is_elsewhere(question, headers):
            self._follow(question)
            return None
        found = judge(question.obj, question.http_status, headers)
        if found.server and self._must_be_asked_otherwise(question, found):
            self._waiting.append(_Question(question.obj, self._events, again=True))
            return None
        return self._unless_retried(question, found) if found.http_status in _PASSING else found

    def _must_be_asked_otherwise(self, question: _Question, found: ObjectReplication) -> bool:
        """Return whether the store speaks of its own objects only if it is asked so, and was not."""
        needed = store_of(found.server).asked_with
        if not needed or needed.keys() <= dict(question.wire.headers).keys():
            return False
        self._pairing.at_minio = True
        kind = (question.obj.bucket, question.obj.version_id is not None)
        if self._wires.get(kind) is question.wire:
            self._wires[kind] = prepare(self._client, question.obj)
        return True

    def _unless_retried(self, question: _Question, found: ObjectReplication) -> ObjectReplication | None:
        question.attempts += 1
        question.fresh = True
        if question.attempts >= self._attempts:
            return found
        backoff = random.random() * min(_MAX_BACKOFF, _BACKOFF * 2**question.attempts)  # noqa: S311
        heappush(self._later, (time.monotonic() + backoff, next(self._order), question))
        return None

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

    def _follow(self, question: _Question) -> None:
        """Let boto3 find the bucket's region, once a bucket; nothing about it is sent before, then all of it there."""
        obj = question.obj
        if self._wires.get((obj.bucket, obj.version_id is not None)) is not question.wire:  # learnt meanwhile
            self._waiting.append(_Question(obj, self._events, again=True))
        elif obj.bucket in self._followed:
            self._followed[obj.bucket][1].append(obj)
        else:
            self._followed[obj.bucket] = (obj, [])
            self._ask_boto(obj)

    def _learn(self, found: ObjectReplication) -> None:
        """Take note of where boto3 found a bucket, and ask there for those who waited for it."""
        bucket, named = found.object.bucket, found.object.version_id is not None
        if bucket not in self._followed or self._followed[bucket][0] != found.object:
            return
        _, waited = self._followed.pop(bucket)
        known = self._wires.pop((bucket, named))
        self._wires.pop((bucket, not named), None)  # of keys, or of versions: prepared anew when one is asked for
        self._wires[bucket, named] = prepare(self._client, found.object)
        if self._wires[bucket, named] == known:
            self._settled.add(bucket)  # boto3 knows no better place either
        self._waiting.extend(_Question(obj, self._events, again=True) for obj in waited)
