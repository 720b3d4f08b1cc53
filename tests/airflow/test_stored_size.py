"""What Airflow stores of a deferred gate fits into its database, whatever the gate waits for and knows."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

import pytest
from airflow.models.trigger import Trigger

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.checkpoint.handover import Handover
from airflow_provider_crr.replication.checkpoint.value import Checkpoint, Question
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import MAX_STORED, Targets
from airflow_provider_crr.triggers.replication import S3ReplicationTrigger

#: Bytes of MySQL's column for a trigger's kwargs.
COLUMN = 65_535
HOOK = {
    "aws_conn_id": "x" * 200,
    "region_name": "eu-central-1",
    "verify": "/etc/ssl/certs/ca-bundle.crt",
    "config": None,
    "expected_bucket_owner": "111122223333",
    "requester_pays": True,
    "max_requests_per_second": 1000,
}
POLICY = {"on_failed": "wait", "on_none": "wait", "on_missing": "fail", "on_replica": "fail", "max_pending_age": 1e9}


def encrypted(targets: Targets, known: Checkpoint) -> int:
    """Return how long the kwargs of a gate are in Airflow's database."""
    handover = Handover()
    handover.load(Question(targets, GatePolicy(), False, {"endpoint_url": "https://s3.amazonaws.com"}))
    handover.save(known)
    stored = targets.to_stored()
    trigger = S3ReplicationTrigger(
        targets=stored,
        known=handover.to_stored(MAX_STORED - len(json.dumps(stored))),
        head_requests=10**9,
        unanswered=10**6,
        max_head_requests=10**10,
        policy=dict(POLICY),
        form=1,
        hook=dict(HOOK),
        poke_interval=60.0,
        started_at=1795680029.935065,
        deadline=1796284829.935065,
        not_before=1795680039.935065,
        next_poke=1795680039.935065,
        exponential_backoff=True,
        max_wait=3600.0,
        silent_fail=True,
    )
    kwargs: dict[str, Any] = trigger.serialize()[1]
    again = Trigger(trigger.serialize()[0], kwargs).kwargs
    assert Targets.from_stored(again["targets"]) == Targets.from_stored(stored)
    return len(Trigger.encrypt_kwargs(kwargs))


@pytest.mark.parametrize("number", [1, 20, 21, 50, 110, 120, 200, 400])
def test_patterns_and_what_is_known_of_them_fit(number: int) -> None:
    """Each pattern takes more in Airflow's form than in JSON: many of them are one text."""
    chosen = random.Random(1)
    targets = Targets.parse([f"s3://landing/table_{index:03d}/*" for index in range(number)], wildcard_match=True)
    marks = {chosen.randbytes(16): ObjectState.COMPLETED for _ in range(5000)}
    assert encrypted(targets, Checkpoint(listed=marks)) < COLUMN


def test_longest_list_fits() -> None:
    """As many random names, or patterns, as are accepted, with what is known of them, fit."""
    for wildcard_match in (False, True):
        names = [f"s3://b/{uuid.uuid4()}" for _ in range(2000)]
        for number in range(2000, 0, -20):
            targets = Targets.parse(names[:number], wildcard_match=wildcard_match)
            try:
                targets.to_stored()
            except InvalidArgument:
                continue
            known = Checkpoint({ObjectState.COMPLETED: list(targets.objects[::2])})
            assert encrypted(targets, known) < COLUMN
            break
