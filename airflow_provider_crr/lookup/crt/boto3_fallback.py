"""boto3, for what the runtime cannot ask."""

from __future__ import annotations

from queue import SimpleQueue

from airflow_provider_crr.lookup.boto3_asker import BotoAsker, S3Client
from airflow_provider_crr.lookup.crt.questions import ByBoto3, Event
from airflow_provider_crr.lookup.pace import Pacer
from airflow_provider_crr.s3.objects import S3Object


class Boto3Fallback:
    """
    Asks through boto3, whose threads are started when it is first needed.

    :param client: a boto3 S3 client.
    :param pacer: says when each attempt may leave.
    :param events: where answers are put.
    """

    def __init__(self, client: S3Client, pacer: Pacer, events: SimpleQueue[Event]) -> None:
        self._client = client
        self._pacer = pacer
        self._events = events
        self._asker: BotoAsker | None = None

    def ask(self, obj: S3Object) -> None:
        """Send one HEAD."""
        if self._asker is None:
            events = self._events
            self._asker = BotoAsker(self._client, self._pacer, lambda answer: events.put(ByBoto3(answer)))
        self._asker.ask(obj)

    def close(self) -> None:
        """Abandon what is under way."""
        if self._asker is not None:
            self._asker.close()
