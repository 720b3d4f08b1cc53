"""The value of a repair, and a repair that is decided before there is a job."""

from __future__ import annotations

from threading import Event
from typing import Any

from airflow_provider_crr.text import humanize


def found(**known: Any) -> dict[str, Any]:
    """Return what goes to XCom, with what is known of it."""
    return {
        "job_id": None,
        "status": None,
        "total": None,
        "succeeded": 0,
        "failed": 0,
        "failure_codes": {},
        "manifest": None,
        "completion_report": None,
        "verified": {},
        "price_usd": None,
        **known,
    }


class Settled:
    """
    A repair that is decided before there is a job.

    :param message: what was decided, one line.
    :param value: what goes to XCom.
    :param failed: whether the task fails for it.
    """

    def __init__(self, message: str, value: dict[str, Any], *, failed: bool = False) -> None:
        self._message = message
        self._value = value
        self._failed = failed

    def poll(self, stop: Event | None = None) -> bool:
        """Return that it is decided."""
        return True

    def failure(self) -> str | None:
        """Return why it fails, None if it does not."""
        return self._message if self._failed else None

    def progress(self) -> str:
        """Return what was decided."""
        return self._message

    def warnings(self) -> list[str]:
        """Return none."""
        return []

    def value(self) -> dict[str, Any]:
        """Return what goes to XCom."""
        return self._value


def too_many(objects: int, max_objects: int, subject: str) -> str:
    """Return the message for more objects than are allowed."""
    return (
        f"{subject}: there are {humanize.count(objects)} objects, and max_objects is {humanize.count(max_objects)}:"
        " nothing is replicated. Look at what selects them, or allow as many"
    )
