"""Writes objects as a manifest of S3 Batch Operations, row by row, however many there are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import IO
from urllib.parse import quote

from airflow_provider_crr.batch.repair_manifest import DELIMITER, NOT_ENCODED, NULL_VERSION, QUOTE
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import S3Object


class ManifestWriter:
    """
    Writes objects to a file, one row each. No object is kept in memory.

    :param file: a binary file, open for writing; it is not closed here.
    :param versions: whether each row names a version. Without, a job takes the version that is current when it runs.
    """

    def __init__(self, file: IO[bytes], *, versions: bool = True) -> None:
        self.versions = versions
        #: How many rows were written.
        self.rows = 0
        self._file = file

    def add(self, obj: S3Object) -> None:
        """
        Write the row of one object.

        :param obj: the object. It names a version if, and only if, this manifest has versions.
        :raises InvalidArgument: if it does not: another version than the one that is meant would be repaired.
        """
        if (obj.version_id is not None) != self.versions:
            raise InvalidArgument(
                "all rows of a manifest name a version, or none does",
                uri=str(obj),
                remedy=f"Name the version of each object ({NULL_VERSION!r} for one from before versioning), or of none",
            )
        text = io.StringIO()
        key = quote(obj.key, safe=NOT_ENCODED)
        row = [obj.bucket, key, *([obj.version_id] if self.versions else [])]
        csv.writer(text, delimiter=DELIMITER, quotechar=QUOTE, lineterminator="\n").writerow(row)
        self._file.write(text.getvalue().encode())
        self.rows += 1


def write(objects: Iterable[S3Object], file: IO[bytes], *, versions: bool = True) -> int:
    """
    Write objects to a file as a manifest; return how many rows it has.

    :param objects: the objects, read one after the other.
    :param file: a binary file, open for writing.
    :param versions: whether each row names a version, see :class:`ManifestWriter`.
    :raises InvalidArgument: if an object names a version and ``versions`` says otherwise, or the other way round.
    """
    writer = ManifestWriter(file, versions=versions)
    for obj in objects:
        writer.add(obj)
    return writer.rows
