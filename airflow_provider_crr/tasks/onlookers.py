"""
Those who look at a wait: its log, and the XCom ``crr_progress``, which the Replication tab shows.

Nothing here raises, or changes how a wait ends.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from airflow_provider_crr.replication.progress import KEY, Wait
from airflow_provider_crr.tasks import endings, evidence
from airflow_provider_crr.tasks.progress_pushes import PUSHES, TRIGGERER, WORKER, Offers, can_push
from airflow_provider_crr.tasks.telling import Teller
from airflow_provider_crr.text.humanize import moment_of

log = logging.getLogger(__name__)


class Onlookers:
    """
    Who looks at one wait.

    :param log: the logger of the task or the trigger.
    :param where: ``"worker"`` or ``"triggerer"``.
    :param deadline: when the wait gives up, UTC.
    :param offer: is given the value after each poll that has not ended the wait, and pushes it if that is due;
        None if nobody can look, and then no value is made.
    :param begun: whether another process has told the log all already.
    """

    def __init__(
        self,
        log: Any,
        *,
        where: str,
        deadline: datetime,
        offer: Callable[[dict[str, Any]], None] | None,
        begun: bool = False,
    ) -> None:
        self._teller = Teller(log, begun=begun)
        self._where = where
        self._deadline = deadline
        self._offer = offer

    def tell(self, poller: endings.Poller, *, decided: bool) -> None:
        """Write to the log what the last poll showed."""
        try:
            self._teller.tell(poller, None if decided else self._deadline)
        except Exception:
            log.debug("the wait cannot be told", exc_info=True)

    def show(
        self,
        poller: endings.Poller | None,
        *,
        next_in: float | None,
        unasked: BaseException | None = None,
    ) -> None:
        """
        Offer the value of a wait that goes on. If its time is up, the value of its end follows at once.

        :param poller: what was polled; None if there is nothing to poll yet.
        :param next_in: seconds until it is polled again; None if that is not known.
        :param unasked: why the last poll could not ask; None if it could.
        """
        try:
            if self._offer and isinstance(poller, endings.Shown) and datetime.now(UTC) < self._deadline:
                self._offer(self._value(poller, poller.progress(), unasked, next_in=next_in))
        except Exception:  # nobody waits longer because nobody can look
            log.debug("the progress cannot be shown", exc_info=True)

    def end(
        self, event: dict[str, Any], poller: endings.Poller | None, unasked: BaseException | None = None
    ) -> dict[str, Any]:
        """
        Return the event of a wait that has ended, with the value as it is then. The task pushes it by :func:`show_end`.

        :param event: one of :mod:`airflow_provider_crr.tasks.endings`.
        :param poller: what was polled; None if there was nothing to poll.
        :param unasked: why the last poll could not ask; None if it could.
        """
        try:
            if isinstance(poller, endings.Shown):
                value = self._value(poller, event["message"], unasked, state=event["status"])
                return {**event, "progress": value}
        except Exception:
            log.debug("the progress cannot be shown", exc_info=True)
        return event

    def _value(
        self,
        poller: endings.Shown,
        message: str,
        unasked: BaseException | None,
        *,
        state: str = "waiting",
        next_in: float | None = None,
    ) -> dict[str, Any]:
        now = datetime.now(UTC)
        wait = Wait(
            at=now,
            deadline=self._deadline,
            where=self._where,
            host=platform.node(),
            state=state,
            next_look=None if next_in is None else min(moment_of(now.timestamp() + next_in), self._deadline),
            unasked=str(unasked) if unasked else None,
            message=message,
        )
        return poller.shown(wait)


def of_worker(task: Any, context: Any, ends: float, *, begun: bool = False) -> Onlookers:
    """
    Return who looks at a wait on a worker.

    :param task: operator or sensor.
    :param context: Airflow's context of this run.
    :param ends: when its time is up, by ``time.monotonic``.
    :param begun: whether an earlier process of this wait has told the log all already.
    """
    offers = Offers(lambda value: context["ti"].xcom_push(key=KEY, value=value), WORKER)
    return Onlookers(
        task.log,
        where="worker",
        deadline=moment_of(time.time() + ends - time.monotonic()),
        offer=offers.offer if task.do_xcom_push else None,
        begun=begun,
    )


def of_trigger(trigger: Any) -> Onlookers:
    """
    Return who looks at a wait in the triggerer.

    :param trigger: a :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """
    ti = trigger.task_instance if trigger.shows_progress and can_push() else None
    return Onlookers(
        trigger.log,
        where="triggerer",
        deadline=moment_of(trigger.deadline),
        offer=None if ti is None else Offers(partial(PUSHES.put, ti), TRIGGERER).offer,
        begun=trigger.next_poke > time.time(),  # the worker has just looked
    )


def show_end(task: Any, context: Any, event: Mapping[str, Any]) -> None:
    """
    Push how far a wait was at its end; whether or not this can be stored, it ends the same.

    :param task: operator or sensor.
    :param context: Airflow's context of this run.
    :param event: what :meth:`Onlookers.end` returned.
    """
    if task.do_xcom_push:
        evidence.push(context, event.get("progress"), KEY)
