"""The trigger of the replication sensor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.metrics import Metered
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.watch import Watch
from airflow_provider_crr.triggers.base import PollingTrigger


class S3ReplicationTrigger(PollingTrigger):
    """
    Sweep a gate until it is decided or its time is up.

    :param targets: what to wait for, as :meth:`.Targets.to_stored` returns it.
    :param policy: the fields of :class:`~airflow_provider_crr.replication.gate.GatePolicy`.
    :param pin_versions: wait for the version that answers first.
    :param kwargs: those of :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """

    def __init__(
        self, *, targets: dict[str, Any], policy: dict[str, Any], pin_versions: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(targets=targets, policy=policy, pin_versions=pin_versions, **kwargs)

    def poller(self) -> Watch:
        """Return the gate."""
        return Watch(
            Targets.from_stored(self.question["targets"]),
            GatePolicy(**self.question["policy"]),
            Metered(S3ReplicationHook(**self.hook), self.task_instance),
            pin_versions=self.question["pin_versions"],
            started_at=datetime.fromtimestamp(self.started_at, UTC),
        )
