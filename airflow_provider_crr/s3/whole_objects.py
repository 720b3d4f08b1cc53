"""
GetObject, and whether its answer is the whole object.

Of an answer without a length nobody would see that it breaks off. S3 always tells it.
"""

from __future__ import annotations

import re
from traceback import clear_frames
from typing import Any

from airflow_provider_crr.s3.error_origin import is_of_parsing

_LENGTH = re.compile(r"[0-9]{1,18}")


def get_object(s3_client: Any, bucket: str, key: str) -> Any:
    """
    Return boto3's answer to GetObject; errors are those of boto3.

    :param s3_client: boto3 client for S3.
    :param bucket: where the object is.
    :param key: its key.
    """
    try:
        return s3_client.get_object(Bucket=bucket, Key=key)
    except Exception as error:
        if is_of_parsing(error):
            clear_frames(error.__traceback__)  # one holds the answer that botocore could not read, and left open
        raise


def size_of(answer: Any) -> int | None:
    """
    Return the size of the object in an answer; None if the answer is not that of a whole object.

    :param answer: what :func:`get_object` returned.
    """
    said = answer["ResponseMetadata"]
    length = str(said["HTTPHeaders"].get("content-length"))
    return int(length) if said["HTTPStatusCode"] == 200 and _LENGTH.fullmatch(length) else None
