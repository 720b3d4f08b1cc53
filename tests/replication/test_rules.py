"""Replication rules, and why an object has no status."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_crr.replication.rules import ReplicationRule, destinations, why_no_status
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object

RULE = ReplicationRule("all", enabled=True)
ANSWER = ObjectReplication(S3Object("landing", "raw/a.csv"), ObjectState.NONE)


@pytest.mark.parametrize(
    ("api", "rule"),
    [
        (
            {"ID": "v1", "Prefix": "raw/", "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copy"}},
            ReplicationRule("v1", True, "raw/", destination_bucket="copy"),
        ),
        (
            {
                "ID": "v2",
                "Filter": {"Prefix": "raw/"},
                "Status": "Disabled",
                "Destination": {"Bucket": "arn:aws-cn:s3:::c"},
            },
            ReplicationRule("v2", False, "raw/", destination_bucket="c"),
        ),
        (
            {"ID": "tag", "Filter": {"Tag": {"Key": "k", "Value": "v"}}, "Status": "Enabled"},
            ReplicationRule("tag", True, "", {"k": "v"}),
        ),
        (
            {
                "ID": "and",
                "Filter": {"And": {"Prefix": "raw/", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}]}},
                "Status": "Enabled",
                "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
            },
            ReplicationRule("and", True, "raw/", {"k": "v", "l": "w"}, replicates_kms=True),
        ),
        ({"ID": "empty", "Filter": {}, "Status": "Enabled"}, ReplicationRule("empty", True)),
    ],
)
def test_rule_is_read_in_both_versions_of_the_schema(api: dict[str, Any], rule: ReplicationRule) -> None:
    """A rule is read from either version of the API's schema, with all its conditions."""
    assert ReplicationRule.from_api(api) == rule


@pytest.mark.parametrize(
    ("rules", "changes", "says"),
    [
        ([], {}, "no replication configuration"),
        ([replace(RULE, prefix="cooked/")], {}, "no rule of bucket landing covers this key (prefixes: 'cooked/')"),
        ([replace(RULE, enabled=False), replace(RULE, prefix="x")], {}, "only disabled rules"),
        ([replace(RULE, tags={"k": "v"})], {}, "certain tags only"),
        ([RULE], {"encryption": "aws:kms"}, "does not opt in to KMS"),
        ([RULE], {"encryption": "aws:kms:dsse"}, "does not opt in to KMS"),
        ([replace(RULE, replicates_kms=True)], {"encryption": "aws:kms"}, "older than the rule"),
        ([RULE], {"storage_class": "DEEP_ARCHIVE"}, "storage class DEEP_ARCHIVE"),
        ([RULE], {"storage_class": "GLACIER_IR", "encryption": "AES256"}, "older than the rule"),
    ],
)
def test_reason_for_no_status(rules: list[ReplicationRule], changes: dict[str, Any], says: str) -> None:
    """Each reason for an absent status is told apart by the bucket's rules, with what to do."""
    text = why_no_status(rules, replace(ANSWER, **changes))
    assert says in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([], []),
        ([("raw/", True, {"k": "v"}, "tagged"), ("raw/", True, {"k": "w"}, "other")], []),
        ([("raw/", True, {"k": "v"}, "tagged"), ("raw/", True, {"k": "w"}, "tagged")], ["tagged"]),
        ([("raw/", True, {}, "copy")], ["copy"]),
        ([("raw/", True, {}, "copy"), ("", True, {}, "archive"), ("raw/a", True, {}, "copy")], ["archive", "copy"]),
        ([("raw/", False, {}, "copy"), ("tmp/", True, {}, "copy")], []),
        ([("raw/b", True, {}, "copy")], []),
        ([("raw/", True, {"k": "v"}, "tagged"), ("", True, {}, "copy")], ["copy"]),
        ([("raw/", True, {"k": "v"}, "tagged")], ["tagged"]),
        ([("raw/", True, {}, "")], []),
    ],
)
def test_destinations_are_those_of_the_rules_that_cover_the_keys(
    rules: list[tuple[str, bool, dict[str, str], str]], found: list[str]
) -> None:
    """Enabled rules that cover a key name its destinations; those for tags only where they alone do, and agree."""
    configured = [
        ReplicationRule(f"rule-{number}", enabled, prefix, tags, destination_bucket=bucket)
        for number, (prefix, enabled, tags, bucket) in enumerate(rules)
    ]
    assert sorted(destinations(configured, "raw/")) == found
