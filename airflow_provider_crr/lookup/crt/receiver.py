"""What becomes of a question once its answer came, or none did."""

from __future__ import annotations

import time

from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.crt.boto3_fallback import Boto3Fallback
from airflow_provider_crr.lookup.crt.connections import Connections
from airflow_provider_crr.lookup.crt.questions import Ended, Question
from airflow_provider_crr.lookup.crt.queues import Queues
from airflow_provider_crr.lookup.crt.redirects import Redirects
from airflow_provider_crr.lookup.crt.request_template import RequestTemplates
from airflow_provider_crr.lookup.crt.retries import PASSING, Retries
from airflow_provider_crr.lookup.head_answers import from_whole_head
from airflow_provider_crr.lookup.http_answers import joined, may_be_too_long
from airflow_provider_crr.lookup.pace import Pace
from airflow_provider_crr.replication.status import ObjectReplication, without_answer

#: How the runtime calls an answer that it cannot read, of which boto3 says what it is: one that is no HTTP, or whose
#: Transfer-Encoding it does not know, and one with headers that are not UTF-8, which boto3 reads as ISO-8859-1.
_UNREADABLE = frozenset(
    {
        "AWS_ERROR_CRT_CALLBACK_EXCEPTION",
        "AWS_ERROR_HTTP_CALLBACK_FAILURE",
        "AWS_ERROR_HTTP_PROTOCOL_ERROR",
        "AWS_ERROR_UNKNOWN",
    }
)
#: How the names of its errors of TLS begin. A server may also refuse the client after the handshake.
_OF_TLS = "AWS_IO_TLS"


class Receiver:
    """
    Reads answers: each question is concluded, held, sent again, or asked through boto3.

    :param client: the boto3 client whose timeouts and retries are used.
    :param pace: is told of throttling.
    :param connections: takes back the connections that answers came on.
    :param queues: where the questions are.
    :param templates: how each bucket is asked.
    :param redirects: follows buckets to their regions.
    :param boto3: asks what the runtime cannot.
    """

    def __init__(
        self,
        client: S3Client,
        pace: Pace,
        connections: Connections,
        queues: Queues,
        templates: RequestTemplates,
        redirects: Redirects,
        boto3: Boto3Fallback,
    ) -> None:
        self._retries = Retries(client)
        self._pace = pace
        self._connections = connections
        self._queues = queues
        self._templates = templates
        self._redirects = redirects
        self._boto3 = boto3
        #: Seconds after which an answer is overdue.
        self.patience = client.meta.config.read_timeout or float("inf")

    def receive(self, event: Ended) -> None:
        """Read the answer to a question, or why there is none."""
        question = event.question
        error = event.completion.exception()
        connection = self._queues.end(question)
        question.stream = None
        if not question.http_status or error:  # headers count only of a request that ended well
            self._connections.give_back(connection, usable=False)
            name = str(getattr(error, "name", ""))
            if question.floods or name in _UNREADABLE or name.startswith(_OF_TLS):
                self._boto3.ask(question.obj, question.caller)
                return
            late = time.monotonic() - question.sent_at > self.patience
            self.retry(question, f"no answer: {f'none within {self.patience:g} s' if late else error}")
            return
        if may_be_too_long(question.fields):
            self._connections.give_back(connection, usable=False)
            self._boto3.ask(question.obj, question.caller)  # which says what is wrong with it
            return
        self._pace.answered(question.obj.bucket, question.http_status)
        self._queues.shares.hear(question.obj.bucket)
        question.headers = joined(question.fields)
        request_id = question.headers.get("x-amz-request-id")
        is_own = self._connections.answered(connection, question.sent_at, question.came_at, request_id)
        if is_own is None:
            self._queues.hold(connection, question)
        else:
            self._take(question, is_own=is_own)

    def settle(self) -> None:
        """Take the answers that were held and whose connections have rested."""
        for connection, is_own in self._connections.rested():
            question = self._queues.release(connection)
            if question is not None:
                self._take(question, is_own=is_own)

    def retry(self, question: Question, detail: str) -> None:
        """
        Send a question again that has no answer.

        :param question: the question.
        :param detail: why, which is told after the last attempt.
        """
        self._retry(question, without_answer(question.obj, detail))

    def _take(self, question: Question, *, is_own: bool) -> None:
        if is_own:
            self._conclude(question)
        else:
            question.fresh = True
            self._queues.add_first(question)

    def _conclude(self, question: Question) -> None:
        """Return what an answer means, unless the object is to be asked for again."""
        if question.http_status != 200 and self._redirects.is_elsewhere(question):
            self._redirects.follow(question)
            return
        answer = from_whole_head(question.obj, question.http_status, question.headers)
        if answer.server and self._templates.renew_for_store(question.template, question.obj, answer.server):
            self._queues.add(question.anew())
        elif answer.http_status in PASSING:
            self._retry(question, answer)
        else:
            self._queues.conclude(answer)

    def _retry(self, question: Question, answer: ObjectReplication) -> None:
        """Send a question again after a pause; after the last attempt ``answer`` is its answer."""
        question.attempts += 1
        question.fresh = True
        pause = None if question.is_over else self._retries.pause_after(question.attempts)
        if pause is None:
            self._queues.conclude(answer)
        else:
            self._queues.pause(question, time.monotonic() + pause)
