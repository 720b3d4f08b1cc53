"""What the thread of a shared asker does: it sends questions in turn, and delivers the answers."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from copy import copy
from queue import Empty, SimpleQueue
from weakref import WeakSet

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.lookup.asker import PATIENCE, Asker, NotAsked
from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.choice import choose_asker
from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.shared_pace import SharedPace
from airflow_provider_crr.lookup.turns import Turns
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)

#: Questions under way until an asker says how many it can have.
_LIMIT = 64
#: Seconds that the thread waits at least, so that it sends several questions at a time; and at most while it is idle.
_LEAST, _MOST = 0.01, 5.0
#: Questions under way, of which fewer are no hurry: their answers are collected for a moment, which takes less CPU than
#: a turn for each.
_FEW = 32


class Dispatcher:
    """
    Gives the questions of many lookups to one asker, each in its turn, and each answer to the lookup that asked.

    One thread uses it, that of the shared asker.

    :param client: boto3 S3 client.
    :param changed: inquiries that were changed.
    """

    def __init__(self, client: S3Client, changed: SimpleQueue[Inquiry | None]) -> None:
        self.asker: Asker | None = None
        self._client = client
        self._changed = changed
        self._pace = SharedPace()
        self._turns = Turns(self._pace, _LIMIT)
        self._inquiries: set[Inquiry] = set()
        #: Those that were told that the asking failed: they ask for nothing more.
        self._failed: WeakSet[Inquiry] = WeakSet()
        #: The questions that are under way, by identity, and whose they are.
        self._owners: dict[int, tuple[S3Object, Inquiry]] = {}
        self._busy_at = time.monotonic()

    def idle_for(self) -> float:
        """Return the seconds since it last had anything to do."""
        return 0.0 if self._inquiries else time.monotonic() - self._busy_at

    def go_on(self) -> None:
        """Send what may be sent, and wait for answers and for changes, but not for long."""
        try:
            had_asker = self.asker is not None
            self._take_changes()
            self._send()
            if had_asker or self.asker is None:  # else changes may have come that woke nobody
                self._wait()
        except Exception as error:
            log.exception("asking S3 failed, and starts again")
            self._fail(error)

    def _take_changes(self) -> None:
        while True:
            try:
                self._change(self._changed.get_nowait())
            except Empty:
                return

    def _change(self, inquiry: Inquiry | None) -> None:
        if inquiry is None or inquiry in self._failed:
            return
        self._busy_at = time.monotonic()
        if inquiry.is_over:
            inquiry.questions.clear()
            if inquiry in self._inquiries:
                self._inquiries.discard(inquiry)
                for bucket in inquiry.buckets:
                    self._pace.leave(bucket, inquiry.limit)
            return
        self._inquiries.add(inquiry)
        for bucket in {obj.bucket for obj in inquiry.receive()} - inquiry.buckets:
            inquiry.buckets.add(bucket)
            self._pace.enter(bucket, inquiry.limit)
        self._turns.line_up(inquiry)

    def _send(self) -> None:
        while turn := self._turns.next(self._has_room):
            inquiry, obj = turn
            try:
                asker = self.asker or self._open()
            except CrrError as error:
                self._turns.ended(inquiry, obj)
                inquiry.deliver(NotAsked(obj, error))
                continue
            if id(obj) in self._owners:  # two lookups were given the very same object
                obj = copy(obj)
            self._owners[id(obj)] = obj, inquiry
            asker.ask(obj, inquiry)

    def _open(self) -> Asker:
        self.asker = choose_asker(self._client, leaves_some=True)(self._pace)
        self._turns.allow(self.asker.limit, self.asker.little)
        return self.asker

    def _has_room(self, bucket: str) -> bool:
        return self.asker is None or self.asker.has_room(bucket)

    def _wait(self) -> None:
        timeout = PATIENCE if self._owners else _MOST
        if (delay := self._turns.delay()) is not None:
            timeout = min(timeout, max(_LEAST, delay))
        if self.asker is None:
            with suppress(Empty):
                self._change(self._changed.get(timeout=timeout))
            return
        answer = self.asker.answer(timeout)
        if answer is not None and len(self._owners) < _FEW:
            time.sleep(_LEAST)  # so that the next ones are taken together
        while answer is not None:
            obj, inquiry = self._owners.pop(id(answer.object))
            self._turns.ended(inquiry, obj)
            if not inquiry.is_over:
                inquiry.deliver(answer)
            answer = self.asker.answer(0)

    def _fail(self, error: Exception) -> None:
        """Tell all lookups that wait that nothing is known, and start again."""
        inquiries = list(self._inquiries)
        failed = LookupFailed(
            f"asking S3 failed: {type(error).__name__}: {told(error)}",
            remedy="Look at the log of this process",
            passing=True,
        )
        failed.__cause__ = error
        self.close()
        self._owners.clear()
        self._inquiries.clear()
        self._pace = SharedPace()
        self._turns = Turns(self._pace, _LIMIT)
        for inquiry in inquiries:
            self._failed.add(inquiry)
            inquiry.questions.clear()
            inquiry.deliver(NotAsked(S3Object("bucket", "key"), failed))

    def close(self) -> None:
        """Abandon what is under way, and release connections."""
        asker, self.asker = self.asker, None
        if asker is not None:
            asker.close()
