"""What the author of a task should look at: said when the DAG is parsed, and in the log of a task that begins."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.replication.hints import KeyWarning, hints
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import told

#: Packages whose frames are not the author's.
_NOT_THE_AUTHORS = ("airflow", "airflow_provider_crr")


def warn_when_parsed(task: Any, targets: Targets) -> None:
    """
    Warn of names that are probably not what the author meant, where the author's DAG makes the task.

    :param task: the task.
    :param targets: what it names.
    """
    for hint in hints(targets):
        warnings.warn(f"task {told(task.task_id)}: {hint}", KeyWarning, stacklevel=_to_the_author())


def log_hints(task: Any) -> None:
    """
    Warn of the same in the task's log, where templates are rendered.

    :param task: the task; one that names no objects is passed over. What cannot be read is told elsewhere.
    """
    named = getattr(task, "_targets", None)
    with suppress(CrrError):
        for hint in hints(named()) if named else ():
            task.log.warning(hint)


def log_at_first(task: Any, context: Mapping[str, Any]) -> None:
    """
    Write to the log of a wait that begins what is probably a mistake in it.

    :param task: the sensor.
    :param context: Airflow's context.
    """
    if context.get("task_reschedule_count"):  # an earlier process has said it
        return
    log_hints(task)
    if getattr(task, "_BaseOperator__init_kwargs", {}).get("timeout") is None:
        said = "no timeout is given, so the task gives up at %s, after Airflow's default of %s. Set timeout"
        with suppress(OverflowError):  # of a default that is longer than the calendar
            ends = datetime.now(UTC) + timedelta(seconds=task.timeout)
            task.log.info(said, humanize.utc_text(ends), humanize.age(task.timeout))


def _to_the_author() -> int:
    """Return the stack level of whoever made the task, for the function that calls this."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_AUTHORS:
        frame, level = frame.f_back, level + 1
    return level
