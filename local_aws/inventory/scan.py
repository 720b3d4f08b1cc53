"""What S3's scan of a bucket would have found."""

from __future__ import annotations

from typing import Any

from local_aws.inventory.row import Row

#: What a HEAD calls the encryption, and what a report calls it.
ENCRYPTION = {"AES256": "SSE-S3", "aws:kms": "SSE-KMS", "aws:kms:dsse": "DSSE-KMS"}


def scan(s3_client: Any, bucket: str, page_size: int = 1000) -> list[Row]:
    """
    Return every version and delete marker of a bucket, each version with the status that it reports now.

    :param s3_client: a client of the bucket's region.
    :param bucket: name of the bucket.
    :param page_size: versions listed at a time.
    """
    rows: list[Row] = []
    paginator = s3_client.get_paginator("list_object_versions")
    for page in paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": page_size}):
        rows += (_version(s3_client, bucket, listed) for listed in page.get("Versions", ()))
        rows += (_delete_marker(bucket, listed) for listed in page.get("DeleteMarkers", ()))
    return rows


def _version(s3_client: Any, bucket: str, listed: dict[str, Any]) -> Row:
    head = s3_client.head_object(Bucket=bucket, Key=listed["Key"], VersionId=listed["VersionId"])
    e_tag = listed["ETag"].strip('"')
    return Row(
        bucket=bucket,
        key=listed["Key"],
        version_id=_version_id(listed),
        is_latest=listed["IsLatest"],
        is_delete_marker=False,
        size=listed["Size"],
        last_modified_date=listed["LastModified"].replace(microsecond=0),
        e_tag=e_tag,
        storage_class=listed.get("StorageClass", "STANDARD"),
        is_multipart_uploaded="-" in e_tag,
        replication_status=head.get("ReplicationStatus"),
        encryption_status=ENCRYPTION.get(head.get("ServerSideEncryption", ""), "NOT-SSE"),
    )


def _delete_marker(bucket: str, listed: dict[str, Any]) -> Row:
    return Row(
        bucket=bucket,
        key=listed["Key"],
        version_id=_version_id(listed),
        is_latest=listed["IsLatest"],
        is_delete_marker=True,
        last_modified_date=listed["LastModified"].replace(microsecond=0),
    )


def _version_id(listed: dict[str, Any]) -> str | None:
    # An object from before versioning is listed as "null", and has an empty column in the report.
    return None if listed["VersionId"] == "null" else str(listed["VersionId"])
