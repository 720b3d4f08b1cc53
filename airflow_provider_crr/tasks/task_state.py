"""What Airflow remembers of a task: whether it keeps state at all, and for which round of its tries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context


def has_task_state_store() -> bool:
    """Return whether this Airflow keeps the state of tasks, which it does from 3.3 on."""
    from airflow.sdk import Context

    return "task_state_store" in Context.__annotations__


def round_of(context: Context) -> str:
    """
    Return a text that stays the same when Airflow retries the task by itself, and changes when a user clears it.

    It also changes when another task of the run is cleared. It may stay the same when this task is cleared while it
    runs and ``reset_dag_runs`` is false: that counts as a retry.

    :param context: Airflow's context of the task.
    """
    return f"{getattr(context['ti'], 'max_tries', 0)}/{getattr(context.get('dag_run'), 'clear_number', 0)}"


def own_round_of(context: Mapping[str, Any]) -> str:
    """
    Return such a text that does not change when another task of the run is cleared: what this task did stays done.

    :param context: Airflow's context of the task.
    """
    return str(getattr(context.get("ti"), "max_tries", 0))
