"""The trigger of the replication sensor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.gate import UNSAID, GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.tasks.metrics import Metered
from airflow_provider_crr.triggers.base import PollingTrigger, without_defaults

#: What was stored of the policy before :attr:`S3ReplicationTrigger.FORM` 1 whether the author wrote it or not. "fail",
#: which was the default of others, is kept: on S3 it means what None means.
_BEFORE_FORM_1 = {"on_replica": "done"}


class S3ReplicationTrigger(PollingTrigger):
    """
    Sweep a gate until it is decided or its time is up.

    :param targets: what to wait for, as :meth:`.Targets.to_stored` returns it.
    :param policy: the fields of :class:`~airflow_provider_crr.replication.gate.GatePolicy`.
    :param pin_versions: wait for the version that answers first.
    :param form: what stored the policy: 0 wrote out the defaults, so that those which are None today are read as such.
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
        hook = S3ReplicationHook(**self.hook)
        hook.get_conn()  # which may take longer than a look
        return Watch(
            Targets.from_stored(self.question["targets"]),
            GatePolicy(**self.question["policy"]),
            Metered(hook, self.task_instance),
            pin_versions=self.question["pin_versions"],
            started_at=datetime.fromtimestamp(self.started_at, UTC),
        )


def _policy(stored: Mapping[str, Any], form: int) -> dict[str, Any]:
    """Return what the author said, of a stored policy of whichever form."""
    said = stored if form >= 1 else without_defaults(stored, _BEFORE_FORM_1)
    return without_defaults(said, dict.fromkeys(UNSAID))
