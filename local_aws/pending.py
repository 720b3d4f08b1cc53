"""
The phase that MiniStack skips: PENDING, between the write and the end of the replication.

MiniStack copies while it answers the PUT, so a HEAD says COMPLETED or FAILED at once. This module shows PENDING
instead, either between ``hold`` and ``release``, or until the object has a certain age. It changes nothing else:
REPLICA and an absent status are shown as they are. The replica itself is not hidden, and can be read at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

Headers = list[tuple[bytes, bytes]]

STATUS_HEADER = b"x-amz-replication-status"
#: The statuses of a replication that has ended.
ENDED = frozenset({b"COMPLETED", b"FAILED"})


@dataclass(slots=True)
class PendingPhase:
    """
    Which objects are still being replicated.

    :param seconds: an object younger than this is PENDING; with 0 only ``hold`` makes it so.
    """

    seconds: float = 0.0
    _words: list[tuple[str, str, bool]] = field(default_factory=list)
    #: When the replication of an object began, if that is not when it was written.
    _begun: dict[tuple[str, str], float] = field(default_factory=dict)

    def hold(self, bucket: str = "", prefix: str = "") -> None:
        """Show as PENDING every key of the bucket that starts with the prefix; an empty bucket means every bucket."""
        self._say(bucket, prefix, held=True)

    def release(self, bucket: str = "", prefix: str = "") -> None:
        """End every hold on keys of the bucket that start with the prefix."""
        self._say(bucket, prefix, held=False)

    def begin(self, bucket: str, key: str) -> None:
        """Let an object be as young as one that is written now: somebody replicates it again."""
        self._begun[bucket, key] = time.time()

    def _say(self, bucket: str, prefix: str, *, held: bool) -> None:
        # The latest command about a key wins, so that one key of a held bucket can be released. Earlier commands about
        # the same keys or fewer can never win again.
        self._words = [word for word in self._words if not _covers(bucket, prefix, word[0], word[1])]
        if held or any(word_held for _, _, word_held in self._words):
            self._words.append((bucket, prefix, held))
        else:
            self._words.clear()

    def holds(self, bucket: str, key: str) -> bool:
        """Return whether the latest command about the key was to hold it."""
        for word_bucket, prefix, held in reversed(self._words):
            if _covers(word_bucket, prefix, bucket, key):
                return held
        return False

    def shown(self, headers: Iterable[tuple[bytes, bytes]], bucket: str, key: str) -> Headers:
        """Return the headers of an answer, with PENDING in place of an ended status if the object is to show it."""
        seen = list(headers)
        lower = {name.lower(): value for name, value in seen}
        if lower.get(STATUS_HEADER) not in ENDED:
            return seen
        if not (self.holds(bucket, key) or self._is_young(bucket, key, lower.get(b"last-modified"))):
            return seen
        return [(name, b"PENDING" if name.lower() == STATUS_HEADER else value) for name, value in seen]

    def _is_young(self, bucket: str, key: str, last_modified: bytes | None) -> bool:
        if not self.seconds or last_modified is None:
            return False
        written = parsedate_to_datetime(last_modified.decode("ascii")).timestamp()
        return time.time() - max(written, self._begun.get((bucket, key), 0)) < self.seconds


def _covers(bucket: str, prefix: str, other_bucket: str, other_prefix: str) -> bool:
    return bucket in ("", other_bucket) and other_prefix.startswith(prefix)
