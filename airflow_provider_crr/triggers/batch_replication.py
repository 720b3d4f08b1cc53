"""The trigger of the operator that repairs."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from airflow_provider_crr.batch.repair import Repair
from airflow_provider_crr.batch.repair_terms import RepairPolicy
from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from airflow_provider_crr.tasks import pollers
from airflow_provider_crr.tasks.connection import of_other_services
from airflow_provider_crr.tasks.repair_jobs import cancel
from airflow_provider_crr.tasks.threads import in_thread
from airflow_provider_crr.triggers.base import PollingTrigger


class S3BatchReplicationTrigger(PollingTrigger):
    """
    Ask for a job of S3 Batch Replication until it has ended and what it did is known, or the time is up.

    The job is not created here: a triggerer that takes over from another asks for the same one.

    :param job_id: the job.
    :param account_id: account that owns it.
    :param region_name: its Region; None for the connection's.
    :param manifest: S3 URI of its manifest; None if S3 makes it.
    :param what: what it replicates, in words.
    :param policy: the fields of :class:`~airflow_provider_crr.batch.repair_terms.RepairPolicy`.
    :param kwargs: those of :class:`~airflow_provider_crr.triggers.base.PollingTrigger`.
    """

    def __init__(
        self,
        *,
        job_id: str,
        account_id: str,
        region_name: str | None,
        manifest: str | None,
        policy: dict[str, Any],
        what: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            job_id=job_id,
            account_id=account_id,
            region_name=region_name,
            manifest=manifest,
            policy=policy,
            what=what,
            **kwargs,
        )

    def polling_key(self) -> Hashable:
        """Return a key of its own: the questions about a job hold their thread until S3 answers."""
        return (super().polling_key(), self.question["job_id"])

    def poller(self) -> Repair:
        """Return the job to be watched."""
        asked = self.question
        return pollers.repair(
            self._way.get(),
            self._jobs(),
            asked["job_id"],
            RepairPolicy(**asked["policy"]),
            manifest=asked["manifest"],
            what=asked["what"],
            ti=self.task_instance,
            tell=self.log.info,
            started_at=datetime.fromtimestamp(self.started_at, UTC),
        )

    async def on_kill(self) -> None:
        """Cancel the job: somebody has marked or cleared the task. Airflow calls this from 3.3 on."""
        with suppress(Exception):  # which is logged already
            job_id = self.question["job_id"]
            await in_thread(lambda: cancel(self._jobs, job_id, self.log), key=self.polling_key())

    def _jobs(self) -> S3BatchOperationsHook:
        region = self.question["region_name"]
        arguments = {**of_other_services(self.hook), **({"region_name": region} if region else {})}
        return S3BatchOperationsHook(**arguments, account_id=self.question["account_id"])
