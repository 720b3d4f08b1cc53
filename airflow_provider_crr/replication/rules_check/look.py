"""What a check of rules asks AWS, and what it may get for an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from airflow_provider_crr.replication.configuration import ReplicationConfiguration


@dataclass(frozen=True, slots=True)
class Unseen:
    """
    An answer that did not come, usually because a permission is missing. Nothing is concluded from it.

    :param what: what was to be seen, such as ``"the versioning of s3://copy"``.
    :param why: why it was not, with the remedy.
    """

    what: str
    why: str


class Versioning(StrEnum):
    """The versioning of a bucket, which S3 can say only of a bucket that exists."""

    ENABLED = "Enabled"
    SUSPENDED = "Suspended"
    NEVER = "never enabled"
    GONE = "no such bucket"


class RoleState(StrEnum):
    """What IAM says of the role with which S3 is to replicate."""

    TRUSTS_S3 = "S3 may assume it"
    TRUSTS_OTHERS = "S3 may not assume it"
    GONE = "there is no such role"


@dataclass(frozen=True, slots=True)
class Encryption:
    """
    How a bucket encrypts what is written without a word about encryption.

    :param algorithm: ``"AES256"``, ``"aws:kms"`` or ``"aws:kms:dsse"``.
    :param bucket_key: whether it uses an S3 Bucket Key.
    """

    algorithm: str = "AES256"
    bucket_key: bool = False

    @property
    def is_kms(self) -> bool:
        """Whether it takes a key of KMS, SSE-KMS or DSSE-KMS."""
        return self.algorithm.startswith("aws:kms")


@dataclass(frozen=True, slots=True)
class Archiving:
    """
    A lifecycle rule that moves objects to a storage class from which S3 does not replicate.

    :param rule: its name.
    :param prefix: prefix of the keys that it covers.
    :param when: ``"after 30 days"``, or the date.
    :param storage_class: the storage class.
    """

    rule: str
    prefix: str
    when: str
    storage_class: str


class Look(Protocol):
    """
    Answers the questions of a check. Each is asked of AWS at most once, and only if the check needs the answer.

    Nothing here raises an error but :meth:`configuration`: what is not to be had is :class:`Unseen`.
    """

    def configuration(self, bucket: str) -> ReplicationConfiguration | Unseen:
        """
        Return the replication configuration of a bucket.

        :raises BucketNotFound: if there is no such bucket.
        :raises LookupFailed: if S3 could not be asked, for another reason than want of a permission.
        """

    def versioning(self, bucket: str) -> Versioning | Unseen:
        """Return the versioning of a bucket, or that there is no such bucket."""

    def encryption(self, bucket: str) -> Encryption | Unseen:
        """Return the default encryption of a bucket."""

    def object_lock(self, bucket: str) -> bool | Unseen:
        """Return whether a bucket has Object Lock enabled."""

    def requester_pays(self, bucket: str) -> bool | Unseen:
        """Return whether a bucket is a requester-pays bucket."""

    def region(self, bucket: str) -> str | Unseen:
        """Return the Region of a bucket."""

    def archivings(self, bucket: str) -> tuple[Archiving, ...] | Unseen:
        """Return the lifecycle rules that move a bucket's objects to where S3 does not replicate from."""

    def role(self, arn: str) -> RoleState | Unseen:
        """Return what IAM says of a role."""
