"""The operator that checks before it deletes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import errors, failures
from airflow_provider_crr.hooks.base import BRIEF
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.deletion import run
from airflow_provider_crr.replication.deletion.batches import NOT_DELETED, Deletion
from airflow_provider_crr.replication.deletion.plan import DeletePlan
from airflow_provider_crr.replication.deletion.progress import DeleteProgress, VersionsUnknown
from airflow_provider_crr.replication.deletion.rules import DeleteRules
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.s3.objects import is_of_one_bucket
from airflow_provider_crr.tasks import evidence
from airflow_provider_crr.tasks.advice import log_hints, warn_when_parsed
from airflow_provider_crr.tasks.arguments import TARGET_FIELDS, TargetArguments, flag, one_of
from airflow_provider_crr.tasks.connection import HOOK_FIELDS, HookOperator
from airflow_provider_crr.tasks.lineage import MAX_PLACES, Flow, at_hand, deletion_flow
from airflow_provider_crr.tasks.task_state import own_round_of
from airflow_provider_crr.tasks.told_failures import ToldFailures, telling
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible

if TYPE_CHECKING:
    from airflow.sdk import Context

_GONE = frozenset({ObjectState.MISSING, ObjectState.DELETED})


class S3DeleteReplicatedObjectsOperator(TargetArguments, ToldFailures, HookOperator):
    """
    Delete objects from a replicated source bucket, but only the versions that S3 says are COMPLETED.

    Every version is looked up, and exactly the version that S3 named in its answer is deleted for good: no delete
    marker is written, nothing is replicated, and the replica stays. An object that was overwritten between the check
    and the delete keeps its new version. Null versions are refused, because they can be replaced in place. If the
    latest version is deleted and an older one is refused, the older one becomes current.

    At a store that is not Amazon S3 nothing is deleted before its rules say that the delete of a version is not
    replicated. By default, MinIO's rules delete the replica, too.

    From Airflow 3.3 on a retry goes on from where the task was ended, and counts what an earlier try deleted. Before
    3.3, a retry with ``versions="current"`` deletes nothing, because older versions are current by then. A retry with
    ``"all"`` refuses as MISSING the keys of which nothing is left. Named versions can be retried on every release.

    Returns (XCom) ``{"dry_run", "deleted", "already_gone", "refused", "refused_statuses": {state: versions},
    "deleted_sample", "refused_sample": [{"uri", "status", "reason"}]}``; it is pushed before a failure, too. With
    ``dry_run``, ``deleted`` is what would have been deleted. ``already_gone`` counts versions, named or listed, that
    were not there any more.

    :param bucket_key: a key, an ``s3://`` URI, a ``{"bucket", "key", "version_id"}`` mapping, Airflow's
        ``ObjectStoragePath`` or ``Asset``, or a list of them; templated. A path or an asset must be in S3, and
        its URI is taken. With the bucket in the URI or mapping, leave ``bucket_name`` out.
    :param bucket_name: bucket of the keys that name none; templated.
    :param wildcard_match: whether the keys are Unix shell-style patterns.
    :param version_id: version of the one key that ``bucket_key`` names; templated.
    :param versions: ``"all"`` versions of each key that names none, or its ``"current"`` one.
    :param dry_run: check everything, delete nothing.
    :param on_refused: ``"fail"`` the task if any version was refused, after the others are deleted, or only
        ``"report"``. A dry run only reports. What S3 did not delete fails the task in any case.
    :param max_requests_per_second: most HEAD requests in a second; None for no limit, ``"configured"`` for 1,000 or
        what :doc:`/configuration` says.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`, and of every operator.
    :raises InvalidArgument: for arguments that can never work, when the DAG is parsed.
    :raises ObjectsNotDeleted: if versions were refused, or S3 did not delete them, or a retry cannot know which are
        meant.
    :raises LookupFailed: if S3 cannot be asked, or a bucket does not exist; the latter before any delete.
    """

    template_fields: Sequence[str] = (*TARGET_FIELDS, *HOOK_FIELDS)
    ui_color = "#f9d8d0"

    def __init__(
        self,
        *,
        bucket_key: Any,
        bucket_name: str | None = None,
        wildcard_match: bool = False,
        version_id: str | None = None,
        versions: str = "all",
        dry_run: bool = False,
        on_refused: str = "fail",
        max_requests_per_second: float | str | None = "configured",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_requests_per_second=max_requests_per_second, **kwargs)
        self.bucket_key = bucket_key
        self.bucket_name = bucket_name
        self.wildcard_match = flag(wildcard_match, "wildcard_match")
        self.version_id = version_id
        self.versions = one_of(versions, "versions", ("all", "current"))
        self.only_check = flag(dry_run, "dry_run")  # BaseOperator has a method of the name dry_run
        self.on_refused = one_of(on_refused, "on_refused", ("fail", "report"))
        self._remember()
        if self._names_are_known():
            warn_when_parsed(self, self._targets())

    @telling
    def execute(self, context: Context) -> dict[str, Any]:
        """Ask about every version, delete what is COMPLETED, report what was deleted and what was refused."""
        self._coerce_arguments(context)
        hook = self._hook(S3ReplicationHook)
        targets = self._targets()
        log_hints(self)
        for bucket in sorted({obj.bucket for obj in (*targets.objects, *targets.patterns)}):
            hook.check_bucket(bucket)
        client = hook.get_conn()
        progress = self._progress(context, targets, hook)
        deletion = Deletion(
            client,
            hook.get_replication_statuses,
            self.only_check,
            rules=DeleteRules(client),
            intend=lambda batch: progress.intend(batch, deletion.counts),
            sent_before=progress.sent_before,
        )
        try:
            self._go_on(progress, deletion, context)
            run.run(DeletePlan(client, targets), progress, deletion)
        except BaseException:  # also Airflow's execution_timeout: nobody can be asked later what was deleted
            evidence.push(context, deletion.to_dict())
            raise
        found = deletion.to_dict()
        verb = "would delete" if self.only_check else "deleted"
        line = f"{verb} {humanize.count(found['deleted'])} object versions, refused {humanize.count(found['refused'])}"
        self.log.info(line)
        refusals = [
            f"  {legible(named['uri'])} {named['status']}: {named['reason']}" for named in found["refused_sample"]
        ]
        self._learn(lambda: deletion_flow(targets, all_gone=self._leaves_nothing(found, targets, hook)))
        undeleted = NOT_DELETED in found["refused_statuses"]
        if undeleted or (refusals and self.on_refused == "fail" and not self.only_check):
            evidence.push(context, found)
            raise failures.ObjectsNotDeleted("\n".join([line, *refusals]), summary=found)
        for refusal in refusals:
            self.log.warning(refusal)
        return found

    def _targets(self) -> Targets:
        targets = super()._targets()
        for obj in (*targets.objects, *targets.patterns):
            if not is_of_one_bucket(obj.bucket):
                raise errors.InvalidArgument(
                    "a delete through this access point may reach the replica",
                    uri=str(obj),
                    remedy="Name the bucket, or an access point of that bucket alone",
                )
        return targets

    def _progress(self, context: Context, targets: Targets, hook: S3ReplicationHook) -> DeleteProgress:
        """Return what is kept for the next try, until a user clears the task; a dry run keeps nothing."""
        store: Any = None if self.only_check else context.get("task_state_store")
        return DeleteProgress(store, own_round_of(context), targets, self.versions, hook.whereabouts())

    def _go_on(self, progress: DeleteProgress, deletion: Deletion, context: Context) -> None:
        """Go on from where an earlier try ended."""
        try:
            progress.load(deletion.counts, retried=self._is_retried(context.get("ti")))
        except VersionsUnknown as unknown:
            raise failures.ObjectsNotDeleted(
                'nothing was deleted: with versions="current" a second try could take older versions for those that'
                f" the first was about to delete ({unknown}). Clear the task to delete what is current now, or name"
                " the versions"
            ) from unknown

    def _is_retried(self, ti: Any) -> bool:
        """Return whether an earlier try may have deleted something, since the task ran first or a user cleared it."""
        first = getattr(ti, "max_tries", 0) - (self.retries or 0) + 1
        return not self.only_check and getattr(ti, "try_number", 1) > max(1, first)

    def _leaves_nothing(self, found: dict[str, Any], targets: Targets, hook: S3ReplicationHook) -> bool:
        every_version = self.versions == "all" and not any(obj.version_id for obj in targets.objects)
        if not every_version or found["dry_run"] or found["refused"] or len(targets.objects) > MAX_PLACES:
            return False
        # Only asking again shows what was written since the versions were listed. Nobody waits for that for long.
        asked = hook.get_replication_statuses(targets.objects, stop=Deadline(2 * BRIEF))
        return all(answer.state in _GONE for answer in asked)

    def _flow(self) -> Flow:
        return deletion_flow(self._targets()) if at_hand(self.bucket_key) else Flow()
