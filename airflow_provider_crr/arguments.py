"""What the operators and sensors share in reading their arguments."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.targets import Targets

#: Templated fields that say how to reach S3.
HOOK_FIELDS = ("aws_conn_id", "region_name", "verify", "expected_bucket_owner")
#: Templated fields that name objects.
TARGET_FIELDS = ("bucket_key", "bucket_name", "version_id")


class TargetArguments:
    """The arguments by which a task names objects; they mean the same in each."""

    bucket_name: str | None
    wildcard_match: bool
    version_id: str | None

    @property
    def bucket_key(self) -> Any:
        """What the user named, or a template of it."""
        return self._bucket_key

    @bucket_key.setter
    def bucket_key(self, value: Any) -> None:
        # It is read several times, and whoever reads must see all of it. Rendered to native objects, the Jinja filters
        # map, select and unique yield their elements only once.
        self._bucket_key = list(value) if isinstance(value, Iterator) else value

    def _names_are_known(self) -> bool:
        """Return whether the names are known when the DAG is parsed."""
        return not any(is_template(getattr(self, field)) for field in TARGET_FIELDS)

    def _targets(self) -> Targets:
        return Targets.parse(
            self.bucket_key,
            bucket_name=self.bucket_name,
            wildcard_match=self.wildcard_match,
            version_id=self.version_id,
        )


def hook_arguments(task: Any, *, for_trigger: bool = False) -> dict[str, Any]:
    """
    Return the keyword arguments of the task's :class:`~airflow_provider_crr.hooks.replication.S3ReplicationHook`.

    :param task: an operator or sensor with the fields of the AWS connection.
    :param for_trigger: whether they will be stored as JSON.
    :raises InvalidArgument: if they cannot be stored, or if ``max_requests_per_second`` is not above 0.
    """
    limit = getattr(task, "max_requests_per_second", None)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
        raise InvalidArgument(
            f"max_requests_per_second is {limit!r}", remedy="Give a number above 0, or None for no limit"
        )
    if for_trigger and task.botocore_config is not None:
        try:
            json.dumps(task.botocore_config)
        except TypeError as error:
            raise InvalidArgument(
                f"botocore_config cannot be stored for a deferrable task: {error}",
                remedy="Give its settings as a mapping of plain values",
            ) from error
    return {
        "aws_conn_id": task.aws_conn_id,
        "region_name": task.region_name,
        "verify": task.verify,
        "config": task.botocore_config,
        "expected_bucket_owner": task.expected_bucket_owner,
        "requester_pays": task.requester_pays,
        "max_requests_per_second": limit,
    }


def is_template(value: object) -> bool:
    """Return whether a value is known only after rendering: a Jinja template, an XComArg, or holds one."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(is_template, value))
    return hasattr(value, "iter_references")  # Airflow's ResolveMixin


def seconds(value: timedelta | float | None, name: str) -> float | None:
    """
    Return a duration in seconds.

    :raises InvalidArgument: if it is negative or not a duration.
    """
    found = value.total_seconds() if isinstance(value, timedelta) else value
    if found is not None and (
        isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < math.inf
    ):
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give seconds or a timedelta, 0 or more, or None")
    return found


def one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    """
    Return the value if it is one of the choices.

    :raises InvalidArgument: if it is not.
    """
    if value not in choices:
        raise InvalidArgument(f"{name} is {value!r}", remedy=f"Use one of {', '.join(map(repr, choices))}")
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


def text(value: object, name: str) -> str:
    """
    Return the value if it is text.

    :raises InvalidArgument: if it is not.
    """
    if not isinstance(value, str) or not value:
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give an S3 URI")
    return value


def moment(value: datetime | str | None, name: str) -> datetime | None:
    """
    Return a moment with its time zone; text without one is UTC.

    :raises InvalidArgument: if it is no moment, or a datetime without time zone.
    """
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(value, str) and found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        aware = found.tzinfo is not None
    except (AttributeError, ValueError):
        aware = False
    if not aware:
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give a datetime with time zone, or its ISO 8601 text")
    return found
