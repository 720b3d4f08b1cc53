"""What a check finds of keys and prefixes: those that no rule covers, or not as its author thinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.replication.hints import Look, looks_like
from airflow_provider_crr.replication.rules_check.coverage import Coverage, NearMisses, oddity
from airflow_provider_crr.replication.rules_check.findings import Finding, Severity
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import wildcards
from airflow_provider_crr.s3.stores import Store

#: Most rules that one finding names.
_NAMED = 5
#: What is probably not meant as a key -> what it is taken for, and the remedy.
_MISTAKEN = {
    Look.VERSION: ("?versionId= is part of this key", "Name the key alone: rules know of no versions"),
    Look.PATTERN: ("a wildcard in a key stands for itself", "Give what stands before it among prefixes"),
    Look.FOLDER: (
        'a key that ends in "/" is the marker of a folder, and not what is in it',
        "For everything below, give it among prefixes",
    ),
}


class KeyFindings:
    """
    Says what is wrong with the coverage of keys and prefixes.

    :param bucket: the bucket.
    :param rules: all its rules.
    :param store: the store that has it.
    """

    def __init__(self, bucket: str, rules: Sequence[ConfiguredRule], store: Store) -> None:
        self._bucket = bucket
        self._store = store
        self._near = NearMisses(rules, bucket)
        named = ", ".join(sorted({repr(each.rule.prefix) for each in rules})[:_NAMED])
        self._prefixes = f"prefixes: {named}" + (", ..." if len(rules) > _NAMED else "")

    def of_rules(self, rules: Iterable[ConfiguredRule]) -> Iterator[Finding]:
        """Yield what is to be said of rules where neither keys nor prefixes are named."""
        for each in rules:
            if odd := oddity(each):
                yield Finding(Severity.WARNING, f"{each.rule} {odd}", "See which keys it covers", rule=each.rule.id)

    def of_key(self, key: str, coverage: Coverage) -> Iterator[Finding]:
        """Yield what is to be said of one key."""
        if not coverage.applied:
            yield self._uncovered(key, "this key", coverage)
        look = looks_like(S3Object(self._bucket, key))
        if look is not None:
            yield Finding(Severity.WARNING, *_MISTAKEN[look], key=key)
        yield from self._applied(key, "this key", coverage)

    def of_prefix(self, prefix: str, coverage: Coverage) -> Iterator[Finding]:
        """Yield what is to be said of the keys below a prefix."""
        if not coverage.applied and coverage.parts:
            yield Finding(
                Severity.ERROR,
                f"only a part of what is below this prefix is covered: {_names(coverage.parts)}",
                "Name the covered prefixes instead, or extend a rule",
                key=prefix,
            )
        elif not coverage.applied:
            yield self._uncovered(prefix, "this prefix", coverage)
        if wildcards(prefix):
            yield Finding(
                Severity.WARNING,
                "a wildcard in a prefix stands for itself",
                "End the prefix before it",
                key=prefix,
            )
        yield from self._applied(prefix, "this prefix", coverage)

    def _uncovered(self, key: str, noun: str, coverage: Coverage) -> Finding:
        if coverage.disabled:
            return Finding(
                Severity.ERROR,
                f"only disabled rules cover {noun}: {_names(coverage.disabled)}",
                f"Enable one. {self._store.already_there}",
                rule=coverage.disabled[0].rule.id,
                key=key,
            )
        near = self._near.of_key(key)
        return Finding(
            Severity.ERROR,
            f"no rule of bucket {self._bucket} covers {noun} ({self._prefixes})" + (f": {near}" if near else ""),
            f"{'Mend that rule' if near else 'Extend a rule'}. {self._store.already_there}",
            key=key,
        )

    def _applied(self, key: str, noun: str, coverage: Coverage) -> Iterator[Finding]:
        if coverage.needs_tags:
            tags = "; ".join(f"{each.rule} wants {dict(each.rule.tags)}" for each in coverage.applied[:_NAMED])
            yield Finding(
                Severity.WARNING,
                f"{noun} is covered for objects with certain tags only, which a key alone does not tell: {tags}",
                "Write the objects with these tags, for tags that are set later come too late, or add a rule without",
                rule=coverage.applied[0].rule.id,
                key=key,
            )
        for loser, winner in coverage.shadowed:
            yield _shadowed(key, noun, loser, winner)


def _shadowed(key: str, noun: str, loser: ConfiguredRule, winner: ConfiguredRule) -> Finding:
    lost = [said for said, differs in _LOST if differs(loser, winner)]
    also = f", and that one {' and '.join(lost)}" if lost else ""
    return Finding(
        Severity.WARNING if lost else Severity.INFO,
        f"{loser.rule} is never applied to {noun}: {winner.rule} has the same destination and a higher priority"
        f" ({winner.priority} against {loser.priority}){also}",
        "Give the rule that is meant the higher priority" if lost else "Nothing, if the other rule is the one meant",
        rule=loser.rule.id,
        key=key,
    )


#: What of a shadowed rule is lost, where the rule in its place does not have it.
_LOST: tuple[tuple[str, Callable[[ConfiguredRule, ConfiguredRule], bool]], ...] = (
    (
        "leaves out objects encrypted with KMS",
        lambda loser, winner: loser.rule.replicates_kms and not winner.rule.replicates_kms,
    ),
    ("tells nobody of failures", lambda loser, winner: loser.tells_failures and not winner.tells_failures),
    (
        "leaves the replicas to the owner of the source",
        lambda loser, winner: loser.owner_override and not winner.owner_override,
    ),
)


def _names(rules: Sequence[ConfiguredRule]) -> str:
    more = f" and {len(rules) - _NAMED} more" if len(rules) > _NAMED else ""
    return ", ".join(str(each.rule) for each in rules[:_NAMED]) + more
