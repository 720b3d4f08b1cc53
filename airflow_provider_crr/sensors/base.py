"""What this provider's sensors share: pokes, and what Airflow asks of a sensor."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.links.console import S3ConsoleLink, partition_of
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.advice import log_at_first
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_crr.tasks.deferral import WaitingOperator, seconds_to_notice
from airflow_provider_crr.tasks.intervals import Intervals, countable, instance_of
from airflow_provider_crr.tasks.told_failures import VERDICTS

if TYPE_CHECKING:
    from airflow.sdk import Context


class PollingSensor(WaitingOperator, BaseSensorOperator):
    """
    A sensor whose poke and trigger poll the same thing, and end the same way.

    :param deferrable: wait in the triggerer rather than on a worker. The worker looks once before, for a minute at
        most: what is decided then is not deferred.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`, and of every sensor.
    :raises InvalidArgument: for arguments that can never work.
    """

    #: Most seconds that the worker looks before the triggerer goes on.
    FIRST_LOOK = 60.0
    operator_extra_links = (S3ConsoleLink(),)
    ui_color = "#dcedf7"
    _started_at: datetime | None = None
    _began_here = 0.0
    _instance = ""
    _decided = False
    _ends = 0.0  # by time.monotonic

    @abstractmethod
    def _where(self) -> dict[str, Any]:
        """Return bucket and key of what is waited for, for the link to the console; a folder's key ends in "/"."""

    def _linked(self) -> dict[str, Any]:
        # The Region that the connection names, or None: a client knows more, but asks AWS for credentials first.
        region_name = self._hook(S3ReplicationHook).region_name
        return {"region_name": region_name, "aws_partition": partition_of(region_name), **self._where()}

    def execute(self, context: Context) -> Any:
        """Poke until it is decided, or hand the waiting to the triggerer if the first poke does not decide it."""
        self._poller = self._unasked = self._started_at = self._onlookers = self._last_logged = None
        self._decided = False
        self._began_here = time.monotonic()
        self._instance = instance_of(context.get("ti"), otherwise=self.task_id)
        with self._never_failing():
            self._coerce_arguments(context)
            if self.deferrable:
                self._prepare_to_defer()
        S3ConsoleLink.remember(context, self._linked)
        log_at_first(self, context)
        try:
            return super().execute(context)
        except AirflowSkipException as skipped:
            if skipped.__cause__ is None and not self._decided:
                raise AirflowSkipException(self._time_is_up(context, self.timeout)) from None
            if isinstance(skipped.__cause__, Exception):  # which Airflow passes over in silence
                self._logged(skipped.__cause__)
            raise
        except AirflowSensorTimeout as timeout:
            if self._decided:  # by what was asked, not by the time
                raise timeout.with_traceback(None) from timeout.__cause__
            message = self._time_is_up(context, self.timeout)
            # After a deferral, Airflow skips for a timeout under never_fail; so does a poke.
            raise (AirflowSkipException if self.never_fail else AirflowSensorTimeout)(message) from None
        except VERDICTS as verdict:
            raise verdict.with_traceback(None) from verdict.__cause__

    def _prepare_to_defer(self) -> None:
        """
        Make ready what the trigger will need; a subclass may refuse here what cannot be stored.

        :raises InvalidArgument: before S3 is asked, so that whether a task fails does not depend on what S3 says.
        """

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll once; return whether it is done, with the value for XCom. Not done, too, while S3 cannot be asked.

        In reschedule mode this process polls again and again, as long as the next poll is due before Airflow would
        surely have noticed that the process ended.
        """
        while True:
            event = self._poll_in_time(context)
            if event is not None:
                self._decided = True
                return PokeReturnValue(is_done=True, xcom_value=self._conclude(context, event))
            wait = self._wait_here()
            if wait is None:
                return PokeReturnValue(is_done=False)
            time.sleep(wait)

    def _poll_in_time(self, context: Context) -> dict[str, Any] | None:
        if self._started_at is None:
            now = datetime.now(UTC)
            first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
            self._started_at = first or now
            self._ends = time.monotonic() + self.timeout - (now - self._started_at).total_seconds()
        least = endings.LEAST if self.timeout else endings.LATE  # without a timeout it polls once
        return self._poll(context, started_at=self._started_at, ends=self._ends, least=least, look=self._look())

    def _look(self) -> Deadline | None:
        """Return until when the worker looks before the triggerer goes on; None if the task will have ended by then."""
        most = self.FIRST_LOOK
        if self.execution_timeout:  # which would end the task; what follows the look takes time, too
            here = time.monotonic() - self._began_here
            most = min(most, max(0.0, self.execution_timeout.total_seconds() / 2 - here))
        return Deadline(most) if self.deferrable and time.monotonic() + most < self._ends else None

    def _hand_over(self, started_at: datetime) -> None:
        """Defer: the worker's look was the first poll."""
        now, intervals = time.time(), self._intervals(started_at)
        self._defer(
            timeout=self.timeout,
            started_at=started_at,
            poke_interval=self.poke_interval,
            exponential_backoff=self.exponential_backoff,
            max_wait=intervals.max_wait,
            silent_fail=self.silent_fail,
            next_poke=now + intervals.first(now - started_at.timestamp()),
        )

    def _intervals(self, started_at: datetime) -> Intervals:
        return Intervals(
            poke_interval=self.poke_interval,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
            timeout=self.timeout,
            started_at=started_at,
            dag_id=self.dag_id,
            task_id=self.task_id,
            instance=self._instance,
        )

    def _next_in(self, started_at: datetime) -> float | None:
        waited, intervals = (datetime.now(UTC) - started_at).total_seconds(), self._intervals(started_at)
        return intervals.first(waited) if self.deferrable else intervals.by_airflow(waited)

    def _was_told(self, context: Context) -> bool:
        return self.reschedule and context["ti"].get_first_reschedule_date(context) is not None

    def _wait_here(self) -> float | None:
        """Return the seconds to the next poll of this process; None if Airflow is to run another, or the time is up."""
        if not self.reschedule or self.deferrable or self._started_at is None:
            return None
        waited = (datetime.now(UTC) - self._started_at).total_seconds()
        if waited > self.timeout:
            return None
        wait = self._intervals(self._started_at).by_airflow(waited)
        if self.execution_timeout:  # it is meant for one poke, and must not end the waiting of several
            here = time.monotonic() - self._began_here
            if here + wait > self.execution_timeout.total_seconds() / 2:
                return None
        return wait if wait < seconds_to_notice() else None

    def _get_next_poke_interval(self, started_at: Any, run_duration: Callable[[], float], poke_count: int) -> float:
        """
        Return the seconds until Airflow runs another poke, also after an error that silent_fail passes over.

        A deferrable task defers here, where Airflow's own loop has judged the first poke, its errors and its time.
        """
        if self.deferrable:
            with self._never_failing():
                self._hand_over(self._started_at or datetime.now(UTC))
        if self.reschedule:
            return max(self._intervals(started_at).by_airflow(run_duration()), seconds_to_notice())
        return super()._get_next_poke_interval(started_at, run_duration, countable(poke_count))
