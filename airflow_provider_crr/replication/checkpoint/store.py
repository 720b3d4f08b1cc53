"""
What a gate keeps between its processes: one record, in a store of Airflow's that holds small values under keys.

If the store fails, or the record cannot be read, the gate asks for all again: that neither fails the gate nor opens it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from airflow_provider_crr.replication.checkpoint.packed import NOTHING, digest, from_text, short, to_text
from airflow_provider_crr.replication.checkpoint.value import Checkpoint, Question
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.text import humanize

log = logging.getLogger(__name__)

#: Increased when the record or its text changes its meaning.
SCHEMA = 1

#: Key of the record. What does not fit into one value goes to this key with ``_1``, ``_2`` and so on at its end.
KEY = "crr_checkpoint"

#: Characters of text in one value. Airflow's task state store warns of values above 65,535 bytes.
MAX_PART = 60_000
MAX_PARTS = 16
MAX_TEXT = MAX_PART * MAX_PARTS


class Store(Protocol):
    """Where values of plain JSON are kept; Airflow's task state store is one."""

    def get(self, key: str) -> Any:
        """Return a value, or None if there is none."""

    def set(self, key: str, value: Any) -> None:
        """Write a value."""

    def delete(self, key: str) -> None:
        """Delete a value, if there is one."""


class Kept:
    """
    The record of one task instance.

    :param store: where it is kept.
    :param round: changes when the user clears the task, and so asks again.
    :param each_poll: write it at each poll, because every poll is a process of its own; else only when more is known.
    :param later: called with what is to be done once the result of the gate is stored: until then the next try may
        need the record. None to do it at once.
    """

    def __init__(
        self,
        store: Store,
        round: str,
        *,
        each_poll: bool = False,
        later: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._store = store
        self._round = round
        self._each_poll = each_poll
        self._later = later
        self._targets = Targets()
        self._question = ""
        self._pin_versions = False
        self._text = NOTHING  # what the next process would read; "" if that is not known
        self._count = MAX_PARTS  # of values that there may be

    def load(self, question: Question) -> Checkpoint | None:
        """
        Return what is kept of a question; :meth:`save` is for the same question from then on.

        :return: None if nothing is kept, or it cannot be read.
        """
        self._targets, self._question = question.targets, question.fingerprint()
        self._pin_versions = question.pin_versions
        try:
            head = self._store.get(KEY)
            if head is None:
                self._count = 0
                return None
            return self._known(question, head, self._whole(head))
        except Exception as error:  # of the store, or of whatever it holds
            log.warning("cannot read what was kept of earlier polls, asking for all again: %s", short(error))
            return None

    def save(self, known: Checkpoint, *, waits: bool = True, failed: bool = False) -> None:
        """
        Keep what is known.

        :param known: what is known; if that does not fit, what was kept before stays.
        :param waits: whether the gate waits for another poll.
        :param failed: whether the gate has failed: its verdict stands, also when the store takes longer than the task
            may, and Airflow's execution_timeout comes.
        :raises InvalidArgument: if each poll is a process of its own, and the next would not know the pinned versions.
        """
        whole = self._pin_versions and self._each_poll and waits
        text = to_text(known, self._targets, MAX_TEXT, whole=whole)
        if not text or (text == self._text and not self._each_poll):
            return
        parts, before = _split(text), _split(self._text)
        head = {
            "schema": SCHEMA,
            "question": self._question,
            "round": self._round,
            "started_at": known.started_at.isoformat() if known.started_at else None,
            "head_requests": known.head_requests,
            "unanswered": known.unanswered,
            "hours_told": known.hours_told,
            "seen": known.seen,
            "parts": len(parts),
        }
        self._text, self._count = "", max(self._count, len(parts))
        try:
            # The head is written last: until then the parts do not fit the digest in the old one.
            for number in range(1, len(parts)):
                if before[number : number + 1] != parts[number : number + 1]:
                    self._store.set(_key(number), parts[number])
            self._store.set(KEY, {**head, "digest": _digest(head, text), "text": parts[0]})
            self._text = text
        except BaseException as error:
            if not (failed or isinstance(error, Exception)):
                raise
            log.warning("cannot keep what is finished, the next process may ask for all again: %s", short(error))

    def forget(self) -> None:
        """Delete the record, as soon as no other try can need it."""
        if self._later:
            self._later(self._delete)
        else:
            self._delete()

    def _delete(self) -> None:
        try:
            for number in range(self._count):
                self._store.delete(_key(number))
        except Exception as error:
            log.warning("cannot delete what was kept of earlier polls: %s", short(error))
        self._text, self._count = NOTHING, 0

    def _whole(self, head: Any) -> str:
        if head["schema"] != SCHEMA:
            raise ValueError(f"it is of schema {head['schema']!r}, and this release knows {SCHEMA}")
        count = head["parts"]
        if type(count) is not int or not 1 <= count <= MAX_PARTS:
            raise ValueError(f"it is in {count!r} parts")
        text = "".join([head["text"], *(self._store.get(_key(number)) for number in range(1, count))])
        if head["digest"] != _digest(head, text):
            raise ValueError("its parts do not fit together")
        self._count = count
        return text

    def _known(self, question: Question, head: dict[str, Any], text: str) -> Checkpoint | None:
        if head["question"] != self._question:
            log.info("what was kept of earlier polls is of other arguments or another connection, asking for all again")
            if head["round"] != self._round:
                return None
            self._text = ""
            return _spent(Checkpoint(), head)  # whatever was asked, it was sent in this round
        known = from_text(text, question.targets, question.done_states())
        if head["round"] == self._round:
            _spent(known, head)
            known.seen = head.get("seen")
            known.started_at = datetime.fromisoformat(head["started_at"]) if head["started_at"] else None
            self._text = text
        else:
            known = known.lasting(pin_versions=question.pin_versions)
            self._text = ""
        count = sum(map(len, known.done.values())) + len(known.listed)
        if count:
            log.info("done in an earlier poll or try, and not asked again: %s objects", humanize.count(count))
        return known


def _spent(known: Checkpoint, head: dict[str, Any]) -> Checkpoint:
    known.head_requests = head["head_requests"]
    known.unanswered, known.hours_told = head.get("unanswered", 0), head.get("hours_told")
    return known


def _split(text: str) -> list[str]:
    return [text[start : start + MAX_PART] for start in range(0, len(text), MAX_PART)]


def _digest(head: dict[str, Any], text: str) -> str:
    return digest({name: value for name, value in head.items() if name not in ("digest", "text")}, text)


def _key(number: int) -> str:
    return f"{KEY}_{number}" if number else KEY
