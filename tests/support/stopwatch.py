"""Bounds of time in tests: as strict as they are written on a free machine, and fair on a busy one."""

from __future__ import annotations

import time
from pathlib import Path

#: Where Linux counts the time in which something waited for a processor, for memory or for a disk.
#: https://docs.kernel.org/accounting/psi.html
_PRESSURE = [Path("/proc/pressure", name) for name in ("cpu", "memory", "io")]


#: Most of the time that is left out: what hangs for minutes is too late on the busiest machine.
_MOST = 0.8


def _waited() -> list[float]:
    """Return for each resource the seconds, since the machine started, in which something waited for it."""
    totals = []
    for path in _PRESSURE:
        try:
            some = path.read_text().splitlines()[0]
        except OSError:  # nobody counts
            some = "total=0"
        totals.append(int(some.rpartition("total=")[2]) / 1e6)
    return totals


class Stopwatch:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited()

    def elapsed(self) -> float:
        """Return the seconds on the clock, for a bound from below."""
        return time.monotonic() - self._began

    def seconds(self) -> float:
        """Return the seconds in which the machine was free, at least a fifth of all, for a bound from above."""
        elapsed = self.elapsed()
        # Not their sum: the same second may be short of several.
        busy = max(after - before for after, before in zip(_waited(), self._waited, strict=True))
        return elapsed - min(busy, _MOST * elapsed)
