"""
May the gate open? Each HEAD answer is judged by a policy, and a sweep of answers by all of its judgements.

The table of answers in the README is this module. There is no way to DONE but through an answer whose state the
policy calls done; a sweep without answers waits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.stores import UNNAMED, store_of
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible, told

#: How many objects a verdict names, and how many bytes of text they may take: events and XComs stay small.
MAX_SAMPLE = 10
MAX_SAMPLE_BYTES = 6000
#: Most characters of one object's reason.
MAX_REASON = 1000


class Outcome(StrEnum):
    """What an answer, or a whole sweep, means for the gate."""

    DONE = "done"
    WAIT = "wait"
    FAIL = "fail"


#: What an author may set each policy field to.
CHOICES: dict[str, tuple[str, ...]] = {
    "on_failed": ("fail", "wait"),
    "on_none": ("fail", "wait", "done"),
    "on_missing": ("wait", "fail"),
    "on_replica": ("done", "fail"),
}

#: Fields that may be left unsaid, as None: then it depends on what answered.
UNSAID = frozenset({"on_failed", "on_none", "on_replica"})

_POLICY_FIELD = {
    ObjectState.FAILED: "on_failed",
    ObjectState.NONE: "on_none",
    ObjectState.MISSING: "on_missing",
    ObjectState.REPLICA: "on_replica",
}
_FIXED = {
    ObjectState.COMPLETED: Outcome.DONE,
    ObjectState.PENDING: Outcome.WAIT,
    ObjectState.DELETED: Outcome.FAIL,
    ObjectState.FORBIDDEN: Outcome.FAIL,
    ObjectState.UNREADABLE: Outcome.FAIL,
    ObjectState.UNKNOWN: Outcome.WAIT,
}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


#: Why an object in S3 decides against the gate, and the remedy. NONE is explained by the bucket's rules instead, and
#: what is otherwise elsewhere by the store.
REASONS = {
    ObjectState.FAILED: "S3 does not retry a failed replication. Mend the cause (role, KMS key, destination bucket),"
    " then upload the object again or run an S3 Batch Replication job",
    ObjectState.PENDING: f"PENDING for longer than max_pending_age. {_sentence(UNNAMED.pending)}",
    ObjectState.NONE: "S3 has no replication status for it",
    ObjectState.MISSING: "there is no such object",
    ObjectState.DELETED: "its current version, or the version asked for, is a delete marker",
    ObjectState.REPLICA: "it is itself a replica. Ask the source bucket, or set on_replica='done'",
    ObjectState.FORBIDDEN: "S3 answered 403. Allow s3:GetObject (with a version id: s3:GetObjectVersion) on the"
    " object, and s3:ListBucket on the bucket, without which a missing object looks forbidden",
    ObjectState.UNREADABLE: "S3 answered 400, as it does for objects encrypted with a customer key (SSE-C): their"
    " status can only be read from an S3 Inventory report",
    ObjectState.UNKNOWN: "S3 gave no answer that can be read",
}
#: Why an object is FAILED for good on a store that tries again: its name, and the bucket's.
UNCOVERED = (
    "{0} tries again only while an enabled rule covers the key, and none of bucket {1} does now. Put the rule back, or"
    " upload the object again once there is one"
)


#: Whether a store that replicates by itself may go on with an object, FAILED or without status, by the bucket's rules.
Covered = Callable[[ObjectReplication], bool]


def unread(answer: ObjectReplication) -> bool:
    """Return what :data:`Covered` says where nobody reads the rules: what is FAILED was covered once."""
    return answer.state is ObjectState.FAILED


#: The same for what a pattern matched, where that is another reason; said of the store.
_LISTED_REASONS = {
    ObjectState.REPLICA: "it is itself a replica, and matched by a pattern. {0} replicates in no order: what is not"
    " there yet cannot be seen. Ask the source bucket, name the objects, or set on_replica='done'",
}

#: States whose own words from S3 stand beside the general reason.
_EXPLAINED = frozenset({ObjectState.FORBIDDEN, ObjectState.UNREADABLE})


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """
    What the gate makes of the answers that are not simply yes.

    :param on_failed: FAILED: ``"fail"``, or ``"wait"`` because somebody repairs it. None fails on S3; on a store that
        tries again by itself it waits while a rule covers the key, and fails as PENDING does.
    :param on_none: no status: ``"fail"``, ``"wait"`` or ``"done"``. None fails on S3; on a store that replicates what
        was there before its rule it waits while a rule covers the key, and fails as PENDING does.
    :param on_missing: no such object, or no match for a pattern: ``"wait"`` or ``"fail"``.
    :param on_replica: REPLICA: ``"done"`` or ``"fail"``; None: done for what is named, and fail for what a pattern
        matched.
    :param max_pending_age: seconds since Last-Modified after which PENDING fails; None never.
    :raises InvalidArgument: for any other value, and for a negative age.
    """

    on_failed: str | None = None
    on_none: str | None = None
    on_missing: str = "wait"
    on_replica: str | None = None
    max_pending_age: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (value is None and name in UNSAID):
                known = [*choices, None] if name in UNSAID else choices
                raise InvalidArgument(f"{name} is {value!r}", remedy=f"Use one of {', '.join(map(repr, known))}")
        if self.max_pending_age is not None and not self.max_pending_age >= 0:
            raise InvalidArgument(
                f"max_pending_age is {self.max_pending_age!r}", remedy="Give a time of 0 or more, or None"
            )

    def judge(
        self, answer: ObjectReplication, now: datetime, *, listed: bool = False, covered: Covered = unread
    ) -> Outcome:
        """
        Return what one answer means for the gate.

        :param answer: the answer.
        :param now: the time of the sweep, for the age of PENDING.
        :param listed: whether a pattern matched the object, rather than that it was named.
        :param covered: asked only about a store that replicates by itself.
        """
        name = _POLICY_FIELD.get(answer.state)
        if name is not None:
            said = getattr(self, name)
            return Outcome(said) if said is not None else self._unsaid(answer, now, listed, covered)
        if answer.state is ObjectState.PENDING and self._too_old(answer, now):
            return Outcome.FAIL
        return _FIXED[answer.state]

    def _unsaid(self, answer: ObjectReplication, now: datetime, listed: bool, covered: Covered) -> Outcome:
        """Return what an answer means where the author did not say."""
        if answer.state is ObjectState.REPLICA:
            return Outcome.FAIL if listed else Outcome.DONE
        may_come = _may_come(answer) and not self._too_old(answer, now) and covered(answer)
        return Outcome.WAIT if may_come else Outcome.FAIL

    def _too_old(self, answer: ObjectReplication, now: datetime) -> bool:
        if self.max_pending_age is None or answer.last_modified is None:
            return False
        return now - answer.last_modified > timedelta(seconds=self.max_pending_age)


def _may_come(answer: ObjectReplication) -> bool:
    """Return whether the store may yet replicate by itself what S3 would not."""
    store = store_of(answer.server)
    if answer.state is ObjectState.FAILED:
        return store.repairs_failed
    return answer.state is ObjectState.NONE and store.replicates_existing


@dataclass(slots=True)
class Tally:
    """
    The answers of one sweep, counted; what finished in earlier sweeps is counted in.

    :param now: the time of the sweep.
    :param listed: whether patterns matched the objects, rather than that they were named.
    """

    now: datetime
    states: Counter[ObjectState] = field(default_factory=Counter)
    deciding: Counter[ObjectState] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    samples: dict[Outcome, list[ObjectReplication]] = field(default_factory=dict)
    oldest_pending: datetime | None = None
    listed: bool = False

    def add(self, answer: ObjectReplication, outcome: Outcome) -> None:
        """Count one answer."""
        self.states[answer.state] += 1
        self.outcomes[outcome] += 1
        if outcome is Outcome.FAIL:
            self.deciding[answer.state] += 1
        sample = self.samples.setdefault(outcome, [])
        if len(sample) < MAX_SAMPLE:
            sample.append(answer)
        if answer.state is ObjectState.PENDING and answer.last_modified is not None:
            self.oldest_pending = min(self.oldest_pending or answer.last_modified, answer.last_modified)

    def add_finished(self, states: Counter[ObjectState]) -> None:
        """Count objects that earlier sweeps found finished."""
        self.states.update(states)
        self.outcomes[Outcome.DONE] += states.total()

    @property
    def outcome(self) -> Outcome:
        """FAIL if any answer fails, DONE only if there were answers and all are done."""
        if self.outcomes[Outcome.FAIL]:
            return Outcome.FAIL
        total = self.outcomes.total()
        return Outcome.DONE if total and self.outcomes[Outcome.DONE] == total else Outcome.WAIT

    def verdict(self, explain: Callable[[ObjectReplication], str], covered: Covered = unread) -> Verdict:
        """
        Return the verdict of the sweep.

        :param explain: why an object has no status; asked only for the objects that the verdict names.
        :param covered: asked only for those of them that are FAILED on a store that tries again.
        """
        sample: list[dict[str, str]] = []
        used = deciders = 0
        for outcome in (Outcome.FAIL, Outcome.WAIT, Outcome.DONE):
            for answer in self.samples.get(outcome, ()):
                entry = _named(answer, outcome, explain, covered, self.listed)
                used += len(json.dumps(entry))
                if len(sample) < MAX_SAMPLE and (used <= MAX_SAMPLE_BYTES or not sample):
                    sample.append(entry)
                    deciders += outcome is Outcome.FAIL
        return Verdict(
            outcome=self.outcome,
            total=self.outcomes.total(),
            done=self.outcomes[Outcome.DONE],
            statuses={state.value: self.states[state] for state in ObjectState if self.states[state]},
            deciding={state.value: self.deciding[state] for state in ObjectState if self.deciding[state]},
            oldest_pending_seconds=((self.now - self.oldest_pending).total_seconds() if self.oldest_pending else None),
            sample=tuple(sample),
            deciders=deciders,
        )


def _named(
    answer: ObjectReplication,
    outcome: Outcome,
    explain: Callable[[ObjectReplication], str],
    covered: Covered,
    listed: bool,
) -> dict[str, str]:
    entry = {"uri": answer.uri, "status": answer.state.value}
    if answer.state is ObjectState.NONE and (outcome is Outcome.FAIL or _waits_by_itself(answer, outcome)):
        entry["reason"] = explain(answer)
    elif answer.state in _EXPLAINED and answer.detail:
        entry["reason"] = f"{reason_of(answer)} ({answer.detail})"
    elif _may_come(answer) and outcome is Outcome.FAIL and not covered(answer):
        entry["reason"] = UNCOVERED.format(store_of(answer.server).doer, answer.object.bucket)
    elif outcome is Outcome.FAIL or answer.state is ObjectState.UNKNOWN or _waits_by_itself(answer, outcome):
        entry["reason"] = answer.detail or reason_of(answer, listed=listed)
    if "reason" in entry:  # it may quote the bucket's rules, and what S3 said
        entry["reason"] = told(entry["reason"], MAX_REASON)
    return entry


def _waits_by_itself(answer: ObjectReplication, outcome: Outcome) -> bool:
    return outcome is Outcome.WAIT and _may_come(answer)


def reason_of(answer: ObjectReplication, *, listed: bool = False) -> str:
    """Return why an object decides against the gate, and the remedy, as it is in the store that answered."""
    store = store_of(answer.server)
    if listed and answer.state in _LISTED_REASONS:
        return _LISTED_REASONS[answer.state].format(store.doer)
    if answer.state is ObjectState.PENDING:
        return f"PENDING for longer than max_pending_age. {_sentence(store.pending)}"
    return store.words.get(answer.state.value) or REASONS[answer.state]


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a sweep decided, with its evidence.

    :param outcome: whether the gate opens, waits or fails.
    :param total: objects counted.
    :param done: objects that the policy calls done.
    :param statuses: state -> number of objects.
    :param deciding: state -> number of objects that make the gate fail.
    :param oldest_pending_seconds: age of the oldest PENDING object, None if nothing is PENDING.
    :param sample: up to ten objects, those that decide first: ``{"uri", "status", "reason"}``.
    :param note: what is waited for, if that is no object's status.
    :param deciders: how many of the sample make the gate fail.
    """

    outcome: Outcome
    total: int
    done: int
    statuses: dict[str, int]
    deciding: dict[str, int]
    oldest_pending_seconds: float | None
    sample: tuple[dict[str, str], ...]
    note: str = ""
    deciders: int = 0

    def progress(self) -> str:
        """Return one line for the log of a wait, such as ``replicated 9,412 of 10,000, 588 pending, oldest 3m12s``."""
        parts = [f"replicated {humanize.count(self.done)} of {humanize.count(self.total)}"]
        for state in ObjectState:
            waiting = state not in (ObjectState.COMPLETED, ObjectState.REPLICA) and self.statuses.get(state.value)
            if waiting:
                parts.append(f"{humanize.count(waiting)} {state.value.lower()}")
                if state is ObjectState.PENDING and self.oldest_pending_seconds is not None:
                    parts.append(f"oldest {humanize.age(self.oldest_pending_seconds)}")
        return ", ".join([*parts, *([self.note] if self.note else [])])

    def warnings(self) -> list[str]:
        """Return a line for each object named whose answer nobody can read; the gate waits for those."""
        unknown = ObjectState.UNKNOWN.value
        return [f"{legible(named['uri'])}: {named['reason']}" for named in self.sample if named["status"] == unknown]

    def failure(self) -> str:
        """Return the message of a failed gate, which names the objects that decided it."""
        counts = ", ".join(f"{humanize.count(count)} {state}" for state, count in self.deciding.items())
        lines = [f"the gate stays shut: {counts}; {self.progress()}"]
        named = self.sample[: self.deciders]
        lines += [f"  {legible(entry['uri'])} {entry['status']}: {entry['reason']}" for entry in named]
        unnamed = sum(self.deciding.values()) - len(named)
        if unnamed > 0:
            lines.append(f"  and {humanize.count(unnamed)} more")
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """Return the plain JSON that goes to XCom, bounded in size."""
        return {
            "total": self.total,
            "statuses": self.statuses,
            **({"deciding": self.deciding} if self.deciding else {}),
            "oldest_pending_seconds": self.oldest_pending_seconds,
            "sample": list(self.sample),
        }
