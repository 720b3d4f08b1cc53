"""
Names of S3 objects: S3 URIs, keys, versions, and buckets, each by its name or by the ARN of an access point.

Which buckets are valid is botocore's rule (``VALID_BUCKET`` and ``VALID_S3_ARN`` in ``botocore/handlers.py``, 1.43). It
takes the ARNs of access points, multi-region and Object Lambda ones among them, and of access points of S3 on Outposts,
each with "/" or ":" between the parts of the resource, in every partition (``aws``, ``aws-cn``, ``aws-us-gov``,
``aws-iso-b``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.text.legible import shortened

#: Longest key that S3 stores, in bytes of UTF-8 ("Creating object key names").
MAX_KEY_BYTES = 1024
#: Longest version id, in bytes, all of them "URL-ready" ("Retaining multiple versions of objects with S3 Versioning").
MAX_VERSION_ID_BYTES = 1024

_NEEDED = {
    "bucket": "Write s3://bucket/key, or give the bucket as bucket_name",
    "key": "Write s3://bucket/key; for all of a bucket, s3://bucket/* as a pattern",
}
_VERSION_REMEDY = 'Leave it out for the current version; a version from before versioning is "null"'

#: Longest name of a bucket that boto3 takes.
MAX_BUCKET = 255
_ACCESS_POINT = r"arn:aws[a-z0-9-]*:(?:s3|s3-object-lambda):[a-z0-9-]*:[0-9]{12}:accesspoint[/:][a-zA-Z0-9.-]{1,63}"
_ON_OUTPOST = (
    r"arn:aws[a-z0-9-]*:s3-outposts:[a-z0-9-]+:[0-9]{12}:outpost[/:][a-zA-Z0-9-]{1,63}[/:]accesspoint[/:]"
    r"[a-zA-Z0-9-]{1,63}"
)
_BUCKET = re.compile(rf"[a-zA-Z0-9._-]{{1,{MAX_BUCKET}}}|{_ACCESS_POINT}|{_ON_OUTPOST}")
_ARN_IN_URI = re.compile(rf"({_ACCESS_POINT}|{_ON_OUTPOST})(?:/|\Z)")
_ACCOUNT = re.compile(r"[0-9]{12}")
#: The schemes that amazon's ``S3Hook.parse_s3_url`` takes: Hadoop's too, in upper or lower case.
_SCHEME = re.compile(r"s3[an]?://", re.IGNORECASE)
#: Texts that name something else than a key. Beside a bucket name, amazon's ``S3Hook.get_s3_bucket_key`` refuses every
#: text in which ``urlsplit`` sees a scheme; but that includes keys such as ``dt:1/a``.
_PLACE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|s3[an]?:/|arn:aws[a-z0-9-]*:s3)", re.IGNORECASE)


def is_s3_uri(text: str) -> bool:
    """Return whether a text is an S3 URI: ``s3://``, or Hadoop's ``s3a://`` or ``s3n://``, in any case."""
    return text.startswith("s3://") or ("://" in text and _SCHEME.match(text) is not None)


def split(uri: str) -> tuple[str, str]:
    """
    Return bucket and key of an S3 URI; ``""`` for what is not there. Neither is checked.

    :param uri: an S3 URI, see :func:`is_s3_uri`. All that follows the "/" after the bucket is the key.
    """
    rest = uri[uri.index("://") + 3 :]
    arn = _ARN_IN_URI.match(rest) if rest.startswith("arn:") else None
    if arn:
        return arn[1], rest[arn.end() :]
    bucket, _, key = rest.partition("/")
    return bucket, key


def split_uri(uri: str) -> tuple[str, str]:
    """
    Return bucket and key of an S3 URI.

    :raises InvalidArgument: if it is none, or has no key.
    """
    bucket, key = split(uri) if is_s3_uri(uri) else ("", "")
    if not is_bucket(bucket) or not key:
        raise InvalidArgument(f"{uri!r} is not an S3 URI with a key", remedy="Write s3://bucket/key")
    return bucket, key


def canonical(uri: str) -> str:
    """Return an S3 URI with the scheme ``s3://``; any other text as it is."""
    return f"s3://{uri[uri.index('://') + 3 :]}" if is_s3_uri(uri) else uri


@lru_cache(maxsize=256)
def is_bucket(text: str) -> bool:
    """Return whether a text is valid as boto3's argument ``Bucket``."""
    return _BUCKET.fullmatch(text) is not None


def is_arn(bucket: str) -> bool:
    """Return whether a bucket is given by an ARN. S3 then answers about its objects, but not about its settings."""
    return bucket.startswith("arn:")


def is_of_one_bucket(bucket: str) -> bool:
    """
    Return whether all requests reach one and the same bucket.

    A multi-region access point leads each request to one of several buckets. At an Object Lambda access point a
    function answers.
    """
    return not is_arn(bucket) or not (bucket.endswith(".mrap") or ":s3-object-lambda:" in bucket)


def names_a_place(key: str) -> bool:
    """Return whether a text that is taken for a key names something else: a URL, an ARN, or a mistyped S3 URI."""
    return ":" in key and _PLACE.match(key) is not None


@dataclass(frozen=True, slots=True)
class S3Object:
    """
    One object, or one version of it.

    :param bucket: bucket name, or the ARN of an access point.
    :param key: object key, as S3 stores it: neither URL-encoded nor trimmed.
    :param version_id: version id; ``"null"`` for a version from before versioning; None for whatever is current.
    :raises InvalidArgument: for an empty bucket or key, a bucket that boto3 does not take, a key with a NUL or with
        code points that are not text, a key longer than 1,024 bytes, or a version id that is empty or no text.
    """

    bucket: str
    key: str
    version_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what S3 could never hold."""
        for name, value, other in (("bucket", self.bucket, self.key), ("key", self.key, self.bucket)):
            if not isinstance(value, str) or not value:
                got = f"only {shortened(repr(other))}" if other and not value else repr(value)
                raise InvalidArgument(f"an S3 object needs a {name}, got {got}", remedy=_NEEDED[name])
        if not is_bucket(self.bucket):
            raise InvalidArgument(
                f"Invalid bucket name {self.bucket!r}: it is not a bucket name, nor the ARN of an access point",
                uri=f"s3://{self.bucket}/{self.key}",
                remedy="Write s3://bucket/key, or s3://arn:aws:s3:region:account:accesspoint/name/key",
            )
        if self.version_id is not None and (not isinstance(self.version_id, str) or not self.version_id):
            raise InvalidArgument(
                f"version id {self.version_id!r} is not a non-empty string",
                uri=f"s3://{self.bucket}/{self.key}",
                remedy=_VERSION_REMEDY,
            )
        try:
            size, _ = len(self.key.encode()), (self.version_id or "").encode()
        except UnicodeEncodeError as error:
            what = f"key {self.key!r}" if error.object == self.key else f"version id {self.version_id!r}"
            raise InvalidArgument(f"{what} is not valid Unicode text", remedy="S3 keys are UTF-8") from error
        if "\0" in self.key or size > MAX_KEY_BYTES:
            raise InvalidArgument(
                f"key {self.key!r} contains a NUL" if "\0" in self.key else f"key of {size} bytes",
                uri=f"s3://{self.bucket}/{self.key[:80]!r}",
                remedy=f"An S3 key is at most {MAX_KEY_BYTES} bytes of UTF-8 without NUL",
            )

    @classmethod
    def parse(cls, value: object, bucket: str | None = None) -> S3Object:
        """
        Return the object that a user wrote down.

        :param value: ``"s3://bucket/key"`` (everything after the bucket is the key, also ``?`` and ``#``; ``s3a://``
            and ``s3n://`` are the same), a key relative to ``bucket``, a ``{"bucket", "key", "version_id"}`` mapping,
            or an :class:`S3Object`. In a mapping the key is taken as it is. A bucket or version id that is there must
            not be None; leave it out instead.
        :param bucket: bucket of a value that names none; must be None if the value is an S3 URI, as in
            amazon's ``S3KeySensor``.
        :raises InvalidArgument: if the value is none of these; also for text that is a URL of another scheme, an ARN or
            a mistyped S3 URI, rather than a key.
        """
        if isinstance(value, S3Object):
            return value
        if isinstance(value, Mapping):
            return cls._from_mapping(value, bucket)
        if not isinstance(value, str):
            raise InvalidArgument(
                f"{value!r} does not name an S3 object",
                remedy='Give "s3://bucket/key", a key with bucket_name, or a mapping of bucket, key and version_id',
            )
        if is_s3_uri(value):
            if bucket is not None:
                raise InvalidArgument(
                    f"bucket_name {bucket!r} is given for a full S3 URI",
                    uri=value,
                    remedy="Leave bucket_name out, or give the key alone",
                )
            bucket, value = split(value)
        elif names_a_place(value):
            raise InvalidArgument(
                f"{value!r} looks neither like an S3 URI nor like a key",
                remedy="Write s3://bucket/key; a key that really begins so goes there too, or into a mapping",
            )
        return cls(bucket or "", value)

    @classmethod
    def _from_mapping(cls, value: Mapping[Any, Any], bucket: str | None) -> S3Object:
        if unknown := sorted(str(name) for name in value if name not in ("bucket", "key", "version_id")):
            raise InvalidArgument(
                f"an S3 object mapping has bucket, key and version_id, not {', '.join(unknown)}",
                remedy="Remove or rename the other names",
            )
        obj = cls(value.get("bucket", bucket) or "", value.get("key") or "")
        return obj.in_version(value["version_id"]) if "version_id" in value else obj

    def in_version(self, version_id: str) -> S3Object:
        """
        Return one version of this object.

        :raises InvalidArgument: for what is no version id, such as None, also as text: whoever looked for a version and
            found none does not mean the current one.
        """
        if version_id is None or version_id == "None":
            raise InvalidArgument(f"version id {version_id!r} names no version", uri=str(self), remedy=_VERSION_REMEDY)
        return S3Object(self.bucket, self.key, version_id)

    def to_dict(self) -> dict[str, str]:
        """Return the plain JSON form, which :meth:`parse` reads."""
        fields = {"bucket": self.bucket, "key": self.key, "version_id": self.version_id}
        return {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        """Return the S3 URI, with the version as S3's own tools write it."""
        version = f"?versionId={self.version_id}" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"


def text(value: object, name: str) -> str:
    """
    Return the value if it is a text that is not empty.

    :raises InvalidArgument: if it is something else.
    """
    if not isinstance(value, str) or not value:
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give an S3 URI")
    return value


def account_id(value: object, name: str = "expected_bucket_owner") -> str:
    """
    Return the id of an AWS account, 12 digits as text.

    :param value: the id. A whole number, which has lost its leading zeros, gets them back.
    :param name: of the argument, for messages.
    :raises InvalidArgument: if it is something else.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    digits = f"{value:012d}" if whole else value
    if not isinstance(digits, str) or not _ACCOUNT.fullmatch(digits):
        raise InvalidArgument(f"{name} is {value!r}", remedy="Give the 12 digits of an AWS account id, as text")
    return digits
