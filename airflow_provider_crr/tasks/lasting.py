"""Errors that no retry can help, raised so that Airflow knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_crr import errors, failures
from airflow_provider_crr.errors import CrrError


def for_good(error: CrrError) -> CrrError:
    """
    Return what a task raises in the place of an error: one that no retry follows, if none could help.

    :param error: an error of this provider. Whoever catches its class also catches what is returned.
    """
    if type(error) is not errors.ReplicationStatusMissing:
        return error
    known = failures.ReplicationStatusMissing(error.message, uri=error.uri, remedy=error.remedy)
    known.__cause__ = error.__cause__
    return known


@contextmanager
def lasting() -> Iterator[None]:
    """Raise what is raised inside the block as :func:`for_good` does."""
    try:
        yield
    except CrrError as error:
        known = for_good(error)
        if known is error:
            raise
        raise known from error.__cause__  # the error itself says the same
