"""The trigger of the replication sensor."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from airflow_provider_crr.replication.checkpoint.handover import Handover
from airflow_provider_crr.replication.gate import UNSAID, GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks import pollers
from airflow_provider_crr.tasks.who import TRIGGERER
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
    :param known: what the worker found done, compressed, with the question that it belongs to. It is not asked for
        again, also when a triggerer takes over from another. With the targets it takes no more than the latter alone
        may. None if nothing is known.
    :param head_requests: HEADs that were answered on the worker.
    :param unanswered: HEADs that the worker sent, too, and whose answer did not come.
    :param max_head_requests: most HEADs that may be sent, those of the worker included; None for any number.
    :param failed_manifest_uri: where to list what FAILED, once the gate fails; None for nowhere.
    :param extra_args: what is sent with that list.
    :param seen: what people are shown of the wait so far, as JSON text; None for nothing.
    :param form: how the policy was stored. Form 0 wrote out the defaults; those that are None today are read as None.
    :param kwargs: those of :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """

    FORM = 1
    ADDED: ClassVar[Mapping[str, Any]] = {
        **PollingTrigger.ADDED,
        "known": None,
        "head_requests": 0,
        "unanswered": 0,
        "max_head_requests": None,
        "failed_manifest_uri": None,
        "extra_args": None,
        "seen": None,
    }

    def __init__(
        self,
        *,
        targets: dict[str, Any],
        policy: dict[str, Any],
        pin_versions: bool = False,
        known: dict[str, Any] | None = None,
        head_requests: int = 0,
        unanswered: int = 0,
        max_head_requests: int | None = None,
        failed_manifest_uri: str | None = None,
        extra_args: dict[str, Any] | None = None,
        seen: str | None = None,
        form: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            targets=targets,
            policy=_policy(policy, form),
            pin_versions=pin_versions,
            known=known,
            head_requests=head_requests,
            unanswered=unanswered,
            max_head_requests=max_head_requests,
            failed_manifest_uri=failed_manifest_uri,
            extra_args=extra_args,
            seen=seen,
            form=form,
            **kwargs,
        )
        # Until the first poll is due nobody has polled since the worker's look, when no hour was over.
        fresh = self.next_poke > time.time()
        self._handover = Handover(
            known,
            head_requests=head_requests,
            unanswered=unanswered,
            hours_told=0 if fresh else None,
            seen=seen,
            fresh=fresh,
        )

    def polling_key(self) -> Hashable:
        """Return a key with each bucket that is listed: a LIST holds its thread until S3 answers, a HEAD does not."""
        listed: set[str] = set()
        with suppress(Exception):  # of what cannot be read the poller tells
            listed = {S3Object.parse(pattern).bucket for pattern in self.question["targets"]["patterns"]}
        return (super().polling_key(), *sorted(listed))

    def poller(self) -> Watch:
        """
        Return the gate.

        If the connection was edited meanwhile, what an earlier one has sent counts. What it found done, and pinned,
        counts if the edited connection leads to the same place.
        """
        self._handover = self._handover.next()
        return pollers.gate(
            self._way.get(),
            Targets.from_stored(self.question["targets"]),
            GatePolicy(**self.question["policy"]),
            pin_versions=self.question["pin_versions"],
            started_at=datetime.fromtimestamp(self.started_at, UTC),
            ti=self.task_instance,
            kept=self._handover,
            max_head_requests=self.question["max_head_requests"],
            where=TRIGGERER,
            failed_manifest_uri=self.question["failed_manifest_uri"],
            extra_args=self.question["extra_args"],
        )


def _policy(stored: Mapping[str, Any], form: int) -> dict[str, Any]:
    """Return what the author wrote, from a stored policy of any form."""
    said = stored if form >= 1 else without_defaults(stored, _BEFORE_FORM_1)
    return without_defaults(said, dict.fromkeys(UNSAID))
