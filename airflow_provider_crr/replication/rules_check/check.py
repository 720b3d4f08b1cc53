"""The check: a bucket, and keys or prefixes of it, to what would keep them from being replicated."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TypeVar

from airflow_provider_crr.replication.configuration import ConfiguredRule, ReplicationConfiguration
from airflow_provider_crr.replication.rules_check.coverage import Coverage, RuleIndex
from airflow_provider_crr.replication.rules_check.findings import Finding, RulesReport, Severity, grouped
from airflow_provider_crr.replication.rules_check.look import Look, Unseen, Versioning
from airflow_provider_crr.replication.rules_check.of_destinations import of_rule
from airflow_provider_crr.replication.rules_check.of_keys import KeyFindings
from airflow_provider_crr.replication.rules_check.of_role import of_role
from airflow_provider_crr.replication.rules_check.source import Source, about
from airflow_provider_crr.s3.stores import UNNAMED, Store, store_of

T = TypeVar("T")

#: Most destinations that are looked at.
MAX_DESTINATIONS = 20


def check_rules(bucket: str, keys: Collection[str], prefixes: Collection[str], look: Look) -> RulesReport:
    """
    Return what would keep keys from being replicated, as far as it can be seen in the settings of buckets and role.

    :param bucket: the source bucket.
    :param keys: keys of objects that are there, or will be.
    :param prefixes: common prefixes of such keys; ``""`` for the whole bucket. With neither keys nor prefixes, the
        enabled rules are checked, whatever they cover.
    :param look: answers what the check asks.
    :raises BucketNotFound: if the bucket does not exist.
    :raises LookupFailed: if S3 could not be asked for the rules, for another reason than want of a permission.
    """
    return _Check(bucket, keys, prefixes, look).report()


class _Check:
    def __init__(self, bucket: str, keys: Collection[str], prefixes: Collection[str], look: Look) -> None:
        self._bucket = bucket
        self._keys = keys
        self._prefixes = prefixes
        self._look = look
        self._unseen: dict[Unseen, None] = {}

    def report(self) -> RulesReport:
        checked = {"keys": len(self._keys), "prefixes": len(self._prefixes), "rules": 0, "destinations": 0}
        configuration = self._look.configuration(self._bucket)
        if isinstance(configuration, Unseen):
            findings = [
                Finding(
                    Severity.ERROR,
                    f"the replication rules of bucket {self._bucket} cannot be seen, so nothing was checked:"
                    f" {configuration.why}",
                    "Allow s3:GetReplicationConfiguration on the bucket",
                )
            ]
            return RulesReport(self._bucket, tuple(findings), (configuration,), checked)
        store = store_of(configuration.server)
        found, applied = self._of_keys(configuration, store)
        destinations = {each.rule.destination_bucket for each in applied} - {"", self._bucket}
        findings = [*self._of_bucket(configuration, store), *found]
        if store.is_s3 or store is UNNAMED:
            findings += self._of_rules(configuration, applied, store)
        elif applied:
            self._seen(
                Unseen(
                    f"what rules of {store.name} say beside their prefixes and tags, and where they replicate to",
                    "this check knows the rules of Amazon S3",
                )
            )
            destinations = set()
        checked |= {"rules": len(applied), "destinations": min(len(destinations), MAX_DESTINATIONS)}
        return RulesReport(self._bucket, grouped(findings), tuple(self._unseen), checked)

    def _seen(self, answer: T | Unseen) -> T | None:
        """Return an answer; None if it could not be had, which is noted."""
        if isinstance(answer, Unseen):
            self._unseen[answer] = None
            return None
        return answer

    def _of_keys(
        self, configuration: ReplicationConfiguration, store: Store
    ) -> tuple[list[Finding], list[ConfiguredRule]]:
        """Return what is to be said of keys and prefixes, and the rules that apply to any of them."""
        rules = configuration.rules
        if not rules:
            return [], []
        index, said = RuleIndex(rules), KeyFindings(self._bucket, rules, store)
        if not self._keys and not self._prefixes:
            enabled = [each for each in rules if each.rule.enabled]
            return [*said.of_rules(enabled)], enabled
        findings: list[Finding] = []
        applied: dict[int, ConfiguredRule] = {}

        def note(coverage: Coverage) -> None:
            applied.update((id(each), each) for each in (*coverage.applied, *coverage.parts))

        for key in self._keys:
            coverage = index.of_key(key)
            note(coverage)
            findings += said.of_key(key, coverage)
        for prefix in self._prefixes:
            coverage = index.of_prefix(prefix)
            note(coverage)
            findings += said.of_prefix(prefix, coverage)
        return findings, [each for each in rules if id(each) in applied]

    def _is_about(self, prefix: str) -> bool:
        """Return whether a prefix is that of a key that was named, or has keys in common with a prefix that was."""
        if not self._keys and not self._prefixes:
            return True
        return any(key.startswith(prefix) for key in self._keys) or any(
            named.startswith(prefix) or prefix.startswith(named) for named in self._prefixes
        )

    def _of_bucket(self, configuration: ReplicationConfiguration, store: Store) -> Iterator[Finding]:
        rules = configuration.rules
        if not rules:
            yield Finding(
                Severity.ERROR,
                f"bucket {self._bucket} has no replication configuration",
                f"Add one, or name the bucket that has it. {store.already_there}",
            )
        elif not any(each.rule.enabled for each in rules):
            yield Finding(
                Severity.ERROR,
                f"every rule of bucket {self._bucket} is disabled",
                f"Enable one. {store.already_there}",
            )
        elif not store.replicates_existing:
            yield Finding(
                Severity.INFO,
                "rules reach only what is written after them",
                store.already_there,
            )
        found = self._look.versioning(self._bucket)
        versioning = self._seen(found)
        if isinstance(found, Unseen):
            yield Finding(
                Severity.WARNING,
                f"the versioning of bucket {self._bucket} cannot be seen: {found.why}",
                f"See that it is enabled: {store.doer} replicates versions only",
            )
        elif versioning is not Versioning.ENABLED:
            yield Finding(
                Severity.ERROR,
                f"the versioning of bucket {self._bucket} is"
                f" {'suspended' if versioning is Versioning.SUSPENDED else 'not enabled'}, and {store.doer} replicates"
                " versions only",
                "Enable its versioning, then write again what was written without",
            )

    def _of_rules(
        self, configuration: ReplicationConfiguration, applied: list[ConfiguredRule], store: Store
    ) -> Iterator[Finding]:
        """Yield what is to be said of role and rules at Amazon S3."""
        if not configuration.rules:
            return
        yield from of_role(configuration.role, store, self._look, self._seen)
        if not applied:
            return
        source = Source(
            self._bucket,
            configuration.role,
            self._seen(self._look.encryption(self._bucket)),
            self._seen(self._look.object_lock(self._bucket)),
        )
        for each in self._seen(self._look.archivings(self._bucket)) or ():
            if not self._is_about(each.prefix):
                continue
            yield Finding(
                Severity.INFO,
                f"lifecycle rule {each.rule!r} (prefix {each.prefix!r}) moves objects to {each.storage_class}"
                f" {each.when}, from where S3 Batch Replication does not replicate them any more",
                "Replicate what is already there before that",
            )
        looked_at: set[str] = set()
        for rule in applied:
            bucket = rule.rule.destination_bucket
            if bucket not in looked_at and len(looked_at) == MAX_DESTINATIONS:
                why = f"only the first {MAX_DESTINATIONS} destinations are looked at; name fewer keys or prefixes"
                self._seen(Unseen(f"the destination s3://{bucket}", why))
                yield about(rule, Severity.WARNING, f"has a destination that was not looked at: {why}", "Name fewer")
                continue
            looked_at.add(bucket)
            yield from of_rule(rule, source, self._look, self._seen)
