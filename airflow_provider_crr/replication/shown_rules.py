"""The rules of the buckets that a gate waits for, as people are shown them while it waits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import chain

from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.replication.source import Source
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.patterns import literal_prefix

log = logging.getLogger(__name__)

#: Most rules that are shown, and most buckets whose rules are read.
MAX_RULES, _BUCKETS = 10, 3


def read_rules(source: Source, targets: Targets) -> list[dict[str, str]] | None:
    """
    Return the rules that cover what is waited for; None if they cannot be read.

    :param source: where to ask. Each bucket takes some seconds at most.
    :param targets: what is waited for.
    :return: ``[{"bucket", "rule", "destination"}]``, of up to three buckets.
    """
    asked = chain(targets.objects, targets.patterns)
    buckets = list(dict.fromkeys(target.bucket for target in asked))[:_BUCKETS]
    try:
        rules = [(bucket, source.get_replication_rules(bucket, brief=True)) for bucket in buckets]
        return [shown for bucket, found in rules for shown in _covering(targets, bucket, found)][:MAX_RULES]
    except Exception as error:  # usually s3:GetReplicationConfiguration is not allowed; the wait goes on
        log.debug("the rules are not shown: %s", error)
        return None


def _covering(targets: Targets, bucket: str, rules: Sequence[ReplicationRule]) -> list[dict[str, str]]:
    """Return the enabled rules of a bucket that may cover something that is waited for."""
    keys = {obj.key for obj in targets.objects if obj.bucket == bucket}
    beginnings = {literal_prefix(pattern.key) for pattern in targets.patterns if pattern.bucket == bucket}

    def covers(rule: ReplicationRule) -> bool:
        listed = any(start.startswith(rule.prefix) or rule.prefix.startswith(start) for start in beginnings)
        return listed or any(key.startswith(rule.prefix) for key in keys)

    return [
        {"bucket": bucket, "rule": rule.id, "destination": rule.destination_bucket}
        for rule in rules
        if rule.enabled and covers(rule)
    ]
