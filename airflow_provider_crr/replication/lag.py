"""
How long replication takes, as a gate measures it: of the objects that it saw PENDING and later COMPLETED.

The lag of an object is the time from its Last-Modified to the answer that said COMPLETED, by the clock of S3. It may be
too long by the time since the gate last saw the object PENDING: the replica was there at some moment in between.
"""

from __future__ import annotations

import base64
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from math import ceil
from random import Random
from statistics import median
from typing import Any

from airflow_provider_crr.replication.status import ObjectReplication, ObjectState

#: Most objects that are remembered as PENDING, with 8 bytes each. What is PENDING beyond them is not measured.
MAX_PENDING = 1_000_000
#: Most lags of which median and p95 are made. Of more, this many are drawn at random (a reservoir); number, longest lag
#: and error count all of them.
MAX_LAGS = 1_000
#: The same for what is handed on to another process.
_STORED_PENDING, _STORED_LAGS = 200, 200
_MARK = 8


class Lags:
    """
    The lags of one gate.

    An object is known by bucket, key, version, ETag and Last-Modified. So one that is overwritten while it is PENDING
    counts only if the new one was seen PENDING, too.

    :param clock: returns the current time, UTC.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        # What was PENDING when it was last asked for, sorted, and which of it was counted since.
        self._pending = array("Q")
        self._counted = bytearray()
        self._seen_at: datetime | None = None
        #: Whether everything that was last modified before then was PENDING, too; set only by what was handed over.
        self._all_before: datetime | None = None
        self._counted_of_all: set[int] = set()
        # The same of the collect that is under way.
        self._found = array("Q")
        self._began: datetime | None = None
        self._ended = False
        self._all_wait = False
        self._lags: list[float] = []
        self._objects = 0
        self._longest = self._error = 0.0
        self._draw = Random(0)  # noqa: S311  a sample, and no secret

    def begin(self, now: datetime) -> None:
        """
        Note that all unfinished objects are asked for once more.

        :param now: by the clock.
        """
        found: Iterable[int] = self._found
        if self._ended:
            self._seen_at, self._all_before = self._began, None
            self._counted_of_all.clear()
        else:  # the collect before was cut off: what it did not ask for was seen before that
            found = {*found, *(mark for mark, counted in zip(self._pending, self._counted, strict=True) if not counted)}
            self._seen_at = self._seen_at or self._began
        self._pending = array("Q", sorted(found))
        self._counted = bytearray(len(self._pending))
        self._found, self._began, self._ended = array("Q"), now, False

    def note(self, answer: ObjectReplication) -> None:
        """Note one answer."""
        if answer.last_modified is None:
            return
        if answer.state is ObjectState.PENDING and len(self._found) < MAX_PENDING:
            self._found.append(_mark(answer))
        elif answer.state is ObjectState.COMPLETED and self._seen_at is not None and self._was_pending(answer):
            now = self._clock()
            seconds = ((answer.answered_at or now) - answer.last_modified).total_seconds()
            self._count(max(0.0, seconds), (now - self._seen_at).total_seconds())

    def end(self, *, all_wait: bool) -> None:
        """
        Note that all unfinished objects were asked for.

        :param all_wait: whether all that is not done is PENDING.
        """
        self._ended, self._all_wait = True, all_wait

    def summary(self) -> dict[str, Any] | None:
        """
        Return the lags in seconds; None if no object was measured.

        :return: ``{"median", "p95", "max", "objects", "error"}``. ``error`` is the longest time between the sweeps
            around it: so much too long a lag may be.
        """
        if not self._objects:
            return None
        lags = sorted(self._lags)
        return {
            "median": round(median(lags), 1),
            "p95": round(lags[ceil(len(lags) * 0.95) - 1], 1),
            "max": round(self._longest, 1),
            "objects": self._objects,
            "error": round(self._error, 1),
        }

    def to_stored(self) -> dict[str, Any]:
        """
        Return what the next process needs, as plain JSON of some 3,500 characters at most.

        Of very many objects that are PENDING only "all of them" can be told, if it is true. Of many lags a part is
        told, as evenly spread as they are.
        """
        stored: dict[str, Any] = {}
        if self._ended and self._began is not None and self._found:
            stored["seen_at"] = self._began.isoformat()
            if len(self._found) <= _STORED_PENDING:
                stored["pending"] = base64.b85encode(
                    b"".join(mark.to_bytes(_MARK, "big") for mark in self._found)
                ).decode()
            else:
                stored["all"] = self._all_wait
        if self._objects:
            lags = sorted(self._lags)
            few = min(len(lags), _STORED_LAGS)
            stored["lags"] = [round(lags[(2 * place + 1) * len(lags) // (2 * few)], 1) for place in range(few)]
            stored |= {"objects": self._objects, "longest": self._longest, "error": self._error}
        return stored

    def recall(self, stored: Mapping[str, Any]) -> None:
        """
        Go on from what an earlier process stored. Any other value raises an error of some kind.

        :param stored: what :meth:`to_stored` returned.
        """
        if "seen_at" in stored:
            seen_at = datetime.fromisoformat(stored["seen_at"]).astimezone(UTC)
            marks = base64.b85decode(stored.get("pending", ""))
            self._found = array(
                "Q", (int.from_bytes(marks[at : at + _MARK], "big") for at in range(0, len(marks), _MARK))
            )
            self._began = self._seen_at = seen_at
            self._all_before = seen_at if stored.get("all") is True else None
        if "objects" in stored:
            self._lags = [float(lag) for lag in stored["lags"]][:MAX_LAGS]
            self._longest, self._error = float(stored["longest"]), float(stored["error"])
            self._objects = int(stored["objects"]) if self._lags else 0

    def _was_pending(self, answer: ObjectReplication) -> bool:
        """Return whether an object that is COMPLETED was PENDING before; once for each."""
        if not self._pending and self._all_before is None:
            return False
        mark = _mark(answer)
        if self._all_before is not None and answer.last_modified is not None:
            if answer.last_modified > self._all_before or mark in self._counted_of_all:
                return False
            self._counted_of_all.add(mark)
            return True
        place = bisect_left(self._pending, mark)
        if place == len(self._pending) or self._pending[place] != mark or self._counted[place]:
            return False
        self._counted[place] = True
        return True

    def _count(self, lag: float, error: float) -> None:
        self._objects += 1
        self._longest, self._error = max(self._longest, lag), max(self._error, error)
        if len(self._lags) < MAX_LAGS:
            self._lags.append(lag)
        elif (place := self._draw.randrange(self._objects)) < MAX_LAGS:
            self._lags[place] = lag


def _mark(answer: ObjectReplication) -> int:
    obj, written = answer.object, answer.last_modified
    parts = (obj.bucket, obj.key, answer.version_id or obj.version_id or "", answer.etag or "", str(written))
    return int.from_bytes(sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:_MARK], "big")
