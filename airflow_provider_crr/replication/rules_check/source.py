"""The source of a rule that is checked, and what findings about the rule have in common."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.replication.rules_check.findings import Finding, Severity
from airflow_provider_crr.replication.rules_check.look import Encryption


@dataclass(frozen=True, slots=True)
class Source:
    """
    What the findings of a rule need to know of the source.

    :param bucket: name of the source bucket.
    :param role: ARN of the replication role.
    :param encryption: the bucket's default encryption; None if it could not be seen.
    :param object_lock: whether it has Object Lock; None if that could not be seen.
    """

    bucket: str
    role: str
    encryption: Encryption | None = None
    object_lock: bool | None = None

    @property
    def account(self) -> str:
        """Id of the account that owns the role, which also owns the source; empty if that is not known."""
        return part_of(self.role, 4)

    @property
    def partition(self) -> str:
        """Partition of the role, and so of the source; empty if that is not known."""
        return part_of(self.role, 1)

    def is_of_another_account(self, each: ConfiguredRule) -> bool:
        """Return whether a rule says that another account owns its destination."""
        return bool(each.account and self.account) and each.account != self.account


def about(each: ConfiguredRule, severity: Severity, what: str, remedy: str) -> Finding:
    """
    Return a finding about a rule.

    :param each: the rule.
    :param severity: how bad it is.
    :param what: what it is, a predicate whose subject is the rule.
    :param remedy: what to do about it.
    """
    return Finding(severity, f"{each.rule} {what}", remedy, rule=each.rule.id)


def part_of(arn: str, number: int) -> str:
    """Return one part of an ARN; empty if it is none."""
    parts = arn.split(":", 5)
    return parts[number] if parts[0] == "arn" and len(parts) > number else ""
