"""
Where inventory reports are, and what the names of their folders mean.

``<prefix>/<source-bucket>/<config-id>/YYYY-MM-DDTHH-MMZ/manifest.json``, from `Locating your inventory list
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>`__.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import is_bucket, is_s3_uri, split

_MANIFEST = "manifest.json"
_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
_FOLDER_FORMAT = "%Y-%m-%dT%H-%MZ"


@dataclass(frozen=True, slots=True)
class InventoryLocation:
    """
    The folder under which S3 delivers the reports of one inventory configuration.

    :param bucket: the destination bucket, or the ARN of an access point to it.
    :param prefix: everything up to and including ``<source-bucket>/<config-id>/``.
    """

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> InventoryLocation:
        """
        Return the location that a user wrote down.

        :param uri: ``s3://dest/prefix/source-bucket/config-id/``; the last "/" may be left out.
        :raises InvalidArgument: if it names no source bucket and configuration.
        """
        bucket, prefix = split(uri) if is_s3_uri(uri) else ("", "")
        segments = prefix.rstrip("/").split("/")
        right = "s3://destination-bucket/prefix/source-bucket/configuration-id/"
        if len(segments) == 1 and segments[0]:
            right += f": if {segments[0]} is the source bucket, s3://{bucket}/{segments[0]}/configuration-id/"
        for number in (len(segments) - 1, len(segments) - 2):  # the folder of one report, or a file in it
            if number > 1 and _FOLDER.fullmatch(segments[number]):
                right, segments = f"s3://{bucket}/{'/'.join(segments[:number])}/", []
                break
        if not is_bucket(bucket) or len(segments) < 2 or not all(segments[-2:]) or _FOLDER.fullmatch(segments[-1]):
            raise InvalidArgument("not the folder of an inventory configuration", uri=uri, remedy=f"Write {right}")
        return cls(bucket, f"{prefix.rstrip('/')}/")

    @property
    def source_bucket(self) -> str:
        """The bucket that is listed."""
        return self.prefix.split("/")[-3]

    @property
    def config_id(self) -> str:
        """The id of the inventory configuration."""
        return self.prefix.split("/")[-2]

    def __str__(self) -> str:
        """Return the S3 URI."""
        return f"s3://{self.bucket}/{self.prefix}"


def is_manifest_uri(uri: str) -> bool:
    """Return whether the URI names a ``manifest.json``."""
    return is_s3_uri(uri) and uri.endswith(f"/{_MANIFEST}")


def report_folder(uri: str) -> str:
    """
    Return the folder of the report whose ``manifest.json`` this is, with its "/".

    :raises InvalidArgument: if the URI does not name a ``manifest.json``.
    """
    if not is_manifest_uri(uri):
        raise InvalidArgument("not the URI of a manifest.json", uri=uri, remedy="Write s3://bucket/.../manifest.json")
    return uri.removesuffix(_MANIFEST)


def report_time(folder: str) -> datetime | None:
    """
    Return when S3 began the listing of the report in a folder, UTC; the delivery may be many hours later.

    :param folder: the key of the folder or its last segment, with or without "/" at the end.
    :returns: None if it is not the folder of a report, as ``data/`` and ``hive/`` are not.
    """
    name = folder.rstrip("/").rpartition("/")[2]
    if not _FOLDER.fullmatch(name):
        return None
    try:
        return datetime.strptime(name, _FOLDER_FORMAT).replace(tzinfo=UTC)
    except ValueError:  # the 31st of February
        return None
