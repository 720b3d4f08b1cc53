"""
Reports that are not in the folder that was named, but near it.

A new inventory configuration may have no report for two days. But a folder without reports may also be the wrong one: a
level too high, such as the folder of the source bucket, or a level too low, such as ``data/`` or ``hive/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_crr.errors import CrrError, InvalidArgument
from airflow_provider_crr.inventory.get_object import s3_errors
from airflow_provider_crr.inventory.location import InventoryLocation, report_folder, report_time
from airflow_provider_crr.s3.listing_requests import list_objects
from airflow_provider_crr.s3.objects import is_bucket, is_s3_uri, split
from airflow_provider_crr.s3.redirects import follow_once

#: Folders of reports or beside them, and what is in them: ``data/`` with the data files, and ``hive/`` with a folder
#: for each report, in which is ``symlink.txt``.
_INSIDE = re.compile(r"(?<=/)(?:data|hive|\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z)/(?:[^/]+/){0,2}\Z")
_SLASHES = re.compile(r"^/+|(?<=/)/+")
#: Below the folder that was named, reports are looked for in so many folders, and so many levels down.
_MOST_FOLDERS, _LEVELS = 10, 2


def parse_or_name(s3_client: Any, uri: str) -> InventoryLocation:
    """
    Return the location that a user wrote down. If it is wrong, the error names the right one if a listing shows it.

    :param s3_client: boto3 client for S3.
    :param uri: ``s3://dest/prefix/source-bucket/config-id/``.
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
    Refuse a folder without reports if there are reports near it, because they will never be in this one.

    It takes a few LISTs of one page. A place that the connection may not list is left out.

    :param s3_client: boto3 client for S3.
    :param location: a folder in which no report was found.
    :raises InvalidArgument: if there are; its message names the folder of the reports.
    """
    follow_once(s3_client)
    folders = sorted({*_above(s3_client, location), *_below(s3_client, location)})
    if folders:
        places = " or ".join(f"s3://{location.bucket}/{folder}" for folder in folders[:3])
        raise InvalidArgument(
            f"there are no reports in this folder, but in {places}",
            uri=str(location),
            remedy=f"Name {places}: s3://destination-bucket/prefix/source-bucket/configuration-id/",
        )


def check_manifest(s3_client: Any, uri: str) -> None:
    """
    Refuse a manifest that is not there, and is not named in the folder of a report, if there are reports near it.

    :param s3_client: boto3 client for S3.
    :param uri: S3 URI of a ``manifest.json``.
    :raises InvalidArgument: if there are; its message names the folder of the reports.
    """
    folder = report_folder(uri)
    if report_time(folder):
        return
    location = InventoryLocation(*split(folder))
    follow_once(s3_client)
    if _has_reports(_folders(s3_client, location, location.prefix)):
        raise InvalidArgument(
            "a manifest.json is in the folder of its report, which is named by a time",
            uri=uri,
            remedy=f"Name {location} for the newest report, or s3://.../YYYY-MM-DDTHH-MMZ/manifest.json below it",
        )
    check_place(s3_client, location)


def _above(s3_client: Any, location: InventoryLocation) -> Iterator[str]:
    prefix = location.prefix
    inside = _INSIDE.search(prefix)
    # The next folder above, whatever the one that was named is called: a date in another form, or a mistake.
    above = {prefix[: prefix.rstrip("/").rfind("/") + 1], prefix[: inside.start()] if inside else ""}
    for folder in {*above, _SLASHES.sub("", prefix)} - {"", prefix}:
        if _has_reports(_folders(s3_client, location, folder)):
            yield folder


def _below(s3_client: Any, location: InventoryLocation) -> list[str]:
    found: list[str] = []
    left = _MOST_FOLDERS
    level = _folders(s3_client, location, location.prefix)
    for _ in range(_LEVELS):
        looked_at = level[:left]
        left -= len(looked_at)
        level = []
        for folder in looked_at:
            inside = _folders(s3_client, location, folder)
            if _has_reports(inside):
                found.append(folder)
            level += inside
        if found:
            break
    return found


def _has_reports(folders: list[str]) -> bool:
    return any(report_time(folder) for folder in folders)


def _folders(s3_client: Any, location: InventoryLocation, prefix: str) -> list[str]:
    uri = f"s3://{location.bucket}/{prefix}"
    try:
        with s3_errors(uri, permission="s3:ListBucket"):
            return next(list_objects(s3_client, location.bucket, prefix, uri=uri, delimiter="/")).folders
    except CrrError:
        return []
