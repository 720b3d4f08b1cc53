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

from airflow_provider_crr.s3.etags import opaque
from airflow_provider_crr.s3.freshness import cached
from airflow_provider_crr.s3.objects import MAX_VERSION_ID_BYTES, S3Object
from airflow_provider_crr.s3.stores import PURGE_HEADERS, STATUS_WORDS, server_of
from airflow_provider_crr.text.legible import told


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
    :param date: value of ``Date``, the moment of the answer by the store's own clock; None where there was none.
    :param server: value of ``Server``, by which other stores are told from Amazon S3, or the store's name where a proxy
        has put its own into that header; empty where there was none.
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
        """Make what the answer said fit for a message: one line, legible, bounded."""
        if self.detail:
            object.__setattr__(self, "detail", told(self.detail))

    @property
    def answered_at(self) -> datetime | None:
        """When the store answered, by its own clock, UTC, whole seconds. Parsed only here, because few need it."""
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
    """Return the value for an object about which S3 did not answer: UNKNOWN, to be asked again."""
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
    """Return why this may not be S3's fresh answer about this very object; empty if nothing speaks against it."""
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
    # A 404 names no version. Nor need a 405, which is the answer to requests for a version only. But a 404 for a delete
    # marker is about whatever is current.
    if http_status == 200 or (http_status == 404 and "x-amz-delete-marker" in headers):
        return f"S3 was asked for version {obj.version_id} and the answer names none"
    return ""


def _repeated(headers: Mapping[str, str]) -> str:
    """Say which header came several times, joined by commas here: nobody knows which of its values is right."""
    for name in ("x-amz-version-id", "x-amz-delete-marker"):
        if "," in headers.get(name, ""):
            return _several(headers, name)
    if not _ONE_ETAG.fullmatch(headers.get("etag", "")):
        return _several(headers, "etag")
    return _several(headers, "last-modified") if headers.get("last-modified", "").count(":") > 2 else ""


def _several(headers: Mapping[str, str], name: str) -> str:
    return f"the answer has several values of {name}: {headers[name]!r}"


def _of_a_cache(headers: Mapping[str, str]) -> str:
    header = cached(headers)
    return f"a cache answered in the place of S3: {header}" if header else ""


def _http_date(value: str | None) -> datetime | None:
    """
    Return the time of an HTTP date; None if it is none.

    S3 writes RFC 9110's preferred form, which is parsed here in a third of the time that the standard library takes.
    """
    if value is None or value.count(":") > 2:  # none, or several
        return None
    try:
        if len(value) == 29 and value.endswith(" GMT"):
            day, year, clock = int(value[5:7]), int(value[12:16]), value[17:25]
            return datetime(
                year, _MONTHS[value[8:11]], day, int(clock[:2]), int(clock[3:5]), int(clock[6:]), tzinfo=UTC
            )
        moment = parsedate_to_datetime(value)
    except (ValueError, KeyError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment  # "-0000" says no zone
