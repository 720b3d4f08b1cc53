"""
May the gate open? A policy judges each HEAD answer: done, wait or fail.

The table of docs/answers.rst is this module. There is no way to DONE but through an answer whose state the
policy calls done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.stores import store_of


class Outcome(StrEnum):
    """What an answer, or all answers of a sweep, mean for the gate."""

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

#: Fields that may be None: then the store that answered decides.
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


#: Returns whether a store that replicates by itself may go on with an object that is FAILED or has no status, by the
#: bucket's rules.
Covered = Callable[[ObjectReplication], bool]


def unread(answer: ObjectReplication) -> bool:
    """Take the place of :data:`Covered` where nobody reads the rules: what is FAILED was covered once."""
    return answer.state is ObjectState.FAILED


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """
    What a gate makes of the states for which the author of a DAG may choose.

    :param on_failed: FAILED: ``"fail"``, or ``"wait"`` because somebody repairs it. None fails on S3. On a store that
        tries again by itself, None waits while a rule covers the key, until ``max_pending_age``.
    :param on_none: no status: ``"fail"``, ``"wait"`` or ``"done"``. None fails on S3. On a store that replicates what
        was there before its rule, None waits while a rule covers the key, until ``max_pending_age``.
    :param on_missing: no such object, or no match for a pattern: ``"wait"`` or ``"fail"``.
    :param on_replica: REPLICA: ``"done"`` or ``"fail"``. None is done for objects that are named, and fail for those
        that a pattern matched.
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
        """Return what an answer means where the field of the policy is None."""
        if answer.state is ObjectState.REPLICA:
            return Outcome.FAIL if listed else Outcome.DONE
        waits = may_come(answer) and not self._too_old(answer, now) and covered(answer)
        return Outcome.WAIT if waits else Outcome.FAIL

    def _too_old(self, answer: ObjectReplication, now: datetime) -> bool:
        if self.max_pending_age is None or answer.last_modified is None:
            return False
        return now - answer.last_modified > timedelta(seconds=self.max_pending_age)


def may_come(answer: ObjectReplication) -> bool:
    """Return whether the store may yet replicate an object by itself that Amazon S3 would not."""
    store = store_of(answer.server)
    if answer.state is ObjectState.FAILED:
        return store.repairs_failed
    return answer.state is ObjectState.NONE and store.replicates_existing
