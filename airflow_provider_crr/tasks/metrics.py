"""
What tasks measure of themselves, sent through Airflow's metrics: StatsD, OpenTelemetry, or whatever it is set to.

The names of all metrics are here. A gauge keeps its last value, so each is sent at every poll, even if it is 0. A
metric that cannot be sent does not fail a task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import wraps
from threading import Event
from typing import TYPE_CHECKING, Any, ParamSpec

from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object

if TYPE_CHECKING:
    from airflow_provider_crr.inventory.summary import Summary
    from airflow_provider_crr.replication.rules import ReplicationRule
    from airflow_provider_crr.replication.source import Later, Source
    from airflow_provider_crr.s3.listing import ListedObject

log = logging.getLogger(__name__)

_P = ParamSpec("_P")


def _harmless(send: Callable[_P, None]) -> Callable[_P, None]:
    """Return a function that does the same and raises nothing."""

    @wraps(send)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            send(*args, **kwargs)
        except Exception:
            log.debug("cannot send metrics", exc_info=True)

    return guarded


class Metered:
    """
    The :class:`.Source` of a gate, with the answers about objects counted. Every other call is passed on as it is.

    :param source: the hook.
    :param ti: task instance that asks, None if it is not known.
    """

    def __init__(self, source: Source, ti: Any) -> None:
        self._source = source
        self._ti = ti

    def get_replication_statuses(
        self, objects: Iterable[S3Object], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication | Later]:
        """Yield what the source yields, and count the answers; those that came before an error count, too."""
        answers = 0
        try:
            for answer in self._source.get_replication_statuses(objects, stop=stop):
                answers += not hasattr(answer, "then")  # such as a Later has
                yield answer
        finally:
            if answers:
                _looked_up(self._ti, answers)

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject | Later]:
        """Return what the source lists; not counted."""
        return self._source.list_matching(pattern)

    def check_bucket(self, bucket_name: str) -> None:
        """Let the source check; not counted."""
        self._source.check_bucket(bucket_name)

    def why_no_status(self, answer: ObjectReplication) -> str:
        """Return what the source says; not counted."""
        return self._source.why_no_status(answer)

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[ReplicationRule, ...]:
        """Return what the source reads; not counted."""
        return self._source.get_replication_rules(bucket_name, brief=brief)

    def whereabouts(self) -> dict[str, Any]:
        """Return those of the source."""
        return self._source.whereabouts()


@_harmless
def _looked_up(ti: Any, answers: int) -> None:
    _send(ti, [("incr", "gate.lookups", answers)])


@_harmless
def polled(ti: Any, value: Any) -> None:
    """
    Send the counts of a gate's poll; nothing if it was not a gate that was polled.

    :param ti: task instance, None if it is not known.
    :param value: what goes to XCom, as far as it is known.
    """
    if not _is_gate(value):
        return
    statuses = value["statuses"]
    gauges = {
        "gate.objects": value["total"],
        "gate.pending": statuses.get(ObjectState.PENDING.value, 0),
        "gate.failed": statuses.get(ObjectState.FAILED.value, 0),
        "gate.oldest_pending_seconds": max(0.0, value["oldest_pending_seconds"] or 0.0),
        "gate.waited_seconds": value["waited_seconds"],
    }
    if lag := value.get("replication_lag"):
        gauges |= {
            "gate.replication_lag_median": lag["median"],
            "gate.replication_lag_p95": lag["p95"],
            "gate.replication_lag_max": lag["max"],
        }
    _send(ti, [("gauge", *gauge) for gauge in gauges.items()])


@_harmless
def ended(ti: Any, event: Mapping[str, Any]) -> None:
    """
    Send how long a gate was waited for, or what a repair has done; nothing of any other wait.

    :param ti: task instance.
    :param event: one of :mod:`airflow_provider_crr.tasks.endings`.
    """
    value: Any = event.get("value")
    if _is_gate(value):
        _send(ti, [("timing", "gate.waited", timedelta(seconds=value["waited_seconds"]))], outcome=event["status"])
    elif _is_repair(value):
        gauges = {
            "repair.objects": value["total"] or 0,
            "repair.succeeded": value["succeeded"],
            "repair.failed": value["failed"],
            "repair.verified": sum(value["verified"].get(state.value, 0) for state in _REPLICATED),
        }
        _send(ti, [("gauge", *gauge) for gauge in gauges.items()], outcome=event["status"])


@_harmless
def summarized(ti: Any, summary: Summary, now: datetime) -> None:
    """
    Send what an inventory report says.

    :param ti: task instance.
    :param summary: the report's summary.
    :param now: the current time, UTC.
    """
    from airflow_provider_crr.inventory.summary import total, unsettled

    gauges = {
        "inventory.report_age_seconds": summary.age(now).total_seconds(),
        "inventory.objects": summary.volume.objects,
        "inventory.not_replicated": unsettled(summary.statuses).objects,
        "inventory.pending": total(summary.statuses, only=[ObjectState.PENDING.value]).objects,
        "inventory.failed": total(summary.statuses, only=[ObjectState.FAILED.value]).objects,
        "inventory.oldest_pending_seconds": summary.oldest_pending.age_seconds if summary.oldest_pending else 0.0,
    }
    _send(ti, [("gauge", *gauge) for gauge in gauges.items()], bucket=summary.source_bucket)


#: States that say that an object is replicated.
_REPLICATED = (ObjectState.COMPLETED, ObjectState.REPLICA)


def _is_repair(value: Any) -> bool:
    return isinstance(value, Mapping) and "failure_codes" in value


def _is_gate(value: Any) -> bool:
    return isinstance(value, Mapping) and "statuses" in value


def _send(ti: Any, metrics: Iterable[tuple[str, str, Any]], **tags: str) -> None:
    """Send metrics, each (kind, name, value), with the tags that Airflow gives to those of its own tasks."""
    from airflow_provider_crr.tasks.compat import Stats

    # Airflow 3.3 and later says itself which these are; the team's is among them.
    own = getattr(ti, "stats_tags", None) or (ti and {"dag_id": ti.dag_id, "task_id": ti.task_id}) or {}
    for kind, name, value in metrics:
        getattr(Stats, kind)(f"crr.{name}", value, tags={**own, **tags})
