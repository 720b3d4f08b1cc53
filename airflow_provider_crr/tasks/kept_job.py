"""The job that a task has created, kept between its tries: from Airflow 3.3 on, in the task's state."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_provider_crr.tasks.repair_request import Begun
from airflow_provider_crr.tasks.task_state import own_round_of

log = logging.getLogger(__name__)

KEY = "crr_batch_job"
SCHEMA = 1


def load(context: Mapping[str, Any]) -> Begun | None:
    """Return the job of this round; None if there is none, or it cannot be read."""
    store = context.get("task_state_store")
    if store is None:
        return None
    try:
        kept: Any = store.get(KEY)
        if kept is None or kept["schema"] != SCHEMA or kept["round"] != own_round_of(context):
            return None
        return Begun(**kept["job"])
    except Exception as error:  # of the store, or of whatever it holds; S3 knows the job by its token
        log.warning("cannot read which job was created before, asking S3: %s", error)
        return None


def save(context: Mapping[str, Any], begun: Begun) -> None:
    """Keep the job; S3 knows it by its token, too."""
    store = context.get("task_state_store")
    if store is None:
        return
    try:
        store.set(KEY, {"schema": SCHEMA, "round": own_round_of(context), "job": asdict(begun)})
    except Exception as error:
        log.warning("cannot keep which job was created, the next try asks S3: %s", error)
