"""The buckets of the doubles: objects in versions, each with the states that it has in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.testing.records import FakeS3

#: States in which S3 has nothing to show.
ABSENT = frozenset({ObjectState.MISSING, ObjectState.DELETED})
#: How old an object is by default. One that is younger than a second is asked for again, because it may still change.
_AGE = timedelta(minutes=1)
_VERSION = "?versionId="


@dataclass(slots=True)
class Version:
    """
    One version of a key.

    :param id: its version id.
    :param states: its states, one for each look; the last one stays.
    :param last_modified: when it was written, UTC.
    :param content: its bytes.
    """

    id: str
    states: Sequence[ObjectState]
    last_modified: datetime
    content: bytes = b"fake"
    looks: int = 0

    @property
    def state(self) -> ObjectState:
        """The state that the next look will find."""
        return self.states[min(self.looks, len(self.states) - 1)]

    @property
    def last_seen(self) -> ObjectState:
        """The state that the last look found."""
        return self.states[min(max(self.looks - 1, 0), len(self.states) - 1)]

    def look(self) -> ObjectState:
        """Return its state, and go on to the next one."""
        found = self.state
        self.looks += 1
        return found

    @property
    def etag(self) -> str:
        """Its ETag, without quotes."""
        return _hexadecimal(self.id, self.content)


@dataclass(slots=True)
class Layer:
    """
    What one double adds to the buckets.

    :param record: takes note of what is asked.
    :param buckets: bucket -> key -> its versions, the current one first.
    :param rules: bucket -> its replication rules, as boto3 takes them.
    """

    record: FakeS3
    buckets: dict[str, dict[str, list[Version]]] = field(default_factory=dict)
    rules: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of_states(
        cls,
        objects: Mapping[str, str | Sequence[str]],
        rules: Mapping[str, str | Sequence[Mapping[str, Any]]],
        last_modified: datetime | None,
        record: FakeS3,
    ) -> Layer:
        """Return the layer of :func:`~airflow_provider_crr.testing.fake_s3`."""
        layer = cls(record, rules={bucket: _rules(given) for bucket, given in rules.items()})
        for bucket in layer.rules:
            layer.buckets.setdefault(bucket, {})
        modified = (last_modified or datetime.now(UTC) - _AGE).astimezone(UTC).replace(microsecond=0)
        for uri, states in objects.items():
            obj = _object(uri)
            layer.add(obj, Version(obj.version_id or new_version_id(obj), _states(uri, states), modified))
        return layer

    @classmethod
    def of_contents(cls, contents: Mapping[str, bytes], record: FakeS3) -> Layer:
        """Return a layer with objects that have a content and no replication status."""
        layer, modified = cls(record), datetime.now(UTC).replace(microsecond=0) - _AGE
        for uri, content in contents.items():
            obj = S3Object.parse(uri)
            layer.add(obj, Version(new_version_id(obj), (ObjectState.NONE,), modified, content))
        return layer

    def add(self, obj: S3Object, version: Version) -> None:
        """Make a version the current one of its key."""
        self.buckets.setdefault(obj.bucket, {}).setdefault(obj.key, []).insert(0, version)


def new_version_id(obj: S3Object, *more: object) -> str:
    """Return a version id, the same for the same names."""
    return _hexadecimal(str(obj), *more)


def _object(uri: str) -> S3Object:
    name, _, version_id = uri.partition(_VERSION) if isinstance(uri, str) else (uri, "", "")
    obj = S3Object.parse(name)
    return obj.in_version(version_id) if version_id else obj


def _states(uri: str, given: str | Sequence[str]) -> tuple[ObjectState, ...]:
    texts = [given] if isinstance(given, str) else list(given)
    try:
        states = tuple(ObjectState(text) for text in texts)
    except ValueError as error:
        raise InvalidArgument(
            f"{given!r} has an unknown state", uri=uri, remedy=f"Give one of {', '.join(ObjectState)}, or several"
        ) from error
    if not states:
        raise InvalidArgument("no state is given", uri=uri, remedy="Give one, or several")
    return states


def _rules(given: str | Sequence[Mapping[str, Any]]) -> list[Any]:
    if not isinstance(given, str):
        return list(given)
    return [
        {
            "ID": "everything",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Destination": {"Bucket": f"arn:aws:s3:::{given}"},
            "DeleteMarkerReplication": {"Status": "Disabled"},
        }
    ]


def _hexadecimal(*parts: object) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
