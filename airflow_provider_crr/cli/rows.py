"""Answers of S3 as a command shows them: a row of a table for each, or a line of JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from airflow_provider_crr.cli.process import to_json
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.gate import Outcome
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.text.humanize import utc_text
from airflow_provider_crr.text.legible import legible

_HEADING = ("STATUS", "LAST MODIFIED", "OBJECT")


class Rows:
    """
    Shows answers, each as it comes.

    :param out: where they are written.
    :param as_json: whether as JSON, one object a line.
    :param only: the states that are shown; None for all.
    """

    def __init__(self, out: TextIO, *, as_json: bool, only: Iterable[ObjectState] | None = None) -> None:
        self._out = out
        self._as_json = as_json
        self._only = None if only is None else frozenset(only)
        if not as_json:
            print(_row(*_HEADING), file=out)

    def show(self, answer: ObjectReplication, outcome: Outcome) -> None:
        """
        Show an answer, if its state is to be shown.

        :param answer: S3's answer.
        :param outcome: what the gate makes of it.
        """
        if self._only is None or answer.state in self._only:
            print(to_json(entry(answer, outcome)) if self._as_json else _shown(answer), file=self._out)

    def end(self, *texts: str) -> None:
        """Write what is said below the table; nothing below lines of JSON."""
        if not self._as_json:
            print("", *filter(None, texts), sep="\n", file=self._out)


def states(text: str | None) -> list[ObjectState] | None:
    """
    Return the states that an option names; None if it is not given.

    :param text: names in any case, with commas between them.
    :raises InvalidArgument: for a name that is none.
    """
    if text is None:
        return None
    known = {state.value: state for state in ObjectState}
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word.upper() not in known:
            raise InvalidArgument(
                f"--only names {word!r}, which is not a state", remedy=f"Use some of {', '.join(known).lower()}"
            )
    return [known[word.upper()] for word in words]


def entry(answer: ObjectReplication, outcome: Outcome) -> dict[str, Any]:
    """
    Return an answer as plain JSON.

    :param answer: S3's answer.
    :param outcome: what a gate makes of it.
    """
    return {
        "uri": answer.uri,
        "bucket": answer.object.bucket,
        "key": answer.object.key,
        "version_id": answer.object.version_id,  # None if the current version was asked for: asking again asks for that
        "answered_version_id": answer.version_id,
        "status": answer.state.value,
        "gate": outcome.value,
        "http_status": answer.http_status,
        "last_modified": utc_text(answer.last_modified) if answer.last_modified else None,
        "etag": answer.etag,
        "storage_class": answer.storage_class,
        "encryption": answer.encryption,
        "detail": answer.detail or None,
    }


def _shown(answer: ObjectReplication) -> str:
    when = utc_text(answer.last_modified) if answer.last_modified else "-"
    detail = f"  ({legible(answer.detail)})" if answer.detail else ""
    return _row(answer.state.value, when, legible(str(answer.object)) + detail)


def _row(state: str, when: str, what: str) -> str:
    return f"{state:<10}  {when:<20}  {what}"
