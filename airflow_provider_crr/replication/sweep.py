"""One sweep of a gate: a collect, or as many as a snapshot takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event

from airflow_provider_crr.replication.collector import Collector
from airflow_provider_crr.replication.gate import Outcome
from airflow_provider_crr.replication.source import Steps
from airflow_provider_crr.replication.verdict import Verdict

#: Most collects of one sweep: a writer that goes on for ever does not keep a sweep from ending.
MAX_COLLECTS = 3


def swept(
    collector: Collector, stop: Event | None, *, pause: Callable[[Event | None], Steps[None]], snapshot: bool
) -> Steps[Verdict]:
    """
    Ask for everything that is not finished, and return what that means.

    :param collector: lists, asks and counts.
    :param stop: set by another thread to end it early, with an error.
    :param pause: waits until another second has begun.
    :param snapshot: whether all is done only once two collects show the same.
    """
    collect = yield from collector.collect(stop)
    if not snapshot or collect.tally.outcome is not Outcome.DONE:
        return collector.verdict(collect)
    for _ in range(MAX_COLLECTS - 1):
        if collect.young:
            yield from pause(stop)
            yield from collector.settle(collect, stop)
        before, collect = collect, (yield from collector.collect(stop))
        if collect.tally.outcome is not Outcome.DONE:
            return collector.verdict(collect)
        if collect.confirms(before):
            return collector.verdict(before)  # it has a sample of the answers
    return replace(collector.verdict(collect), outcome=Outcome.WAIT, note="what the patterns match still changes")
