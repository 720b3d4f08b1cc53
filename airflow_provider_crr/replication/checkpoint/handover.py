"""
What a worker has found of a gate, for the triggerer that goes on with it: in the trigger's kwargs, bounded in size.

It saves requests, and nothing else. What cannot be read, or is of another question, is asked again. It opens no gate:
text that leaves nothing to ask is refused.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.checkpoint.packed import NOTHING, digest, from_text, short, to_text
from airflow_provider_crr.replication.checkpoint.value import Checkpoint, Question
from airflow_provider_crr.text import humanize

log = logging.getLogger(__name__)

#: Increased when the stored form or its text changes its meaning.
SCHEMA = 1

#: Characters that are for the stored form around its text.
_AROUND = 250


class Handover:
    """
    The record of a gate that begins in one process and goes on in another; a :class:`.Record`.

    :param stored: what :meth:`to_stored` returned in the process before; None if there was none.
    :param head_requests: how many HEADs were answered until then.
    :param unanswered: how many more were sent.
    :param carried: the same of an earlier poller of this process, which knows more.
    :param hours_told: after how many hours the log last said what the wait has cost; None if that is not known.
    :param seen: the ``seen`` of :meth:`to_kwargs` of the process before; None if there was none.
    :param fresh: whether that process has asked just now. What it saw PENDING long ago says nothing of how long
        replication takes: it may have been COMPLETED for as long.
    """

    def __init__(
        self,
        stored: Mapping[str, Any] | None = None,
        *,
        head_requests: int = 0,
        unanswered: int = 0,
        hours_told: int | None = None,
        carried: Mapping[str, Any] | None = None,
        seen: str | None = None,
        fresh: bool = True,
    ) -> None:
        self._stored = stored
        self._carried = carried
        self._question: Question | None = None
        self._known = Checkpoint(
            head_requests=head_requests, unanswered=unanswered, hours_told=hours_told, seen=_seen(seen, fresh)
        )

    def to_kwargs(self, room: int) -> dict[str, Any]:
        """
        Return what is known as keyword arguments of the trigger that goes on, as far as they fit.

        :param room: most characters of the JSON text of ``known`` and ``seen`` together.
        """
        known = self.to_stored(room)
        return {"known": known, "seen": self._seen_text(room - len(json.dumps(known))), **self.counts}

    @property
    def counts(self) -> dict[str, Any]:
        """The HEADs so far, as keyword arguments of the next handover."""
        return {"head_requests": self._known.head_requests, "unanswered": self._known.unanswered}

    def load(self, question: Question) -> Checkpoint:
        """Return what is known of a question; :meth:`save` is for the same question from then on."""
        self._question = question
        before = self._known
        known = self._found(self._carried, question) or self._found(self._stored, question) or before
        self._known = replace(
            known,
            head_requests=before.head_requests,
            unanswered=before.unanswered,
            hours_told=before.hours_told,
            seen=before.seen,
        )
        return self._known

    def save(self, known: Checkpoint, *, waits: bool = True, failed: bool = False) -> None:
        """
        Remember what is known, for :meth:`to_stored`.

        :param known: what is known.
        :param waits: not used: whoever hands over knows that the gate waits.
        :param failed: not used, either.
        """
        self._known = known

    def forget(self) -> None:
        """Do nothing: a gate that is open is not handed over."""

    def next(self) -> Handover:
        """
        Return the record for another poller of this process, such as with other credentials.

        What this one knows is used only if the question is the same: by the same connection, at the same endpoint.
        """
        carried = self.to_stored(sys.maxsize) or self._carried
        seen = self._seen_text(sys.maxsize)
        return Handover(self._stored, **self.counts, hours_told=self._known.hours_told, carried=carried, seen=seen)

    def _seen_text(self, room: int) -> str | None:
        """Return what people are shown so far as text, because Airflow 3.0 makes much more of nested values."""
        text = json.dumps(self._known.seen) if self._known.seen else ""
        return text if 0 < len(text) <= room else None

    def to_stored(self, room: int) -> dict[str, Any] | None:
        """
        Return what is known as plain JSON, as far as it fits; None if nothing is known, or nothing fits.

        :param room: most characters of its JSON text.
        """
        known, question = self._known, self._question
        if question is None or not (
            known.done or known.listed or set(known.pinned).difference(question.targets.objects)
        ):
            return None
        room, pins = max(0, room - _AROUND), question.pin_versions
        try:
            text = to_text(known, question.targets, room, whole=pins, unfit_level=logging.INFO)
        except InvalidArgument:  # half of them would be worse than none: one data set of two moments
            log.warning(
                "the versions that answered first are too many to hand over: the triggerer takes the current ones"
            )
            return None
        if text in ("", NOTHING):
            return None
        head = {"schema": SCHEMA, "question": question.fingerprint()}
        return {**head, "digest": digest(head, text), "text": text}

    @staticmethod
    def _found(stored: Mapping[str, Any] | None, question: Question) -> Checkpoint | None:
        """Return what is stored of a question; None if there is nothing, or it cannot be read."""
        try:
            return None if stored is None else _read(stored, question)
        except Exception as error:  # of whatever is stored there
            log.warning("cannot read what the worker found, asking for all again: %s", short(error))
            return None


def _seen(text: str | None, fresh: bool) -> Mapping[str, Any] | None:
    with suppress(Exception):  # of whatever is stored there; nothing depends on it
        return {name: part for name, part in json.loads(text or "{}").items() if fresh or name != "lags"}
    return None


def _read(stored: Mapping[str, Any], question: Question) -> Checkpoint | None:
    head, text = {name: stored[name] for name in ("schema", "question")}, stored["text"]
    if head["schema"] != SCHEMA:
        raise ValueError(f"it is of schema {head['schema']!r}, and this release knows {SCHEMA}")
    if stored["digest"] != digest(head, text):
        raise ValueError("its parts do not fit together")
    if head["question"] != question.fingerprint():
        log.info("what the worker found is of other arguments or another connection, asking for all again")
        return None
    known = from_text(text, question.targets, question.done_states())
    count = sum(map(len, known.done.values())) + len(known.listed)
    if count:
        log.info("done in the worker's poll, and not asked again: %s objects", humanize.count(count))
    return known
