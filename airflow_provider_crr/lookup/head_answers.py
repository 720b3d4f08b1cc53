"""What an answer to HEAD means, and whether it is one of S3's at all."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_crr.replication.status import ObjectReplication, from_head, without_answer
from airflow_provider_crr.s3.objects import S3Object

NOT_OF_S3 = "an answer without x-amz-request-id, which S3 always sends: somebody else's, such as a proxy's"


def from_whole_head(obj: S3Object, http_status: int, headers: Mapping[str, str]) -> ObjectReplication:
    """
    Return what one HEAD answer means, or UNKNOWN if it is no whole answer of S3.

    S3 gives an ETag and a length for each object. An answer without them was cut off, or is not S3's. Neither is an
    answer without the id of the request: S3 and stores like it send it with every answer ("Common response headers"),
    and a proxy does not send it with pages of its own.

    :param obj: what was asked for.
    :param http_status: status code of the answer.
    :param headers: headers of the answer, names in lower case.
    """
    if http_status in (200, 404) and not is_of_s3(headers):
        return without_answer(obj, NOT_OF_S3)
    if http_status == 200:
        # A proxy that sends in chunks may leave the length out of the answer to a HEAD (RFC 9110, section 9.3.2).
        length = headers.get("content-length", "0" if "transfer-encoding" in headers else None)
        if length is None or "etag" not in headers:
            return without_answer(obj, "HTTP 200 without ETag and Content-Length, which S3 always sends")
        if not (length.isascii() and length.isdigit()):
            return without_answer(obj, f"Content-Length is {length!r}")
    return from_head(obj, http_status, headers)


def is_of_s3(headers: Mapping[str, str]) -> bool:
    """Return whether an answer is of S3, or of a store like it, by its headers; their names in lower case."""
    return any(name.startswith("x-amz") for name in headers)
