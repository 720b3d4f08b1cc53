"""One lookup's questions and answers, on their way between its own thread and that of the shared asker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event, Lock

from airflow_provider_crr.lookup.asker import Answer, NotAsked
from airflow_provider_crr.lookup.pace import Pacer
from airflow_provider_crr.s3.objects import S3Object


class Questions(deque[S3Object]):
    """Questions that wait, and whether the asker has dropped them: it knows nothing of their inquiry any more."""

    dropped = False

    def clear(self) -> None:
        """Drop them."""
        self.dropped = True
        super().clear()


class Inquiry:
    """
    The lookup's thread puts questions and takes answers; the asker's thread does the rest.

    It is also what the lookup waits for, a :class:`~airflow_provider_crr.replication.source.Later`: the answers that
    it :meth:`expects`, or an error. A lookup that waits is woken once for many answers, and not for each of them.

    :param limit: requests that the lookup may send each second; None for as many as possible.
    :param pacer: the lookup's own pace, which keeps that limit.
    """

    def __init__(self, limit: float | None, pacer: Pacer) -> None:
        self.limit = limit
        self.pacer = pacer
        #: Whether the lookup has ended, so that nothing more is asked for it.
        self.is_over = False
        #: How many questions were withdrawn before they were sent.
        self.withdrawn = 0
        #: For the asker's thread alone: what is to be asked, the buckets that were asked for, and whether it waits for
        #: its turn.
        self.questions = Questions()
        self.buckets: set[str] = set()
        self.is_in_line = False
        #: How many of its questions are under way.
        self.under_way = 0
        self._new: deque[list[S3Object]] = deque()
        self._answers: deque[Answer] = deque()
        self._expected = 1
        self._came = Event()
        self._is_withdrawn = False
        self._settled = Event()
        self._call: Callable[[], None] | None = None
        self._lock = Lock()

    def sends_again(self) -> None:
        """Take note of a request beyond the first for an object: the next question leaves later."""
        self.pacer.claim()

    def put(self, objects: list[S3Object]) -> None:
        """Put questions; called in the lookup's thread."""
        self._new.append(objects)

    def receive(self) -> list[S3Object]:
        """
        Add what was put to :attr:`questions`, and return it; called in the asker's thread.

        If the questions were withdrawn, nothing is left of them.
        """
        received: list[S3Object] = []
        while self._new:
            received += self._new.popleft()
        self.questions.extend(received)
        if not self._is_withdrawn:
            return received
        self.withdrawn += len(self.questions)
        self.questions.clear()
        self._settled.set()
        return []

    def withdraw(self) -> None:
        """Have nothing more sent, once the asker's thread looks at this; called in the lookup's thread."""
        self._is_withdrawn = True

    def settles(self, timeout: float) -> bool:
        """Wait until nothing more is sent, at most so many seconds; return whether that is so."""
        return self._settled.wait(timeout)

    def deliver(self, answer: Answer) -> None:
        """Deliver an answer; called in the asker's thread."""
        with self._lock:
            self._answers.append(answer)
            if self._came.is_set() or (len(self._answers) < self._expected and not isinstance(answer, NotAsked)):
                return
            self._came.set()
            call, self._call = self._call, None
        if call:
            call()

    def expects(self, count: int) -> None:
        """Wait from now on until so many answers are there to be taken; called in the lookup's thread."""
        with self._lock:
            self._expected, self._call = count, None
            if len(self._answers) >= count or any(isinstance(each, NotAsked) for each in self._answers):
                self._came.set()
            else:
                self._came.clear()

    def take(self) -> list[Answer]:
        """Take the answers that are there; called in the lookup's thread."""
        with self._lock:
            taken = list(self._answers)
            self._answers.clear()
        return taken

    def wait(self, timeout: float) -> bool:
        """Wait for what is expected, at most so many seconds; return whether it came."""
        return self._came.wait(timeout)

    def then(self, call: Callable[[], None]) -> None:
        """Have something called once, when what is expected comes; at once if it came already."""
        with self._lock:
            if not self._came.is_set():
                self._call = call
                return
        call()
