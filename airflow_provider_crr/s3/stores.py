"""
How stores with the API of S3 differ from Amazon S3, and how they are recognized.

Amazon S3 names itself in the ``Server`` header of every answer, and so do most other stores. What is true of Amazon S3
alone is looked up here before code relies on it, or a message says it. A store that is not recognized is taken for S3.

What is said of MinIO was seen in a running one; of the others, it was read in their sources or documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

#: Headers that give the replication status, and what their values mean. The first header that is there counts; the
#: second is that of StorageGRID's cross-grid replication.
STATUS_WORDS: dict[str, dict[str, str]] = {
    "x-amz-replication-status": {
        "PENDING": "PENDING",
        "PROCESSING": "PENDING",  # Scality: some of the destinations have it
        "COMPLETED": "COMPLETED",
        "COMPLETE": "COMPLETED",  # in the API model since 2015, and what some S3-compatible stores send
        "FAILED": "FAILED",
        "REPLICA": "REPLICA",
    },
    "x-ntap-sg-cgr-replication-status": {
        "PENDING": "PENDING",
        "COMPLETED": "COMPLETED",
        "FAILURE": "FAILED",
        "REPLICA": "REPLICA",
    },
}
#: Headers by which MinIO and RustFS say that a version is being deleted for good, at the target too.
PURGE_HEADERS = ("x-minio-replication-delete-status", "x-rustfs-replication-delete-status")

#: If an object is missing, MinIO asks its replication target, and answers HEAD with what that says, without a word of
#: it. This request header keeps it from doing so. RustFS is the same.
_ANSWER_YOURSELF = {"x-minio-source-proxy-request": "false"}


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """
    One kind of store. The defaults are what is true of Amazon S3.

    :param name: what people call it.
    :param is_s3: whether it is Amazon S3 itself.
    :param repairs_failed: whether it tries FAILED objects again by itself, as long as a rule covers them.
    :param replicates_existing: whether it also replicates what was there before its rule, or before its tags.
    :param asked_with: request headers that it needs, so that it answers about its own objects only.
    :param doer: its name as the subject of a sentence.
    :param words: state -> why an object in that state decides against a gate, where the reason is another than on S3.
    :param pending: what to do about an object that stays PENDING.
    :param deletes_unruled: whether it may delete a version at the destination, too, though no rule says so.
    :param elsewhere: whether the buckets that its rules name are on another server, and may have the source's name.
    :param already_there: what to do about objects that were there before their rule.
    :param tags: what a rule for certain tags means for an object that is there.
    :param older: why an object that a rule covers has no status.
    :param no_status: why an object has no status, where the bucket's rules do not tell.
    :param leaves_out: whether it leaves out what is encrypted with KMS, unless a rule opts in, and what is archived.
    """

    name: str
    is_s3: bool = False
    repairs_failed: bool = False
    replicates_existing: bool = False
    asked_with: Mapping[str, str] = field(default_factory=dict)
    doer: str = "S3"
    words: Mapping[str, str] = field(default_factory=dict)
    pending: str = "look at the destination's Region and bucket; S3 goes on by itself once they answer"
    deletes_unruled: bool = False
    elsewhere: bool = False
    already_there: str = "Replicate what is already there with an S3 Batch Replication job"
    tags: str = (
        "and S3 looks at tags when the object is written. Write it with them, or replicate it with an S3 Batch"
        " Replication job"
    )
    older: str = (
        "so the object is older than the rule (or than the rule's last time enabled): rules reach only what is written"
        " after them. Replicate what is already there with an S3 Batch Replication job"
    )
    no_status: str = ""
    leaves_out: bool = True


#: Where there is no S3 Inventory.
_UNREADABLE = (
    "it answered 400, as S3 does for objects encrypted with a customer key (SSE-C): their status cannot be read without"
    " that key"
)
_WRITE_AGAIN = "Write the objects again that are already there"
_OLDER = (
    "so the object is older than the rule (or than the rule's last time enabled), or it is not known why."
    f" {_WRITE_AGAIN}"
)

AMAZON_S3 = Store("Amazon S3", is_s3=True)
MINIO = Store(
    "MinIO",
    repairs_failed=True,
    replicates_existing=True,
    asked_with=_ANSWER_YOURSELF,
    doer="MinIO",
    words={
        "FAILED": "MinIO tries again by itself once the replication target answers. Look at the target (there, its"
        " bucket and its versioning); on_failed=None or 'wait' waits for it, until max_pending_age if that is set",
        "REPLICA": "MinIO calls it a replica, and copies no replica further, not even in a chain of three. It also"
        " calls an object so that was last changed at the other side of a two-way replication. Ask the bucket that"
        " it was written to, or set on_replica='done'",
        "UNREADABLE": _UNREADABLE,
    },
    pending="look at the replication target; MinIO goes on by itself once it answers",
    elsewhere=True,
    already_there="MinIO replicates what is already there if the rule has existing objects in it",
    tags="and MinIO replicates it as soon as it has them. Set the tags",
    older="and MinIO replicates what was there before the rule once somebody asks for it. Ask again; if it stays, look"
    " at the replication target",
    leaves_out=False,
)
RUSTFS = Store(
    "RustFS",
    asked_with=_ANSWER_YOURSELF,
    doer="RustFS",
    words={
        "FAILED": "RustFS is not known to try a failed replication again. Mend the replication target, then upload the"
        " object again",
        "UNREADABLE": _UNREADABLE,
    },
    pending="look at the replication target; some releases of RustFS were seen to leave it so for ever",
    elsewhere=True,
    already_there=_WRITE_AGAIN,
    tags=f"which it may not have had when it was written. {_WRITE_AGAIN}",
    older=_OLDER,
    leaves_out=False,
)
CEPH = Store(
    "Ceph Object Gateway",
    doer="Ceph",
    words={
        "FAILED": "Ceph is not known to say so, or to try again. Look at the sync status of zone and bucket",
        "UNREADABLE": _UNREADABLE,
    },
    pending="look at the sync status of zone and bucket; Ceph has no FAILED, and stays PENDING instead",
    already_there=f"Zones may be synchronized without any rule of the bucket, and without a status. {_WRITE_AGAIN}",
    tags=f"and Ceph notes a status when the object is written. {_WRITE_AGAIN}",
    older=f"so the object is older than the rule: Ceph notes a status when the object is written. {_WRITE_AGAIN}",
    deletes_unruled=True,  # zones are synchronized by their sync policy, removals of versions included (rgw_data_sync)
    leaves_out=False,
)
STORAGEGRID = Store(
    "StorageGRID",
    doer="StorageGRID",
    words={
        "FAILED": "StorageGRID gave up its cross-grid replication. Mend the cause, then have an administrator of the"
        " grid retry it, or upload the object again",
        "UNREADABLE": _UNREADABLE,
    },
    pending="look at the grid federation connection",
    already_there=_WRITE_AGAIN,
    no_status="StorageGRID tells of cross-grid replication only, in the header x-ntap-sg-cgr-replication-status, which"
    " is not there either: the bucket has no such replication, or had none when the object was written",
    leaves_out=False,
)
#: Any other store, and whatever a proxy hides: it is taken to do what S3 does.
UNNAMED = Store("this store")

_STARTS = {
    "minio": MINIO,
    "rustfs": RUSTFS,
    "ceph object gateway": CEPH,
    "storagegrid": STORAGEGRID,
}
#: Headers that only one store sends. They tell it where a proxy, such as nginx, has put its own name into ``Server``.
_MARKS = {
    "x-minio-error-code": MINIO,
    "x-minio-replication-delete-status": MINIO,
    "x-minio-replication-deletemarker-status": MINIO,
    "x-rgw-object-type": CEPH,
    "x-ntap-sg-cgr-replication-status": STORAGEGRID,
}


@lru_cache(maxsize=64)
def store_of(server: str) -> Store:
    """
    Return the kind of store that gave an answer.

    :param server: value of the answer's ``Server`` header; empty if it had none.
    """
    if server == "AmazonS3":
        return AMAZON_S3
    name = server.lower()
    return next((store for start, store in _STARTS.items() if name.startswith(start)), UNNAMED)


def server_of(headers: Mapping[str, str]) -> str:
    """
    Return what :func:`store_of` takes: ``Server``, or the store's name where a proxy has put its own into that header.

    :param headers: headers of the answer, names in lower case.
    """
    server = headers.get("server", "")
    if store_of(server) is not UNNAMED:
        return server
    for name, store in _MARKS.items():
        if name in headers:
            return store.name
    # MinIO puts the SHA-256 of its node's name here, in hexadecimal; the host id of S3 is Base64.
    node = headers.get("x-amz-id-2", "")
    if len(node) == 64 and not node.strip("0123456789abcdef"):
        return MINIO.name
    return server
