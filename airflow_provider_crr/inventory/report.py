"""Finding reports, and reading the manifest of one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from airflow_provider_crr.errors import InvalidArgument, InventoryNotFound
from airflow_provider_crr.inventory.get_object import read_object, s3_errors
from airflow_provider_crr.inventory.location import InventoryLocation, is_manifest_uri, report_folder, report_time
from airflow_provider_crr.inventory.manifest import Manifest
from airflow_provider_crr.inventory.nearby_reports import check_manifest, check_place, parse_or_name
from airflow_provider_crr.s3.listing_requests import list_objects
from airflow_provider_crr.s3.objects import split_uri
from airflow_provider_crr.s3.redirects import follow_once

#: A manifest has about 250 bytes for a data file, so this is one of over 200,000 files.
MAX_MANIFEST_BYTES = 64 * 1024 * 1024


def read_manifest(s3_client: Any, uri: str) -> Manifest:
    """
    Return the manifest of a report, checked against its ``manifest.checksum``.

    :param s3_client: boto3 client for S3.
    :param uri: S3 URI of ``manifest.json``.
    :raises InvalidArgument: if the URI does not name a ``manifest.json``, or one beside the folders of reports.
    :raises InventoryNotFound: if it or its checksum is not there.
    :raises InventoryManifestInvalid: if it cannot be trusted.
    :raises ReplicationStatusMissing: if the report has no ReplicationStatus column.
    :raises InventoryError: if reading it is not allowed.
    :raises LookupFailed: if S3 could not be asked.
    """
    folder = report_folder(uri)
    # The checksum is written last: once it is there, the manifest is too.
    try:
        checksum = read_object(s3_client, f"{folder}manifest.checksum", limit=1024)
    except InventoryNotFound:
        check_manifest(s3_client, uri)
        raise
    return Manifest.parse(read_object(s3_client, uri, limit=MAX_MANIFEST_BYTES), uri=uri, checksum=checksum)


def newest_manifest_uri(s3_client: Any, location_uri: str, *, newer_than: datetime | None = None) -> str | None:
    """
    Return the S3 URI of the ``manifest.json`` of the newest complete report.

    S3 does not tell which report is the newest, so the folders of the reports are listed. A report is complete once
    ``manifest.checksum`` is there, which may be many hours after the time in the name of its folder.

    :param s3_client: boto3 client for S3.
    :param location_uri: ``s3://dest/prefix/source-bucket/config-id/``.
    :param newer_than: only reports begun after this moment; None for any.
    :returns: None if there is none.
    :raises InvalidArgument: if the URI names no inventory configuration, ``newer_than`` has no time zone, or the
        reports are in another folder near it.
    :raises LookupFailed: if S3 could not be asked.
    """
    location = parse_or_name(s3_client, location_uri)
    if newer_than is not None and newer_than.tzinfo is None:
        raise InvalidArgument(f"newer_than {newer_than} has no time zone", remedy="Give an aware datetime")
    with s3_errors(str(location), permission="s3:ListBucket"):
        under_way: list[str] = []
        reports = _newest_first(s3_client, location)
        if not reports:
            check_place(s3_client, location)
        for begun, uri in reports:
            if newer_than is not None and begun <= newer_than:
                return None
            if _is_complete(s3_client, uri):
                # A newer one, which was looked at before, may have been completed since.
                return next((newer for newer in under_way if _is_complete(s3_client, newer)), uri)
            under_way.append(uri)
    return None


def manifest_uri_of(s3_client: Any, inventory: str) -> str:
    """
    Return the S3 URI of the ``manifest.json`` that a user named, or of the newest complete report.

    :param s3_client: boto3 client for S3.
    :param inventory: S3 URI of a ``manifest.json``, or ``s3://dest/prefix/source-bucket/config-id/``.
    :raises InvalidArgument: if it is neither.
    :raises InventoryNotFound: if there is no complete report.
    :raises LookupFailed: if S3 could not be asked.
    """
    uri = inventory if is_manifest_uri(inventory) else newest_manifest_uri(s3_client, inventory)
    if uri is None:
        raise InventoryNotFound(
            "there is no complete inventory report",
            uri=inventory,
            remedy="The first report comes up to two days after the configuration; S3InventorySensor waits for it",
        )
    return uri


def complete_manifest_uris(
    s3_client: Any, location_uri: str, *, at_most: int, known: Collection[str] = frozenset()
) -> list[str]:
    """
    Return the S3 URIs of the ``manifest.json`` of those of the newest reports that are complete.

    :param s3_client: boto3 client for S3.
    :param location_uri: ``s3://dest/prefix/source-bucket/config-id/``.
    :param at_most: how many of the newest reports to look at.
    :param known: URIs that an earlier call returned; each of them saves a request.
    :returns: the URIs in the order in which S3 began the reports.
    :raises InvalidArgument: if the URI names no inventory configuration, or the reports are in another folder near it.
    :raises LookupFailed: if S3 could not be asked.
    """
    location = parse_or_name(s3_client, location_uri)
    with s3_errors(str(location), permission="s3:ListBucket"):
        newest = _newest_first(s3_client, location)[:at_most]
        if not newest:
            check_place(s3_client, location)
        return [uri for _, uri in reversed(newest) if uri in known or _is_complete(s3_client, uri)]


def _newest_first(s3_client: Any, location: InventoryLocation) -> list[tuple[datetime, str]]:
    """Return when S3 began each report, and the URI of its manifest, which may not be there yet."""
    follow_once(s3_client)
    pages = list_objects(s3_client, location.bucket, location.prefix, uri=str(location), delimiter="/")
    folders = [folder for page in pages for folder in page.folders]
    return sorted(
        (
            (begun, f"s3://{location.bucket}/{folder}manifest.json")
            for folder in folders
            if (begun := report_time(folder)) is not None
        ),
        reverse=True,
    )


def _is_complete(s3_client: Any, manifest_uri: str) -> bool:
    bucket, key = split_uri(manifest_uri)
    folder = key.removesuffix("manifest.json")
    pages = list_objects(s3_client, bucket, f"{folder}manifest.", uri=manifest_uri)
    names = {row.key.removeprefix(folder) for page in pages for row in page.rows}
    return {"manifest.json", "manifest.checksum"} <= names
