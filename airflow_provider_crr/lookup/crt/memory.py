"""
Notices headers that never end, which the runtime cannot count.

The runtime collects the headers of an answer until they end, and shows nothing before. But a process that grows by
megabytes while it waits for a few hundred bytes is being flooded. The objects that are waited for are then asked for
through boto3, which counts (:data:`.http_answers.MAX_HEAD`). Where the process grew for another reason, they are only
asked for twice.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

#: Bytes by which a process may grow while an answer is under way.
MAX_GROWTH = 32 * 1024 * 1024
#: Seconds between two measurements.
LOOKS = 0.01
_STATM = Path("/proc/self/statm")


class Growth:
    """How much this process has grown while it waited for answers."""

    def __init__(self) -> None:
        self._looked_at = self._level_at = float("-inf")
        self._level = 0

    def since(self, oldest: float | None) -> float:
        """
        Return since when this process has grown too much; minus infinity if it has not.

        :param oldest: when the oldest question that is under way was sent, by ``time.monotonic``; None if none is.
        """
        now = time.monotonic()
        if oldest is None or now - self._looked_at < LOOKS:
            return float("-inf")
        self._looked_at, resident = now, _resident()
        if oldest >= self._level_at:  # all that is under way was sent after the level was taken
            self._level_at, self._level = now, resident
        if resident - self._level <= MAX_GROWTH:
            return float("-inf")
        since, self._level_at, self._level = self._level_at, now, resident
        return since


def _resident() -> int:
    """Return how many bytes of memory this process has, or the most that it ever had if the system tells only that."""
    with suppress(OSError, ValueError, IndexError):
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
