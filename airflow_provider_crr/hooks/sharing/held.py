"""A lock that is waited for no longer than the waiting for AWS may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.s3.ticker import TICK


@contextmanager
def held(lock: Lock) -> Iterator[None]:
    """Hold a lock; wait for it no longer than this thread's guard allows."""
    guard = current()
    while not lock.acquire(timeout=TICK):
        if guard is not None and guard.is_over():
            raise guard.ended("there was a client, which another gate makes")
    try:
        yield
    finally:
        lock.release()
