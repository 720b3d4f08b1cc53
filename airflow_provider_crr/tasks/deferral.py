"""
Waiting, on a worker or in the triggerer, and how it ends: the same way in both.

Airflow has a race here (3.0.6 and 3.3.2). A worker's supervisor notices the end of a task's process within one
heartbeat interval, or soon after it on a loaded machine: 7 seconds were seen where the interval is 5. If the task is
queued again before that, because its trigger fired at once or its next poke was due, Airflow fails it as "killed
externally". So a trigger holds its event back for a while, and a poke that is due too soon is made by the process that
is there.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import errors
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.tasks import asset_events, endings, evidence, metrics, onlookers
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, conf
from airflow_provider_crr.tasks.connection import HookOperator, hook_arguments
from airflow_provider_crr.tasks.lasting import for_good
from airflow_provider_crr.tasks.lineage import Flow
from airflow_provider_crr.tasks.told_failures import VERDICTS, ToldFailures
from airflow_provider_crr.tasks.who import WORKER, with_asker
from airflow_provider_crr.text import humanize

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Heartbeat intervals after which Airflow has surely noticed that a task's process ended.
_HEARTBEATS_TO_NOTICE = 2


class WaitingOperator(ToldFailures, HookOperator):
    """
    An operator, or a sensor, that polls until something is decided.

    A subclass says what it polls, on the worker and in the triggerer, which error it raises, and what its events tell.
    Its ``execute`` brings the arguments to their types. Then it calls :meth:`_poll`, and :meth:`_conclude` with the
    event that this returns. If there is none, it polls again and again, or hands the waiting to the triggerer with
    :meth:`_defer`. A wait whose time is up raises ``AirflowSensorTimeout``, whatever the subclass is.

    :param deferrable: wait in the triggerer rather than on a worker.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`.
    :raises InvalidArgument: for arguments that can never work.
    """

    #: Whether the wait goes on whatever keeps a poll from asking; sensors let the author say so.
    silent_fail: bool = False
    _poller: endings.Poller | None = None
    #: Why the last poll could not ask; None if it could.
    _unasked: errors.CrrError | None = None
    _onlookers: onlookers.Onlookers | None = None

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        if deferrable:
            hook_arguments(self, for_trigger=True, parsing=True)

    @abstractmethod
    def _make_poller(self, started_at: datetime, context: Context) -> endings.Poller:
        """Return what to poll on the worker."""

    @abstractmethod
    def _make_trigger(self, **kwargs: Any) -> Any:
        """
        Return the trigger that polls the same.

        :param kwargs: those of :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
        """

    @abstractmethod
    def _failure(self, message: str, value: Any) -> Exception:
        """Return the error of a wait that can never end well, with its evidence."""

    @abstractmethod
    def _event_extra(self, value: Any) -> Mapping[str, Any]:
        """Return what the events of the outlets tell of a wait that ended well."""

    @abstractmethod
    def _flow(self, value: Any = None) -> Flow:
        """Return what OpenLineage is told; ``value`` is given of a wait that ended well."""

    def _defer(self, *, timeout: float, started_at: datetime | None = None, **how: Any) -> None:
        """
        Hand the waiting to the triggerer.

        :param timeout: seconds until it gives up.
        :param started_at: when the task first asked, UTC, from when the timeout counts; None for now.
        :param how: ``poke_interval`` and other kwargs of PollingTrigger that say how to poll.
        """
        began = started_at.timestamp() if started_at else time.time()
        trigger = self._make_trigger(
            hook=hook_arguments(self, for_trigger=True),
            started_at=began,
            deadline=began + timeout,
            shows_progress=self.do_xcom_push,
            **how,
        )
        now, hold = time.time(), seconds_to_notice()
        trigger.not_before = now + hold  # counted from now: a long list has taken a while to pack
        left = max(began + timeout - now, hold)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=left + endings.GRACE))

    def _poll(
        self, context: Context, *, started_at: datetime, ends: float, least: float, look: Deadline | None = None
    ) -> dict[str, Any] | None:
        """
        Poll once on the worker; return the event if that decided the wait.

        :param started_at: when the task first asked, UTC.
        :param ends: when its time is up, by ``time.monotonic``.
        :param least: seconds that the poll may take in any case.
        :param look: until when this process asks, if another one goes on then; its end is no error.
        :raises CrrError: if it could not ask, and that lasts.
        """
        made, self._unasked = least if self._unasked else max(least, endings.MAKING), None
        if self._poller is None:
            self._coerce_arguments(context)
        if self._onlookers is None:
            self._onlookers = onlookers.of_worker(self, context, ends, begun=self._was_told(context))
        stop = look or _until(ends, made)
        try:
            if self._poller is None:
                with until(stop):
                    self._poller = self._make_poller(started_at, context)
            stop = look or _until(ends, least)
            with until(stop):
                decided = self._poller.poll(stop)
        except errors.CrrError as error:
            cut = stop is look and stop.is_set()
            if not stop.is_set() and not endings.goes_on(error, silent_fail=self.silent_fail):
                known = with_asker(error, lambda: self._hook(S3ReplicationHook), WORKER)
                event = self._onlookers.end(endings.could_not_ask(known), self._poller, known)
                onlookers.show_end(self, context, event)
                raise self._logged(for_good(known)) from error.__cause__
            self._unasked = None if cut else error
            ended = endings.after(self._poller, decided=False, unasked=self._unasked)
            if not cut:
                self.log.warning("cannot ask S3, going on: %s", error)
            elif not ended:
                self.log.info("not all is asked for yet, and the triggerer goes on: %s", error.message)
            endings.tell_cost(self._poller, self.log)
        else:
            metrics.polled(context.get("ti"), self._poller.value())
            self._onlookers.tell(self._poller, decided=decided)
            ended = endings.with_evidence(self._poller, endings.after(self._poller, decided=decided))
        if ended:
            return self._onlookers.end(ended, self._poller, self._unasked)
        self._onlookers.show(self._poller, next_in=self._next_in(started_at), unasked=self._unasked)
        return None

    def _next_in(self, started_at: datetime) -> float | None:
        """
        Return the seconds until it is polled again, for those who look at the wait; None if that is not known.

        :param started_at: when the task first asked, UTC.
        """
        return None

    def _was_told(self, context: Context) -> bool:
        """Return whether an earlier process of this wait has told the log already what is waited for."""
        return False

    def _time_is_up(self, context: Context, timeout: float) -> str:
        """Leave the evidence of a wait on the worker whose time is up; return the message, which the log has then."""
        ended = endings.timed_out(self._poller, humanize.age(timeout), self._unasked)
        if self._onlookers:
            ended = self._onlookers.end(ended, self._poller, self._unasked)
        if evidence.push(context, ended["value"]):
            onlookers.show_end(self, context, ended)
        metrics.ended(context.get("ti"), ended)
        self.log.error("%s", ended["message"])
        return str(ended["message"])

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """
        End as the trigger's event says.

        :param event: one of :mod:`airflow_provider_crr.tasks.endings`.
        """
        ended = event or {}
        try:
            with self._never_failing():
                try:
                    self._coerce_arguments(context)
                except Exception:
                    if ended.get("status") not in endings.VERDICTS:
                        raise
                    self.log.debug("the arguments cannot be read; the verdict does not depend on them", exc_info=True)
                return self._conclude(context, ended)
        except VERDICTS as verdict:
            raise verdict.with_traceback(None) from verdict.__cause__

    def _conclude(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the value of an event that ends the task well; log, and raise, the error of another."""
        status, value = event.get("status"), event.get("value")
        metrics.ended(context.get("ti"), event)
        if status == endings.DONE and value:
            onlookers.show_end(self, context, event)
            asset_events.announce(self, context, lambda: self._event_extra(value))
            self._learn(lambda: self._flow(value))
            return value
        if status == endings.ERROR:
            onlookers.show_end(self, context, event)
            raise self._logged(for_good(errors.from_dict(event["error"])))
        if evidence.push(context, value):
            onlookers.show_end(self, context, event)
        if status == endings.FAILED:
            raise self._logged(self._failure(event["message"], value))
        if status == endings.TIMEOUT:
            raise self._logged(AirflowSensorTimeout(event["message"]))
        raise errors.LookupFailed(
            f"the trigger sent an event that cannot be read: {event!r}",
            remedy="Run the same release of this provider on workers and triggerers, then clear the task",
        )


def _until(ends: float, least: float) -> Deadline:
    return Deadline(max(least, ends - time.monotonic()))


def seconds_to_notice() -> float:
    """Return after how many seconds Airflow has surely noticed that a task's process ended."""
    return _HEARTBEATS_TO_NOTICE * float(conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0))
