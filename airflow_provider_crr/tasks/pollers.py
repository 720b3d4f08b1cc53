"""What sensors and their triggers poll: made here for both, so that both ask the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_crr.batch.repair_terms import RepairPolicy
    from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
    from airflow_provider_crr.hooks.replication import S3ReplicationHook
    from airflow_provider_crr.hooks.sharing.shared_hook import SharedHook
    from airflow_provider_crr.inventory.arrival import ReportArrival
    from airflow_provider_crr.replication.checkpoint.value import Record
    from airflow_provider_crr.replication.gate import GatePolicy
    from airflow_provider_crr.replication.poller import Watch
    from airflow_provider_crr.replication.targets import Targets
    from airflow_provider_crr.tasks.repair_progress import ShownRepair


def gate(
    hook: S3ReplicationHook | SharedHook,
    targets: Targets,
    policy: GatePolicy,
    *,
    pin_versions: bool,
    started_at: datetime,
    ti: Any,
    kept: Record | None = None,
    max_head_requests: int | None = None,
    reads_rules: bool = False,
    **evidence: Any,
) -> Watch:
    """
    Return a gate that asks through a hook. The hook's client is made here, because that may take longer than a poll.

    :param hook: the hook.
    :param targets: what to wait for.
    :param policy: what the answers mean.
    :param pin_versions: whether to wait for the version that answers first.
    :param started_at: when the gate was first asked, UTC.
    :param ti: task instance for whose metrics answers are counted, None if it is not known.
    :param kept: the record of what is done; None for no record.
    :param max_head_requests: most HEADs that the gate may send; None for any number.
    :param reads_rules: whether the buckets' rules are read once, for those who look at the wait. That may take seconds.
    :param evidence: arguments of :class:`~airflow_provider_crr.tasks.gate_evidence.GateEvidence` beside the hook.
    """
    from airflow_provider_crr.replication.poller import Watch
    from airflow_provider_crr.tasks import settings
    from airflow_provider_crr.tasks.gate_evidence import GateEvidence
    from airflow_provider_crr.tasks.metrics import Metered

    hook.get_conn()
    return Watch(
        targets,
        policy,
        Metered(hook, ti),
        pin_versions=pin_versions,
        started_at=started_at,
        kept=kept,
        max_head_requests=max_head_requests,
        prices=settings.prices(),
        evidence=GateEvidence(hook, **evidence),
        connection=hook.whereabouts()["aws_conn_id"],
        reads_rules=reads_rules,
    )


def report_arrival(get_conn: Callable[[], Any], inventory: str, newer_than: datetime | None) -> ReportArrival:
    """
    Return the wait for a report.

    :param get_conn: returns the boto3 client; called at each poll.
    :param inventory: folder of the inventory configuration, an S3 URI.
    :param newer_than: only reports that S3 began after this moment count; None for any.
    """
    from airflow_provider_crr.inventory.arrival import ReportArrival
    from airflow_provider_crr.inventory.report import newest_manifest_uri, read_manifest

    def find(after: datetime | None) -> str | None:
        client = get_conn()
        uri = newest_manifest_uri(client, inventory, newer_than=after)
        if uri is not None:
            read_manifest(client, uri)  # a manifest that does not match its checksum is not a delivered report
        return uri

    return ReportArrival(find, inventory, newer_than)


def repair(
    source: S3ReplicationHook | SharedHook,
    jobs: S3BatchOperationsHook,
    job_id: str,
    policy: RepairPolicy,
    *,
    manifest: str | None,
    ti: Any,
    tell: Callable[[str], object],
    what: str = "",
    started_at: datetime | None = None,
) -> ShownRepair:
    """
    Return a job of S3 Batch Replication to be watched. The clients are made here, as for a gate.

    :param source: the hook that asks for objects.
    :param jobs: the hook that asks for jobs.
    :param job_id: the job.
    :param policy: what is allowed, and what counts as success.
    :param manifest: S3 URI of its manifest; None if S3 makes it.
    :param ti: task instance for whose metrics answers are counted, None if it is not known.
    :param tell: is told the price before the job is confirmed.
    :param what: what it replicates, in words.
    :param started_at: when the task began, UTC; None for now.
    """
    from airflow_provider_crr.replication.verification import Verification
    from airflow_provider_crr.tasks.metrics import Metered
    from airflow_provider_crr.tasks.repair_progress import ShownRepair

    source.get_conn()
    jobs.get_conn()
    jobs.s3 = source  # the report is read through the client that is there
    return ShownRepair(
        jobs,
        job_id,
        policy,
        lambda objects, since: Verification(objects, Metered(source, ti), since=since),
        manifest=manifest,
        tell=tell,
        what=what,
        started_at=started_at or datetime.now(UTC),
        connection=jobs.aws_conn_id,
        policy_shown={
            "max_objects": policy.max_objects,
            "max_failed": policy.max_failed,
            "verify_replication": policy.verifies,
            "verify_timeout": policy.verify_timeout,
        },
    )
