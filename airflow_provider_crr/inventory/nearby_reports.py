"""
Reports that are not in the folder that was named, but near by.

A folder without reports may wait for its first one, for two days. Or it is one above or below the right one: the
folder of the source bucket, ``data/`` or ``hive/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.inventory.get_object import s3_errors
from airflow_provider_crr.inventory.location import InventoryLocation, report_time
from airflow_provider_crr.s3.listing_requests import list_objects
from airflow_provider_crr.s3.objects import is_bucket, is_s3_uri, split
from airflow_provider_crr.s3.redirects import follow_once

#: What S3 puts beside the folders of reports: ``data/`` with files, and ``hive/`` with a folder for each report.
_BESIDE = re.compile(r"(?:data|hive)/(?:[^/]+/)?\Z")
#: How many folders are looked into for reports below the one that was named, and how deep.
_MOST_FOLDERS, _LEVELS = 5, 2


def parse_or_name(s3_client: Any, uri: str) -> InventoryLocation:
    """
    Return the location that a user wrote down, or name the one that was meant, if the listing shows it.

    :param s3_client: boto3 client for S3.
    :param uri: as :meth:`InventoryLocation.parse` takes it.
    :raises InvalidArgument: if it names no source bucket and configuration.
    """
    try:
        return InventoryLocation.parse(uri)
    except InvalidArgument as error:
        if is_s3_uri(uri):
            bucket, prefix = split(uri)
            if is_bucket(bucket) and prefix.strip("/"):
                check_place(s3_client, InventoryLocation(bucket, f"{prefix.rstrip('/')}/"))
        raise error


def check_place(s3_client: Any, location: InventoryLocation) -> None:
    """
    Refuse a folder without reports if they are near by: waiting for them there would be in vain.

    It takes a few LISTs of one page. Where the connection may not list a place, nothing is said of it.

    :param s3_client: boto3 client for S3.
    :param location: a folder in which no report was found.
    :raises InvalidArgument: which names the folder of the reports.
    """
    follow_once(s3_client)
    found = sorted({*_above(s3_client, location), *_below(s3_client, location, location.prefix, _LEVELS)})
    if found:
        places = " or ".join(f"s3://{location.bucket}/{folder}" for folder in found[:3])
        raise InvalidArgument(
            f"there are no reports in this folder, but in {places}",
            uri=str(location),
            remedy=f"Name {places}: s3://destination-bucket/prefix/source-bucket/configuration-id/",
        )


def _above(s3_client: Any, location: InventoryLocation) -> Iterator[str]:
    if tail := _BESIDE.search(location.prefix):
        folder = location.prefix[: tail.start()]
        if folder and _has_reports(_folders(s3_client, location, folder)):
            yield folder


def _below(s3_client: Any, location: InventoryLocation, folder: str, levels: int) -> Iterator[str]:
    children = _folders(s3_client, location, folder)
    for child in children[:_MOST_FOLDERS]:
        if _has_reports(_folders(s3_client, location, child)):
            yield child
        elif levels > 1 and len(children) == 1:
            yield from _below(s3_client, location, child, levels - 1)


def _has_reports(folders: list[str]) -> bool:
    return any(report_time(folder) for folder in folders)


def _folders(s3_client: Any, location: InventoryLocation, prefix: str) -> list[str]:
    uri = f"s3://{location.bucket}/{prefix}"
    try:
        with s3_errors(uri, permission="s3:ListBucket"):
            return next(list_objects(s3_client, location.bucket, prefix, uri=uri, delimiter="/")).folders
    except CrrError:
        return []
