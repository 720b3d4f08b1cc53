"""``airflow crr explain``: why an object has its status, and what to do."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TextIO

from airflow_provider_crr.cli.objects import ask, connect, parse
from airflow_provider_crr.cli.process import ExitCode, command, exit_code, to_json
from airflow_provider_crr.cli.rows import entry
from airflow_provider_crr.errors import BucketNotFound, InvalidArgument, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.rules_check.settings import check_rules
from airflow_provider_crr.replication.gate import GatePolicy, Outcome
from airflow_provider_crr.replication.hints import Look, looks_like
from airflow_provider_crr.replication.reasons import REASONS
from airflow_provider_crr.replication.rules import ReadOnce, ReplicationRule, destinations
from airflow_provider_crr.replication.rules_check.findings import Severity
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.replication.verdict import Tally
from airflow_provider_crr.s3.stores import UNNAMED, store_of
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible

_GATE = {
    Outcome.DONE: "opens, as far as this object goes",
    Outcome.WAIT: "waits",
    Outcome.FAIL: "fails",
}
#: Reasons for the states on which a gate does not fail, since it has none for them. The name of the store is put in.
_REASONS = {
    ObjectState.COMPLETED: "{} made the replica. Whether somebody deleted it since, this does not tell",
    ObjectState.REPLICA: "it is itself the product of a replication, which ended",
    ObjectState.PENDING: "{} has not made the replica yet, or not copied a change of the object's metadata",
    ObjectState.MISSING: REASONS[ObjectState.MISSING],
}
#: States of an object of which S3 has made a replica, has tried to, or will once it is uploaded.
_REPLICATED = frozenset({ObjectState.COMPLETED, ObjectState.PENDING, ObjectState.FAILED, ObjectState.MISSING})
#: States of an object that is not replicated, and in which something may keep it from being so.
_OPEN = frozenset({ObjectState.NONE, ObjectState.PENDING, ObjectState.FAILED, ObjectState.MISSING})
#: What to do, if the reason does not say it.
_REMEDIES = {
    ObjectState.PENDING: "Wait. If it stays, {}",
    ObjectState.MISSING: "Wait until it is uploaded, or check the key: it is case-sensitive, and not URL-encoded",
    ObjectState.DELETED: "Upload it again, or name a version that is an object",
    ObjectState.UNKNOWN: "Ask again; if it stays, check the connection's endpoint, credentials and clock",
}


@command
def explain(args: Namespace, out: TextIO) -> ExitCode:
    """Show what the status of one object means, and which rule covers it."""
    obj = parse(args.object, args.version_id)
    hook = connect(args)
    (answer,) = ask(hook, [obj])
    if answer.state is ObjectState.MISSING:
        hook.check_bucket(obj.bucket)
        if not args.literal:
            _refuse_pattern(answer)
    tally, read = Tally(datetime.now(UTC)), ReadOnce(hook.get_replication_rules)
    tally.add(answer, GatePolicy().judge(answer, tally.now, covered=read.cover))
    (named,) = tally.verdict(read.why_no_status, read.cover).sample
    store = store_of(answer.server)
    remedy = _REMEDIES.get(answer.state)
    explained = {
        **entry(answer, tally.outcome),
        "reason": named.get("reason") or _REASONS[answer.state].format(store.doer),
        "remedy": remedy and remedy.format(store.pending),
    }
    try:
        rules = read.get_replication_rules(obj.bucket)
    except BucketNotFound:
        raise
    except LookupFailed as error:
        explained |= {"rules": None, "rule": f"not known: {error}", "destinations": None, "findings": [], "unseen": []}
    else:
        explained |= _covered(rules, answer) | _found(hook, answer)
    print(to_json(explained, indent=2) if args.json else _text(explained, answer, tally), file=out)
    return exit_code(tally.outcome)


def _found(hook: S3ReplicationHook, answer: ObjectReplication) -> dict[str, Any]:
    """Return what of the settings at Amazon S3 keeps the object from being replicated, beside what its key says."""
    store = store_of(answer.server)
    if answer.state not in _OPEN or not (store.is_s3 or store is UNNAMED):
        return {"findings": [], "unseen": []}
    report = check_rules(hook, answer.object.bucket, [answer.object.key])
    told = [each for each in report.findings if each.key is None and each.severity is not Severity.INFO]
    shown = replace(report, findings=tuple(told)).to_dict()
    return {"findings": shown["findings"], "unseen": shown["unseen"]}


def _refuse_pattern(answer: ObjectReplication) -> None:
    """Say what to do with a pattern, or a folder, of whose name there is no object."""
    look = looks_like(answer.object)
    if look not in (Look.PATTERN, Look.FOLDER):
        return
    raise InvalidArgument(
        f"explain takes one object, there is none of this name, and it looks like a {look}",
        uri=answer.uri,
        remedy=f"List what is in it: airflow crr status {shlex.quote(answer.uri)} --only failed,none. If it is a key,"
        " add --literal",
    )


def _covered(rules: Sequence[ReplicationRule], answer: ObjectReplication) -> dict[str, Any]:
    key = answer.object.key
    covering = [rule for rule in rules if rule.enabled and key.startswith(rule.prefix)]
    if answer.state is ObjectState.REPLICA:  # whatever the rules say of its key
        covering, said = [], f"none applies: {store_of(answer.server).doer} does not replicate a replica"
    elif not rules:
        said = "none: the bucket has no replication configuration"
    elif not covering:
        said = "none: no enabled rule of the bucket covers this key now"
    else:
        said = "; ".join(_condition(rule, answer) for rule in covering)
    named = destinations(covering, key) if answer.state in _REPLICATED else ()
    return {
        "rules": [
            {
                "id": rule.id,
                "prefix": rule.prefix,
                "tags": dict(rule.tags),
                "replicates_kms": rule.replicates_kms,
                "destination_bucket": rule.destination_bucket,
            }
            for rule in covering
        ],
        "rule": said,
        "destinations": [f"s3://{bucket}/{key}" for bucket in sorted(named)],
    }


def _condition(rule: ReplicationRule, answer: ObjectReplication) -> str:
    tags = f", for objects with the tags {dict(rule.tags)} only" if rule.tags else ""
    encrypted = (answer.encryption or "").startswith("aws:kms")
    kms = ", but not for objects encrypted with KMS, as this one is" if encrypted and not rule.replicates_kms else ""
    return f"{rule}{tags}{kms}"


def _text(explained: dict[str, Any], answer: ObjectReplication, tally: Tally) -> str:
    facts = [explained["status"], f"HTTP {answer.http_status}" if answer.http_status else "no answer"]
    if answer.last_modified:
        old = humanize.age((tally.now - answer.last_modified).total_seconds())
        facts.append(f"last modified {explained['last_modified']}, {old} ago")
    facts += [value for value in (answer.storage_class, answer.encryption) if value]
    rows = [
        ("status", ", ".join(facts)),
        ("gate", _GATE[tally.outcome]),
        ("why", explained["reason"]),
        ("remedy", explained["remedy"]),
        ("rule", explained["rule"]),
        ("replica", _replica(explained["destinations"], answer)),
        *((found["severity"], f"{found['what']}. {found['remedy']}") for found in explained["findings"]),
        ("not seen", "; ".join(each["what"] for each in explained["unseen"])),
    ]
    lines = [f"{name:<9}{legible(text)}" for name, text in rows if text]
    return "\n".join([legible(answer.uri), *(f"  {line}" for line in lines)])


def _replica(uris: list[str] | None, answer: ObjectReplication) -> str:
    where = " on the replication target" if store_of(answer.server).elsewhere else ""
    return f"{', '.join(uris)}{where} by the rules as they are now" if uris else ""
