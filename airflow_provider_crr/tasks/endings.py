"""
What sensors and triggers share: something to poll, and how waiting ends, as plain JSON.

A trigger sends one of these events to its task, and a poke hands the same event to itself, so that poke,
reschedule and deferrable runs end alike. Events are built here and nowhere else.
"""

from __future__ import annotations

from threading import Event
from typing import Any, Protocol

from airflow_provider_crr.errors import CrrError

DONE = "done"
FAILED = "failed"
TIMEOUT = "timeout"
ERROR = "error"
#: Those that end a task with an error of their own.
VERDICTS = frozenset({FAILED, TIMEOUT, ERROR})

#: Seconds that the making of a client may take in any case, and the one look that a process begins when the time is up,
#: as when another triggerer takes over: Airflow's own timeout is near, which has no evidence to show.
LATE = 10.0

#: Seconds that a look at S3 may take in any case, also one that begins when the time is nearly up.
LEAST = 2.0


class Poller(Protocol):
    """A question that is asked until it is decided."""

    def poll(self, stop: Event | None = None) -> bool:
        """
        Ask once; return whether that decided it.

        :param stop: set by another thread to end the asking early, with an error.
        :raises CrrError: if it could not ask; :func:`goes_on` says what follows.
        """

    def failure(self) -> str | None:
        """Return why the wait can never be over, as the last poll found it; None if it can, or is."""

    def progress(self) -> str:
        """Return one line about the last poll, for the log."""

    def warnings(self) -> list[str]:
        """Return what a person should look at in the last poll."""

    def value(self) -> Any:
        """Return what goes to XCom, as far as it is known."""


def done(message: str, value: Any) -> dict[str, Any]:
    """Return the event of a wait that is over, with the value for XCom."""
    return {"status": DONE, "message": message, "value": value}


def failed(message: str, value: Any) -> dict[str, Any]:
    """Return the event of a wait that can never be over."""
    return {"status": FAILED, "message": message, "value": value}


def ended(poller: Poller) -> dict[str, Any]:
    """
    Return the event of a wait that is decided.

    :param poller: what was waited for; its last poll decided it.
    """
    why = poller.failure()
    return done(poller.progress(), poller.value()) if why is None else failed(why, poller.value())


def timed_out(poller: Poller | None, waited: str, unasked: CrrError | None = None) -> dict[str, Any]:
    """
    Return the event of a wait whose time is up.

    :param poller: what was waited for; None if it could never be asked.
    :param waited: the time waited, in words.
    :param unasked: why the last poll could not ask; None if it could.
    """
    found = f": {poller.progress()}" if poller else ""
    why = f". At last S3 could not be asked: {unasked}" if unasked else ""
    return {
        "status": TIMEOUT,
        "message": f"waited {waited}, the whole timeout{found}{why}",
        "value": poller.value() if poller else None,
    }


def goes_on(error: CrrError, *, silent_fail: bool) -> bool:
    """
    Return whether a wait goes on after a poll that could not ask.

    What passes by itself is waited out, to the deadline; what lasts ends the wait with its error, and retries apply.

    :param error: what kept the poll from asking.
    :param silent_fail: whether the user wants to wait out whatever it is.
    """
    return silent_fail or getattr(error, "passing", False)


def could_not_ask(error: CrrError) -> dict[str, Any]:
    """Return the event of a wait that could not ask."""
    return {"status": ERROR, "message": str(error), "error": error.to_dict()}
