"""What a trigger does when a wait has failed: it has the evidence left behind, and sends the event after that."""

from __future__ import annotations

import time
from collections.abc import Hashable
from contextlib import suppress
from functools import partial
from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.hooks.sharing.lazy_hook import LazyHook
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.gate_evidence import SECONDS
from airflow_provider_crr.tasks.threads import in_thread
from airflow_provider_crr.tasks.who import TRIGGERER, with_asker

#: Seconds that an event needs to end the task, before Airflow's own timeout does, which retries apply to.
_FOR_THE_EVENT = 8.0


async def with_evidence(
    poller: endings.Poller | None, event: dict[str, Any], key: Hashable, log: Any, ends: float
) -> dict[str, Any]:
    """
    Return an event; that of a failure once the poller has left its evidence, for which it has some seconds.

    :param poller: what was polled.
    :param event: what the last poll led to.
    :param key: which connection the poller uses.
    :param log: the logger of the trigger.
    :param ends: when Airflow's own timeout comes, seconds since the epoch.
    """
    if event["status"] != endings.FAILED:
        return event
    try:
        leave = partial(endings.with_evidence, poller, event)
        return await in_thread(leave, key=key, stop=_until(ends)) or event
    except Exception as error:
        log.warning("not all evidence of the failure was left in time: %s", error)
        return event


async def could_not_ask(error: CrrError, way: LazyHook, key: Hashable, ends: float) -> dict[str, Any]:
    """
    Return the event of a wait that could not ask; where S3 denied access, it says to whom.

    :param error: why it could not ask.
    :param way: where it asked.
    :param key: which connection that uses.
    :param ends: see :func:`with_evidence`.
    """
    if error.is_denied:
        with suppress(Exception):  # it took too long, for example
            told = partial(with_asker, error, way.get, TRIGGERER)
            error = await in_thread(told, key=key, stop=_until(ends))
    return endings.could_not_ask(error)


def _until(ends: float) -> Deadline:
    return Deadline(max(1.0, min(SECONDS[TRIGGERER], ends - _FOR_THE_EVENT - time.time())))
