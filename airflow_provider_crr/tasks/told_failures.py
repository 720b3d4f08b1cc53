"""How a task says that it ends badly: once, loudly, before it fails or is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, TypeVar

from airflow_provider_crr import errors
from airflow_provider_crr.tasks.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

#: Errors that say how a wait ended, after the log has said it. Where they were raised tells nobody anything, so they
#: are raised again where Airflow calls the task: the log then has as few lines below them as can be.
VERDICTS = (AirflowFailException, AirflowSensorTimeout)
T = TypeVar("T", bound="ToldFailures")
R = TypeVar("R")


class ToldFailures:
    """An operator, or a sensor, whose log has each error that ends it. It is a base class before Airflow's own."""

    log: Any
    #: Whether the task is skipped where it would fail; sensors let the author say so.
    never_fail: bool = False
    _last_logged: BaseException | None = None

    def _logged(self, error: Exception) -> Exception:
        """Return an error once the log has it, as lines that people see; not twice."""
        if error is not self._last_logged:
            self._last_logged = error
            lines = error.lines() if isinstance(error, errors.CrrError) else [str(error)]
            with suppress(Exception):  # a log that takes nothing keeps no verdict back
                self.log.error("%s", "\n".join(lines))
        return error

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Skip under never_fail as a poke does: outside of pokes Airflow skips for some errors only, 3.0 for none."""
        try:
            yield
        except (errors.CrrError, AirflowException) as error:
            if self.never_fail and not isinstance(error, AirflowSkipException):
                self._logged(error)
                raise AirflowSkipException(f"Skipping due to never_fail is set to True: {error}") from error
            raise


def telling(execute: Callable[[T, Any], R]) -> Callable[[T, Any], R]:
    """
    Have the log say why a task ends badly, if it ends by an error of this provider.

    :param execute: the method ``execute`` of a :class:`ToldFailures` that does not wait.
    """

    @wraps(execute)
    def told(self: T, context: Any) -> R:
        self._last_logged = None
        try:
            return execute(self, context)
        except VERDICTS as verdict:
            raise self._logged(verdict).with_traceback(None) from verdict.__cause__
        except errors.CrrError as error:
            self._logged(error)
            raise

    return told
