"""
What a sweep decided, with its evidence: the outcomes of all its answers, counted, and a sample of them.

The gate opens only if there were answers and all of them are done; a sweep without answers waits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_crr.replication.failure_lines import failure_lines
from airflow_provider_crr.replication.gate import Covered, Outcome, may_come, unread
from airflow_provider_crr.replication.reasons import MAX_REASON, UNCOVERED, reason_of
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.stores import AMAZON_S3, Store, store_of
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import legible, told

#: How many objects a verdict names, and how many bytes of text they may take: events and XComs stay small.
MAX_SAMPLE = 10
MAX_SAMPLE_BYTES = 6000
#: States for which what S3 itself said stands behind the general reason.
_EXPLAINED = frozenset({ObjectState.FORBIDDEN, ObjectState.UNREADABLE})


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
    :param sample: up to ten objects, those that decide first, then those that are waited for, the oldest PENDING one
        first: ``{"uri", "status", "reason"}``.
    :param note: what is waited for, if it is not the status of an object.
    :param deciders: how many objects of the sample make the gate fail.
    :param asker: who has asked, for the message of a gate that fails because S3 refused; empty if it is not known.
    :param remarks: what else that message says, a line each.
    :param waiting: state -> number of objects that are waited for.
    :param store: the store that has the oldest PENDING object.
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
    asker: str = ""
    remarks: tuple[str, ...] = ()
    waiting: dict[str, int] = field(default_factory=dict)
    store: Store = AMAZON_S3

    def waited_for(self) -> list[dict[str, str]]:
        """Return those of the sample that make the gate fail; if none does, those that it waits for."""
        if self.deciders:
            return list(self.sample[: self.deciders])
        return [entry for entry in self.sample if entry["status"] in self.waiting]

    def progress(self) -> str:
        """Return one line of counts, such as ``replicated 9,412 of 10,000, 588 pending, oldest 3m12s``."""
        parts = [f"replicated {humanize.count(self.done)} of {humanize.count(self.total)}"]
        for state in ObjectState:
            waiting = state not in (ObjectState.COMPLETED, ObjectState.REPLICA) and self.statuses.get(state.value)
            if waiting:
                parts.append(f"{humanize.count(waiting)} {state.value.lower()}")
                if state is ObjectState.PENDING and self.oldest_pending_seconds is not None:
                    parts.append(f"oldest {humanize.age(self.oldest_pending_seconds)}")
        return ", ".join([*parts, *([self.note] if self.note else [])])

    def warnings(self) -> list[str]:
        """Return a line for each object of the sample whose answer nobody can read. The gate waits for those."""
        unknown = ObjectState.UNKNOWN.value
        return [f"{legible(named['uri'])}: {named['reason']}" for named in self.sample if named["status"] == unknown]

    def failure(self) -> str:
        """Return the message of a failed gate, which names the objects that decided it: :mod:`.failure_lines`."""
        old = self.oldest_pending_seconds if ObjectState.PENDING.value in self.waiting else None
        waiting = ", ".join(f"{humanize.count(count)} {state}" for state, count in self.waiting.items())
        replicated = f"replicated {humanize.count(self.done)} of {humanize.count(self.total)}"
        lines = failure_lines(
            self.sample[: self.deciders],
            deciding=self.deciding,
            progress=f"{replicated}, {self.note}" if self.note else replicated,
            waiting=waiting if old is None else f"{waiting}; the oldest PENDING {humanize.age(old)}",
            asker=self.asker,
            remarks=self.remarks,
        )
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


@dataclass(slots=True)
class Tally:
    """
    The answers of one sweep, counted; what finished in earlier sweeps is counted in.

    :param now: the time of the sweep.
    :param listed: whether patterns matched the objects, rather than that they were named.
    :param partial: whether there are objects that were not asked for, because no more HEADs may be sent.
    """

    now: datetime
    states: Counter[ObjectState] = field(default_factory=Counter)
    deciding: Counter[ObjectState] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    samples: dict[tuple[Outcome, ObjectState], list[ObjectReplication]] = field(default_factory=dict)
    waiting: Counter[ObjectState] = field(default_factory=Counter)
    oldest_pending: datetime | None = None
    oldest: ObjectReplication | None = None
    listed: bool = False
    partial: bool = False

    def add(self, answer: ObjectReplication, outcome: Outcome) -> None:
        """Count one answer."""
        self.states[answer.state] += 1
        self.outcomes[outcome] += 1
        if outcome is Outcome.FAIL:
            self.deciding[answer.state] += 1
        elif outcome is Outcome.WAIT:
            self.waiting[answer.state] += 1
        sample = self.samples.setdefault((outcome, answer.state), [])
        if len(sample) < MAX_SAMPLE:
            sample.append(answer)
        if answer.state is ObjectState.PENDING and answer.last_modified is not None:
            self.oldest_pending = min(self.oldest_pending or answer.last_modified, answer.last_modified)
            if outcome is Outcome.WAIT and (self.oldest is None or _age(answer) < _age(self.oldest)):
                self.oldest = answer

    def add_finished(self, states: Counter[ObjectState]) -> None:
        """Count objects that were done in earlier sweeps."""
        self.states.update(states)
        self.outcomes[Outcome.DONE] += states.total()

    @property
    def outcome(self) -> Outcome:
        """FAIL if any answer fails, DONE only if all was asked for, there were answers, and all are done."""
        if self.outcomes[Outcome.FAIL]:
            return Outcome.FAIL
        if self.partial:
            return Outcome.WAIT
        total = self.outcomes.total()
        return Outcome.DONE if total and self.outcomes[Outcome.DONE] == total else Outcome.WAIT

    def verdict(
        self,
        explain: Callable[[ObjectReplication], str],
        covered: Covered = unread,
        ruled: Callable[[ObjectReplication], str] = lambda answer: "",
    ) -> Verdict:
        """
        Return the verdict of the sweep.

        :param explain: why an object has no status; asked only for the objects that the verdict names.
        :param covered: asked only for those of them that are FAILED on a store that tries again.
        :param ruled: by which rule S3 tried to replicate an object that makes the gate fail; empty if nothing says so.
        """
        sample: list[dict[str, str]] = []
        used = deciders = 0
        for outcome in (Outcome.FAIL, Outcome.WAIT, Outcome.DONE):
            for answer in self._named_first(outcome):
                entry = _named(answer, outcome, explain, covered, self.listed)
                if rule := ruled(answer) if outcome is Outcome.FAIL else "":
                    entry["rule"] = told(rule)
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
            note="not all were asked for" if self.partial else "",
            deciders=deciders,
            waiting={state.value: self.waiting[state] for state in ObjectState if self.waiting[state]},
            store=store_of(self.oldest.server) if self.oldest else AMAZON_S3,
        )

    def _named_first(self, outcome: Outcome) -> list[ObjectReplication]:
        """
        Return answers of one outcome: of each state the first, and then as many others as are named, by state.

        Among those that are waited for, the oldest PENDING one comes first.
        """
        found = {state: self.samples[outcome, state] for state in ObjectState if (outcome, state) in self.samples}
        left, named = MAX_SAMPLE - len(found), []
        for answers in found.values():
            more = max(0, min(left, len(answers) - 1))
            left -= more
            named += answers[: 1 + more]
        if outcome is not Outcome.WAIT or self.oldest is None:
            return named
        return [self.oldest, *(answer for answer in named if answer is not self.oldest)]


def _age(answer: ObjectReplication) -> tuple[datetime | None, str]:
    """Return what puts PENDING objects in order, the oldest first, whenever their answers came."""
    return answer.last_modified, answer.object.key


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
        entry["said"] = answer.detail
    elif may_come(answer) and outcome is Outcome.FAIL and not covered(answer):
        entry["reason"] = UNCOVERED.format(store_of(answer.server).doer, answer.object.bucket)
    elif outcome is Outcome.FAIL or answer.state is ObjectState.UNKNOWN or _waits_by_itself(answer, outcome):
        said = answer.state is not ObjectState.MISSING and answer.detail
        entry["reason"] = said or reason_of(answer, listed=listed)
    if "reason" in entry:  # it may quote the bucket's rules, and what S3 said
        entry["reason"] = told(entry["reason"], MAX_REASON)
    return entry


def _waits_by_itself(answer: ObjectReplication, outcome: Outcome) -> bool:
    return outcome is Outcome.WAIT and may_come(answer)
