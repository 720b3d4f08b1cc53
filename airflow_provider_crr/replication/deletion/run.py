"""One run of a delete: look up, keep what is meant, delete, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.deletion import deletion as deletions
from airflow_provider_crr.replication.deletion.plan import DeletePlan
from airflow_provider_crr.replication.deletion.progress import DeleteProgress
from airflow_provider_crr.replication.reasons import REASONS
from airflow_provider_crr.replication.status import ObjectState

_T = TypeVar("_T")


def run(plan: DeletePlan, progress: DeleteProgress, deletion: deletions.Deletion, ask: deletions.Asked) -> None:
    """
    Delete what S3 says is replicated of all that was named.

    :param plan: what to look up.
    :param progress: what an earlier try did, already loaded; and what the next must know of this one.
    :param deletion: deletes and counts.
    :param ask: returns what S3 says of objects.
    :raises LookupFailed: if S3 cannot be asked; it says how many are deleted by then.
    """
    try:
        _run(plan, progress, deletion, ask)
    except LookupFailed as error:
        if not deletion.dry_run:
            error.message = f"{error.message.rstrip('.')}; {deletion.deleted:,} object versions are deleted by now"
        raise
    for named in plan.empty:
        if not progress.was_sent(named):
            deletion.refuse(str(named), ObjectState.MISSING.value, REASONS[ObjectState.MISSING])


def _run(plan: DeletePlan, progress: DeleteProgress, deletion: deletions.Deletion, ask: deletions.Asked) -> None:
    if not progress.current:
        deletion.run(ask(plan.all_versions()), plan.listed)
        return
    for chunk in _chunks(plan.current(progress.after, progress.chosen)):
        places = {obj: where for where, obj in chunk}
        for answers in progress.portions(list(ask(places)), places, deletion):
            deletion.run(answers, plan.listed)


def _chunks(elements: Iterator[_T]) -> Iterator[list[_T]]:
    while chunk := list(islice(elements, deletions.BATCH)):
        yield chunk
