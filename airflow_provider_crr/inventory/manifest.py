"""
``manifest.json``, verified: what one inventory report consists of.

The rules encoded here: `Locating your inventory list
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>`__ and `Amazon S3 Inventory list
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html>`__.
"""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_crr.errors import InventoryManifestInvalid, ReplicationStatusMissing
from airflow_provider_crr.s3.objects import is_arn, is_bucket

#: The columns that ``IncludedObjectVersions=All`` adds, always together.
VERSION_FIELDS = ("version_id", "is_latest", "is_delete_marker")

_FORMATS = {"csv": "CSV", "parquet": "Parquet", "orc": "ORC"}
#: The names of the columns in ``fileSchema``. Its types are spelled in several ways, and the data files have them, too.
_FIELD_NAMES = {
    "CSV": re.compile(r"(?:^|,)\s*(\w+)\s*(?=,|$)"),
    "ORC": re.compile(r"(?:<|,)\s*(\w+)\s*:"),
    "Parquet": re.compile(r"(?:required|optional|repeated)\s+\w+(?:\(\d+\))?\s+(\w+)"),
}
_BUCKET_ARN = re.compile(r"\Aarn:[a-z0-9-]+:s3:::")
#: Names of buckets, also those that us-east-1 allowed until 2018.
_BUCKET_NAME = re.compile(r"[A-Za-z0-9._-]{3,255}")
#: Characters of ``fileSchema``; that of all columns of S3 has about 1,500.
_LONGEST_SCHEMA = 20_000
_MD5 = re.compile(r"[0-9a-f]{32}")
_DIGITS = re.compile(r"[0-9]+")
_REPORT_AGAIN = "Name another report, or wait for the next one; S3 Inventory writes each report once"
NAME_ANOTHER = "Name another report; S3 Inventory writes each report once"


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """
    One data file of a report.

    :param key: its whole key in the destination bucket.
    :param size: bytes as stored, compressed.
    :param md5: MD5 of those bytes, lower-case hex.
    """

    key: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    One inventory report: what it lists, and where its data files are.

    :param uri: S3 URI of ``manifest.json``.
    :param source_bucket: the bucket that was listed.
    :param destination_bucket: the bucket that holds the data files.
    :param created_at: when S3 began the listing, UTC.
    :param file_format: ``CSV``, ``Parquet`` or ``ORC``.
    :param fields: column names in the order of the file, as ORC and Parquet spell them (``last_modified_date``). Names
        that this release does not know are kept, because a CSV row has a field for each.
    :param files: the data files. There may be none: a report on an empty bucket has none, and its checksum proves that
        it is whole.
    """

    uri: str
    source_bucket: str
    destination_bucket: str
    created_at: datetime
    file_format: str
    fields: tuple[str, ...]
    files: tuple[ManifestFile, ...]

    @classmethod
    def parse(cls, body: bytes, *, uri: str, checksum: bytes | str) -> Manifest:
        """
        Return the manifest, if it is whole and its report has the replication status.

        :param body: the bytes of ``manifest.json``.
        :param uri: its S3 URI, for messages.
        :param checksum: content of ``manifest.checksum``: the hex MD5 of ``body``.
        :raises InventoryManifestInvalid: if it does not match its checksum or is not what S3 Inventory writes.
        :raises ReplicationStatusMissing: if the report has no ReplicationStatus column.
        """
        _verify(body, checksum, uri)
        try:
            data = json.loads(body, object_pairs_hook=_once_each)
        except (ValueError, RecursionError) as error:  # RecursionError if it is nested too deeply for Python
            raise InventoryManifestInvalid(f"manifest is not JSON: {error}", uri=uri, remedy=_REPORT_AGAIN) from error
        reader = _Reader(uri)
        file_format = _FORMATS.get(reader.text(data, "fileFormat").lower())
        if file_format is None:
            raise reader.invalid("fileFormat", data["fileFormat"], "CSV, Parquet or ORC")
        return cls(
            uri=uri,
            source_bucket=reader.bucket(data, "sourceBucket"),
            destination_bucket=reader.bucket(data, "destinationBucket"),
            created_at=reader.created_at(data),
            file_format=file_format,
            fields=reader.fields(data, file_format),
            files=reader.files(data),
        )

    @property
    def has_versions(self) -> bool:
        """Whether the report lists every version, and not only the current ones."""
        return "version_id" in self.fields

    def file_uri(self, file: ManifestFile) -> str:
        """Return the S3 URI of a data file."""
        return f"s3://{self.destination_bucket}/{file.key}"


def _verify(body: bytes, checksum: bytes | str, uri: str) -> None:
    expected = checksum if isinstance(checksum, str) else checksum.decode("ascii", "replace")
    # A FIPS build of Python refuses MD5, unless it is said that it is not used for security.
    actual = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if expected.strip().lower() != actual:
        raise InventoryManifestInvalid(
            f"manifest has MD5 {actual}, its manifest.checksum says {expected.strip()[:64]!r}",
            uri=uri,
            # S3 may deliver a report twice (user guide), so the manifest may have changed between the two reads.
            remedy="Read it again; if it stays so, wait for the next report",
        )


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers do not agree on what a name means that is there twice (RFC 8259, section 4); Python takes the last one.
    unique = dict(members)
    if len(unique) != len(members):
        twice = Counter(name for name, _ in members).most_common(1)[0][0]
        raise ValueError(f"it says {twice[:200]} twice")
    return unique


class _Reader:
    """Takes values from decoded JSON, and raises an error that names the wrong one."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def invalid(self, name: str, value: object, expected: str) -> InventoryManifestInvalid:
        shown = repr(value) if isinstance(value, str) else reprlib.repr(value)  # a list may have millions of values
        return InventoryManifestInvalid(
            f"manifest has {name} {shown[:200]}, not {expected}", uri=self._uri, remedy=_REPORT_AGAIN
        )

    def _value(self, data: Any, name: str) -> Any:
        if not isinstance(data, Mapping):
            raise self.invalid("the value", data, f"an object with {name}")
        if name not in data:
            raise InventoryManifestInvalid(f"manifest has no {name}", uri=self._uri, remedy=_REPORT_AGAIN)
        return data[name]

    def text(self, data: Any, name: str) -> str:
        value = self._value(data, name)
        if not isinstance(value, str) or not value:
            raise self.invalid(name, value, "a text")
        try:
            value.encode()
        except UnicodeEncodeError as error:  # JSON can have half of a surrogate pair; a request cannot
            raise self.invalid(name, value, "a text of Unicode") from error
        return value

    def bucket(self, data: Any, name: str) -> str:
        value = self.text(data, name)
        # The destination is an ARN, arn:aws:s3:::name, with another partition in China and GovCloud. Who has copied a
        # report may name an access point there.
        bucket = _BUCKET_ARN.sub("", value)
        if not _BUCKET_NAME.fullmatch(bucket) and not (is_arn(bucket) and is_bucket(bucket)):
            raise self.invalid(name, value, "a bucket")
        return bucket

    def created_at(self, data: Any) -> datetime:
        value = self.text(data, "creationTimestamp")
        expected = "milliseconds since 1970"
        if not _DIGITS.fullmatch(value):  # Python's int also takes "1_000", " 1", and Arabic digits
            raise self.invalid("creationTimestamp", value, expected)
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value))
        except (ValueError, OverflowError) as error:
            raise self.invalid("creationTimestamp", value, expected) from error

    def fields(self, data: Any, file_format: str) -> tuple[str, ...]:
        schema = self.text(data, "fileSchema")
        if len(schema) > _LONGEST_SCHEMA:  # DuckDB would be given a column for each name
            raise self.invalid("fileSchema", schema, f"one of at most {_LONGEST_SCHEMA} characters")
        fields = tuple(_canonical(name) for name in _FIELD_NAMES[file_format].findall(schema))
        if file_format == "CSV" and len(fields) != schema.count(",") + 1:
            raise self.invalid("fileSchema", schema, "a list of column names")
        known = (*VERSION_FIELDS, "key", "replication_status", "bucket", "size", "last_modified_date")
        if "key" not in fields or any(fields.count(name) > 1 for name in known):
            raise self.invalid("fileSchema", schema, f"a {file_format} schema with one Key column")
        if len(set(VERSION_FIELDS) - set(fields)) not in (0, len(VERSION_FIELDS)):
            raise self.invalid("fileSchema", schema, "one with all or none of VersionId, IsLatest, IsDeleteMarker")
        if "replication_status" not in fields:
            raise ReplicationStatusMissing(
                "the report has no ReplicationStatus column",
                uri=self._uri,
                remedy=(
                    "Add the optional field ReplicationStatus to the inventory configuration of bucket "
                    f"{self.bucket(data, 'sourceBucket')} (console: Management, Inventory configurations, "
                    "Additional metadata fields, Replication status; API: ReplicationStatus in OptionalFields "
                    "of PutBucketInventoryConfiguration); it takes effect at the next report"
                ),
            )
        return fields

    def files(self, data: Any) -> tuple[ManifestFile, ...]:
        entries = self._value(data, "files")
        if not isinstance(entries, list):
            raise self.invalid("files", entries, "a list")
        files = tuple(self._file(entry) for entry in entries)
        # Each row of a file that is listed twice would count twice. Files with other keys are other files.
        seen: set[str] = set()
        for file in files:
            if file.key in seen:
                raise InventoryManifestInvalid(
                    f"manifest lists {file.key[:1024]} twice", uri=self._uri, remedy=_REPORT_AGAIN
                )
            seen.add(file.key)
        return files

    def _file(self, entry: Any) -> ManifestFile:
        key, size = self.text(entry, "key"), self._value(entry, "size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self.invalid("size", size, f"the bytes of {key}")
        md5 = self.text(entry, "MD5checksum").lower()
        if not _MD5.fullmatch(md5):
            raise self.invalid("MD5checksum", entry["MD5checksum"], f"the hex MD5 of {key}")
        return ManifestFile(key, size, md5)


def _canonical(name: str) -> str:
    """Return a name in snake_case: ``last_modified_date`` for ``LastModifiedDate``, ``e_tag`` for ``ETag``."""
    return re.sub(r"(?<!^)(?<!_)(?=[A-Z])", "_", name).lower()
