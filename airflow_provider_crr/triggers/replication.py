"""The trigger of the replication sensor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_provider_crr.replication.gate import UNSAID, GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.tasks import pollers
from airflow_provider_crr.triggers.base import PollingTrigger, without_defaults

#: Defaults that were stored before :attr:`S3ReplicationTrigger.FORM` 1, as if the author had written them. "fail", the
#: default of other fields, is not among them: on S3 it means what None means.
_BEFORE_FORM_1 = {"on_replica": "done"}


class S3ReplicationTrigger(PollingTrigger):
    """
    Ask for the objects of a gate, sweep after sweep, until it is decided or its time is up.

    :param targets: what to wait for, as :meth:`.Targets.to_stored` returns it.
    :param policy: the fields of :class:`~airflow_provider_crr.replication.gate.GatePolicy`.
    :param pin_versions: wait for the version that answers first.
    :param form: how the policy was stored. Form 0 wrote out the defaults; those that are None today are read as None.
    :param kwargs: those of :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """

    FORM = 1

    def __init__(
        self,
        *,
        targets: dict[str, Any],
        policy: dict[str, Any],
        pin_versions: bool = False,
        form: int = 0,
        **kwargs: Any,
    ) -> None:
        said = _policy(policy, form)
        super().__init__(targets=targets, policy=said, pin_versions=pin_versions, form=form, **kwargs)

    def poller(self) -> Watch:
        """Return the gate."""
        return pollers.gate(
            self._way.get(),
            Targets.from_stored(self.question["targets"]),
            GatePolicy(**self.question["policy"]),
            pin_versions=self.question["pin_versions"],
            started_at=datetime.fromtimestamp(self.started_at, UTC),
            ti=self.task_instance,
        )


def _policy(stored: Mapping[str, Any], form: int) -> dict[str, Any]:
    """Return what the author wrote, from a stored policy of any form."""
    said = stored if form >= 1 else without_defaults(stored, _BEFORE_FORM_1)
    return without_defaults(said, dict.fromkeys(UNSAID))
