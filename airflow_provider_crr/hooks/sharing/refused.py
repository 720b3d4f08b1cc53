"""Refusals that a process remembers for some seconds, so that a thousand gates do not ask a thousand times."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_crr.errors import CrrError, again

#: Seconds for which a refusal is remembered.
REFUSED_FOR = 10.0

#: Tells the time; tests move it.
clock: Callable[[], float] = time.monotonic


class Refused:
    """The last refusal of one kind."""

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._until = 0.0

    @property
    def holds(self) -> bool:
        """Whether it was said lately."""
        return clock() < self._until

    def check(self) -> None:
        """Raise the refusal again if it was said lately."""
        error = self._error
        if error is not None and self.holds:
            raise again(error) if isinstance(error, CrrError) else error.with_traceback(None)

    def note(self, error: Exception) -> None:
        """Remember a refusal."""
        self._error, self._until = again(error) if isinstance(error, CrrError) else error, clock() + REFUSED_FOR


def renew_patiently(credentials: Any) -> None:
    """
    Keep credentials from being renewed again soon after that was refused.

    :param credentials: botocore's; whatever is not renewed stays as it is.
    """
    renew: Callable[[], Any] | None = getattr(credentials, "_refresh_using", None)
    if renew is None:
        return
    refused = Refused()

    def patient() -> Any:
        refused.check()
        try:
            return renew()
        except Exception as error:
            refused.note(error)
            raise

    credentials._refresh_using = patient
