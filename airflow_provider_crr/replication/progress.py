"""
How far a gate is, as a value that people look at while it waits: plain JSON, bounded, made here and nowhere else.

Airflow keeps it as the XCom ``crr_progress``. The Replication tab shows it. No verdict depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from airflow_provider_crr.replication.gate import GatePolicy
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.replication.verdict import Verdict
from airflow_provider_crr.text.humanize import utc_text
from airflow_provider_crr.text.legible import told

#: Key of the XCom.
KEY = "crr_progress"
#: Increased when the value changes its meaning.
SCHEMA = 1
#: Most characters of the value's JSON text, of its message, and of other texts.
MAX_VALUE, MAX_TEXT, _LITTLE = 16_000, 4_000, 1_000
#: Most objects, and most points of the history, that it has.
MAX_SAMPLE, MAX_HISTORY = 10, 60
#: Points of the history by which the end is foreseen, and how far ahead at most.
_RECENT, _FORESEEN = 8, timedelta(days=30)
#: What changes from poll to poll though nothing has happened.
_MOVES = ("at", "next_look", "head_requests", "oldest_pending_seconds", "history", "expected_done_at", "message")


@dataclass(frozen=True, slots=True)
class Wait:
    """
    What is known of a wait by whoever polls.

    :param at: when the last poll ended, UTC.
    :param deadline: when the wait gives up, UTC.
    :param where: ``"worker"`` or ``"triggerer"``.
    :param host: name of the machine.
    :param state: ``"waiting"``, ``"done"``, ``"failed"``, ``"timeout"`` or ``"error"``.
    :param next_look: when it asks again, UTC; None if it does not.
    :param unasked: why S3 could not be asked at the last poll; None if it could.
    :param message: what the log says.
    """

    at: datetime
    deadline: datetime
    where: str
    host: str
    state: str = "waiting"
    next_look: datetime | None = None
    unasked: str | None = None
    message: str = ""


class Progress:
    """
    The progress of one gate from sweep to sweep.

    :param targets: what is waited for.
    :param policy: what the answers mean.
    :param connection: id of the Airflow connection; None for boto3's own credentials.
    :param limits: further arguments that the author may have set, by name; those that are None or False are left out.
    """

    def __init__(self, targets: Targets, policy: GatePolicy, connection: str | None, **limits: Any) -> None:
        #: Rules that are read already, as the value has them; None for not yet, or if they cannot be seen.
        self.rules: list[dict[str, str]] | None = None
        self._targets = targets
        unsaid = asdict(GatePolicy())
        said = {name: value for name, value in asdict(policy).items() if value != unsaid[name]}
        said["max_pending_age"] = policy.max_pending_age
        self._policy = said | {name: value for name, value in limits.items() if value not in (None, False)}
        self._connection = connection
        #: (seconds since the gate was first asked, objects done, objects counted)
        self._history: list[tuple[float, int, int]] = []
        self._moved_at = 0.0
        self._still = 0  # sweeps with the same number of objects done

    def swept(self, verdict: Verdict, elapsed: float) -> None:
        """
        Note what a sweep has found.

        :param verdict: of the sweep.
        :param elapsed: seconds since the gate was first asked.
        """
        point = (round(max(0.0, elapsed), 1), verdict.done, verdict.total)
        if self._history and self._history[-1][1] == verdict.done:
            self._still += 1
        else:
            self._moved_at, self._still = point[0], 1
        if len(self._history) > 1 and self._history[-2][1:] == self._history[-1][1:] == point[1:]:
            self._history[-1] = point  # a straight line needs its ends only
        else:
            self._history.append(point)
        if len(self._history) > MAX_HISTORY:
            self._history = [*self._history[:-1:2], self._history[-1]]

    def value(
        self,
        wait: Wait,
        verdict: Verdict | None,
        *,
        started_at: datetime,
        head_requests: int,
        lag: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """
        Return the value.

        :param wait: what is known of the wait.
        :param verdict: of the last sweep; None before the first.
        :param started_at: when the gate was first asked, UTC.
        :param head_requests: answers to HEADs so far.
        :param lag: how long replication takes, as :class:`~airflow_provider_crr.replication.lag.Lags` has it.
        """
        asked = islice(chain(self._targets.patterns, self._targets.objects), MAX_SAMPLE)
        waits = wait.state == "waiting"
        return bounded(
            {
                "schema": SCHEMA,
                "kind": "gate",
                "state": wait.state,
                "at": utc_text(wait.at),
                "started_at": utc_text(started_at),
                "deadline": utc_text(wait.deadline),
                "next_look": utc_text(wait.next_look) if wait.next_look and waits else None,
                "targets": {
                    "objects": len(self._targets.objects),
                    "patterns": len(self._targets.patterns),
                    "sample": [str(target) for target in asked],
                },
                "connection": self._connection,
                "policy": self._policy,
                "rules": self.rules and [*self.rules],
                "where": wait.where,
                "host": wait.host,
                "total": verdict.total if verdict else 0,
                "done": verdict.done if verdict else 0,
                "statuses": dict(verdict.statuses) if verdict else {},
                "waiting": verdict.waited_for() if verdict else [],
                "oldest_pending_seconds": verdict.oldest_pending_seconds if verdict else None,
                "head_requests": head_requests,
                "expected_done_at": self._expected(started_at) if waits else None,
                "unmoved_since": self._unmoved(started_at) if waits else None,
                "history": [list(point) for point in self._history],
                "replication_lag": dict(lag) if lag else None,
                "unasked": wait.unasked,
                "message": wait.message,
            }
        )

    def to_stored(self) -> dict[str, Any]:
        """Return what the next process needs, as plain JSON."""
        return {"history": [list(point) for point in self._history], "moved_at": self._moved_at, "still": self._still}

    def recall(self, stored: Mapping[str, Any]) -> None:
        """
        Go on from what an earlier process stored. Any other value raises an error of some kind.

        :param stored: what :meth:`to_stored` returned.
        """
        history = [(float(seconds), int(done), int(total)) for seconds, done, total in stored.get("history", ())]
        moved_at, still = float(stored.get("moved_at", 0.0)), int(stored.get("still", 0))
        self._history, self._moved_at, self._still = history[-MAX_HISTORY:], moved_at, still

    def _expected(self, started_at: datetime) -> str | None:
        """Return when all will be done if it goes on as in the last sweeps; None if nothing moved in the last one."""
        if self._still > 1 or len(self._history) < 2:
            return None
        (since, _, _), *_, (at, done, total) = recent = self._history[-_RECENT:]
        before = recent[0][2] - recent[0][1]
        left, gone = total - done, before - (total - done)
        if left <= 0 or gone <= 0 or at <= since:
            return None
        ahead = left * (at - since) / gone
        return utc_text(started_at + timedelta(seconds=at + ahead)) if ahead < _FORESEEN.total_seconds() else None

    def _unmoved(self, started_at: datetime) -> str | None:
        return utc_text(started_at + timedelta(seconds=self._moved_at)) if self._still > 1 else None


def news(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a value that differs from the one before only if something has happened."""
    return {name: part for name, part in value.items() if name not in _MOVES}


def bounded(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value that is not too long; what can be spared is cut from its end, the examples first."""
    value["message"] = _cut(value["message"], MAX_TEXT)
    value["unasked"] = _cut(told(value["unasked"]), _LITTLE) if value["unasked"] else None
    spared = [value["targets"]["sample"], value["waiting"], value["rules"] or [], value["history"]]
    for least in (1, 0):
        while long := len(json.dumps(value)) > MAX_VALUE:
            if (part := next((part for part in spared if len(part) > least), None)) is None:
                break
            part.pop()
        if long:
            value["message"] = _cut(value["message"], _LITTLE)
    return value


def _cut(text: str, longest: int) -> str:
    """Return text whose JSON has so many characters at most, with its lines as they are."""
    kept = text[:longest]
    while len(json.dumps(f"{kept}…")) > longest:
        kept = kept[: len(kept) * 9 // 10]
    return text if kept == text else f"{kept}…"
