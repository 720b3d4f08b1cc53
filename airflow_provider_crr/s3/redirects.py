"""
Redirects that lead nowhere.

S3 names a bucket's Region in the header ``x-amz-bucket-region`` of every redirect (`Request redirection
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html>`__). A redirect of a proxy or to a login page has
no such header. botocore then asks for the Region by HeadBucket, which is redirected in the same way, and so on until
the recursion limit.
"""

from __future__ import annotations

from typing import Any

_REDIRECTS = frozenset({301, 302, 307})


def follow_once(client: Any) -> None:
    """
    Keep a client from following a redirect of HeadBucket that names no Region; once for each client.

    :param client: boto3 client for S3.
    """
    event = "needs-retry.s3.HeadBucket"
    client.meta.events.register_first(event, _end, unique_id=f"airflow_provider_crr.{event}")


def _end(request_dict: dict[str, Any], response: Any, **_: Any) -> None:
    if response is None or response[0] is None or response[0].status_code not in _REDIRECTS:
        return
    if "x-amz-bucket-region" not in response[1].get("ResponseMetadata", {}).get("HTTPHeaders", {}):
        # What botocore's S3RegionRedirectorv2 notes once it has followed.
        request_dict["context"].setdefault("s3_redirect", {})["redirected"] = True
