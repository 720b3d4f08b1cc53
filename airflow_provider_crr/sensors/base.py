"""What this provider's sensors share: pokes, and what Airflow asks of a sensor."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.links.console import S3ConsoleLink, partition_of
from airflow_provider_crr.tasks import endings
from airflow_provider_crr.tasks.advice import log_at_first
from airflow_provider_crr.tasks.compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_crr.tasks.deferral import WaitingOperator, seconds_to_notice

if TYPE_CHECKING:
    from airflow.sdk import Context


class PollingSensor(WaitingOperator, BaseSensorOperator):
    """
    A sensor whose poke and trigger poll the same thing, and end the same way.

    :param deferrable: wait in the triggerer rather than on a worker.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`, and of every sensor.
    :raises InvalidArgument: for arguments that can never work.
    """

    operator_extra_links = (S3ConsoleLink(),)
    ui_color = "#dcedf7"
    _started_at: datetime | None = None
    _began_here = 0.0
    _ends = 0.0  # by time.monotonic

    @abstractmethod
    def _where(self) -> dict[str, Any]:
        """Return bucket and key of what is waited for, for the link to the console; a folder's key ends in "/"."""

    def _linked(self) -> dict[str, Any]:
        # The Region that the connection names, or None: a client knows more, but asks AWS for credentials first.
        region_name = self._hook(S3ReplicationHook).region_name
        return {"region_name": region_name, "aws_partition": partition_of(region_name), **self._where()}

    def execute(self, context: Context) -> Any:
        """Wait on the worker, or hand the waiting to the triggerer."""
        self._poller = self._unasked = self._started_at = None
        self._began_here = time.monotonic()
        with self._never_failing():
            self._coerce_arguments(context)
        S3ConsoleLink.remember(context, self._linked)
        log_at_first(self, context)
        if self.deferrable:
            with self._never_failing():
                self._defer(
                    timeout=self.timeout,
                    poke_interval=self.poke_interval,
                    exponential_backoff=self.exponential_backoff,
                    max_wait=self.max_wait.total_seconds() if self.max_wait else None,
                    silent_fail=self.silent_fail,
                )
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException) as error:
            if error.__cause__ is not None:  # a failure that soft_fail skips
                raise
            message = self._time_is_up(context, self.timeout)
            # After a deferral, Airflow skips for a timeout under never_fail; so does a poke.
            skipped = self.never_fail or isinstance(error, AirflowSkipException)
            raise (AirflowSkipException if skipped else AirflowSensorTimeout)(message) from error

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll once; return whether it is done, with the value for XCom. Not done, too, while S3 cannot be asked.

        In reschedule mode this process polls again and again, as long as the next poll is due before Airflow would
        surely have noticed that the process ended.
        """
        while True:
            event = self._poll_in_time(context)
            if event is not None:
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
        return self._poll(context, started_at=self._started_at, ends=self._ends, least=least)

    def _wait_here(self) -> float | None:
        """Return the seconds to the next poll of this process; None if Airflow is to run another, or the time is up."""
        if not self.reschedule or self._started_at is None:
            return None
        waited = (datetime.now(UTC) - self._started_at).total_seconds()
        if waited > self.timeout:
            return None
        wait = super()._get_next_poke_interval(self._started_at, lambda: waited, 1)
        if self.execution_timeout:  # it is meant for one poke, and must not end the waiting of several
            here = time.monotonic() - self._began_here
            if here + wait > self.execution_timeout.total_seconds() / 2:
                return None
        return float(wait) if wait < seconds_to_notice() else None

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        """Return the seconds until Airflow runs another poke, also after an error that silent_fail passes over."""
        wait = super()._get_next_poke_interval(*args, **kwargs)
        return max(wait, seconds_to_notice()) if self.reschedule else wait
