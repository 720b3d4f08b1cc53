"""HEAD through the AWS Common Runtime: AWS's own client in C, at several times boto3's rate for less CPU."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from airflow_provider_crr.lookup.asker import Answer, Caller, NotAsked
from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.client_pairing import pairing_of
from airflow_provider_crr.lookup.crt.boto3_fallback import Boto3Fallback
from airflow_provider_crr.lookup.crt.connections import CONNECTIONS, OPENING, Connection, Connections
from airflow_provider_crr.lookup.crt.handshakes import AskBoto3
from airflow_provider_crr.lookup.crt.memory import LOOKS, Growth
from airflow_provider_crr.lookup.crt.questions import ByBoto3, Ended, Event, Opened, Question, Woken
from airflow_provider_crr.lookup.crt.queues import Queues
from airflow_provider_crr.lookup.crt.receiver import Receiver
from airflow_provider_crr.lookup.crt.redirects import Redirects
from airflow_provider_crr.lookup.crt.request_template import RequestTemplates
from airflow_provider_crr.lookup.crt.session import Runtime
from airflow_provider_crr.lookup.pace import Pace
from airflow_provider_crr.lookup.pairing import Endpoint
from airflow_provider_crr.lookup.shares import a_little, is_fair
from airflow_provider_crr.s3.objects import S3Object

log = logging.getLogger(__name__)

#: Seconds that the end of a lookup waits for its connections and threads to end.
_FAREWELL = 1.0


class CrtAsker:
    """
    Asks through ``awscrt.http``; what needs boto3 is asked through boto3.

    It sends, and :class:`.Receiver` receives. :class:`.Queues` keeps where each question is. What happens in other
    threads arrives here as an event, and has no effect before :meth:`answer` takes the event.

    :param client: the boto3 client whose endpoint, credentials, certificates, timeouts and retries are used.
    :param pace: says when each attempt may leave.
    :param leaves_some: whether no bucket may take all connections, because the questions of others may come. A bucket
        whose connections hang then holds up itself alone.
    :raises CredentialsNotFound: if the client has no credentials.
    """

    limit = 4 * CONNECTIONS
    little = a_little(CONNECTIONS)

    def __init__(self, client: S3Client, pace: Pace, *, leaves_some: bool = False) -> None:
        self._pace = pace
        self._leaves_some = leaves_some
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._queues = Queues()
        self._growth = Growth()
        self._templates = RequestTemplates(client, pairing_of(client))
        self._boto3 = Boto3Fallback(client, pace, self._events, leaves_some=leaves_some)
        self._redirects = Redirects(self._queues, self._templates, self._boto3)
        self._connections = Connections(pairing_of(client))
        self._receiver = Receiver(
            client, pace, self._connections, self._queues, self._templates, self._redirects, self._boto3
        )
        self._runtime = Runtime(client)  # last, for nobody would close it if anything raised after it

    def __repr__(self) -> str:
        return f"<CrtAsker {self._queues} {self._redirects} {self._connections}>"

    def ask(self, obj: S3Object, caller: Caller | None = None) -> None:
        """Send one HEAD, as soon as it may leave."""
        self._queues.add(Question(obj, self._events, caller))
        if len(self._queues.waiting[obj.bucket]) == 1:  # else what holds the first one back holds this one back too
            self._send_first_of(obj.bucket)

    def has_room(self, bucket: str) -> bool:
        """Return whether none about a bucket waits for a connection."""
        return self._queues.first(bucket) is None

    def wake(self) -> None:
        """Have the thread that waits for an answer wait no longer."""
        self._events.put(Woken())

    def answer(self, timeout: float) -> Answer | None:
        """Return one answer, or None if none came within ``timeout`` seconds, or before :meth:`wake`."""
        if not self._queues.ready:
            self._receiver.settle()
            self._send_waiting()
        while not self._queues.ready:
            try:
                event = self._events.get(timeout=self._until_due(timeout)) if timeout else self._events.get_nowait()
            except Empty:
                return None
            timeout = 0  # nothing more is waited for: what waits may be sent now
            self._deal_with(event)
        return self._queues.take_ready()

    def close(self) -> None:
        """Abandon what is under way, and wait until threads and sockets are released."""
        deadline = time.monotonic() + _FAREWELL
        lingers = self._runtime.give_up()
        try:
            self._boto3.close()
            self._connections.close()
            self._queues.abandon()
            # The runtime ends only when nothing refers to a stream or a connection any more.
            while (self._queues.under_way or self._queues.opening) and (left := deadline - time.monotonic()) > 0:
                with suppress(Empty):
                    self._forget(self._events.get(timeout=left))
        finally:  # also when a signal ends the wait
            self._runtime.close(0.0 if lingers else deadline)

    def _forget(self, event: Event) -> None:
        if isinstance(event, ByBoto3 | Woken):
            return
        self._queues.forget(event.question)
        event.question.stream = None
        if isinstance(event, Opened):
            with suppress(Exception):
                self._connections.give_back(self._opened(event), usable=False)

    def _deal_with(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._receiver.receive(event)
        elif isinstance(event, Opened):
            self._send_over(event)
        elif isinstance(event, ByBoto3):
            self._boto3.answered()
            self._redirects.learn(event.answer)
            self._queues.conclude(event.answer)

    def _send_waiting(self) -> None:
        self._queues.end_pauses(time.monotonic())
        buckets = list(self._queues.waiting)
        while buckets:  # one question of each in turn
            buckets = [bucket for bucket in buckets if self._send_first_of(bucket)]

    def _send_first_of(self, bucket: str) -> bool:
        """Send the first question of a bucket that waits; return whether the next one may follow."""
        question = self._queues.first(bucket)
        if question is None or self._pace.delay(bucket):
            return False
        try:
            if question.is_over:
                self._queues.conclude(NotAsked(question.obj, InterruptedError("nobody waits for it")))
            elif not self._redirects.hold(question):
                return self._send_or_open(question)
            self._queues.take_first(bucket)
            return True
        except Exception as error:  # no credentials, or boto3 can make no request of it
            if self._queues.first(bucket) is question:
                self._queues.take_first(bucket)
            self._queues.conclude(NotAsked(question.obj, error))
            return True

    def _send_or_open(self, question: Question) -> bool:
        """Send a question; False if there is no connection for it."""
        bucket = question.obj.bucket
        self._runtime.renew(question.obj)
        template = self._templates.of(question.obj)
        if template is None or self._runtime.refuses(template.endpoint):
            self._queues.take_first(bucket)
            self._boto3.ask(question.obj, question.caller)
            return True
        if self._leaves_some and not self._queues.shares.may_take(bucket):
            return False
        connection = None if question.fresh else self._connections.take(template.endpoint)
        if connection is None:
            opening = self._queues.opening_of(bucket), len(self._queues.opening)
            if (self._leaves_some and not is_fair(*opening, OPENING)) or not self._connections.reserve():
                return False
        opened = None if connection else self._connect(template.endpoint)
        self._pace.claim(bucket)
        question.is_sent()
        self._queues.take_first(bucket)
        question.template = template
        if connection:
            self._send(question, connection)
        elif opened:
            self._queues.open(question)
            opened.add_done_callback(question.on_opened)
        return True

    def _connect(self, endpoint: Endpoint) -> Future[Any]:
        try:
            return self._runtime.connect(endpoint)
        except Exception:
            self._connections.unreserve()
            raise

    def _send_over(self, event: Opened) -> None:
        """Send a question over the connection that was opened for it."""
        question = event.question
        self._queues.opened(question)
        try:
            connection = self._opened(event)
        except AskBoto3 as refused:
            log.debug("Asking for %s through boto3: the Common Runtime has no connection: %s", question.obj, refused)
            self._boto3.ask(question.obj, question.caller)
        except Exception as error:
            self._receiver.retry(question, f"no connection: {error}")
        else:
            self._send(question, connection)

    def _opened(self, event: Opened) -> Connection:
        return self._connections.opened(event.question.template.endpoint, event.connection)

    def _send(self, question: Question, connection: Connection) -> None:
        try:
            request = self._runtime.request(question.template, question.obj)
        except Exception as error:  # its credentials are refused
            self._connections.give_back(connection, usable=True)
            self._queues.conclude(NotAsked(question.obj, error))
            return
        question.http_status = 0
        question.fields = []
        question.sent_at = time.monotonic()
        connection.use.asks()
        try:
            stream = connection.native.request(request, question.on_response)
            stream.activate()
        except Exception as error:  # S3 closed the connection since it was used last
            self._connections.give_back(connection, usable=False)
            self._receiver.retry(question, f"not sent: {error}")
            return
        question.stream = stream
        self._queues.send(question, connection)
        stream.completion_future.add_done_callback(question.on_ended)

    def _until_due(self, timeout: float) -> float:
        """Return for how long to wait for an event, at most; end what takes too long before."""
        self._boto3.rest()
        self._hang_up()
        moments = [delay for bucket in self._queues.waiting if (delay := self._pace.delay(bucket))]
        if (pause_ends := self._queues.next_end_of_pause()) is not None:
            moments.append(max(0.0, pause_ends - time.monotonic()))
        if (resting := self._connections.until_rested()) is not None:
            moments.append(resting)
        return min([timeout, *moments, *([LOOKS] if self._queues.under_way else [])])

    def _hang_up(self) -> None:
        """Close the connections whose answer is overdue, which ends their questions; give up those that do not open."""
        self._runtime.expire()
        overdue = time.monotonic() - self._receiver.patience
        flooding = self._growth.since(self._queues.oldest())
        for question, connection in self._queues.sent_until(max(overdue, flooding)):
            question.floods = question.floods or question.sent_at <= flooding
            connection.native.close()
