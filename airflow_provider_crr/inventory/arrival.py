"""Waiting for an inventory report: it is there once ``manifest.checksum`` is, which S3 writes last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Event

from airflow_provider_crr.s3.deadline import until
from airflow_provider_crr.text.humanize import utc_text


class ReportArrival:
    """
    A wait for a complete report that is newer than some moment.

    :param find: returns the URI of the newest complete report's ``manifest.json`` begun after a moment, or None.
    :param location: the folder of the inventory configuration, as messages name it.
    :param newer_than: only reports that S3 began after this count, UTC; None for any.
    """

    def __init__(
        self, find: Callable[[datetime | None], str | None], location: str, newer_than: datetime | None
    ) -> None:
        self._find = find
        self._location = location
        self._newer_than = newer_than
        self._uri: str | None = None

    def poll(self, stop: Event | None = None) -> bool:
        """Look once; return whether there is a report."""
        with until(stop):
            self._uri = self._find(self._newer_than)
        return self._uri is not None

    def failure(self) -> None:
        """Return None: however long there was no report, one may still come."""

    def progress(self) -> str:
        """Return one line about the last look."""
        if self._uri:
            return f"complete inventory report {self._uri}"
        after = f" begun after {utc_text(self._newer_than)}" if self._newer_than else ""
        return f"no complete inventory report{after} in {self._location}; S3 may take two days to deliver one"

    def warnings(self) -> list[str]:
        """Return no warnings: a report that is not there yet is no surprise."""
        return []

    def value(self) -> str | None:
        """Return the URI of the report's ``manifest.json``; None if there is none yet."""
        return self._uri
