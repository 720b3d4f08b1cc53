"""
Which rules apply to a key, or to all keys below a prefix.

S3 replicates an object by every enabled rule that covers it. Of several rules with the same destination, the one with
the highest priority counts alone (`Replication configuration file elements
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>`__).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.s3.objects import is_s3_uri

#: Characters that are a wildcard elsewhere. In the prefix of a rule they stand for themselves.
_WILDCARDS = "*?"


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    How the rules cover one key, or the keys below one prefix.

    :param applied: enabled rules that apply to it, or may by the tags of its objects.
    :param shadowed: enabled rules that never apply to it, each with the one that is applied in its place.
    :param disabled: rules that would cover it if they were enabled.
    :param parts: enabled rules that cover only a part of what is below a prefix.
    """

    applied: tuple[ConfiguredRule, ...] = ()
    shadowed: tuple[tuple[ConfiguredRule, ConfiguredRule], ...] = ()
    disabled: tuple[ConfiguredRule, ...] = ()
    parts: tuple[ConfiguredRule, ...] = ()

    @property
    def needs_tags(self) -> bool:
        """Whether it is covered for objects with certain tags only."""
        return bool(self.applied) and all(each.rule.tags for each in self.applied)


class RuleIndex:
    """
    Finds the rules that cover a key by its beginnings, however many rules and keys there are.

    :param rules: the rules.
    :param spell: returns a prefix, or a key, in the spelling by which they are compared.
    """

    def __init__(self, rules: Iterable[ConfiguredRule], spell: Callable[[str], str] = str) -> None:
        self._spell = spell
        self._by_prefix: dict[str, list[ConfiguredRule]] = {}
        for each in rules:
            self._by_prefix.setdefault(spell(each.rule.prefix), []).append(each)
        self._lengths = sorted(set(map(len, self._by_prefix)))
        #: Prefixes that cover a key -> the coverage of all such keys.
        self._known: dict[tuple[str, ...], Coverage] = {}

    def of_key(self, key: str) -> Coverage:
        """Return how a key is covered."""
        prefixes = tuple(self._prefixes(key))
        if prefixes not in self._known:
            self._known[prefixes] = _coverage([each for prefix in prefixes for each in self._by_prefix[prefix]])
        return self._known[prefixes]

    def of_prefix(self, prefix: str) -> Coverage:
        """Return how the keys below a prefix are covered."""
        whole = self.of_key(prefix)
        inside = [
            each
            for longer, rules in self._by_prefix.items()
            if longer != prefix and longer.startswith(prefix)
            for each in rules
            if each.rule.enabled
        ]
        return Coverage(whole.applied, whole.shadowed, whole.disabled, tuple(inside))

    def match(self, key: str) -> ConfiguredRule | None:
        """Return a rule whose prefix the key begins with, in the spelling of this index; None if there is none."""
        return next((self._by_prefix[prefix][0] for prefix in self._prefixes(key)), None)

    def _prefixes(self, key: str) -> Iterator[str]:
        spelled = self._spell(key)
        for length in self._lengths:
            if length <= len(spelled) and spelled[:length] in self._by_prefix:
                yield spelled[:length]


def _coverage(covering: Sequence[ConfiguredRule]) -> Coverage:
    """Return the coverage of keys that all of these rules cover."""
    enabled = [each for each in covering if each.rule.enabled]
    shadowed = [(each, winner) for each in enabled if (winner := _winner(each, enabled)) is not None]
    losers = {id(each) for each, _ in shadowed}
    return Coverage(
        applied=tuple(each for each in enabled if id(each) not in losers),
        shadowed=tuple(shadowed),
        disabled=tuple(each for each in covering if not each.rule.enabled),
    )


def _winner(loser: ConfiguredRule, enabled: Iterable[ConfiguredRule]) -> ConfiguredRule | None:
    """Return the rule that is applied to every object to which ``loser`` could be; None if there is none."""
    return max(
        (
            each
            for each in enabled
            if each.priority > loser.priority
            and each.destination == loser.destination
            and each.rule.tags.items() <= loser.rule.tags.items()
        ),
        key=lambda each: each.priority,
        default=None,
    )


def oddity(each: ConfiguredRule) -> str:
    """Return what of a rule's prefix was probably not meant, a predicate without a subject; empty if nothing is odd."""
    prefix = each.rule.prefix
    if prefix.startswith("/"):
        return "begins with a slash, which is a part of the key for S3"
    if is_s3_uri(prefix):
        return "has an S3 URI for its prefix, and there is no bucket in a prefix"
    if _before_wildcard(prefix) != prefix:
        return "has a wildcard in its prefix, where it stands for itself"
    return ""


class NearMisses:
    """
    Says what a rule that covers no key was probably meant to cover.

    :param rules: all rules of the bucket.
    :param bucket: its name.
    """

    def __init__(self, rules: Sequence[ConfiguredRule], bucket: str) -> None:
        def without_bucket(text: str) -> str:
            return _without_slash(text.removeprefix(f"s3://{bucket}"))

        odd = [each for each in rules if oddity(each)]
        # An empty prefix covers every key, in every spelling.
        named = [each for each in rules if each.rule.prefix and not oddity(each)]
        #: Spelling of odd prefixes in which they may cover the key, and of others.
        self._odd = [RuleIndex(odd, spell) for spell in (_without_slash, without_bucket, _before_wildcard)]
        self._by_slash = RuleIndex(named, _without_slash)
        self._by_capitals = RuleIndex(named, str.casefold)

    def of_key(self, key: str) -> str:
        """Return what was probably meant, a sentence without a full stop; empty if nothing is near."""
        for index in self._odd:
            if found := index.match(key):
                return f"{found.rule} {oddity(found)}"
        if found := self._by_slash.match(key):
            return f"the key begins with a slash, and the prefix of {found.rule} does not"
        if found := self._by_capitals.match(key):
            return f"{found.rule} is spelled with other capitals, which S3 tells apart"
        return ""


def _without_slash(text: str) -> str:
    return text.lstrip("/")


def _before_wildcard(text: str) -> str:
    return text[: min((text.index(mark) for mark in _WILDCARDS if mark in text), default=len(text))]
