"""What the garbage collection of this process need not look through again."""

from __future__ import annotations

import gc

from airflow_provider_crr.s3.fork_lock import ForkLock

_LOCK = ForkLock()
_frozen = False


def freeze() -> None:
    """
    Keep the garbage collection from looking again and again through all that is there now; once in a process.

    A client is made of many objects, which set it off; and while it looks through all of Airflow, no gate goes on. What
    is garbage already is released before: once it is frozen, it never would be.
    """
    global _frozen
    with _LOCK:
        if not _frozen:
            _frozen = True
            gc.collect()
            gc.freeze()
