"""
What a worker has found of a gate, for the triggerer that goes on with it: in the trigger's kwargs, bounded in size.

It saves requests, and nothing else. What cannot be read, or is of another question, is asked anew. It opens no gate:
text that leaves nothing to ask is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
    """

    def __init__(self, stored: Mapping[str, Any] | None = None, *, head_requests: int = 0, unanswered: int = 0) -> None:
        self._stored = stored
        self._question: Question | None = None
        self._known = Checkpoint(head_requests=head_requests, unanswered=unanswered)

    @property
    def counts(self) -> dict[str, int]:
        """The HEADs so far, as keyword arguments of the next handover."""
        return {"head_requests": self._known.head_requests, "unanswered": self._known.unanswered}

    def load(self, question: Question) -> Checkpoint:
        """Return what is known of a question; :meth:`save` is for the same question from then on."""
        self._question = question
        before = self._known
        if self._stored is not None:
            try:
                self._known = self._read(self._stored, question)
            except Exception as error:  # of whatever is stored there
                log.warning("cannot read what the worker found, asking anew: %s", short(error))
        self._known.head_requests, self._known.unanswered = before.head_requests, before.unanswered
        return self._known

    def save(self, known: Checkpoint, *, waits: bool = True) -> None:
        """
        Remember what is known, for :meth:`to_stored`.

        :param known: what is known.
        :param waits: not used: whoever hands over knows that the gate waits.
        """
        self._known = known

    def forget(self) -> None:
        """Do nothing: a gate that is open is not handed over."""

    def to_stored(self, room: int) -> dict[str, Any] | None:
        """
        Return what is known as plain JSON, as far as it fits; None if nothing is known, or nothing fits.

        :param room: most characters of its JSON text.
        """
        if self._question is None:
            return None
        try:
            text = to_text(
                self._known, self._question.targets, room - _AROUND, all_pinned=True, unfit_level=logging.INFO
            )
        except InvalidArgument:  # half of them would be worse than none: one data set of two moments
            log.warning(
                "the versions that answered first are too many to hand over: the triggerer takes the current ones"
            )
            return None
        if text in ("", NOTHING):
            return None
        head = {"schema": SCHEMA, "question": self._question.fingerprint()}
        return {**head, "digest": digest(head, text), "text": text}

    @staticmethod
    def _read(stored: Mapping[str, Any], question: Question) -> Checkpoint:
        head, text = {name: stored[name] for name in ("schema", "question")}, stored["text"]
        if head["schema"] != SCHEMA:
            raise ValueError(f"it is of schema {head['schema']!r}, and this release knows {SCHEMA}")
        if stored["digest"] != digest(head, text):
            raise ValueError("its parts do not fit together")
        if head["question"] != question.fingerprint():
            log.info("what the worker found is of other arguments or another connection, asking anew")
            return Checkpoint()
        known = from_text(text, question.targets, question.done_states())
        count = sum(map(len, known.done.values())) + len(known.listed)
        log.info("done in the worker's poll, and not asked again: %s objects", humanize.count(count))
        return known
