"""The objects and versions of a bucket whose keys match a pattern, streamed page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.listing_requests import list_object_versions, list_objects
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.patterns import literal_prefix, matches


class ListedObject(NamedTuple):
    """
    One line of a bucket listing.

    :param object: the key; without a version in a listing of what is current.
    :param etag: without its quotes.
    :param last_modified: when that version was written, UTC, whole seconds.
    :param is_latest: whether it is the current version.
    """

    object: S3Object
    etag: str
    last_modified: datetime | None
    is_latest: bool = True


def list_matching(client: Any, pattern: S3Object) -> Iterator[ListedObject]:
    """Return the current objects whose keys match a pattern, in key order; see :func:`list_pages`."""
    for page in list_pages(client, pattern):
        yield from page


def list_pages(client: Any, pattern: S3Object) -> Iterator[list[ListedObject]]:
    """
    Return the current objects whose keys match a pattern, in key order, after each LIST what that has shown.

    :param client: boto3 S3 client.
    :param pattern: the bucket, and the pattern as its key.
    :raises LookupFailed: if the bucket cannot be listed, or not to its end.
    """
    pages = list_objects(client, pattern.bucket, literal_prefix(pattern.key), uri=str(pattern))
    with translated(str(pattern), "list objects", permission="s3:ListBucket"):
        for page in pages:
            yield [
                ListedObject(S3Object(pattern.bucket, row.key), row.etag, row.last_modified)
                for row in page.rows
                if matches(pattern.key, row.key)
            ]


def list_versions(client: Any, pattern: S3Object, *, exact: bool) -> Iterator[ListedObject]:
    """
    Return every version of the objects that match, without delete markers.

    :param client: boto3 S3 client.
    :param pattern: the bucket, and a key or a pattern as its key.
    :param exact: whether the key is a key rather than a pattern.
    :raises LookupFailed: if the versions cannot be listed, or not to their end.
    """
    prefix = pattern.key if exact else literal_prefix(pattern.key)
    pages = list_object_versions(client, pattern.bucket, prefix, uri=str(pattern))
    with translated(str(pattern), "list object versions", permission="s3:ListBucketVersions"):
        for page in pages:
            for row in page.rows:
                if row.key == pattern.key if exact else matches(pattern.key, row.key):
                    obj = S3Object(pattern.bucket, row.key, row.version_id)
                    yield ListedObject(obj, row.etag, row.last_modified, row.is_latest)
            if exact and page.last > pattern.key:
                return  # S3 lists in key order: the longer keys that begin alike come after the key itself
