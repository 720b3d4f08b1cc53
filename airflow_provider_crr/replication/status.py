"""
The values of a replication lookup, and how a HEAD answer becomes one.

The rules encoded here: `Getting replication status information
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html>`__, `HeadObject
<https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>`__ and `Working with delete markers
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html>`__.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.legible import told
from airflow_provider_crr.replication.stores import PURGE_HEADERS, STATUS_WORDS, server_of
from airflow_provider_crr.s3 import uri as s3_uri
from airflow_provider_crr.s3.etags import opaque
from airflow_provider_crr.s3.freshness import cached

#: Longest key that S3 stores, in bytes of UTF-8 ("Creating object key names").
MAX_KEY_BYTES = 1024
#: Longest version id, in bytes, all of them "URL-ready" ("Retaining multiple versions of objects with S3 Versioning").
MAX_VERSION_ID_BYTES = 1024

_VERSION_REMEDY = 'Leave it out for the current version; a version from before versioning is "null"'


class ReplicationStatus(StrEnum):
    """
    What S3 says of an object version.

    ``NONE`` stands for an absent header: it is the word that S3 Batch Replication uses for "never replicated".
    """

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REPLICA = "REPLICA"
    NONE = "NONE"


class ObjectState(StrEnum):
    """What one HEAD answer means: the five replication statuses, and the ways of not having one."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REPLICA = "REPLICA"
    NONE = "NONE"
    MISSING = "MISSING"
    DELETED = "DELETED"
    FORBIDDEN = "FORBIDDEN"
    UNREADABLE = "UNREADABLE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class S3Object:
    """
    One object, or one version of it.

    :param bucket: bucket name, or the ARN of an access point that boto3 takes: ``airflow_provider_crr.s3.uri``.
    :param key: object key, as S3 stores it: neither URL-encoded nor trimmed.
    :param version_id: version id; ``"null"`` for a version from before versioning; None for whatever is current.
    :raises InvalidArgument: for an empty bucket or key, what boto3 does not take for a bucket, a key with a NUL or with
        code points that are not text, a key longer than 1,024 bytes, or an empty version id.
    """

    bucket: str
    key: str
    version_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what S3 could never hold."""
        for name, value in (("bucket", self.bucket), ("key", self.key)):
            if not isinstance(value, str) or not value:
                raise InvalidArgument(
                    f"an S3 object needs a {name}, got {value!r}",
                    remedy="Write s3://bucket/key, or give the bucket as bucket_name",
                )
        if not s3_uri.is_bucket(self.bucket):
            raise InvalidArgument(
                f"Invalid bucket name {self.bucket!r}: it is not a bucket name, nor the ARN of an access point",
                uri=f"s3://{self.bucket}/{self.key}",
                remedy="Write s3://bucket/key, or s3://arn:aws:s3:region:account:accesspoint/name/key",
            )
        if self.version_id is not None and (not isinstance(self.version_id, str) or not self.version_id):
            raise InvalidArgument(
                f"version id {self.version_id!r} is not a non-empty string",
                uri=f"s3://{self.bucket}/{self.key}",
                remedy=_VERSION_REMEDY,
            )
        try:
            size = len(self.key.encode())
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"key {self.key!r} is not valid Unicode text", remedy="S3 keys are UTF-8") from error
        if "\0" in self.key or size > MAX_KEY_BYTES:
            raise InvalidArgument(
                f"key {self.key!r} contains a NUL" if "\0" in self.key else f"key of {size} bytes",
                uri=f"s3://{self.bucket}/{self.key[:80]!r}",
                remedy=f"An S3 key is at most {MAX_KEY_BYTES} bytes of UTF-8 without NUL",
            )

    @classmethod
    def parse(cls, value: object, bucket: str | None = None) -> S3Object:
        """
        Return the object that a user wrote down.

        :param value: ``"s3://bucket/key"`` (everything after the bucket is the key, also ``?`` and ``#``; ``s3a://``
            and ``s3n://`` are the same), a key relative to ``bucket``, a ``{"bucket", "key", "version_id"}`` mapping,
            or an :class:`S3Object`. In a mapping the key is taken as it is, and a bucket or version id that is there
            must not be None: given as nothing is not the same as not given.
        :param bucket: bucket of a value that names none; must be None if the value is an S3 URI, as in
            amazon's ``S3KeySensor``.
        :raises InvalidArgument: if the value is none of these; also for text that is a URL of another scheme, an ARN or
            a mistyped S3 URI, rather than a key.
        """
        if isinstance(value, S3Object):
            return value
        if isinstance(value, Mapping):
            return cls._from_mapping(value, bucket)
        if not isinstance(value, str):
            raise InvalidArgument(
                f"{value!r} does not name an S3 object",
                remedy='Give "s3://bucket/key", a key with bucket_name, or a mapping of bucket, key and version_id',
            )
        if s3_uri.is_s3_uri(value):
            if bucket is not None:
                raise InvalidArgument(
                    f"bucket_name {bucket!r} is given for a full S3 URI",
                    uri=value,
                    remedy="Leave bucket_name out, or give the key alone",
                )
            bucket, value = s3_uri.split(value)
        elif s3_uri.names_a_place(value):
            raise InvalidArgument(
                f"{value!r} is neither an S3 URI nor a key, as it seems",
                remedy="Write s3://bucket/key; a key that really begins so goes there too, or into a mapping",
            )
        return cls(bucket or "", value)

    @classmethod
    def _from_mapping(cls, value: Mapping[Any, Any], bucket: str | None) -> S3Object:
        unknown = sorted(str(name) for name in value if name not in ("bucket", "key", "version_id"))
        if unknown:
            raise InvalidArgument(
                f"an S3 object mapping has bucket, key and version_id, not {', '.join(unknown)}",
                remedy="Remove or rename the other names",
            )
        obj = cls(value.get("bucket", bucket) or "", value.get("key") or "")
        return obj.in_version(value["version_id"]) if "version_id" in value else obj

    def in_version(self, version_id: str) -> S3Object:
        """
        Return a version of this object that somebody named.

        :raises InvalidArgument: for what can be none, such as None, also as text: who looked for a version and found
            none does not mean the current one.
        """
        if version_id is None or version_id == "None":
            raise InvalidArgument(f"version id {version_id!r} names no version", uri=str(self), remedy=_VERSION_REMEDY)
        return S3Object(self.bucket, self.key, version_id)

    def to_dict(self) -> dict[str, str]:
        """Return the plain JSON form, which :meth:`parse` reads."""
        found = {"bucket": self.bucket, "key": self.key, "version_id": self.version_id}
        return {name: value for name, value in found.items() if value is not None}

    def __str__(self) -> str:
        """Return the S3 URI, with the version as S3's own tools write it."""
        version = f"?versionId={self.version_id}" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"


@dataclass(frozen=True, slots=True)
class ObjectReplication:
    """
    One object and what S3 answered about it.

    :param object: what was asked for.
    :param state: what the answer means.
    :param http_status: status code of the answer; 0 if there was none.
    :param version_id: the version that answered, or None where S3 named none.
    :param etag: without its quotes.
    :param last_modified: when that version was written, UTC.
    :param storage_class: None means STANDARD, as on the wire.
    :param encryption: value of ``x-amz-server-side-encryption``.
    :param detail: what was odd about the answer, for people, in at most 500 characters; empty when nothing was.
    :param date: value of ``Date``, the moment of the answer by the store's own clock; None where it named none.
    :param server: value of ``Server``, by which stores that only resemble S3 are told, or the store's name where a
        proxy has put its own there; empty where there was none.
    """

    object: S3Object
    state: ObjectState
    http_status: int = 200
    version_id: str | None = None
    etag: str | None = None
    last_modified: datetime | None = None
    storage_class: str | None = None
    encryption: str | None = None
    detail: str = ""
    date: str | None = field(default=None, compare=False)
    server: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Make what S3, or somebody in its place, said fit for a message: one line, legible, bounded."""
        if self.detail:
            object.__setattr__(self, "detail", told(self.detail))

    @property
    def answered_at(self) -> datetime | None:
        """When the store answered, by its own clock, UTC, whole seconds; read only when it is asked for."""
        return _http_date(self.date)

    @property
    def status(self) -> ReplicationStatus | None:
        """The replication status, or None if S3 gave no readable one."""
        try:
            return ReplicationStatus(self.state.value)
        except ValueError:
            return None

    @property
    def uri(self) -> str:
        """The S3 URI of the version that answered."""
        return str(S3Object(self.object.bucket, self.object.key, self.object.version_id or self.version_id))


#: Header -> its values.
_STATES = {
    name: {word: ObjectState(meaning) for word, meaning in words.items()} for name, words in STATUS_WORDS.items()
}
#: One entity tag, with or without the quotes that some stores leave out.
_ONE_ETAG = re.compile(r'(W/)?"[^"]*"|[^",]*')
# fmt: off
_MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
           "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}
# fmt: on


def from_head(obj: S3Object, http_status: int, headers: Mapping[str, str]) -> ObjectReplication:
    """
    Return what one HEAD answer means; every HTTP answer has exactly one meaning.

    :param obj: what was asked for.
    :param http_status: status code of the answer.
    :param headers: headers of the answer, names in lower case.
    """
    state, detail = _state(http_status, headers)
    named = headers.get("x-amz-version-id") or None
    if state is not ObjectState.UNKNOWN and (doubt := _doubt(obj, http_status, headers)):
        state, detail = ObjectState.UNKNOWN, doubt
    return ObjectReplication(
        object=obj,
        state=state,
        http_status=http_status,
        version_id=None if _unlike_a_version(named) else named,
        etag=opaque(headers.get("etag")) or None,
        last_modified=_http_date(headers.get("last-modified")),
        storage_class=headers.get("x-amz-storage-class"),
        encryption=headers.get("x-amz-server-side-encryption"),
        detail=detail,
        date=headers.get("date"),
        server=server_of(headers),
    )


def without_answer(obj: S3Object, detail: str) -> ObjectReplication:
    """Return the state of an object about which S3 did not answer: UNKNOWN, to be asked again."""
    return ObjectReplication(obj, ObjectState.UNKNOWN, http_status=0, detail=detail)


def _state(http_status: int, headers: Mapping[str, str]) -> tuple[ObjectState, str]:
    if http_status == 200:
        if headers.get("x-amz-delete-marker", "").lower() == "true":
            return ObjectState.UNKNOWN, "HTTP 200 for a delete marker, which S3 answers with 404 or 405"
        if "content-range" in headers:
            return ObjectState.UNKNOWN, "HTTP 200 with Content-Range, an answer to something else"
        for name, states in _STATES.items():
            value = headers.get(name)
            if value in states:
                return states[value], ""
            if value is not None:
                return ObjectState.UNKNOWN, f"S3 answered {name} {value!r}, which nobody knows"
        return ObjectState.NONE, ""
    if http_status in (404, 405):
        for name in PURGE_HEADERS:
            if headers.get(name):
                return ObjectState.DELETED, f"it is being deleted for good, at the target too ({name}: {headers[name]})"
        if headers.get("x-amz-delete-marker", "").lower() == "true":
            return ObjectState.DELETED, ""
    if http_status == 404:
        return ObjectState.MISSING, ""
    if http_status == 403:
        return ObjectState.FORBIDDEN, ""
    if http_status == 400:
        return ObjectState.UNREADABLE, ""
    return ObjectState.UNKNOWN, f"S3 answered HTTP {http_status}"


def _doubt(obj: S3Object, http_status: int, headers: Mapping[str, str]) -> str:
    """Return why this is not S3's fresh word about this very object; empty if nothing speaks against it."""
    return (
        _unlike_a_version(headers.get("x-amz-version-id"))
        or _of_another_version(obj, http_status, headers)
        or _repeated(headers)
        or _of_a_cache(headers)
    )


def _unlike_a_version(version: str | None) -> str:
    if version is None or (len(version) <= MAX_VERSION_ID_BYTES and version.isprintable()):
        return ""
    return f"x-amz-version-id is {version[:80]!r}, which is no version id"


def _of_another_version(obj: S3Object, http_status: int, headers: Mapping[str, str]) -> str:
    version = headers.get("x-amz-version-id")
    # The space around a header's value is no part of it (RFC 9110, section 5.5).
    if obj.version_id is None or version in (obj.version_id, obj.version_id.strip(" \t")):
        return ""
    if version is not None and http_status in (200, 404, 405):
        return f"S3 was asked for version {obj.version_id} and answered for {version}"
    # A 404 names no version, and neither needs a 405, which only a request for a version is answered with. A 404 for a
    # delete marker is about whatever is current.
    if http_status == 200 or (http_status == 404 and "x-amz-delete-marker" in headers):
        return f"S3 was asked for version {obj.version_id} and the answer names none"
    return ""


def _repeated(headers: Mapping[str, str]) -> str:
    """Say which header has several values, of which nobody knows the right one; they arrive here joined by commas."""
    for name in ("x-amz-version-id", "x-amz-delete-marker"):
        if "," in headers.get(name, ""):
            return _several(headers, name)
    if not _ONE_ETAG.fullmatch(headers.get("etag", "")):
        return _several(headers, "etag")
    return _several(headers, "last-modified") if headers.get("last-modified", "").count(":") > 2 else ""


def _several(headers: Mapping[str, str], name: str) -> str:
    return f"the answer has several values of {name}: {headers[name]!r}"


def _of_a_cache(headers: Mapping[str, str]) -> str:
    found = cached(headers)
    return f"a cache answered in the place of S3: {found}" if found else ""


def _http_date(value: str | None) -> datetime | None:
    """Return the time of an HTTP date. S3 writes RFC 9110's preferred form, read here in a third of the time."""
    if value is None or value.count(":") > 2:  # none, or several
        return None
    try:
        if len(value) == 29 and value.endswith(" GMT"):
            day, year, clock = int(value[5:7]), int(value[12:16]), value[17:25]
            return datetime(
                year, _MONTHS[value[8:11]], day, int(clock[:2]), int(clock[3:5]), int(clock[6:]), tzinfo=UTC
            )
        found = parsedate_to_datetime(value)
    except (ValueError, KeyError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found  # "-0000" says no zone
