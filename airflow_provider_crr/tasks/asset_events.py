"""Asset events: what a finished task tells the DAGs that wait for its outlets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.replication import rules
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import MAX_SAMPLE
from airflow_provider_crr.s3.patterns import literal_prefix

log = logging.getLogger(__name__)

#: The parts of an inventory summary that are told.
_SUMMARY = ("manifest", "source_bucket", "created_at", "objects", "bytes", "statuses", "report_uri")
#: The parts of a repair that are told.
_REPAIR = ("job_id", "total", "succeeded", "failed", "verified", "completion_report")


class Rules(Protocol):
    """Where the replication rules of a bucket are read; the hook is one."""

    def get_replication_rules(self, bucket_name: str) -> tuple[rules.ReplicationRule, ...]:
        """Return them, or raise a CrrError."""


def announce(task: Any, context: Any, extra: Callable[[], Mapping[str, Any]]) -> None:
    """
    Give the asset events of a task their ``extra``; Airflow sends them if the task succeeds.

    :param task: operator or sensor.
    :param context: Airflow's context of this run.
    :param extra: returns it, plain JSON; not called if the task has no outlets.
    """
    if not task.outlets:
        return
    from airflow.sdk.definitions.asset import BaseAsset

    try:
        details = dict(extra())
        for outlet in task.outlets:
            if isinstance(outlet, BaseAsset):  # other tools keep other things there
                # This line asks Airflow for an asset that is named by reference.
                context["outlet_events"][outlet].extra.update(details)
    except Exception:  # the task has succeeded, even if nothing can be told of it
        log.warning("the asset events go without their details", exc_info=True)


def gate_event(summary: Mapping[str, Any], targets: Targets, source: Rules) -> dict[str, Any]:
    """
    Return what asset events tell of an open gate.

    :param summary: its XCom value.
    :param targets: what it waited for.
    :param source: where the rules are read. It is asked for each key, so it should read each bucket's rules once.
    :return: ``{"total", "statuses", "targets": [up to ten URIs], "destinations": [names of the buckets with the
        replicas], "replication_lag": {"median", "p95", "max", "objects", "error"}}``. There are no ``destinations`` if
        an object is not COMPLETED, or if the rules cannot be read or name none. There is no ``replication_lag`` if the
        gate saw no object PENDING and later COMPLETED.
    """
    asked = (*targets.patterns, *targets.objects)
    event = {
        "total": summary["total"],
        "statuses": dict(summary["statuses"]),
        "targets": [str(target) for target in asked[:MAX_SAMPLE]],
        **({"replication_lag": dict(lag)} if (lag := summary.get("replication_lag")) else {}),
    }
    if set(event["statuses"]) != {ObjectState.COMPLETED.value}:
        return event
    beginnings = [(pattern.bucket, literal_prefix(pattern.key)) for pattern in targets.patterns]
    keys = {*beginnings, *((target.bucket, target.key) for target in targets.objects)}
    try:
        named = {
            destination
            for bucket, key in keys
            for destination in rules.destinations(source.get_replication_rules(bucket), key)
        }
    except CrrError:  # usually s3:GetReplicationConfiguration is not allowed; the gate is open all the same
        return event
    return {**event, "destinations": sorted(named)} if named else event


def summary_event(summary: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what asset events tell of an inventory summary that is within its limits.

    :param summary: its XCom value.
    """
    return {name: summary[name] for name in _SUMMARY}


def repair_event(value: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what asset events tell of a repair that ended well.

    :param value: its XCom value.
    """
    return {name: value[name] for name in _REPAIR}
