"""What an inventory report says of one object version, and how its columns are called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple


class Row(NamedTuple):
    """
    One object version or delete marker; None where S3 has nothing to say.

    A tuple, so that a million of them are cheap and turn into columns with ``zip``. The names are those of the ORC and
    Parquet columns, in the order in which S3 writes them.
    """

    bucket: str
    key: str
    version_id: str | None = None
    is_latest: bool | None = True
    is_delete_marker: bool | None = False
    size: int | None = None
    last_modified_date: datetime | None = None
    e_tag: str | None = None
    storage_class: str | None = None
    is_multipart_uploaded: bool | None = None
    replication_status: str | None = None
    encryption_status: str | None = None
    object_lock_retain_until_date: datetime | None = None
    object_lock_mode: str | None = None
    object_lock_legal_hold_status: str | None = None
    intelligent_tiering_access_tier: str | None = None
    bucket_key_status: str | None = None
    checksum_algorithm: str | None = None
    object_access_control_list: str | None = None
    object_owner: str | None = None
    lifecycle_expiration_date: datetime | None = None


Kind = Literal["text", "key", "flag", "number", "time"]


@dataclass(frozen=True, slots=True)
class Field:
    """
    One column of a report.

    :param name: its name in the inventory configuration and in CSV schemas.
    :param column: its name in :class:`Row`, ORC and Parquet.
    :param kind: what its values are.
    """

    name: str
    column: str
    kind: Kind


#: Every column, by its name in CSV schemas, in the order in which S3 writes them.
FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("Bucket", "bucket", "text"),
        Field("Key", "key", "key"),
        Field("VersionId", "version_id", "text"),
        Field("IsLatest", "is_latest", "flag"),
        Field("IsDeleteMarker", "is_delete_marker", "flag"),
        Field("Size", "size", "number"),
        Field("LastModifiedDate", "last_modified_date", "time"),
        Field("ETag", "e_tag", "text"),
        Field("StorageClass", "storage_class", "text"),
        Field("IsMultipartUploaded", "is_multipart_uploaded", "flag"),
        Field("ReplicationStatus", "replication_status", "text"),
        Field("EncryptionStatus", "encryption_status", "text"),
        Field("ObjectLockRetainUntilDate", "object_lock_retain_until_date", "time"),
        Field("ObjectLockMode", "object_lock_mode", "text"),
        Field("ObjectLockLegalHoldStatus", "object_lock_legal_hold_status", "text"),
        Field("IntelligentTieringAccessTier", "intelligent_tiering_access_tier", "text"),
        Field("BucketKeyStatus", "bucket_key_status", "text"),
        Field("ChecksumAlgorithm", "checksum_algorithm", "text"),
        Field("ObjectAccessControlList", "object_access_control_list", "text"),
        Field("ObjectOwner", "object_owner", "text"),
        Field("LifecycleExpirationDate", "lifecycle_expiration_date", "time"),
    )
}
ALL_FIELDS = tuple(FIELDS)
#: What a replication report needs, and what most configurations have.
USUAL_FIELDS = ALL_FIELDS[: ALL_FIELDS.index("EncryptionStatus") + 1]
#: In reports of all versions only.
VERSION_FIELDS = ("VersionId", "IsLatest", "IsDeleteMarker")
