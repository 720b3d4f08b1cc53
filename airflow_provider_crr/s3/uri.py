"""
S3 URIs, and what stands for a bucket in them: its name, or the ARN of an access point to it.

The rule is botocore's, who refuses anything else (``VALID_BUCKET`` and ``VALID_S3_ARN`` in ``botocore/handlers.py``,
1.43): access points, multi-region and Object Lambda ones among them, and access points of S3 on Outposts, each with
"/" or ":" between the parts of the resource, in every partition (``aws``, ``aws-cn``, ``aws-us-gov``, ``aws-iso-b``).
"""

from __future__ import annotations

import re
from functools import lru_cache

#: Longest name of a bucket that boto3 takes.
MAX_BUCKET = 255
_ACCESS_POINT = r"arn:aws[a-z0-9-]*:(?:s3|s3-object-lambda):[a-z0-9-]*:[0-9]{12}:accesspoint[/:][a-zA-Z0-9.-]{1,63}"
_ON_OUTPOST = (
    r"arn:aws[a-z0-9-]*:s3-outposts:[a-z0-9-]+:[0-9]{12}:outpost[/:][a-zA-Z0-9-]{1,63}[/:]accesspoint[/:]"
    r"[a-zA-Z0-9-]{1,63}"
)
_BUCKET = re.compile(rf"[a-zA-Z0-9._-]{{1,{MAX_BUCKET}}}|{_ACCESS_POINT}|{_ON_OUTPOST}")
_ARN_IN_URI = re.compile(rf"({_ACCESS_POINT}|{_ON_OUTPOST})(?:/|\Z)")
#: As amazon's ``S3Hook.parse_s3_url`` reads them: Hadoop's schemes too, in upper or lower case.
_SCHEME = re.compile(r"s3[an]?://", re.IGNORECASE)
#: What amazon's ``S3Hook.get_s3_bucket_key`` refuses beside a bucket name is whatever ``urlsplit`` finds a scheme in;
#: that includes keys such as ``dt:1/a``. This is the part of it that names some other place than a key.
_PLACE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|s3[an]?:/|arn:aws[a-z0-9-]*:s3)", re.IGNORECASE)


def is_s3_uri(text: str) -> bool:
    """Return whether a text is an S3 URI: ``s3://``, or Hadoop's ``s3a://`` or ``s3n://``, in any case."""
    return text.startswith("s3://") or ("://" in text and _SCHEME.match(text) is not None)


def split(uri: str) -> tuple[str, str]:
    """
    Return bucket and key of an S3 URI; ``""`` for what is not there. Neither is checked.

    :param uri: what :func:`is_s3_uri` takes. All after the bucket's "/" is the key.
    """
    rest = uri[uri.index("://") + 3 :]
    arn = _ARN_IN_URI.match(rest) if rest.startswith("arn:") else None
    if arn:
        return arn[1], rest[arn.end() :]
    bucket, _, key = rest.partition("/")
    return bucket, key


def canonical(uri: str) -> str:
    """Return an S3 URI with the scheme ``s3://``; any other text as it is."""
    return f"s3://{uri[uri.index('://') + 3 :]}" if is_s3_uri(uri) else uri


@lru_cache(maxsize=256)
def is_bucket(text: str) -> bool:
    """Return whether boto3 takes a text for a bucket."""
    return _BUCKET.fullmatch(text) is not None


def is_arn(bucket: str) -> bool:
    """Return whether what stands for a bucket is an ARN: S3 answers about its objects, not about its settings."""
    return bucket.startswith("arn:")


def is_of_one_bucket(bucket: str) -> bool:
    """
    Return whether what is asked and done there is asked of, and done in, one bucket.

    Not through a multi-region access point, which leads each request to one of several buckets, nor through an Object
    Lambda one, where a function answers.
    """
    return not is_arn(bucket) or not (bucket.endswith(".mrap") or ":s3-object-lambda:" in bucket)


def names_a_place(key: str) -> bool:
    """Return whether a text that is taken for a key names something else: a URL, an ARN, or a mistyped S3 URI."""
    return ":" in key and _PLACE.match(key) is not None
