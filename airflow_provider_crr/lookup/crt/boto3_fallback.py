"""boto3, for what the runtime cannot ask."""

from __future__ import annotations

import time
from queue import SimpleQueue

from airflow_provider_crr.lookup.asker import Answer, Caller
from airflow_provider_crr.lookup.boto3_asker import BotoAsker, S3Client
from airflow_provider_crr.lookup.crt.questions import ByBoto3, Event
from airflow_provider_crr.lookup.pace import Pace
from airflow_provider_crr.s3.objects import S3Object

#: Seconds after which threads that have nothing to do are ended.
_IDLE = 5.0


class Boto3Fallback:
    """
    Asks through boto3. Its threads are started when they are needed, and ended when they are not needed for a while.

    :param client: a boto3 S3 client.
    :param pace: says when each attempt may leave.
    :param events: where answers are put.
    :param leaves_some: see :class:`.BotoAsker`.
    """

    def __init__(self, client: S3Client, pace: Pace, events: SimpleQueue[Event], *, leaves_some: bool = False) -> None:
        self._leaves_some = leaves_some
        self._client = client
        self._pace = pace
        self._events = events
        self._asker: BotoAsker | None = None
        self._under_way = 0
        self._idle_since = 0.0

    def ask(self, obj: S3Object, caller: Caller | None = None) -> None:
        """
        Send one HEAD.

        :param obj: what to ask for.
        :param caller: for whom; None if the answer is needed in any case.
        """
        if self._asker is None:
            self._asker = BotoAsker(self._client, self._pace, self._put, leaves_some=self._leaves_some)
        self._under_way += 1
        self._asker.ask(obj, caller)

    def _put(self, answer: Answer) -> None:
        self._events.put(ByBoto3(answer))

    def answered(self) -> None:
        """Note that an answer was taken."""
        self._under_way -= 1
        self._idle_since = time.monotonic()

    def rest(self) -> None:
        """End the threads if they had nothing to do for a while."""
        if self._asker is not None and not self._under_way and time.monotonic() - self._idle_since > _IDLE:
            self.close()

    def close(self) -> None:
        """Abandon what is under way."""
        asker, self._asker = self._asker, None
        if asker is not None:
            asker.close()
