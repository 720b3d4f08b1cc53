"""
Replicated buckets, and destinations that refuse.

Everything goes through the S3 API, so that what it makes is what a user would have made. What MiniStack turns into
FAILED, read in its ``services/s3.py``: a destination that does not exist, one whose versioning is suspended, the
source itself, and one of another account whose bucket policy does not allow the replication role. Rules are taken in
order, the first that matches decides, and each has one destination.
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
        Refuse the replication role: what is written from now on is FAILED.

        Only a destination of another account can refuse.
        """
        self.destination_client.delete_bucket_policy(Bucket=self.destination)

    def allow(self) -> None:
        """Let the replication role write. As in S3, what has FAILED stays so."""
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

    :param aws: where.
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
    # The oldest region is the one that S3 does not accept as a constraint.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=name, **where)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def suspend_versioning(client: Any, name: str) -> None:
    """Suspend a bucket's versioning: a destination so treated fails every replication to it."""
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
