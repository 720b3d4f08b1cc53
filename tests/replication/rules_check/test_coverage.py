"""Which rules apply to a key, or to the keys below a prefix."""

from __future__ import annotations

import random
from typing import Any

import pytest

from airflow_provider_crr.replication.configuration import ConfiguredRule
from airflow_provider_crr.replication.rules_check.coverage import Coverage, NearMisses, RuleIndex
from tests.replication.rules_check.looked import rule, tagged


def read(*rules: dict[str, Any]) -> list[ConfiguredRule]:
    return [ConfiguredRule.from_api(each) for each in rules]


def applied(coverage: Coverage) -> list[str]:
    return [each.rule.id for each in coverage.applied]


def test_every_enabled_rule_applies_that_covers_the_key() -> None:
    """Rules with other destinations apply all together; a disabled one and one for other keys do not."""
    index = RuleIndex(
        read(
            rule("all"),
            rule("raw", "raw/", Destination={"Bucket": "arn:aws:s3:::other"}),
            rule("off", Status="Disabled"),
            rule("else", "else/"),
        )
    )
    found = index.of_key("raw/1")
    assert sorted(applied(found)) == ["all", "raw"]
    assert [each.rule.id for each in found.disabled] == ["off"]
    assert found.shadowed == ()


def test_the_highest_priority_wins_at_one_destination() -> None:
    """Of rules with one destination the one with the highest priority is applied, whatever the order of the rules."""
    rules = read(rule("low", "a", Priority=1), rule("high", "a/", Priority=9), rule("middle", Priority=5))
    for _ in range(5):
        random.shuffle(rules)
        found = RuleIndex(rules).of_key("a/1")
        assert applied(found) == ["high"]
        assert {(loser.rule.id, winner.rule.id) for loser, winner in found.shadowed} == {
            ("low", "high"),
            ("middle", "high"),
        }
        assert applied(RuleIndex(rules).of_key("b")) == ["middle"]


@pytest.mark.parametrize(
    ("winner", "loser", "both"),
    [
        ({"a": "1"}, {}, True),  # objects without the tag get the other rule
        ({}, {"a": "1"}, False),
        ({"a": "1"}, {"a": "1", "b": "2"}, False),
        ({"a": "1", "b": "2"}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "2"}, True),
    ],
)
def test_a_rule_for_tags_wins_only_over_what_wants_the_same_tags(
    winner: dict[str, str], loser: dict[str, str], both: bool
) -> None:
    """A rule for certain tags shadows only rules that want these tags, too."""
    rules = [
        tagged(id, tags=tags, Priority=priority) if tags else rule(id, Priority=priority)
        for id, tags, priority in (("w", winner, 2), ("l", loser, 1))
    ]
    assert sorted(applied(RuleIndex(read(*rules)).of_key("k"))) == (["l", "w"] if both else ["w"])


def test_rules_of_the_same_priority_do_not_shadow_each_other() -> None:
    """Where no priority decides, as among rules of version 1, nothing is said to be shadowed."""
    old = {"ID": "1", "Prefix": "", "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copy"}}
    assert applied(RuleIndex(read(old, {**old, "ID": "2"})).of_key("k")) == ["1", "2"]


def test_a_disabled_rule_shadows_nothing() -> None:
    """A disabled rule of the highest priority leaves the others alone."""
    found = RuleIndex(read(rule("off", Priority=9, Status="Disabled"), rule("on", Priority=1))).of_key("k")
    assert (applied(found), found.shadowed) == (["on"], ())


def test_a_prefix_is_covered_as_a_whole_or_in_parts() -> None:
    """A rule for a longer prefix covers only a part; disabled ones cover nothing."""
    index = RuleIndex(read(rule("deep", "a/b/"), rule("off", "a/c/", Status="Disabled"), rule("flat", "d")))
    assert (applied(index.of_prefix("a/b/c/")), index.of_prefix("a/b/c/").parts) == (["deep"], ())
    assert applied(index.of_prefix("a/b/")) == ["deep"]
    assert [each.rule.id for each in index.of_prefix("a/").parts] == ["deep"]
    assert [each.rule.id for each in index.of_prefix("").parts] == ["deep", "flat"]
    assert applied(index.of_prefix("dt=1/")) == ["flat"]
    assert index.of_prefix("x/") == Coverage()


def test_a_key_is_covered_as_startswith_says() -> None:
    """Over many keys and rules, the coverage of a key is by exactly those rules whose prefix it begins with."""
    some = random.Random(3)
    texts = ["".join(some.choices("ab/", k=some.randrange(5))) for _ in range(300)]
    rules = [
        ConfiguredRule.from_api(rule(str(at), text, Destination={"Bucket": f"arn:aws:s3:::{at}"}))
        for at, text in enumerate(texts[:40])
    ]
    index = RuleIndex(rules)
    for key in texts:
        covering = {each.rule.id for each in rules if key.startswith(each.rule.prefix)}
        assert set(applied(index.of_key(key))) == covering


@pytest.mark.parametrize(
    ("prefix", "key", "said"),
    [
        ("/raw/", "raw/1", "begins with a slash"),
        ("raw/", "/raw/1", "the key begins with a slash"),
        ("Raw/", "raw/1", "other capitals"),
        ("s3://b/raw/", "raw/1", "an S3 URI for its prefix"),
        ("raw/*", "raw/1", "has a wildcard"),
        ("raw/dt=?/", "raw/dt=1/x", "has a wildcard"),
        ("cooked/", "raw/1", ""),
        ("raw/1/2", "raw/1", ""),
    ],
)
def test_what_a_rule_was_probably_meant_to_cover(prefix: str, key: str, said: str) -> None:
    """A slash, other capitals, a URI and a wildcard in the prefix of a rule are told as the reason."""
    found = NearMisses(read(rule("r", prefix)), "b").of_key(key)
    assert said in found
    assert bool(said) == bool(found)
