"""
What a store that only resembles S3 does otherwise than Amazon S3, and how it is told.

S3 names itself in the ``Server`` header of every answer, and so do most others. Whatever is true of S3 alone is asked
here before it is said, or done, at another endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Store:
    """
    One kind of store.

    :param name: what people call it.
    :param is_s3: whether it is Amazon S3 itself.
    :param repairs_failed: whether it tries FAILED objects again by itself.
    :param replicates_existing: whether it also replicates what was there before its rule.
    :param asked_with: request headers without which it does not answer about its own objects only.
    """

    name: str
    is_s3: bool = False
    repairs_failed: bool = False
    replicates_existing: bool = False
    asked_with: Mapping[str, str] = field(default_factory=dict)


AMAZON_S3 = Store("Amazon S3", is_s3=True)
MINIO = Store(
    "MinIO",
    repairs_failed=True,
    replicates_existing=True,
    # Otherwise HEAD of a key that is missing here is answered by the replication target, unmarked.
    asked_with={"x-minio-source-proxy-request": "false"},
)
#: Any other: what is said of S3 is taken to hold.
UNNAMED = Store("this store")


def store_of(server: str) -> Store:
    """
    Return the kind of store that gave an answer.

    :param server: value of the answer's ``Server`` header; empty if it had none.
    """
    if server == "AmazonS3":
        return AMAZON_S3
    return MINIO if server.lower().startswith("minio") else UNNAMED
