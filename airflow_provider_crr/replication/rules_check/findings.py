"""What a check of rules found: findings, each with its severity and the remedy, and what it could not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from airflow_provider_crr.replication.rules_check.look import Unseen
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible, shortened

#: Most findings, and most of what was not seen, in the plain JSON form and in a log. All of them are counted.
MAX_SHOWN = 50
#: Most characters of a text in that form. A key has 1,024 bytes at most, and stays as it is.
_LONGEST = 500


class Severity(StrEnum):
    """How bad a finding is."""

    #: It keeps objects from being replicated.
    ERROR = "error"
    #: It may, or it hides that something does.
    WARNING = "warning"
    #: It is as S3 works, and good to know.
    INFO = "info"


_ORDER = tuple(Severity)
#: ``fail_on`` of a task -> the severities that fail it.
FAIL_ON: dict[str, frozenset[Severity]] = {
    "error": frozenset({Severity.ERROR}),
    "warning": frozenset({Severity.ERROR, Severity.WARNING}),
    "never": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was found.

    :param severity: how bad it is.
    :param what: what it is, one sentence.
    :param remedy: what to do about it, one sentence.
    :param rule: name of the rule that it is about; None if it is about none, or about all.
    :param key: the key or prefix that it is about; None if it is about the rule or the bucket, whatever the key.
    :param more_keys: of how many other keys and prefixes the same is true.
    """

    severity: Severity
    what: str
    remedy: str
    rule: str | None = None
    key: str | None = None
    more_keys: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            "severity": self.severity.value,
            "rule": None if self.rule is None else shortened(self.rule, _LONGEST),
            "key": self.key,
            "more_keys": self.more_keys,
            "what": shortened(self.what, _LONGEST),
            "remedy": shortened(self.remedy, _LONGEST),
        }

    def __str__(self) -> str:
        """Return the finding as one line."""
        more = f" and {humanize.count(self.more_keys)} more" if self.more_keys else ""
        about = "" if self.key is None else f"{shortened(repr(self.key), _LONGEST)}{more}: "
        return legible(f"{self.severity}: {about}{self.what}. {self.remedy}")


def grouped(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """
    Return findings without repetition, the worst first; one that is true of several keys is told once.

    :param findings: in any order. Those that differ by their key alone become one, with the first of their keys.
    """
    first: dict[Finding, Finding] = {}
    keys: dict[Finding, set[str]] = {}
    for finding in findings:
        alike = replace(finding, key="") if finding.key is not None else finding
        first.setdefault(alike, finding)
        keys.setdefault(alike, set()).update([] if finding.key is None else [finding.key])
    each = [replace(finding, more_keys=max(0, len(keys[alike]) - 1)) for alike, finding in first.items()]
    return tuple(sorted(each, key=lambda finding: (_ORDER.index(finding.severity), finding.key is not None)))


@dataclass(frozen=True, slots=True)
class RulesReport:
    """
    What a check found of one bucket.

    :param bucket: the bucket.
    :param findings: the worst first.
    :param unseen: what could not be looked at.
    :param checked: how many ``keys`` and ``prefixes`` were named, and how many ``rules`` and ``destinations`` were
        looked at: those that apply to them.
    """

    bucket: str
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...]
    checked: dict[str, int]

    @property
    def severities(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        counts = Counter(finding.severity for finding in self.findings)
        return {severity.value: counts[severity] for severity in Severity}

    def fails(self, fail_on: str) -> bool:
        """Return whether a task with this ``fail_on`` fails, see :data:`FAIL_ON`."""
        return any(finding.severity in FAIL_ON[fail_on] for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """
        Return the plain JSON form, bounded: the worst findings, and how many there are of all.

        It is ``{"bucket", "findings": [{"severity", "rule", "key", "more_keys", "what", "remedy"}], "severities":
        {severity: findings}, "checked": {"keys", "prefixes", "rules", "destinations"}, "unseen": [{"what", "why"}],
        "left_out": {"findings", "unseen"}}``.
        """
        unseen = [
            {"what": shortened(each.what, _LONGEST), "why": shortened(each.why, _LONGEST)}
            for each in self.unseen[:MAX_SHOWN]
        ]
        return {
            "bucket": self.bucket,
            "findings": [finding.to_dict() for finding in self.findings[:MAX_SHOWN]],
            "severities": self.severities,
            "checked": dict(self.checked),
            "unseen": unseen,
            "left_out": {
                "findings": max(0, len(self.findings) - MAX_SHOWN),
                "unseen": max(0, len(self.unseen) - MAX_SHOWN),
            },
        }

    def lines(self) -> Iterator[str]:
        """Yield the report as people read it, one thing a line."""
        counted = ", ".join(f"{name} {humanize.count(count)}" for name, count in self.checked.items())
        yield f"checked the replication of s3://{self.bucket}: {counted}"
        shown = [*map(str, self.findings[:MAX_SHOWN])]
        shown += [legible(f"not seen: {each.what}: {each.why}") for each in self.unseen[:MAX_SHOWN]]
        yield from shown
        if left_out := len(self.findings) + len(self.unseen) - len(shown):
            yield f"and {humanize.count(left_out)} more"
        if not self.findings and not self.unseen:
            yield "nothing was found"
