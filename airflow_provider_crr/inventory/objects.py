"""One object of a report, as it is read: its answer whole and S3's, or asked for again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from traceback import clear_frames
from typing import Any, TypeVar

from airflow_provider_crr.errors import (
    CrrError,
    InventoryError,
    InventoryManifestInvalid,
    InventoryNotFound,
    LookupFailed,
)
from airflow_provider_crr.s3 import error_origin
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.objects import split_uri
from airflow_provider_crr.s3.redirects import follow_once

#: How often an object is asked for: botocore retries a request, but not the reading of a body, nor odd answers.
FETCH_ATTEMPTS = 3
#: Seconds before the second attempt; twice that before the third.
_PAUSE = 0.2

_WAIT_OR_NAME = "Wait until S3 has delivered the report, or name another one"
_LENGTH = re.compile(r"[0-9]{1,18}")

Found = TypeVar("Found")


@contextmanager
def s3_errors(
    uri: str, *, permission: str = "s3:GetObject and, for an encrypted report, kms:Decrypt"
) -> Iterator[None]:
    """
    Raise what boto3, and what it is made of, raises as an error of this provider, with the original as its cause.

    Close to the request: whatever else raises in the block is taken for a broken answer.

    :param uri: what was asked for.
    :param permission: the permission that this needs.
    :raises LookupFailed: ``passing``, for what none of them says: urllib3 and http.client on a body that breaks off,
        botocore itself on a header that it cannot read.
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
            raise broken(f"{type(error).__name__}: {str(error)[:300]}", uri) from error


def broken(what: str, uri: str) -> LookupFailed:
    """Return the error for an answer that is not whole, or none of S3's."""
    return LookupFailed(
        f"cannot read the inventory: the answer is broken: {what}",
        uri=uri,
        remedy="Run the task again; if it stays, look at what stands between here and S3",
        passing=True,
    )


@contextmanager
def opened(s3_client: Any, bucket: str, key: str, uri: str) -> Iterator[tuple[Callable[[int], bytes], int]]:
    """
    Ask for an object; its errors are those of :func:`s3_errors`, what else is raised in the block passes.

    :param s3_client: boto3 client for S3.
    :param bucket: where it is.
    :param key: its key.
    :param uri: its S3 URI, for messages.
    :returns: a function that reads at most so many bytes of its body, and its size, which S3 always says.
    """
    follow_once(s3_client)
    with s3_errors(uri):
        try:
            answer = s3_client.get_object(Bucket=bucket, Key=key)
        except Exception as error:
            clear_frames(error.__traceback__)  # botocore leaves an answer that it cannot read open, in one of them
            raise
    with closing(answer["Body"]) as body:  # one that is not read to its end holds its connection
        said = str(answer["ResponseMetadata"]["HTTPHeaders"].get("content-length"))
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 200 or not _LENGTH.fullmatch(said):
            raise broken(f"Content-Length is {said[:40]}", uri)

        def read(size: int) -> bytes:
            with s3_errors(uri):
                found: bytes = body.read(size)
                return found

        yield read, int(said)


def read_object(s3_client: Any, uri: str, *, limit: int) -> bytes:
    """
    Return an object of a report.

    :param s3_client: boto3 client for S3.
    :param uri: its S3 URI.
    :param limit: how many bytes it may have.
    :raises InventoryManifestInvalid: if it has more.
    :raises CrrError: as :func:`s3_errors` does.
    """
    bucket, key = split_uri(uri)

    def attempt() -> bytes:
        with opened(s3_client, bucket, key, uri) as (read, size):
            if size > limit:
                raise InventoryManifestInvalid(f"more than {limit} bytes", uri=uri, remedy="Name another report")
            body = b"".join(iter(lambda: read(size + 1), b""))
            if len(body) != size:
                raise broken(f"{len(body)} of {size} bytes", uri)
            return body

    return insisting(attempt)


def insisting(attempt: Callable[[], Found], given_up: Callable[[], bool] = lambda: False) -> Found:
    """
    Return what an attempt returns, made again while it fails for what passes by itself.

    :param attempt: raises LookupFailed for that.
    :param given_up: whether nobody waits for it any longer.
    """
    for number in range(1, FETCH_ATTEMPTS):
        try:
            return attempt()
        except LookupFailed as error:
            if not error.passing or given_up():
                raise
            time.sleep(_PAUSE * number)
    return attempt()
