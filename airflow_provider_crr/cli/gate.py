"""``airflow crr gate``: what a gate of a DAG run asks, asked again, and what it would decide."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TextIO

from airflow_provider_crr.cli.objects import connected
from airflow_provider_crr.cli.process import ExitCode, command, exit_code
from airflow_provider_crr.cli.rows import Rows, states
from airflow_provider_crr.cli.stored_gates import StoredGate, stored_gate
from airflow_provider_crr.cli.sweep import sweep
from airflow_provider_crr.replication.gate import Outcome
from airflow_provider_crr.replication.verdict import Verdict
from airflow_provider_crr.text.humanize import moment_of, utc_text
from airflow_provider_crr.text.legible import legible


@command
def gate(args: Namespace, out: TextIO) -> ExitCode:
    """Ask for all that the gate asks for, and say what it would decide."""
    only = states(args.only)
    asked = stored_gate(args.dag_id, args.task_id, args.run_id, args.map_index)
    hook = connected(**asked.hook)
    rows = Rows(out, as_json=args.json, only=only)
    verdict = sweep(hook, asked.targets, asked.policy, rows.show, pin_versions=asked.pin_versions, known=asked.known)
    said = [_decision(verdict), *_circumstances(asked, verdict)]
    rows.end(verdict.progress(), *said)
    if args.json:
        sys.stderr.writelines(f"{line}\n" for line in said)
    return exit_code(verdict.outcome)


def _decision(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.FAIL:
        return verdict.failure()
    if verdict.outcome is Outcome.DONE:
        return "the gate opens"
    return f"the gate waits: {verdict.note}" if verdict.note else "the gate waits"


def _circumstances(asked: StoredGate, verdict: Verdict) -> list[str]:
    """Return what else is to be known of the gate: how it was read, and until when it waits."""
    connection = asked.hook.get("aws_conn_id")
    by = f"the connection {connection!r}" if connection else "no connection, so by boto3's own credentials"
    lines = [f"the task is {asked.state or 'not scheduled yet'}; asked by {by}, as {asked.origin}"]
    if asked.deadline is not None and verdict.outcome is Outcome.WAIT:
        lines.append(f"it gives up at {utc_text(moment_of(asked.deadline))}")
    if asked.pin_versions:
        seen = "those that the worker saw first" if asked.known else "the current ones, which may be others"
        lines.append(f"pin_versions: the gate waits for the versions that it saw first; asked for are {seen}")
    return [legible(line) for line in lines]
