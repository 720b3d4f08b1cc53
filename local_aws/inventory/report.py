"""One inventory report: everything that S3 writes to the destination bucket, in the order in which S3 writes it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Literal

from local_aws.inventory.formats import EXTENSIONS, FILES, FileFormat, ParquetSchemaStyle, file_schema
from local_aws.inventory.row import FIELDS, USUAL_FIELDS, VERSION_FIELDS, Field, Row

#: Rows turned into columns at a time.
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Report:
    """
    What is delivered.

    :param destination_bucket: the bucket that it is delivered to.
    :param folder: prefix of the configuration's reports in that bucket, with its slash.
    :param objects: every object by its key; data files first, ``manifest.checksum`` last.
    :param manifest_key: key of ``manifest.json``.
    """

    destination_bucket: str
    folder: str
    objects: dict[str, bytes]
    manifest_key: str

    @property
    def folder_uri(self) -> str:
        """Where all reports of this configuration are."""
        return f"s3://{self.destination_bucket}/{self.folder}"

    @property
    def manifest_uri(self) -> str:
        """Where ``manifest.json`` is."""
        return f"s3://{self.destination_bucket}/{self.manifest_key}"

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of ``manifest.json``."""
        content: dict[str, Any] = json.loads(self.objects[self.manifest_key])
        return content


def write_report(
    rows: Iterable[Row],
    *,
    file_format: FileFormat,
    source_bucket: str,
    destination_bucket: str,
    created_at: datetime,
    fields: Sequence[str] = USUAL_FIELDS,
    versions: Literal["all", "current"] = "all",
    rows_per_file: int = 1_000_000,
    prefix: str = "",
    config_id: str = "daily",
    parquet_schema_style: ParquetSchemaStyle = "STRING",
) -> Report:
    """
    Write a report as S3 does. The same arguments make the same bytes.

    :param rows: the versions that the scan found; read once, and never all in memory.
    :param file_format: CSV, ORC or Parquet.
    :param source_bucket: the bucket that was scanned.
    :param destination_bucket: the bucket that gets the report.
    :param created_at: start of the scan.
    :param fields: names of the columns; in a report of current versions, those about versions are left out.
    :param versions: all versions and delete markers, or one row for each key that has a current version.
    :param rows_per_file: most rows of a data file.
    :param prefix: prefix in the destination bucket, without the slash at its end.
    :param config_id: name of the inventory configuration.
    :param parquet_schema_style: how the manifest spells Parquet's types.
    """
    if versions == "current":
        rows = (row for row in rows if row.is_latest and not row.is_delete_marker)
        fields = [name for name in fields if name not in VERSION_FIELDS]
    columns = [FIELDS[name] for name in fields]
    created_at = created_at.astimezone(UTC)
    folder = f"{prefix}/{source_bucket}/{config_id}/".removeprefix("/")
    manifest_key = f"{folder}{created_at:%Y-%m-%dT%H-%MZ}/manifest.json"

    objects: dict[str, bytes] = {}
    for content in _data_files(rows, columns, file_format, rows_per_file):
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{destination_bucket}/{manifest_key}#{len(objects)}")
        objects[f"{folder}data/{name}.{EXTENSIONS[file_format]}"] = content
    manifest = _jackson(
        {
            "sourceBucket": source_bucket,
            "destinationBucket": f"arn:aws:s3:::{destination_bucket}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(created_at.timestamp() * 1000)),
            "fileFormat": file_format,
            "fileSchema": file_schema(columns, file_format, parquet_schema_style),
        },
        [{"key": key, "size": len(content), "MD5checksum": _md5(content)} for key, content in objects.items()],
    )
    symlink = "\n".join(f"s3://{destination_bucket}/{key}" for key in objects)
    objects[f"{folder}hive/dt={created_at:%Y-%m-%d-%H-%M}/symlink.txt"] = symlink.encode()
    objects[manifest_key] = manifest
    # 33 bytes in real reports: the digest and a newline.
    objects[manifest_key.removesuffix("json") + "checksum"] = f"{_md5(manifest)}\n".encode()
    return Report(destination_bucket, folder, objects, manifest_key)


def deliver(s3_client: Any, report: Report, upto: str | None = None) -> list[str]:
    """
    Put a report where S3 puts it, and return the keys that were put.

    :param s3_client: a client of the destination's region.
    :param report: what to deliver.
    :param upto: name of the object to stop before, such as ``manifest.checksum``, for a delivery that is not complete.
    """
    put: list[str] = []
    for key, content in report.objects.items():
        if upto is not None and key.rpartition("/")[2] == upto:
            break
        s3_client.put_object(Bucket=report.destination_bucket, Key=key, Body=content)
        put.append(key)
    return put


def _data_files(
    rows: Iterable[Row], columns: Sequence[Field], file_format: FileFormat, rows_per_file: int
) -> Iterator[bytes]:
    remaining = iter(rows)
    for first in remaining:
        file = FILES[file_format](columns)
        of_this_file = chain([first], islice(remaining, rows_per_file - 1))
        while chunk := list(islice(of_this_file, CHUNK)):
            file.add(chunk)
        yield file.finish()


def _jackson(head: dict[str, str], files: list[dict[str, Any]]) -> bytes:
    """Return JSON as S3's Java library writes it: spaces around colons, and the braces of a list on one line."""
    lines = [f"  {json.dumps(name)} : {json.dumps(value)}," for name, value in head.items()]
    items = ", ".join(
        "{\n" + ",\n".join(f"    {json.dumps(name)} : {json.dumps(value)}" for name, value in file.items()) + "\n  }"
        for file in files
    )
    lines.append(f'  "files" : [ {items} ]' if files else '  "files" : [ ]')
    return "\n".join(["{", *lines, "}"]).encode()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
