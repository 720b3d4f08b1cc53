"""The operator that checks a bucket's replication rules before anything waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_crr import failures
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication.rules_check.findings import FAIL_ON, RulesReport, Severity
from airflow_provider_crr.replication.rules_check.names import bucket_of, keys_of, prefixes_of
from airflow_provider_crr.tasks import evidence
from airflow_provider_crr.tasks.arguments import is_known, one_of
from airflow_provider_crr.tasks.connection import HOOK_FIELDS, HookOperator
from airflow_provider_crr.tasks.lineage import Flow, Place
from airflow_provider_crr.tasks.storage_paths import as_text
from airflow_provider_crr.tasks.told_failures import ToldFailures, telling

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Most findings in the message of a failure. XCom and log have more.
MAX_TOLD = 10


class S3ReplicationRulesCheckOperator(ToldFailures, HookOperator):
    """
    Say within seconds what would keep keys from being replicated, before anything waits for them.

    It reads the replication rules of the source bucket, and the settings of source, destinations and replication role
    that these depend on: a few requests for each bucket, none for an object. What it finds, and what it does not look
    at: :doc:`/rules`. A check without findings is no promise: a gate still has to ask whether an object is replicated.

    What cannot be seen, as a permission is missing, stands in ``unseen``, and never counts as in order. Rules that
    cannot be seen at all are an error, for then nothing is checked.

    Returns (XCom) ``{"bucket", "findings": [{"severity", "rule", "key", "more_keys", "what", "remedy"}], "severities":
    {severity: findings}, "checked": {"keys", "prefixes", "rules", "destinations"}, "unseen": [{"what", "why"}],
    "left_out": {"findings", "unseen"}}``. It has the worst 50 findings, and counts all. It is pushed before a finding
    fails the task.

    :param bucket_name: the source bucket; templated.
    :param keys: keys of objects that are there, or will be: a key, an ``s3://`` URI of the bucket, a ``{"bucket",
        "key"}`` mapping, Airflow's ``ObjectStoragePath`` or ``Asset``, or a list of them; templated. Versions are not
        looked at.
    :param prefixes: common prefixes of such keys, all of which are to be covered; ``""`` for the whole bucket;
        templated. With neither keys nor prefixes, all enabled rules are checked.
    :param fail_on: ``"error"`` fails the task if something keeps objects from being replicated, ``"warning"`` also if
        it may, ``"never"`` only reports.
    :param kwargs: those of :class:`~airflow_provider_crr.tasks.connection.HookOperator`, and of every operator.
        ``expected_bucket_owner`` is about the source bucket, and not about destinations.
    :raises InvalidArgument: for arguments that can never work, when the DAG is parsed.
    :raises ReplicationRulesBroken: if ``fail_on`` says so.
    :raises LookupFailed: if S3 could not be asked for the rules, or the bucket does not exist.
    """

    template_fields: Sequence[str] = ("bucket_name", "keys", "prefixes", *HOOK_FIELDS)
    ui_color = "#dde6f0"

    def __init__(
        self,
        *,
        bucket_name: str,
        keys: Any = (),
        prefixes: Any = (),
        fail_on: str = "error",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bucket_name = bucket_name
        # They are read several times, and what Jinja's filters return can be read only once.
        self.keys = list(keys) if isinstance(keys, Iterator) else keys
        self.prefixes = list(prefixes) if isinstance(prefixes, Iterator) else prefixes
        self.fail_on = one_of(fail_on, "fail_on", tuple(FAIL_ON))
        if is_known(self, "bucket_name"):
            bucket = bucket_of(bucket_name)
            for name, read in (("keys", keys_of), ("prefixes", prefixes_of)):
                if is_known(self, name):
                    read(as_text(getattr(self, name))[0], bucket)
        self._remember()

    @telling
    def execute(self, context: Context) -> dict[str, Any]:
        """Check, log, push, then fail if it is to fail."""
        from airflow_provider_crr.hooks.rules_check.settings import check_rules

        self._coerce_arguments(context)
        bucket = bucket_of(self.bucket_name)
        keys, prefixes = keys_of(as_text(self.keys)[0], bucket), prefixes_of(as_text(self.prefixes)[0], bucket)
        report = check_rules(self._hook(S3ReplicationHook), bucket, keys, prefixes)
        found = report.to_dict()
        self.log.info("\n  ".join(report.lines()))
        if report.fails(self.fail_on):
            evidence.push(context, found)
            raise failures.ReplicationRulesBroken(_message(report), summary=found)
        return found

    def _flow(self) -> Flow:
        return Flow((Place.in_bucket(bucket_of(self.bucket_name)),))


def _message(report: RulesReport) -> str:
    counts = {name: count for name, count in report.severities.items() if count and name != Severity.INFO}
    counted = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items())
    told = [str(finding) for finding in report.findings if finding.severity is not Severity.INFO]
    return "\n  ".join([f"the check of the replication of s3://{report.bucket} found {counted}", *told[:MAX_TOLD]])
