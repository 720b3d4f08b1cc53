"""One object's HEAD, and the events that it waits for."""

from __future__ import annotations

import time
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeAlias

from airflow_provider_crr.lookup.asker import Answer, Caller
from airflow_provider_crr.lookup.crt.request_template import RequestTemplate
from airflow_provider_crr.s3.objects import S3Object


class Question:
    """
    One object's HEAD. Its callbacks run in the runtime's thread, and do no more than take notes.

    :param obj: what to ask for.
    :param events: where the callbacks put what happened.
    :param caller: for whom it is asked; None where there is only one.
    :param again: whether the object was asked for before, in another way or another region.
    """

    __slots__ = (
        "again",
        "asked",
        "attempts",
        "caller",
        "came_at",
        "events",
        "fields",
        "floods",
        "fresh",
        "headers",
        "http_status",
        "obj",
        "sent_at",
        "stream",
        "template",
    )

    #: How it is asked; set when it is sent.
    template: RequestTemplate

    def __init__(
        self, obj: S3Object, events: SimpleQueue[Event], caller: Caller | None = None, *, again: bool = False
    ) -> None:
        self.obj = obj
        self.caller = caller
        #: Whether a request was sent for the object.
        self.asked = again
        self.events = events
        self.again = again
        #: Whether it must go over a connection that was not used before.
        self.fresh = False
        #: Whether its answer has no end.
        self.floods = False
        #: How often it was sent, or a connection was opened for it, without success.
        self.attempts = 0
        #: The runtime's stream, while S3 has the question.
        self.stream: Any = None
        self.sent_at = 0.0
        #: When its answer came, which may be read later.
        self.came_at = 0.0
        self.http_status = 0
        #: The headers of the answer as they came, and by name.
        self.fields: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}

    def anew(self) -> Question:
        """Return a new question about the same object."""
        return Question(self.obj, self.events, self.caller, again=True)

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for its answer any more."""
        return self.caller is not None and self.caller.is_over

    def is_sent(self) -> None:
        """Note that a request is sent; beyond the first it counts in the caller's own limit."""
        if self.asked and self.caller is not None:
            self.caller.sends_again()
        self.asked = True

    def on_opened(self, connection: Future[Any]) -> None:
        """Hand over the connection that was opened for it."""
        self.events.put(Opened(self, connection))

    def on_response(self, status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
        """Note status and headers, of a good answer or a bad one; the first is the answer."""
        if not self.http_status:
            self.came_at = time.monotonic()
            self.http_status = status_code
            self.fields = headers

    def on_ended(self, completion: Future[Any]) -> None:
        """Hand over how its stream ended."""
        self.events.put(Ended(self, completion))


class Opened(NamedTuple):
    """A connection was opened for a question, or could not be."""

    question: Question
    connection: Future[Any]


class Ended(NamedTuple):
    """The stream of a question has ended, with a whole answer or with an error."""

    question: Question
    completion: Future[Any]


class ByBoto3(NamedTuple):
    """What boto3 answered, or why it could not ask."""

    answer: Answer


class Woken(NamedTuple):
    """Another thread has something for the asker's."""


Event: TypeAlias = Opened | Ended | ByBoto3 | Woken
