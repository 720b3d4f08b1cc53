"""Where each question of an asker is."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count, takewhile

from airflow_provider_crr.lookup.asker import Answer
from airflow_provider_crr.lookup.crt.connections import CONNECTIONS, Connection
from airflow_provider_crr.lookup.crt.questions import Question
from airflow_provider_crr.lookup.shares import Shares


class Queues:
    """
    The questions of an asker, each in one queue at a time. Others read the queues; only this class changes them.

    Nothing here sends, receives or looks at the clock. A question is in no queue while the asker sends it or reads its
    answer. Questions that boto3 asks are in none of them (:mod:`..boto3_asker`), nor are those that wait for the
    region of their bucket (:mod:`.redirects`). Not thread-safe: the thread that asks uses it alone.
    """

    def __init__(self) -> None:
        #: To be sent, in this order, for each bucket. What holds the first one of a bucket back holds them all back.
        self.waiting: dict[str, deque[Question]] = {}
        #: To be sent again after a pause: when, in which order, and what.
        self.pausing: list[tuple[float, int, Question]] = []
        #: A connection is being opened for each.
        self.opening: set[Question] = set()
        #: S3 has them, on these connections; the one that was sent first is the first.
        self.under_way: dict[Question, Connection] = {}
        #: An answer came on the connection; whether it is the question's is known when the connection has rested.
        self.held: dict[Connection, Question] = {}
        #: Answers that are final, and not returned yet.
        self.ready: deque[Answer] = deque()
        #: How many questions of each bucket have a connection, or have one opened.
        self.shares = Shares(CONNECTIONS)
        self._order = count()

    def __repr__(self) -> str:
        queues = ("pausing", "opening", "under_way", "held", "ready")
        waiting = sum(map(len, self.waiting.values()))
        return " ".join([f"waiting={waiting}", *(f"{name}={len(getattr(self, name))}" for name in queues)])

    def add(self, question: Question) -> None:
        """Let a question wait, as the last one of its bucket."""
        self.waiting.setdefault(question.obj.bucket, deque()).append(question)

    def add_first(self, question: Question) -> None:
        """Let a question wait, as the first one of its bucket."""
        self.waiting.setdefault(question.obj.bucket, deque()).appendleft(question)

    def pause(self, question: Question, until: float) -> None:
        """Let a question wait from a moment on, given by ``time.monotonic`` as all moments here."""
        heappush(self.pausing, (until, next(self._order), question))

    def end_pauses(self, now: float) -> None:
        """Let the questions wait whose pause is over."""
        while self.pausing and self.pausing[0][0] <= now:
            self.add_first(heappop(self.pausing)[2])

    def next_end_of_pause(self) -> float | None:
        """Return when the next pause ends; None if no question pauses."""
        return self.pausing[0][0] if self.pausing else None

    def first(self, bucket: str) -> Question | None:
        """Return the first one of a bucket that waits; None if none does."""
        return self.waiting[bucket][0] if bucket in self.waiting else None

    def take_first(self, bucket: str) -> Question:
        """Take the first one of a bucket that waits away."""
        line = self.waiting[bucket]
        question = line.popleft()
        if not line:
            del self.waiting[bucket]
        return question

    def open(self, question: Question) -> None:
        """Note that a connection is opened for a question."""
        self.opening.add(question)
        self.shares.take(question.obj.bucket)

    def opening_of(self, bucket: str) -> int:
        """Return for how many questions of a bucket a connection is being opened."""
        return sum(question.obj.bucket == bucket for question in self.opening)

    def opened(self, question: Question) -> None:
        """Note that it is open, or could not be opened."""
        self.opening.discard(question)
        self.shares.give_back(question.obj.bucket)

    def send(self, question: Question, connection: Connection) -> None:
        """Note that S3 has a question."""
        self.under_way[question] = connection
        self.shares.take(question.obj.bucket)

    def end(self, question: Question) -> Connection:
        """Note that S3 has it no more, and return its connection."""
        self.shares.give_back(question.obj.bucket)
        return self.under_way.pop(question)

    def hold(self, connection: Connection, question: Question) -> None:
        """Hold a question until its connection has rested."""
        self.held[connection] = question

    def release(self, connection: Connection) -> Question | None:
        """Return the question that was held for a connection, if one was."""
        return self.held.pop(connection, None)

    def conclude(self, answer: Answer) -> None:
        """Keep an answer until it is returned."""
        self.ready.append(answer)

    def oldest(self) -> float | None:
        """Return when the oldest question that S3 has was sent; None if it has none."""
        return next((question.sent_at for question in self.under_way), None)

    def sent_until(self, moment: float) -> list[tuple[Question, Connection]]:
        """Return what S3 has since a moment or longer."""
        return list(takewhile(lambda sent: sent[0].sent_at <= moment, self.under_way.items()))

    def abandon(self) -> None:
        """Forget what nobody else refers to: all but the questions that are opening or under way."""
        self.waiting.clear()
        self.pausing.clear()
        self.held.clear()

    def forget(self, question: Question) -> None:
        """Forget a question that was opening or under way."""
        if question in self.opening or question in self.under_way:
            self.shares.give_back(question.obj.bucket)
        self.opening.discard(question)
        self.under_way.pop(question, None)

    def take_ready(self) -> Answer:
        """Take the first answer that is final away."""
        return self.ready.popleft()
