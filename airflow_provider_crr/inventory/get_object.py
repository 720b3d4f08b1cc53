"""
GetObject for the objects of a report.

An answer counts only if it is whole and S3's; otherwise the object is asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from airflow_provider_crr.errors import (
    CrrError,
    InventoryError,
    InventoryManifestInvalid,
    InventoryNotFound,
    LookupFailed,
)
from airflow_provider_crr.s3 import error_origin, whole_objects
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.objects import split_uri
from airflow_provider_crr.s3.redirects import follow_once

#: How often an object is asked for. botocore repeats a request that failed, but does not begin again if the body breaks
#: off or the answer is not S3's.
FETCH_ATTEMPTS = 3
#: Seconds before the second attempt; twice that before the third.
_PAUSE = 0.2

_WAIT_OR_NAME = "Wait until S3 has delivered the report, or name another one"

Result = TypeVar("Result")


@contextmanager
def s3_errors(
    uri: str, *, permission: str = "s3:GetObject and, for an encrypted report, kms:Decrypt"
) -> Iterator[None]:
    """
    Turn what boto3, botocore and urllib3 raise into an error of this provider; the original is its cause.

    The block should hold the request and nothing else, since other exceptions are taken for a broken answer.

    :param uri: what was asked for.
    :param permission: the permission that the request needs.
    :raises CrrError: the error that fits S3's answer, see :func:`~airflow_provider_crr.s3.client_errors.translated`.
    :raises LookupFailed: with ``passing`` set, if the answer cannot be read: the body breaks off, or botocore cannot
        read a header.
    """
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    missing = InventoryNotFound("no such object", uri=uri, remedy=_WAIT_OR_NAME)
    with translated(uri, "read the inventory", permission=permission, denied=InventoryError, missing=missing):
        try:
            yield
        except (HTTPError, HTTPException, OSError, ValueError, KeyError, RecursionError) as error:
            of_boto3 = type(error).__module__.startswith("botocore.")  # some of its errors are ValueErrors, too
            if of_boto3 or isinstance(error, CrrError) or error_origin.is_about_credentials(error):
                raise
            raise broken_answer(f"{type(error).__name__}: {str(error)[:300]}", uri) from error


def broken_answer(what: str, uri: str) -> LookupFailed:
    """Return the error for an answer that is not whole or not S3's."""
    return LookupFailed(
        f"cannot read the inventory: the answer is broken: {what}",
        uri=uri,
        remedy="Run the task again; if it stays, look at what stands between here and S3",
        passing=True,
    )


@contextmanager
def open_object(s3_client: Any, bucket: str, key: str, uri: str) -> Iterator[tuple[Callable[[int], bytes], int]]:
    """
    Ask for an object, and close its body at the end of the block.

    Errors of the request and of reading are those of :func:`s3_errors`. Other exceptions of the block pass unchanged.

    :param s3_client: boto3 client for S3.
    :param bucket: where it is.
    :param key: its key.
    :param uri: its S3 URI, for messages.
    :returns: a function that reads up to a number of bytes of the body, and the size of the object, which S3 always
        tells.
    """
    follow_once(s3_client)
    with s3_errors(uri):
        answer = whole_objects.get_object(s3_client, bucket, key)
    with closing(answer["Body"]) as body:  # otherwise a body that is not read to its end keeps its connection
        whole = whole_objects.size_of(answer)
        if whole is None:
            said = str(answer["ResponseMetadata"]["HTTPHeaders"].get("content-length"))
            raise broken_answer(f"Content-Length is {said[:40]}", uri)

        def read(size: int) -> bytes:
            with s3_errors(uri):
                chunk: bytes = body.read(size)
                return chunk

        yield read, whole


def read_object(s3_client: Any, uri: str, *, limit: int) -> bytes:
    """
    Return an object of a report.

    :param s3_client: boto3 client for S3.
    :param uri: its S3 URI.
    :param limit: how many bytes it may have.
    :raises InventoryManifestInvalid: if it has more.
    :raises CrrError: if it cannot be read, see :func:`s3_errors`.
    """
    bucket, key = split_uri(uri)

    def attempt() -> bytes:
        with open_object(s3_client, bucket, key, uri) as (read, size):
            if size > limit:
                raise InventoryManifestInvalid(f"more than {limit} bytes", uri=uri, remedy="Name another report")
            body = b"".join(iter(lambda: read(size + 1), b""))
            if len(body) != size:
                raise broken_answer(f"{len(body)} of {size} bytes", uri)
            return body

    return with_retries(attempt)


def with_retries(attempt: Callable[[], Result], given_up: Callable[[], bool] = lambda: False) -> Result:
    """
    Call a function, again after a short pause if it fails for a reason that passes by itself; return its result.

    :param attempt: the function; it raises LookupFailed with ``passing`` set for such a reason.
    :param given_up: returns whether nobody waits for the result any longer; then it is not called again.
    """
    for number in range(1, FETCH_ATTEMPTS):
        try:
            return attempt()
        except LookupFailed as error:
            if not error.passing or given_up():
                raise
            time.sleep(_PAUSE * number)
    return attempt()
