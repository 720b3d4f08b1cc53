"""The sensor that waits until objects are replicated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import failures
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.checkpoint.handover import Handover
from airflow_provider_crr.replication.checkpoint.store import Kept
from airflow_provider_crr.replication.checkpoint.value import Record
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.poller import Watch
from airflow_provider_crr.replication.rules import ReadOnce
from airflow_provider_crr.replication.targets import MAX_STORED, Targets
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import literal_prefix
from airflow_provider_crr.sensors.base import PollingSensor
from airflow_provider_crr.tasks import pollers
from airflow_provider_crr.tasks.advice import warn_when_parsed
from airflow_provider_crr.tasks.arguments import TARGET_FIELDS, TargetArguments, flag, positive, seconds
from airflow_provider_crr.tasks.asset_events import gate_event
from airflow_provider_crr.tasks.connection import HOOK_FIELDS
from airflow_provider_crr.tasks.gate_evidence import check_manifest
from airflow_provider_crr.tasks.lineage import Flow, at_hand, gate_flow
from airflow_provider_crr.tasks.task_state import has_task_state_store, round_of
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class S3ReplicationSensor(TargetArguments, PollingSensor):
    """
    Wait until S3 says that objects are replicated; fail when it says that they never will be.

    The gate opens only when S3 answered COMPLETED (or REPLICA, or what the policy below calls done) for every object.
    Over patterns it opens only when a listing that began after the last answer shows exactly what was counted. It is
    judged at the end of a sweep over all objects, so that one message names every object that decides it. Poke,
    reschedule and deferrable runs give the same verdict, message and XCom.

    A poke or a trigger does not ask again for an object that is done, even if its key is overwritten afterwards; if a
    pattern lists the object, it is asked for again once it was overwritten. From Airflow 3.3 on, pokes of
    ``mode="reschedule"`` and retries do not ask again for what was done before them. A task that a user clears asks
    again for all but named versions and unchanged listed objects. Before 3.3 each of these asks for all objects. So
    does a deferrable task in every release, when it is retried or cleared. Its triggerer does not ask for what the
    worker found done, as far as that fits beside the targets; nor does one that takes over from it.

    Returns (XCom) ``{"total", "statuses": {state: objects}, "head_requests", "waited_seconds", "replication_lag",
    "oldest_pending_seconds", "failed_manifest_uri", "sample": [{"uri", "status", "reason"}]}``. It is pushed before a
    failure, too, then with ``"deciding": {state: objects}``: what kept the gate shut. Meanwhile, ``crr_progress`` says
    how far the gate is.

    The events of its ``outlets`` tell the same counts, and where the replicas are, as
    :func:`~airflow_provider_crr.tasks.asset_events.gate_event` describes.

    :param bucket_key: a key, an ``s3://`` URI, a ``{"bucket", "key", "version_id"}`` mapping, Airflow's
        ``ObjectStoragePath`` or ``Asset``, or a list of them; templated. A path or an asset must be in S3, and
        its URI is taken. With the bucket in the URI or mapping, leave ``bucket_name`` out.
    :param bucket_name: bucket of the keys that name none, or the ARN of an access point; templated.
    :param wildcard_match: whether the keys are Unix shell-style patterns; each must match at least one object.
    :param version_id: version of the one key that ``bucket_key`` names; templated. None means whatever is current, but
        only if the DAG's author wrote it, and not if a template renders to it: :ref:`templates`.
    :param on_failed: what FAILED means: ``"fail"``, or ``"wait"`` because somebody repairs it. None fails on S3, which
        never tries again. On a store that tries again by itself, such as MinIO, None waits while a rule covers the key.
    :param on_none: what no replication status means: ``"fail"`` (naming why, from the bucket's rules), ``"wait"`` or
        ``"done"``. None fails on S3. On a store that also replicates what was there before its rule, such as MinIO,
        None waits while a rule covers the key.
    :param on_missing: what it means that there is no such object, or that nothing matches the pattern: ``"wait"`` or
        ``"fail"``.
    :param on_replica: what REPLICA means: ``"done"`` or ``"fail"``. None is done for an object that was named, and
        fails for one that a pattern matched: S3 replicates in no order, so what is not there yet cannot be seen.
    :param max_pending_age: fail once an object is PENDING for longer than this since its Last-Modified; seconds
        or a timedelta; None never. It also ends the waiting of ``on_failed=None`` and ``on_none=None``.
    :param pin_versions: wait for the version that answers first, even if the key is overwritten meanwhile. With
        ``mode="reschedule"`` this needs Airflow 3.3. A task that a user clears, and each run that asks for all objects
        again, as described above, takes the version that is current then. So does a triggerer for all objects if what
        the worker has pinned or found done does not fit beside the targets: some 1,000 versions, or 2,200 finished
        objects of a pattern.
    :param max_head_requests: most HEADs that the gate sends, which cost about $0.40 a million; None for any number. A
        gate that has sent them and is not decided ends as one whose ``timeout`` is over. Retries of a client are not
        counted, nor are listings. They count for one try. From Airflow 3.3 on, what earlier tries of a gate that is not
        deferrable are known to have sent counts, too. Before 3.3, and where its store fails, they count for each poke
        of ``mode="reschedule"``.
    :param failed_manifest_uri: where a gate that fails lists all versions that FAILED, as an S3 Batch Operations
        manifest (``S3BatchOperations_CSV_20180820``): an ``s3://`` or ``file://`` URI, or a path; templated. The XCom
        has it, too; None if nothing was written. If it cannot be written, the message says so: :ref:`failed-manifest`.
    :param extra_args: what is sent with it to S3: ``extra_args`` of amazon's ``S3Hook``; templated.
    :param max_requests_per_second: most HEAD requests in a second; None for no limit, ``"configured"`` for 1,000 or
        what :doc:`/configuration` says. S3 allows 5,500 a second and prefix, of which replication itself uses up to
        five an object.
    :param kwargs: those of :class:`~airflow_provider_crr.sensors.base.PollingSensor`, and of every sensor.
    :raises InvalidArgument: for arguments that can never work, when the DAG is parsed.
    :raises ReplicationFailed: if the gate can never open; no retry follows.
    :raises AirflowSensorTimeout: if it is not decided after ``timeout``.
    :raises LookupFailed: if S3 cannot be asked, and that lasts: credentials that are refused, no such bucket, no
        permission to list.
    """

    template_fields: Sequence[str] = (*TARGET_FIELDS, "failed_manifest_uri", "extra_args", *HOOK_FIELDS)

    def __init__(
        self,
        *,
        bucket_key: Any,
        bucket_name: str | None = None,
        wildcard_match: bool = False,
        version_id: str | None = None,
        on_failed: str | None = None,
        on_none: str | None = None,
        on_missing: str = "wait",
        on_replica: str | None = None,
        max_pending_age: timedelta | float | None = None,
        pin_versions: bool = False,
        max_head_requests: int | None = None,
        failed_manifest_uri: str | None = None,
        extra_args: dict[str, Any] | None = None,
        max_requests_per_second: float | str | None = "configured",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_requests_per_second=max_requests_per_second, **kwargs)
        self.bucket_key = bucket_key
        self.bucket_name = bucket_name
        self.wildcard_match = flag(wildcard_match, "wildcard_match")
        self.version_id = version_id
        self.on_failed = on_failed
        self.on_none = on_none
        self.on_missing = on_missing
        self.on_replica = on_replica
        self.max_pending_age = max_pending_age
        self.pin_versions = flag(pin_versions, "pin_versions")
        self.max_head_requests = positive(max_head_requests, "max_head_requests")
        self.failed_manifest_uri = failed_manifest_uri
        self.extra_args = extra_args
        self._parsed: Targets | None = None
        self._stored_targets: dict[str, Any] | None = None
        self._handover = Handover()
        if pin_versions and self.reschedule and not self.deferrable and not has_task_state_store():
            raise InvalidArgument(
                "pin_versions with mode='reschedule' needs Airflow 3.3: before, pokes know nothing of each other",
                remedy="Use mode='poke' or deferrable=True, or name the versions in bucket_key",
            )
        self._policy()
        check_manifest(self)
        self._remember()
        if self._names_are_known():
            targets = self._targets()
            warn_when_parsed(self, targets)
            if self.deferrable:
                targets.to_stored()

    def _policy(self) -> GatePolicy:
        return GatePolicy(
            on_failed=self.on_failed,
            on_none=self.on_none,
            on_missing=self.on_missing,
            on_replica=self.on_replica,
            max_pending_age=seconds(self.max_pending_age, "max_pending_age"),
        )

    def _where(self) -> dict[str, Any]:
        """Return the object if only one is named, otherwise the folder of the first."""
        one = isinstance(self.bucket_key, str | Mapping | S3Object)
        # Two are enough: the list may be long, or be fetched while it is read.
        first, *others = [self.bucket_key] if one else islice(self.bucket_key, 2)
        obj = S3Object.parse(first, self.bucket_name)
        if not self.wildcard_match and not others:
            return {"bucket": obj.bucket, "key": obj.key, "version_id": self.version_id or obj.version_id}
        literal = literal_prefix(obj.key) if self.wildcard_match else obj.key
        return {"bucket": obj.bucket, "key": literal[: literal.rfind("/") + 1]}

    def _prepare_to_defer(self) -> None:
        self._parsed = self._targets()
        self._stored_targets, self._handover = self._parsed.to_stored(), Handover()

    def _make_poller(self, started_at: datetime, context: Context) -> Watch:
        store: Any = context.get("task_state_store")
        kept: Record | None = None
        if self.deferrable:
            kept = self._handover
        elif store is not None:
            kept = Kept(store, round_of(context), each_poll=self.reschedule, later=self._when_stored)
        hook = self._hook(S3ReplicationHook)
        check_manifest(self, hook.get_conn())
        return pollers.gate(
            hook,
            self._parsed or self._targets(),
            self._policy(),
            pin_versions=self.pin_versions,
            started_at=started_at,
            ti=context.get("ti"),
            kept=kept,
            max_head_requests=self.max_head_requests,
            failed_manifest_uri=self.failed_manifest_uri,
            extra_args=self.extra_args,
            reads_rules=True,
        )

    def _when_stored(self, do: Callable[[], None]) -> None:
        """Let something be done once Airflow has stored the task's result and its success."""
        others = self.on_success_callback or ()
        others = [others] if callable(others) else [*others]  # a subclass may have set one
        self.on_success_callback = [*others, lambda context: do()]

    def _make_trigger(self, **kwargs: Any) -> S3ReplicationTrigger:
        if self._stored_targets is None:
            self._prepare_to_defer()
        targets: Any = self._stored_targets
        return S3ReplicationTrigger(
            targets=targets,
            **self._handover.to_kwargs(MAX_STORED - len(json.dumps(targets))),
            max_head_requests=self.max_head_requests,
            failed_manifest_uri=self.failed_manifest_uri,
            extra_args=self.extra_args if self.failed_manifest_uri else None,
            policy=asdict(self._policy()),
            pin_versions=self.pin_versions,
            form=S3ReplicationTrigger.FORM,
            **kwargs,
        )

    def _failure(self, message: str, value: Any) -> Exception:
        return failures.ReplicationFailed(message, summary=value)

    def _event_extra(self, value: dict[str, Any]) -> dict[str, Any]:
        return gate_event(value, self._targets(), self._rules)

    def _flow(self, value: dict[str, Any] | None = None) -> Flow:
        if value:
            return gate_flow(self._targets(), value, self._rules)
        return gate_flow(self._targets()) if at_hand(self.bucket_key) else Flow()

    def _conclude(self, context: Context, event: dict[str, Any]) -> Any:
        self.__dict__.pop("_rules", None)  # those that this task read when it ran before, in the same process
        return super()._conclude(context, event)

    @cached_property
    def _rules(self) -> ReadOnce:
        """Where the buckets' rules are read, once for the asset events and OpenLineage both."""
        return ReadOnce(partial(self._hook(S3ReplicationHook).get_replication_rules, brief=True))
