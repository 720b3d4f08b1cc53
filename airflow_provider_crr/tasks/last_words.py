"""What a trigger does when a wait has failed: it has the evidence left behind, and sends the event after that."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.hooks.sharing.lazy_hook import LazyHook
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.gate_evidence import SECONDS
from airflow_provider_crr.tasks.threads import in_thread
from airflow_provider_crr.tasks.who import TRIGGERER, with_asker


async def with_evidence(
    poller: endings.Poller | None, event: dict[str, Any], key: Hashable, log: Any
) -> dict[str, Any]:
    """
    Return an event; that of a failure once the poller has left its evidence, for which it has some seconds.

    :param poller: what was polled.
    :param event: what the last poll led to.
    :param key: which connection the poller uses.
    :param log: the logger of the trigger.
    """
    if event["status"] != endings.FAILED:
        return event
    try:
        leave = partial(endings.with_evidence, poller, event)
        return await in_thread(leave, key=key, stop=Deadline(SECONDS[TRIGGERER])) or event
    except CrrError as error:
        log.warning("not all evidence of the failure was left in time: %s", error)
        return event


async def could_not_ask(error: CrrError, way: LazyHook, key: Hashable) -> dict[str, Any]:
    """
    Return the event of a wait that could not ask; where S3 denied access, it says to whom.

    :param error: why it could not ask.
    :param way: where it asked.
    :param key: which connection that uses.
    """
    if error.is_denied:
        try:
            told = partial(with_asker, error, way.get, TRIGGERER)
            error = await in_thread(told, key=key, stop=Deadline(SECONDS[TRIGGERER]))
        except CrrError:  # it took too long
            pass
    return endings.could_not_ask(error)
