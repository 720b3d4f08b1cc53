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
        self._about: Any = None
        self._until = 0.0

    @property
    def holds(self) -> bool:
        """Whether it was said lately."""
        return clock() < self._until

    def check(self, about: Any = None) -> None:
        """Raise the refusal again if it was said lately, and about this."""
        error = self._error
        if error is not None and self.holds and self._about == about:
            raise _equal(error)

    def note(self, error: Exception, *, about: Any = None, seconds: float | None = None) -> None:
        """
        Remember a refusal.

        :param error: the refusal.
        :param about: what was refused.
        :param seconds: for how long; None for :data:`REFUSED_FOR`.
        """
        self._error, self._about = _equal(error), about
        self._until = clock() + (REFUSED_FOR if seconds is None else seconds)


def _equal(error: Exception) -> Exception:
    """Return an equal error: if several threads raised the same one, each would add to its traceback."""
    if isinstance(error, CrrError):
        return again(error)
    equal: Exception = type(error).__new__(type(error), *error.args)
    equal.args = error.args
    vars(equal).update(vars(error))
    equal.__cause__ = error.__cause__
    return equal


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
