"""``airflow crr status``: the replication status of objects."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from airflow_provider_crr.cli.objects import ask, connect, named
from airflow_provider_crr.cli.process import ExitCode, command, exit_code, to_json
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.rules import ReadOnce
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.text.humanize import utc_text
from airflow_provider_crr.text.legible import legible

_HEADING = ("STATUS", "LAST MODIFIED", "OBJECT")


@command
def status(args: Namespace, out: TextIO) -> ExitCode:
    """Show S3's answer about each object, and judge them as a gate does."""
    objects = named(args.objects, args.version_id)
    hook = connect(args, max_requests_per_second=args.max_requests_per_second)
    answers: Iterable[ObjectReplication] = ask(hook, objects)
    if isinstance(objects, list):  # all of them are on the command line, so they are few
        place = {obj: number for number, obj in enumerate(objects)}
        answers = sorted(answers, key=lambda answer: place[answer.object])
    policy, tally, read = GatePolicy(), Tally(datetime.now(UTC)), ReadOnce(hook.get_replication_rules)
    missing: set[str] = set()
    if not args.json:
        print(_row(*_HEADING), file=out)
    for answer in answers:
        outcome = policy.judge(answer, tally.now, covered=read.cover)
        tally.add(answer, outcome)
        if answer.state is ObjectState.MISSING:
            missing.add(answer.object.bucket)
        print(to_json(entry(answer, outcome)) if args.json else _shown(answer), file=out)
    for bucket in sorted(missing):  # the HEAD of an object has the same answer if its bucket is missing
        hook.check_bucket(bucket)
    if not args.json:
        print(f"\n{tally.verdict(lambda _: '').progress()}", file=out)
    return exit_code(tally.outcome)


def entry(answer: ObjectReplication, outcome: Outcome) -> dict[str, Any]:
    """
    Return an answer as plain JSON.

    :param answer: S3's answer.
    :param outcome: what a gate with default settings would do.
    """
    return {
        "uri": answer.uri,
        "bucket": answer.object.bucket,
        "key": answer.object.key,
        "version_id": answer.object.version_id,  # None if the current version was asked for: asking again asks for that
        "answered_version_id": answer.version_id,
        "status": answer.state.value,
        "gate": outcome.value,
        "http_status": answer.http_status,
        "last_modified": utc_text(answer.last_modified) if answer.last_modified else None,
        "etag": answer.etag,
        "storage_class": answer.storage_class,
        "encryption": answer.encryption,
        "detail": answer.detail or None,
    }


def _shown(answer: ObjectReplication) -> str:
    when = utc_text(answer.last_modified) if answer.last_modified else "-"
    detail = f"  ({legible(answer.detail)})" if answer.detail else ""
    return _row(answer.state.value, when, legible(str(answer.object)) + detail)


def _row(state: str, when: str, what: str) -> str:
    return f"{state:<10}  {when:<20}  {what}"
