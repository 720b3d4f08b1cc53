"""
The manifest of a job: rows of CSV, or the ``manifest.json`` of an inventory report, whose files have the rows.

What is wrong with it fails the job, with the words that S3 has for it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from local_aws.batch.job import JobFailed, Row

CSV, INVENTORY = "S3BatchOperations_CSV_20180820", "S3InventoryReport_CSV_20161130"
#: How S3 fails a job for what is in the manifest.
INVALID = "InvalidManifestContent"

FORBIDDEN = "Reading the manifest is forbidden: AccessDenied"


@dataclass(frozen=True, slots=True)
class Stored:
    """
    An object that was read.

    :param e_tag: in quotes, or without.
    :param content: all of it.
    :param has_own_key: whether it is encrypted with a key that is not S3's own: KMS's, or the customer's.
    """

    e_tag: str
    content: bytes
    has_own_key: bool = False


#: Bucket, key and version -> the object; it raises JobFailed if there is none, or it may not be read.
Fetch = Callable[[str, str, str | None], Stored]


def rows_of(manifest: dict[str, Any], fetch: Fetch) -> list[Row]:
    """
    Return the rows of a manifest, or raise :class:`JobFailed`.

    :param manifest: ``Manifest`` of CreateJob.
    :param fetch: how objects are read.
    """
    spec, location = manifest["Spec"], manifest["Location"]
    bucket, _, key = location["ObjectArn"].partition(":::")[2].partition("/")
    found = fetch(bucket, key, location.get("ObjectVersionId"))
    if found.e_tag.strip('"') != location["ETag"].strip('"'):
        raise JobFailed("PreconditionFailed", "The ETag of the manifest object does not match the given ETag")
    if spec["Format"] == INVENTORY:
        return _inventory_rows(found.content, fetch)
    if found.has_own_key:
        raise JobFailed("AccessDenied", FORBIDDEN)
    return list(_rows(spec.get("Fields", []), [found.content]))


def _inventory_rows(content: bytes, fetch: Fetch) -> list[Row]:
    try:
        manifest = json.loads(content)
        destination = manifest["destinationBucket"].rpartition(":")[2]
        files = [file["key"] for file in manifest["files"]]
        columns = [column.strip() for column in manifest["fileSchema"].split(",")]
        if manifest["fileFormat"] != "CSV":
            raise JobFailed(INVALID, f"Unsupported inventory report format: {manifest['fileFormat']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobFailed(INVALID, "Manifest file is not properly formatted") from error
    fields = [column if column in ("Bucket", "Key", "VersionId") else "Ignore" for column in columns]
    return list(_rows(fields, (_unpacked(fetch(destination, key, None).content) for key in files)))


def _unpacked(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except gzip.BadGzipFile:
        return content
    except (OSError, EOFError) as error:
        raise JobFailed(INVALID, "Invalid Manifest Content") from error


def _rows(fields: Sequence[str], contents: Iterable[bytes]) -> Iterator[Row]:
    missing = [name for name in ("Bucket", "Key") if name not in fields]
    if missing:
        raise JobFailed(INVALID, f"Required fields are missing in the schema: {missing}")
    bucket, key = fields.index("Bucket"), fields.index("Key")
    version = fields.index("VersionId") if "VersionId" in fields else None
    for content in contents:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise JobFailed(INVALID, "Invalid Manifest Content") from error
        for row in csv.reader(io.StringIO(text, newline="")):
            if len(row) != len(fields):
                raise JobFailed(INVALID, "Unexpected number of task fields")
            if not row[bucket] or not row[key]:
                raise JobFailed(INVALID, "Invalid object key format")
            yield Row(row[bucket], row[key], None if version is None else row[version])


def decoded(row: Row) -> str:
    """Return the key that a row means."""
    return unquote_plus(row.key)
