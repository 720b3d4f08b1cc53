"""Objects that were written some time ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair


def test_object_is_as_old_as_it_was_told_to_be(aws: LocalAws, pair: ReplicatedPair) -> None:
    """What is written while dates are set back is old in HEAD and in listings alike; what comes later is not."""
    s3, bucket = pair.source_client, pair.source
    aws.date_back(7200)
    try:
        s3.put_object(Bucket=bucket, Key="old", Body=b"x")
    finally:
        aws.date_back(0)
    s3.put_object(Bucket=bucket, Key="young", Body=b"x")
    now = datetime.now(UTC)
    listed = {each["Key"]: each["LastModified"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    for key, age in (("old", timedelta(hours=2)), ("young", timedelta(0))):
        told = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
        assert told == listed[key].replace(microsecond=0)
        assert abs(now - told - age) < timedelta(minutes=1)
