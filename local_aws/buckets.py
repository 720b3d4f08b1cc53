"""
Replicated buckets, and destinations that refuse.

Everything is made through the S3 API, as a user would make it. MiniStack reports FAILED (see its ``services/s3.py``) if
the destination does not exist, has its versioning suspended, is the source itself, or belongs to another account and
its bucket policy does not allow the replication role. MiniStack takes the rules in order: the first that matches
decides, and each has one destination.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.server import ACCOUNT_ID, LocalAws

ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/replication"
#: Who owns a destination that can refuse: MiniStack asks bucket policies between accounts only.
OTHER_ACCOUNT_ID = "222222222222"


@dataclass(frozen=True, slots=True)
class ReplicatedPair:
    """
    A bucket and the one that it is replicated to.

    :param source: name of the replicated bucket.
    :param destination: name of the bucket of its replicas.
    :param source_client: an S3 client of the source's region and account.
    :param destination_client: an S3 client of the destination's region and account.
    """

    source: str
    destination: str
    source_client: Any
    destination_client: Any

    def deny(self) -> None:
        """
        Refuse the replication role: objects that are written from now on become FAILED.

        Only a destination of another account can refuse.
        """
        self.destination_client.delete_bucket_policy(Bucket=self.destination)

    def allow(self) -> None:
        """Let the replication role write. As in S3, objects that are FAILED stay so."""
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": ROLE},
            "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
            "Resource": f"arn:aws:s3:::{self.destination}/*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.destination_client.put_bucket_policy(Bucket=self.destination, Policy=policy)


def replicated_pair(
    aws: LocalAws,
    source: str = "landing",
    destination: str = "landing-replica",
    rules: Sequence[dict[str, Any]] | None = None,
    source_region: str = "eu-west-1",
    destination_region: str = "us-east-1",
    *,
    denied: bool = False,
) -> ReplicatedPair:
    """
    Make two versioned buckets, the first replicated to the second.

    :param aws: the local AWS that gets them.
    :param source: name of the replicated bucket.
    :param destination: name of the bucket of its replicas.
    :param rules: rules of the replication configuration; by default one that covers every key.
    :param source_region: region of the replicated bucket.
    :param destination_region: region of the replicas.
    :param denied: the destination belongs to another account, which refuses the replication role until
        :meth:`ReplicatedPair.allow`.
    """
    account_id = OTHER_ACCOUNT_ID if denied else ACCOUNT_ID
    pair = ReplicatedPair(
        source,
        destination,
        aws.client(region=source_region),
        aws.client(region=destination_region, account_id=account_id),
    )
    versioned_bucket(pair.source_client, source)
    versioned_bucket(pair.destination_client, destination)
    pair.source_client.put_bucket_replication(
        Bucket=source,
        ReplicationConfiguration={"Role": ROLE, "Rules": list(rules or [replication_rule(destination)])},
    )
    return pair


def replication_rule(destination: str, prefix: str = "", *, rule_id: str = "all", priority: int = 1) -> dict[str, Any]:
    """
    Return an enabled rule, in the form that S3 wants today (V2), without replication of delete markers.

    :param destination: name of the bucket of the replicas.
    :param prefix: prefix of the keys that it covers.
    :param rule_id: its name.
    :param priority: the higher wins among rules with the same destination.
    """
    return {
        "ID": rule_id,
        "Priority": priority,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{destination}"},
    }


def versioned_bucket(client: Any, name: str) -> None:
    """Make a bucket in the client's region, with versioning enabled."""
    region = client.meta.region_name
    # S3 does not accept its oldest Region as a constraint.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=name, **where)
    enable_versioning(client, name)


def suspend_versioning(client: Any, name: str) -> None:
    """Suspend a bucket's versioning: every replication to it fails then."""
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})


def enable_versioning(client: Any, name: str) -> None:
    """Enable a bucket's versioning, or enable it again."""
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
