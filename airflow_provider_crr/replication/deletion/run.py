"""One run of a delete: look up, note which versions are meant, delete, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.deletion import batches
from airflow_provider_crr.replication.deletion.plan import DeletePlan
from airflow_provider_crr.replication.deletion.progress import DeleteProgress
from airflow_provider_crr.replication.reasons import REASONS
from airflow_provider_crr.replication.status import ObjectState

_T = TypeVar("_T")


def run(plan: DeletePlan, progress: DeleteProgress, deletion: batches.Deletion) -> None:
    """
    Delete what S3 says is replicated of all that was named.

    :param plan: what to look up.
    :param progress: what an earlier try did, already loaded; and what the next must know of this one.
    :param deletion: asks, deletes and counts.
    :raises LookupFailed: if S3 cannot be asked; it says how many are deleted by then.
    """
    counts = deletion.counts
    try:
        _run(plan, progress, deletion)
    except LookupFailed as error:
        if not deletion.dry_run:
            error.message = f"{error.message.rstrip('.')}; {counts.deleted:,} object versions are deleted by now"
        raise
    for named in plan.empty:
        if not progress.was_sent(named):
            counts.add_refused(str(named), ObjectState.MISSING.value, REASONS[ObjectState.MISSING])


def _run(plan: DeletePlan, progress: DeleteProgress, deletion: batches.Deletion) -> None:
    if not progress.current:
        deletion.run(deletion.ask(plan.all_versions()), plan.listed)
        return
    for chunk in _chunks(plan.current(progress.after, progress.chosen)):
        places = {obj: where for where, obj in chunk}
        for answers in progress.portions(list(deletion.ask(places)), places, deletion.counts):
            deletion.run(answers, plan.listed)


def _chunks(elements: Iterator[_T]) -> Iterator[list[_T]]:
    while chunk := list(islice(elements, batches.BATCH)):
        yield chunk
