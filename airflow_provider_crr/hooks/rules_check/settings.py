"""The check of a hook: a few questions about each bucket, none about an object."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, TypeVar

from airflow_provider_crr.errors import BucketNotFound, CrrError, LookupFailed
from airflow_provider_crr.hooks import base
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.rules_check.role import role_state
from airflow_provider_crr.replication.configuration import ReplicationConfiguration, read_configuration
from airflow_provider_crr.replication.rules import ARCHIVED_CLASSES
from airflow_provider_crr.replication.rules_check import check
from airflow_provider_crr.replication.rules_check.findings import RulesReport
from airflow_provider_crr.replication.rules_check.look import Archiving, Encryption, RoleState, Unseen, Versioning
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.text.legible import told

T = TypeVar("T")

#: Seconds that all questions beside the one for the rules may take together.
_PATIENCE = 60.0


def check_rules(
    hook: S3ReplicationHook, bucket_name: str, keys: Collection[str] = (), prefixes: Collection[str] = ()
) -> RulesReport:
    """
    Return what would keep keys from being replicated: see :func:`.rules_check.check.check_rules`.

    :param hook: the hook that asks.
    :param bucket_name: the source bucket.
    :param keys: keys of its objects.
    :param prefixes: prefixes of such keys; ``""`` for the whole bucket.
    :raises BucketNotFound: if the bucket does not exist.
    :raises LookupFailed: if S3 could not be asked for its rules, for another reason than want of a permission.
    """
    return check.check_rules(bucket_name, keys, prefixes, _Asked(hook))


class _Asked:
    """
    The :class:`.Look` of a hook: asks each question once.

    :param hook: the hook.
    """

    def __init__(self, hook: S3ReplicationHook) -> None:
        self._hook = hook
        self._source = ""
        self._known: dict[tuple[str, str], Any] = {}
        #: Buckets that gave no answer: no other question is asked about them.
        self._silent: set[str] = set()
        self._patience = Deadline(_PATIENCE)

    @cached_property
    def _elsewhere(self) -> S3ReplicationHook:
        """The hook for destinations, which the owner of the source need not own."""
        hook = self._hook
        if hook.expected_bucket_owner is None:
            return hook
        return S3ReplicationHook(
            aws_conn_id=hook.aws_conn_id,
            region_name=hook._region_name,
            verify=hook._verify,
            config=hook._config,
            requester_pays=hook._requester_pays,
        )

    def configuration(self, bucket: str) -> ReplicationConfiguration | Unseen:
        """Return the replication configuration; only want of a permission makes it unseen."""
        self._source = bucket
        try:
            return read_configuration(self._hook.get_conn(), bucket)
        except LookupFailed as error:
            if not error.is_denied:
                raise
            return Unseen(f"the replication rules of s3://{bucket}", str(error))

    def versioning(self, bucket: str) -> Versioning | Unseen:
        """Return the versioning of a bucket."""

        def ask(client: Any) -> Versioning:
            status = client.get_bucket_versioning(Bucket=bucket).get("Status")
            return Versioning(status) if status in ("Enabled", "Suspended") else Versioning.NEVER

        def gone(client: Any) -> Versioning:
            try:
                return ask(client)
            except client.exceptions.NoSuchBucket:
                return Versioning.GONE

        return self._ask(bucket, "the versioning", "s3:GetBucketVersioning", gone)

    def encryption(self, bucket: str) -> Encryption | Unseen:
        """Return the default encryption; SSE-S3 where S3 names none."""

        def ask(client: Any) -> Encryption:
            rules = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
            rule = rules[0] if rules else {}
            default = rule.get("ApplyServerSideEncryptionByDefault") or {}
            return Encryption(default.get("SSEAlgorithm") or "AES256", bool(rule.get("BucketKeyEnabled")))

        none = ("ServerSideEncryptionConfigurationNotFoundError", Encryption())
        return self._ask(bucket, "the default encryption", "s3:GetEncryptionConfiguration", ask, none)

    def object_lock(self, bucket: str) -> bool | Unseen:
        """Return whether Object Lock is enabled."""

        def ask(client: Any) -> bool:
            found = client.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration") or {}
            return bool(found.get("ObjectLockEnabled") == "Enabled")

        none = ("ObjectLockConfigurationNotFoundError", False)
        return self._ask(bucket, "the Object Lock", "s3:GetBucketObjectLockConfiguration", ask, none)

    def requester_pays(self, bucket: str) -> bool | Unseen:
        """Return whether the requester pays."""

        def ask(client: Any) -> bool:
            return bool(client.get_bucket_request_payment(Bucket=bucket).get("Payer") == "Requester")

        return self._ask(bucket, "the request payment", "s3:GetBucketRequestPayment", ask)

    def region(self, bucket: str) -> str | Unseen:
        """Return the Region; S3 names its oldest ones otherwise, or not at all."""

        def ask(client: Any) -> str:
            found = client.get_bucket_location(Bucket=bucket).get("LocationConstraint")
            return {"": "us-east-1", "EU": "eu-west-1"}.get(found or "", str(found))

        return self._ask(bucket, "the Region", "s3:GetBucketLocation", ask)

    def archivings(self, bucket: str) -> tuple[Archiving, ...] | Unseen:
        """Return the enabled lifecycle rules that archive current versions."""

        def ask(client: Any) -> tuple[Archiving, ...]:
            rules = client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules") or ()
            return tuple(_archivings(rules))

        none: tuple[str, tuple[Archiving, ...]] = ("NoSuchLifecycleConfiguration", ())
        return self._ask(bucket, "the lifecycle rules", "s3:GetLifecycleConfiguration", ask, none)

    def _ask(
        self,
        bucket: str,
        what: str,
        permission: str,
        ask: Callable[[Any], T],
        none: tuple[str, T] | None = None,
    ) -> T | Unseen:
        """
        Return an answer of S3 about a bucket.

        :param none: error code with which S3 says that there is none of it, and what that means.
        """
        if (bucket, what) not in self._known:
            self._known[bucket, what] = self._answer(bucket, what, permission, ask, none)
        found: T | Unseen = self._known[bucket, what]
        return found

    def _answer(
        self, bucket: str, what: str, permission: str, ask: Callable[[Any], T], none: tuple[str, T] | None
    ) -> T | Unseen:
        from botocore.exceptions import ClientError

        uri = f"s3://{bucket}"
        about = f"{what} of {uri}"
        if bucket in self._silent:
            return Unseen(about, "the bucket gave no answer before")
        try:
            with (
                until(Deadline(min(2 * base.BRIEF, self._patience.left()))),
                translated(uri, f"read {what}", permission=permission),
            ):
                try:
                    hook = self._hook if bucket == self._source else self._elsewhere
                    return ask(hook._brief_client)
                except ClientError as error:
                    if none is not None and answered(error)[0] == none[0]:
                        return none[1]
                    raise
        except BucketNotFound as error:
            return Unseen(about, str(error))
        except CrrError as error:
            if error.passing:
                self._silent.add(bucket)
            return Unseen(about, str(error))
        except (KeyError, TypeError, AttributeError, IndexError) as error:  # of a store that only resembles S3
            return Unseen(about, f"what S3 answers cannot be read: {type(error).__name__}: {told(error)}")

    def role(self, arn: str) -> RoleState | Unseen:
        """Return what IAM says of the role."""
        if ("", arn) not in self._known:
            self._known["", arn] = role_state(self._hook, arn, Deadline(min(2 * base.BRIEF, self._patience.left())))
        found: RoleState | Unseen = self._known["", arn]
        return found


def _archivings(rules: Collection[dict[str, Any]]) -> list[Archiving]:
    found = []
    for rule in rules:
        chosen = rule.get("Filter") or {}
        prefix = (chosen.get("And") or {}).get("Prefix") or chosen.get("Prefix") or rule.get("Prefix") or ""
        for transition in rule.get("Transitions") or ():
            if rule.get("Status") == "Enabled" and transition.get("StorageClass") in ARCHIVED_CLASSES:
                date = transition.get("Date")
                when = f"on {date:%Y-%m-%d}" if date else f"after {transition.get('Days', 0)} days"
                found.append(Archiving(rule.get("ID", ""), prefix, when, transition["StorageClass"]))
    return found
