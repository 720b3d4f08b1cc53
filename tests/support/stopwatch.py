"""Bounds of time in tests: as strict as they are written on a free machine, and fair on a busy one."""

from __future__ import annotations

import time
from pathlib import Path

#: Where Linux counts the time in which something waited for a processor, for memory or for a disk.
#: https://docs.kernel.org/accounting/psi.html
_PRESSURE = [Path("/proc/pressure", name) for name in ("cpu", "memory", "io")]


def _waited() -> float:
    """Return the seconds, since the machine started, in which something on it had to wait; 0 where nobody counts."""
    total = 0
    for path in _PRESSURE:
        try:
            some = path.read_text().splitlines()[0]
        except OSError:
            continue
        total += int(some.rpartition("total=")[2])
    return total / 1e6


class Stopwatch:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited()

    def elapsed(self) -> float:
        """Return the seconds on the clock, for a bound from below."""
        return time.monotonic() - self._began

    def seconds(self) -> float:
        """Return the seconds in which the machine was free, for a bound from above."""
        return self.elapsed() - (_waited() - self._waited)
