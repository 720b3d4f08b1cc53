"""What a wait costs: how many HEADs a gate has sent, how many it may send, and when the log says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_provider_crr.replication.checkpoint.value import Checkpoint
from airflow_provider_crr.replication.source import Later
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.prices import Prices
from airflow_provider_crr.text import humanize

_HOUR = 3600.0


class Spending:
    """
    The HEADs of one gate.

    What was handed to the lookup counts as sent, whether or not its answer came, but for what the lookup says was not
    sent. What the clients send again by themselves is not known here, and not counted.

    :param most: how many may be sent; None for any number.
    :param prices: what they cost.
    """

    def __init__(self, most: int | None, prices: Prices) -> None:
        self.answered = 0
        self._prices = prices
        self._most = most
        self._sent = 0
        #: Hours of the wait for which the cost was told, or that were over when this process began.
        self._told: int | None = None

    def begin(self, waited: float) -> None:
        """
        Note when this process polls first.

        :param waited: for how many seconds the gate has waited already.
        """
        if self._told is None:
            self._told = int(waited // _HOUR)

    @property
    def is_used_up(self) -> bool:
        """Whether no more may be sent."""
        return self._most is not None and self._sent >= self._most

    def allowed(self, objects: Iterable[S3Object | Later], tally: Tally) -> Iterator[S3Object | Later]:
        """
        Yield objects to ask for, as many as may be.

        :param objects: the objects, and what is to be waited for in between.
        :param tally: marked as partial if there are more of them.
        """
        for obj in objects:
            if isinstance(obj, S3Object):
                if self.is_used_up:
                    tally.partial = True
                    return
                self._sent += 1
            yield obj

    def give_back(self, count: int) -> None:
        """Take away HEADs that were allowed and certainly not sent."""
        self._sent -= min(count, self._sent - self.answered)

    def used_up(self) -> str | None:
        """Return that no more may be sent, as a message says it; None if more may be."""
        if not self.is_used_up:
            return None
        lost = self._sent - self.answered
        unanswered = f", of which {humanize.count(lost)} were not answered" if lost else ""
        return f"{humanize.count(self._sent)} HEADs were sent{unanswered}, as many as max_head_requests allows"

    def line(self, waited: float) -> str | None:
        """
        Return what the wait has cost, once for each hour of it; else None.

        :param waited: for how many seconds the gate has waited.
        """
        hours = int(waited // _HOUR)
        if self._told is None or hours <= self._told:
            return None
        self._told = hours
        return (
            f"in {humanize.age(waited)} this wait has sent {humanize.count(self._sent)} HEADs,"
            f" {self._prices.of_heads(self._sent)}"
        )

    def recall(self, known: Checkpoint) -> None:
        """Go on from what is known of earlier processes."""
        self.answered = known.head_requests
        self._sent = known.head_requests + known.unanswered
        if known.hours_told is not None:
            self._told = known.hours_told

    def note(self, known: Checkpoint) -> None:
        """Write down what the next process needs to know."""
        known.head_requests = self.answered
        known.unanswered = self._sent - self.answered
        known.hours_told = self._told
