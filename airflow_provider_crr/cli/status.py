"""``airflow crr status``: the replication status of objects, and of all that matches a pattern."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from airflow_provider_crr.cli.objects import ask, connect, named
from airflow_provider_crr.cli.process import ExitCode, command, exit_code
from airflow_provider_crr.cli.rows import Rows, states
from airflow_provider_crr.cli.sweep import sweep, together
from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.rules import ReadOnce
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Tally, Verdict
from airflow_provider_crr.s3.objects import S3Object

if TYPE_CHECKING:
    from airflow_provider_crr.hooks.replication import S3ReplicationHook


@command
def status(args: Namespace, out: TextIO) -> ExitCode:
    """Show S3's answer about each object, and judge them as a gate does."""
    only, (objects, patterns) = states(args.only), named(args.objects, args.version_id, literal=args.literal)
    hook = connect(args, max_requests_per_second=args.max_requests_per_second)
    rows = Rows(out, as_json=args.json, only=only)
    verdicts: list[Verdict] = []
    if objects or not patterns:
        verdicts.append(_named(hook, objects, rows))
    if patterns:
        verdicts.append(sweep(hook, Targets(patterns=patterns), GatePolicy(), rows.show))
    verdict = together(verdicts)
    rows.end(verdict.progress(), _of_replicas(verdicts[-1]) if patterns else "")
    if args.json and verdict.note:  # which no line says
        sys.stderr.write(f"{verdict.note}\n")
    return exit_code(verdict.outcome)


def _named(hook: S3ReplicationHook, objects: Iterable[S3Object], rows: Rows) -> Verdict:
    """Show and judge the objects that are named. None of them is kept: there may be very many."""
    answers: Iterable[ObjectReplication] = ask(hook, objects)
    if isinstance(objects, list):  # all of them are on the command line, so they are few
        place = {obj: number for number, obj in enumerate(objects)}
        answers = sorted(answers, key=lambda answer: place[answer.object])
    policy, tally, read = GatePolicy(), Tally(datetime.now(UTC)), ReadOnce(hook.get_replication_rules)
    missing: set[str] = set()
    for answer in answers:
        outcome = policy.judge(answer, tally.now, covered=read.cover)
        tally.add(answer, outcome)
        if answer.state is ObjectState.MISSING:
            missing.add(answer.object.bucket)
        rows.show(answer, outcome)
    for bucket in sorted(missing):  # the HEAD of an object has the same answer if its bucket is missing
        hook.check_bucket(bucket)
    return tally.verdict(lambda _: "")


def _of_replicas(verdict: Verdict) -> str:
    """Return why replicas fail a gate over patterns, where they pass if they are named."""
    deciding = (found for found in verdict.sample[: verdict.deciders] if found["status"] == ObjectState.REPLICA.value)
    return next((f"{found['status']}: {found['reason']}" for found in deciding), "")
