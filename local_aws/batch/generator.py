"""The manifest that S3 makes itself, of the objects of a bucket that a filter matches."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from local_aws.batch.job import Job, JobFailed, Row
from local_aws.batch.store import Store, Version

#: The format of what it writes down; CreateJob does not take it as a manifest.
FORMAT = "S3InventoryReport_CSV_20211130"


def generated_rows(job: Job, generator: Mapping[str, Any], store: Store) -> tuple[list[Row], dict[str, Any] | None]:
    """
    Return the rows, and where they were written down, if they were; raise :class:`JobFailed` if there are none.

    :param job: the job that they are for.
    :param generator: ``S3JobManifestGenerator`` of CreateJob.
    :param store: what S3 keeps.
    """
    bucket = generator["SourceBucket"].rpartition(":")[2]
    owner = store.owner(bucket)
    if owner is None:
        raise JobFailed("SrcBucketNotFound", "The source bucket does not exist")
    if generator.get("ExpectedBucketOwner", owner) != owner:
        raise JobFailed("AccessDenied", "The source bucket is owned by another account")
    chosen = generator.get("Filter", {})
    rows = [
        Row(bucket, quote_plus(version.key, safe="/"), version.version_id)
        for version in store.versions(bucket)
        if not version.is_delete_marker and _matches(version, chosen, store, bucket)
    ]
    if not rows:
        raise JobFailed("NoObjectsFound", "Manifest generation found no keys matching the filter criteria.")
    written = None
    if generator["EnableManifestOutput"]:
        written = _written(job, generator["ManifestOutputLocation"], bucket, rows, store)
    return rows, written


def _matches(version: Version, chosen: Mapping[str, Any], store: Store, bucket: str) -> bool:
    statuses = chosen.get("ObjectReplicationStatuses")
    names = chosen.get("KeyNameConstraint", {})
    classes = chosen.get("MatchAnyStorageClass")
    return (
        (not statuses or (version.status or "NONE") in statuses)
        and ("CreatedAfter" not in chosen or version.last_modified > chosen["CreatedAfter"])
        and ("CreatedBefore" not in chosen or version.last_modified < chosen["CreatedBefore"])
        and all(version.key.startswith(part) for part in names.get("MatchAnyPrefix", ()))
        and all(version.key.endswith(part) for part in names.get("MatchAnySuffix", ()))
        and all(part in version.key for part in names.get("MatchAnySubstring", ()))
        and (not classes or version.storage_class in classes)
        and version.size > chosen.get("ObjectSizeGreaterThanBytes", -1)
        and version.size < chosen.get("ObjectSizeLessThanBytes", float("inf"))
        and (not chosen.get("EligibleForReplication") or store.is_eligible(bucket, version))
    )


def _written(job: Job, place: Mapping[str, Any], source: str, rows: list[Row], store: Store) -> dict[str, Any]:
    bucket = place["Bucket"].rpartition(":")[2]
    prefix = place.get("ManifestPrefix", "").rstrip("/")
    folder = f"{prefix}/job-{job.id}/" if prefix else f"job-{job.id}/"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows((row.bucket, row.key, row.version_id) for row in rows)
    data = gzip.compress(text.getvalue().encode(), mtime=0)
    key = f"{folder}manifests/{_md5(data)}.csv.gz"
    manifest = {
        "sourceBucket": source,
        "destinationBucket": f"arn:aws:s3:::{bucket}",
        "version": "2021-11-30",
        "creationTimestamp": str(int(time.time() * 1000)),
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId",
        "files": [{"key": key, "size": len(data), "MD5checksum": _md5(data)}],
    }
    store.put(job.account_id, bucket, key, data)
    content = json.dumps(manifest).encode()
    store.put(job.account_id, bucket, f"{folder}manifest.json", content)
    return {
        "Format": FORMAT,
        "Location": {"ObjectArn": f"arn:aws:s3:::{bucket}/{folder}manifest.json", "ETag": _md5(content)},
    }


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
