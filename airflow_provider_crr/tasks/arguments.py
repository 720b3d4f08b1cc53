"""Arguments of tasks: whether they are known yet, and whether a value can ever work."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.tasks.storage_paths import as_text

#: Templated fields that name objects.
TARGET_FIELDS = ("bucket_key", "bucket_name", "version_id")


class TargetArguments:
    """The arguments with which a task names objects. They mean the same in every task."""

    bucket_name: str | None
    wildcard_match: bool
    version_id: str | None
    aws_conn_id: str | None
    #: Connections of the paths that were given as keys.
    _conn_ids: frozenset[str] = frozenset()
    #: Returns an argument in its type; :class:`~airflow_provider_crr.tasks.templated.Templated` has it.
    _read: Callable[[str], Any]

    @property
    def bucket_key(self) -> Any:
        """What the user named, or a template of it."""
        return self._bucket_key

    @bucket_key.setter
    def bucket_key(self, value: Any) -> None:
        # It is read several times, and each time in full. Rendered to native objects, the Jinja filters map, select and
        # unique are iterators, which yield their elements only once.
        self._bucket_key, conn_ids = as_text(list(value) if isinstance(value, Iterator) else value)
        self._conn_ids |= conn_ids

    def _names_are_known(self) -> bool:
        """Return whether the names are known when the DAG is parsed."""
        return all(is_known(self, field) for field in TARGET_FIELDS)

    def _targets(self) -> Targets:
        keys, conn_ids = as_text(self._read("bucket_key"))
        self._refuse_other_connections(self._conn_ids | conn_ids)
        return Targets.parse(
            keys,
            bucket_name=self._read("bucket_name"),
            wildcard_match=self.wildcard_match,
            version_id=self._read("version_id"),
        )

    def _refuse_other_connections(self, conn_ids: frozenset[str]) -> None:
        """Refuse a path of another connection: by this task's, the same name may be another bucket."""
        others = () if is_template(self.aws_conn_id) else sorted(conn_ids - {self.aws_conn_id})
        for conn_id in others:
            raise InvalidArgument(
                f"bucket_key holds an ObjectStoragePath of the connection {conn_id!r}, and aws_conn_id is"
                f" {self.aws_conn_id!r}",
                remedy=f"Give aws_conn_id={conn_id!r}, or a path without a connection",
            )


def is_known(task: Any, name: str) -> bool:
    """Return whether an argument is known when the DAG is parsed."""
    return not is_expanded(task) and not is_template(getattr(task, name))


def is_expanded(task: Any) -> bool:
    """Return whether a task was expanded from a mapped one when it ran: other tasks may have given its arguments."""
    return bool(getattr(task, "_BaseOperator__from_mapped", False))  # Airflow offers no other way to know


def is_template(value: object) -> bool:
    """Return whether a value is, or holds, what is known only after rendering: a template, an XComArg, a function."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(map(is_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(is_template, value))
    return hasattr(value, "iter_references") or callable(value)  # Airflow's ResolveMixin; a function from 3.1 on


#: The longest timedelta, in seconds.
_LONGEST = timedelta.max.total_seconds() - 1


def seconds(value: timedelta | float | None, name: str) -> float | None:
    """
    Return a duration in seconds.

    :raises InvalidArgument: if it is negative or not a duration.
    """
    duration = value.total_seconds() if isinstance(value, timedelta) else value
    if duration is not None and (
        isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration <= _LONGEST
    ):
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give seconds or a timedelta, 0 or more, or None")
    return duration


def one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    """
    Return the value if it is one of the choices.

    :raises InvalidArgument: if it is not.
    """
    if value not in choices:
        raise InvalidArgument(f"{name} is {value!r}", remedy=f"Use one of {', '.join(map(repr, choices))}")
    return value


def flag(value: bool, name: str) -> bool:
    """
    Return the value if it is True or False.

    :raises InvalidArgument: if it is not. The text "False" would count as true.
    """
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give True or False; it is not templated")
    return value


def number(value: int, name: str, most: int | None = None) -> int:
    """
    Return the value if it is a whole number of 0 or more, and not above ``most``.

    :raises InvalidArgument: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (most is not None and value > most):
        remedy = "Give a whole number of 0 or more" if most is None else f"Give a whole number from 0 to {most}"
        raise InvalidArgument(f"{name} is {value!r}", remedy=remedy)
    return value


def positive(value: int | None, name: str) -> int | None:
    """
    Return the value if it is None or a whole number above 0.

    :raises InvalidArgument: if it is not.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give a whole number above 0, or None for no limit")
    return value


def connection(value: object) -> str:
    """
    Return the id of an Airflow connection.

    :raises InvalidArgument: if it is no id.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(
            f"aws_conn_id is {value!r}", remedy="Give the id of a connection, or None for boto3's own credentials"
        )
    return value


def region(value: object) -> str | None:
    """
    Return the name of an AWS Region; None for an empty one.

    :raises InvalidArgument: if it is no name, such as the text "None".
    """
    if not isinstance(value, str) or value == "None":
        raise InvalidArgument(
            f"region_name is {value!r}", remedy="Give text, such as eu-west-1, or None for the connection's"
        )
    return value.strip() or None


def verification(value: object) -> bool | str:
    """
    Return how certificates are checked: True, False, or the path of a CA bundle.

    :param value: one of these; True and False may be text, too.
    :raises InvalidArgument: if it is something else.
    """
    verify = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(verify, bool | str) or verify == "None":
        raise InvalidArgument(
            f"verify is {value!r}", remedy="Give True, False or the path of a CA bundle, or None for the connection's"
        )
    return {"true": True, "false": False}.get(verify.strip().lower(), verify) if isinstance(verify, str) else verify


def moment(value: datetime | str | None, name: str) -> datetime | None:
    """
    Return a moment with its time zone; text without one is UTC.

    :raises InvalidArgument: if it is no moment, or a datetime without time zone.
    """
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(value, str) and parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        # In some zones the first or the last day of the calendar has no UTC.
        aware = parsed.tzinfo is not None and parsed.astimezone(UTC) is not None
    except (AttributeError, ValueError, OverflowError):
        aware = False
    if not aware:
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give a datetime with time zone, or its ISO 8601 text")
    return parsed


def storable(value: Any, name: str, for_trigger: bool) -> None:
    """
    Refuse an argument that a trigger cannot keep.

    :param value: the argument.
    :param name: its name.
    :param for_trigger: whether it will be stored as JSON.
    :raises InvalidArgument: if it cannot be.
    """
    try:
        json.dumps(value if for_trigger else None)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"{name} cannot be stored for a deferrable task: {error}",
            remedy="Give its settings as a mapping of plain values",
        ) from error
