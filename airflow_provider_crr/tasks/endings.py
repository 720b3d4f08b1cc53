"""
What is polled, and how the waiting for it ends: with one of four events, which are plain JSON.

A trigger sends such an event to its task, and a poke on a worker makes the same event for itself. So poke, reschedule
and deferrable runs end alike. Events are built here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Event
from typing import Any, Protocol, runtime_checkable

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.replication.progress import Wait

DONE = "done"
FAILED = "failed"
TIMEOUT = "timeout"
ERROR = "error"
#: Statuses that end a task with an error.
VERDICTS = frozenset({FAILED, TIMEOUT, ERROR})

#: Airflow's own timeout of a deferred task comes so many seconds later than the trigger's, which says what was missing.
GRACE = 30.0

#: Seconds that the one poll of a process may take that begins when the time is up, as where another triggerer takes
#: over. So may the making of its client. Not more: Airflow's own timeout is near, which has no evidence to show.
LATE = 10.0

#: Seconds that the first making of a client may take in any case: not all of it is waiting.
MAKING = 5.0

#: Seconds that any other poll may take, even if it begins when the time is nearly up; and another making of a client.
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
        """Return why the wait can never end well; None if the last poll does not say so."""

    def progress(self) -> str:
        """Return what the last poll showed, in one line or several; numbers that move are in the first two."""

    def warnings(self) -> list[str]:
        """Return what a person should look at in the last poll."""

    def value(self) -> Any:
        """Return what goes to XCom, as far as it is known; never empty of a wait that ended well."""


@runtime_checkable
class Spender(Protocol):
    """A poller whose polls cost something."""

    def used_up(self) -> str | None:
        """Return why no further poll can ask for anything; None if one can."""

    def cost(self) -> str | None:
        """Return what the wait has cost so far, if the log is to say so now; the next call says it no more."""


@runtime_checkable
class Witness(Protocol):
    """A poller that leaves evidence behind once it has failed."""

    def leave(self) -> None:
        """Leave it. This may take a while, and raises nothing; message and value tell of it afterwards."""


@runtime_checkable
class Standing(Protocol):
    """A poller that knows whether a poll has shown something new."""

    def standing(self) -> Hashable:
        """Return what is equal for two polls if the second has shown nothing new, though ages differ."""


@runtime_checkable
class Shown(Protocol):
    """A poller at which people can look while it waits."""

    def shown(self, wait: Wait) -> dict[str, Any]:
        """
        Return how far it is, as plain JSON in the form of :mod:`airflow_provider_crr.replication.progress`.

        :param wait: what whoever polls knows of the wait.
        """


def tell_cost(poller: Poller | None, log: Any) -> None:
    """
    Write to a log what the wait has cost, if it is time for that. A poll that could not ask may have cost something.

    :param poller: what was polled; None if there is nothing to poll yet.
    :param log: the logger of the task or the trigger.
    """
    cost = poller.cost() if isinstance(poller, Spender) else None
    if cost:
        log.info(cost)


def done(message: str, value: Any) -> dict[str, Any]:
    """Return the event of a wait that ended well, with the value for XCom."""
    return {"status": DONE, "message": message, "value": value}


def failed(message: str, value: Any) -> dict[str, Any]:
    """Return the event of a wait that can never end well."""
    return {"status": FAILED, "message": message, "value": value}


def ended(poller: Poller) -> dict[str, Any]:
    """
    Return the event of a wait that is decided.

    :param poller: what was waited for; its last poll decided it.
    """
    why = poller.failure()
    return done(poller.progress(), poller.value()) if why is None else failed(why, poller.value())


def with_evidence(poller: Poller | None, event: dict[str, Any] | None) -> dict[str, Any] | None:
    """
    Return an event; that of a failure once the poller has left its evidence behind.

    :param poller: what was polled.
    :param event: what :func:`after` returned.
    """
    if event is None or event["status"] != FAILED or not isinstance(poller, Witness):
        return event
    poller.leave()
    return ended(poller)


def after(poller: Poller | None, *, decided: bool, unasked: CrrError | None = None) -> dict[str, Any] | None:
    """
    Return the event that a poll leads to; None if another poll follows.

    :param poller: what was polled; None if there is nothing to poll yet.
    :param decided: what its poll returned; false if it could not ask.
    :param unasked: why it could not ask; None if it could.
    """
    if poller is None:
        return None
    if decided:
        return ended(poller)
    used_up = poller.used_up() if isinstance(poller, Spender) else None
    if not used_up:
        return None
    return {"status": TIMEOUT, "message": f"{used_up}: {poller.progress()}{_why(unasked)}", "value": poller.value()}


def timed_out(poller: Poller | None, waited: str, unasked: CrrError | None = None) -> dict[str, Any]:
    """
    Return the event of a wait whose time is up.

    :param poller: what was waited for; None if it could never be asked.
    :param waited: the time waited, in words.
    :param unasked: why the last poll could not ask; None if it could.
    """
    progress = f": {poller.progress()}" if poller else ""
    return {
        "status": TIMEOUT,
        "message": f"waited {waited}, the whole timeout{progress}{_why(unasked)}",
        "value": poller.value() if poller else None,
    }


def _why(unasked: CrrError | None) -> str:
    return f"\nAt last S3 could not be asked: {unasked}" if unasked else ""


def goes_on(error: CrrError, *, silent_fail: bool) -> bool:
    """
    Return whether a wait goes on after a poll that could not ask.

    What passes by itself is waited out, until the deadline. What lasts ends the wait with its error, and the task's
    retries apply.

    :param error: what kept the poll from asking.
    :param silent_fail: whether the user wants to wait out every such error.
    """
    return silent_fail or error.passing


def could_not_ask(error: CrrError) -> dict[str, Any]:
    """Return the event of a wait that could not ask."""
    return {"status": ERROR, "message": str(error), "error": error.to_dict()}
