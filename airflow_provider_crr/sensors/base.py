"""What this provider's sensors share: one way to poll and to end, on a worker or in the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_crr import errors, failures
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.links.console import S3ConsoleLink, partition_of
from airflow_provider_crr.replication.rules import ReadOnce
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.tasks import asset_events, endings, evidence, metrics
from airflow_provider_crr.tasks.arguments import HOOK_FIELDS, hook_arguments
from airflow_provider_crr.tasks.compat import AirflowException, AirflowSensorTimeout, AirflowSkipException, conf
from airflow_provider_crr.tasks.lineage import Flow, Traced
from airflow_provider_crr.tasks.templated import Templated
from airflow_provider_crr.text import humanize

if TYPE_CHECKING:
    from airflow.sdk import Context
    from botocore.config import Config

    from airflow_provider_crr.triggers.base import PollingTrigger

#: Airflow's own timeout of a deferred sensor comes this much later than the trigger's, which says what was missing.
_GRACE = timedelta(seconds=30)

#: A worker's supervisor notices the end of a task's process within one heartbeat interval, or soon after it on a
#: loaded machine (7 seconds, of 5, were seen). Airflow fails a task as "killed externally" that is queued again before
#: that, because its trigger fired at once or its next poke was due (3.0.6 and 3.3.2).
_HEARTBEATS_TO_NOTICE = 2


class PollingSensor(Templated, BaseSensorOperator, Traced):
    """
    A sensor whose poke and trigger poll the same thing, and end the same way.

    :param max_requests_per_second: most HEAD requests in a second; None for no limit.
    :param deferrable: wait in the triggerer rather than on a worker.
    :param aws_conn_id: Airflow connection; None for boto3's own way to find credentials; templated.
    :param region_name: AWS Region, None or what renders to nothing for the connection's; templated.
    :param verify: whether to verify TLS certificates, or the path of a CA bundle; templated.
    :param botocore_config: settings of ``botocore.config.Config``; a mapping if deferrable.
    :param expected_bucket_owner: account id that must own the buckets, 12 digits; templated.
    :param requester_pays: accept the request costs of a requester-pays bucket.
    :raises InvalidArgument: for arguments that can never work.
    """

    template_fields: Sequence[str] = HOOK_FIELDS
    operator_extra_links = (S3ConsoleLink(),)
    ui_color = "#dcedf7"

    def __init__(
        self,
        *,
        max_requests_per_second: float | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | Config | None = None,
        expected_bucket_owner: str | None = None,
        requester_pays: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_requests_per_second = max_requests_per_second
        self.deferrable = deferrable
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.expected_bucket_owner = expected_bucket_owner
        self.requester_pays = requester_pays
        self._poller: endings.Poller | None = None
        self._unasked: errors.CrrError | None = None
        self._started_at: datetime | None = None
        self._began_here = 0.0
        self._ends = 0.0  # by time.monotonic
        hook_arguments(self, for_trigger=deferrable)

    @abstractmethod
    def _make_poller(self, started_at: datetime, context: Context) -> endings.Poller:
        """Return what to poll on the worker."""

    @abstractmethod
    def _make_trigger(self, **kwargs: Any) -> PollingTrigger:
        """Return the trigger that polls the same; ``kwargs`` are those of PollingTrigger."""

    @abstractmethod
    def _event_extra(self, value: Any, rules: asset_events.Rules) -> dict[str, Any]:
        """Return what the events of the outlets tell of a wait that is over."""

    @abstractmethod
    def _flow(self, value: Any = None, rules: asset_events.Rules | None = None) -> Flow:
        """Return what OpenLineage is told; ``value`` and ``rules`` are given of a wait that is over."""

    @abstractmethod
    def _where(self) -> dict[str, Any]:
        """Return bucket and key of what is waited for, for the link to the console; a folder's key ends in "/"."""

    def _when_stored(self, do: Callable[[], None]) -> None:
        """Let something be done once Airflow has stored the task's result and its success."""
        others = self.on_success_callback or ()
        others = [others] if callable(others) else [*others]  # as a subclass may have set it
        self.on_success_callback = [*others, lambda context: do()]

    def _linked(self) -> dict[str, Any]:
        # The connection's Region, or nothing: a client would ask AWS for credentials, only to make a link.
        region_name = S3ReplicationHook(**hook_arguments(self)).region_name
        return {"region_name": region_name, "aws_partition": partition_of(region_name), **self._where()}

    def execute(self, context: Context) -> Any:
        """Wait on the worker, or hand the waiting to the triggerer."""
        self._poller = self._unasked = self._started_at = None
        self._began_here = time.monotonic()
        with self._never_failing():
            self._bring_arguments(context)
        S3ConsoleLink.remember(context, self._linked)
        if self.deferrable:
            with self._never_failing():
                self._defer()
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException) as error:
            if error.__cause__ is not None:  # a failure that soft_fail skips
                raise
            ended = endings.timed_out(self._poller, humanize.age(self.timeout), self._unasked)
            evidence.push(context, ended["value"])
            metrics.ended(context.get("ti"), ended)
            # After a deferral Airflow skips for a timeout under never_fail; a poke does as much.
            skipped = self.never_fail or isinstance(error, AirflowSkipException)
            raise (AirflowSkipException if skipped else AirflowSensorTimeout)(ended["message"]) from error

    def _defer(self) -> None:
        now, hold = time.time(), _seconds_to_notice()
        trigger = self._make_trigger(
            hook=hook_arguments(self, for_trigger=True),
            poke_interval=self.poke_interval,
            started_at=now,
            deadline=now + self.timeout,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
            silent_fail=self.silent_fail,
        )
        trigger.not_before = time.time() + hold  # of now: a long list has taken a while to pack
        self.defer(
            trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=max(self.timeout, hold)) + _GRACE
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll once: done with the value for XCom, or not done, also where S3 cannot be asked for the moment.

        In reschedule mode again and again, as long as the next poll is due before Airflow has surely noticed that this
        process ended.
        """
        while True:
            found = self._poll(context)
            wait = None if found.is_done else self._wait_here()
            if wait is None:
                return found
            time.sleep(wait)

    def _wait_here(self) -> float | None:
        """Return the seconds to the next poll of this process; None if Airflow is to run another, or the time is up."""
        if not self.reschedule or self._started_at is None:
            return None
        waited = (datetime.now(UTC) - self._started_at).total_seconds()
        if waited > self.timeout:
            return None
        wait = super()._get_next_poke_interval(self._started_at, lambda: waited, 1)
        if self.execution_timeout:  # which is meant for one poke: it shall not end the waiting for many
            here = time.monotonic() - self._began_here
            if here + wait > self.execution_timeout.total_seconds() / 2:
                return None
        return float(wait) if wait < _seconds_to_notice() else None

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        """Return the seconds until Airflow runs another poke; after an error that silent_fail passes over, too."""
        wait = super()._get_next_poke_interval(*args, **kwargs)
        return max(wait, _seconds_to_notice()) if self.reschedule else wait

    def _poll(self, context: Context) -> PokeReturnValue:
        self._unasked = None
        if self._poller is None:
            self._bring_arguments(context)
        if self._started_at is None:
            now = datetime.now(UTC)
            first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
            self._started_at = first or now
            left = self.timeout - (now - self._started_at).total_seconds()
            self._ends = time.monotonic() + left
        stop = self._stop(endings.LATE)
        try:
            if self._poller is None:
                with until(stop):
                    self._poller = self._make_poller(self._started_at, context)
            stop = self._stop(endings.LEAST if self.timeout else endings.LATE)  # without a timeout it looks once
            with until(stop):
                decided = self._poller.poll(stop)
        except errors.CrrError as error:
            if not stop.is_set() and not endings.goes_on(error, silent_fail=self.silent_fail):
                raise
            self._unasked = error
            self.log.warning("cannot ask S3, going on: %s", error)
            return PokeReturnValue(is_done=False)
        metrics.polled(context.get("ti"), self._poller.value())
        self.log.info(self._poller.progress())
        for warning in self._poller.warnings():
            self.log.warning(warning)
        if decided is None:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._conclude(context, decided))

    def _stop(self, least: float) -> Deadline:
        return Deadline(max(least, self._ends - time.monotonic()))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """
        End as the trigger's event says.

        :param event: one of :mod:`airflow_provider_crr.tasks.endings`.
        """
        ended = event or {}
        with self._never_failing():
            try:
                self._bring_arguments(context)
            except Exception:
                if ended.get("status") not in endings.VERDICTS:
                    raise
                self.log.debug("the arguments cannot be read; the verdict does not depend on them", exc_info=True)
            return self._conclude(context, ended)

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Skip under never_fail as a poke does; outside of pokes Airflow does so for some errors only, 3.0 for none."""
        try:
            yield
        except (errors.CrrError, AirflowException) as error:
            if self.never_fail and not isinstance(error, AirflowSkipException):
                raise AirflowSkipException(f"Skipping due to never_fail is set to True: {error}") from error
            raise

    def _conclude(self, context: Context, event: dict[str, Any]) -> Any:
        status, value = event.get("status"), event.get("value")
        metrics.ended(context.get("ti"), event)
        if status == endings.DONE and value:
            hook = S3ReplicationHook(**hook_arguments(self))
            rules = ReadOnce(partial(hook.get_replication_rules, brief=True))
            asset_events.announce(self, context, lambda: self._event_extra(value, rules))
            self._learn(lambda: self._flow(value, rules))
            return value
        if status == endings.ERROR:
            raise errors.from_dict(event["error"])
        evidence.push(context, value)
        if status == endings.FAILED:
            raise failures.ReplicationFailed(event["message"], summary=value)
        if status == endings.TIMEOUT:
            raise AirflowSensorTimeout(event["message"])
        raise errors.LookupFailed(
            f"the trigger sent an event that cannot be read: {event!r}",
            remedy="Run the same release of this provider on workers and triggerers, then clear the task",
        )


def _seconds_to_notice() -> float:
    """Return after how many seconds Airflow has surely noticed that a task's process ended."""
    return _HEARTBEATS_TO_NOTICE * float(conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0))
