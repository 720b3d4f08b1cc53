"""What is to be known of a job's buckets before it is created: the Region, and whether a report can be written."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.s3.client_errors import is_of_others, no_such_bucket, raise_not_asked
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.s3.transient_errors import passes
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)


def region_of(client: Any, bucket: str) -> str | None:
    """
    Return the Region of a bucket; None if S3 does not tell.

    :param client: boto3 S3 client.
    :param bucket: name of the bucket.
    :raises BucketNotFound: if there is no such bucket.
    :raises LookupFailed: if somebody else refused, such as STS or a proxy; or if S3 cannot answer at the moment, for
        in another Region the same request would be another job.
    """
    from botocore.exceptions import ClientError

    try:
        answer = client.head_bucket(Bucket=bucket)
    except Exception as error:
        if is_of_others(error, "HeadBucket") or not isinstance(error, ClientError):
            raise_not_asked(error, f"s3://{bucket}", "look for the bucket")
        answer = error.response
        code, _, status = answered(error)
        if status == 404:
            raise no_such_bucket(f"s3://{bucket}") from error
        if passes(code, status):
            raise LookupFailed(
                f"the Region of the bucket is not known: S3 answered HTTP {status}",
                uri=f"s3://{bucket}",
                remedy="Run the task again; if it stays, check the connection's endpoint and the network",
                passing=True,
            ) from error
    headers = answer["ResponseMetadata"].get("HTTPHeaders") or {}
    return answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or None


def refuse_locked(client: Any, bucket: str, uri: str) -> None:
    """
    Refuse a bucket to which S3 writes no completion report: one whose Object Lock has a default retention.

    :param client: boto3 S3 client.
    :param bucket: name of the bucket.
    :param uri: where the report is to be written, for messages.
    :raises InvalidArgument: if S3 says that it has one. Any other answer proves nothing and raises nothing.
    :raises BucketNotFound: if S3 says that there is no such bucket.
    """
    from botocore.exceptions import ClientError

    try:
        answer = client.get_object_lock_configuration(Bucket=bucket)
    except Exception as error:  # usually, s3:GetBucketObjectLockConfiguration is not allowed
        if isinstance(error, ClientError) and answered(error)[0] == "NoSuchBucket":
            raise no_such_bucket(uri) from error
        log.debug("cannot see whether %s has a default retention: %s", bucket, told(error))
        return
    rule = (answer.get("ObjectLockConfiguration") or {}).get("Rule") or {}
    if rule.get("DefaultRetention"):
        raise InvalidArgument(
            f"the bucket {bucket} has Object Lock with a default retention: S3 writes no completion report there",
            uri=uri,
            remedy="Name a bucket without one as completion_report_uri",
        )
