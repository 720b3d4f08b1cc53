"""The arguments of a task that repairs: whether they can ever work, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_crr.batch.job import report_place
from airflow_provider_crr.batch.repair_terms import RepairPolicy
from airflow_provider_crr.batch.selection import Found, key_prefix, source_bucket
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.output import check_extra_args
from airflow_provider_crr.s3.objects import S3Object, split_uri
from airflow_provider_crr.tasks.argument_types import coerced
from airflow_provider_crr.tasks.arguments import is_known
from airflow_provider_crr.tasks.former_jobs import Asking
from airflow_provider_crr.tasks.repair_request import RepairRequest
from airflow_provider_crr.tasks.task_state import own_round_of

#: What is to be replicated: one of these is given.
WHAT = ("objects", "manifest_uri", "source_bucket")
#: Arguments of a search in a bucket.
SEARCH = ("statuses", "created_after", "created_before", "prefix")
#: All that is templated.
REPAIR_FIELDS = (*WHAT, *SEARCH, "role_arn", "completion_report_uri", "work_uri", "account_id", "extra_args")
_NEEDED = frozenset({"role_arn", "completion_report_uri"})
#: How each argument is checked that is known when the DAG is parsed; the others are read as after rendering.
_CHECKS: dict[str, Callable[[Any], object]] = {
    "source_bucket": source_bucket,
    "prefix": key_prefix,
    "manifest_uri": split_uri,
    "completion_report_uri": report_place,
    "work_uri": report_place,
    "extra_args": check_extra_args,
}


def check(task: Any) -> None:
    """
    Refuse arguments that can never work.

    :param task: the operator.
    :raises InvalidArgument: for one that is known already.
    """
    given = [name for name in WHAT if getattr(task, name) is not None]
    if len(given) != 1:
        raise InvalidArgument(
            f"{' and '.join(given)} are given" if given else "nothing says what to replicate",
            remedy=f"Give exactly one of {', '.join(WHAT)}",
        )
    for_search = [name for name in SEARCH if getattr(task, name) is not None]
    if for_search and given != ["source_bucket"]:
        raise InvalidArgument(
            f"{for_search[0]} is given with {given[0]}",
            remedy=f"{', '.join(SEARCH)} are for source_bucket: S3 looks for objects there alone",
        )
    for name in REPAIR_FIELDS:
        value = getattr(task, name)
        if not is_known(task, name) or (value is None and name not in _NEEDED):
            continue
        if value is None or value == "":
            raise InvalidArgument(f"{name} is {value!r}", remedy=f"Give {name}")
        try:
            _CHECKS.get(name, lambda value, name=name: coerced(name, value, value))(value)
        except InvalidArgument as error:
            if name in error.message:
                raise
            raise error.of(name) from error


def what_of(task: Any) -> tuple[S3Object, ...] | str | Found | None:
    """
    Return what is to be replicated; None if a template says that there is nothing.

    :param task: the operator, whose arguments are rendered.
    """
    if task.source_bucket is None:
        what: tuple[S3Object, ...] | str | None = task.objects if task.manifest_uri is None else task.manifest_uri
        return what
    return Found(
        task.source_bucket,
        statuses=task.statuses or ("FAILED",),
        created_after=task.created_after,
        created_before=task.created_before,
        prefix=task.prefix,
        owner=task.expected_bucket_owner,
    )


def request_of(task: Any, what: Any, context: Mapping[str, Any]) -> RepairRequest:
    """
    Return what a task asks for.

    :param task: the operator, whose arguments are rendered.
    :param what: see :func:`what_of`.
    :param context: Airflow's context of this run.
    """
    ti: Any = context.get("ti")
    dag, run, name = (str(getattr(ti, each, "")) for each in ("dag_id", "run_id", "task_id"))
    map_index = getattr(ti, "map_index", None)
    return RepairRequest(
        what=what,
        role_arn=task.role_arn,
        report_uri=task.completion_report_uri,
        work_uri=task.work_uri or task.completion_report_uri,
        asker=(dag, run, name, -1 if map_index is None else map_index, own_round_of(context)),
        label=f"Airflow {dag}/{name} {run}",
        priority=task.priority,
        max_objects=task.max_objects,
        confirmation_required=task.confirmation_required,
        dry_run=task.only_check,
        extra_args=task.extra_args,
        asking=Asking.of(context),
    )


def policy_of(task: Any) -> RepairPolicy:
    """Return what a task allows, and what it takes for success."""
    return RepairPolicy(
        confirms=not task.confirmation_required,
        max_objects=task.max_objects,
        max_failed=task.max_failed,
        verifies=task.verify_replication,
        verify_timeout=task.verify_timeout,
    )
