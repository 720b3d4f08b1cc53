"""Listings, page by page, whole or not at all: only S3's own word that nothing follows ends one."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.fork_lock import ForkLock
from airflow_provider_crr.s3.listing_page import OBJECTS, VERSIONS, Page, Request
from airflow_provider_crr.s3.listing_xml import NotAPage, parsed

#: The page that this thread asks for; None if it asks for something else.
_ASKED: ContextVar[Request | None] = ContextVar("page", default=None)
#: Where botocore's answer holds the page, or why there is none.
_PAGE = "CrrPage"
_REGISTERING = ForkLock()


def list_objects(client: Any, bucket: str, prefix: str, *, uri: str, delimiter: str = "") -> Iterator[Page]:
    """
    Yield the pages of the current objects whose keys begin with a prefix, in key order.

    :param client: boto3 S3 client.
    :param bucket: the bucket.
    :param prefix: "" for all objects.
    :param uri: what is listed, for people.
    :param delimiter: keys that have it after the prefix are listed as common prefixes; "" for none.
    :raises LookupFailed: if an answer is no page of this listing, also when asked again: it passes by itself.
    :raises ClientError: if S3 refuses; and whatever else botocore raises.
    """
    return _pages(client, Request(OBJECTS, bucket, prefix, delimiter), uri)


def list_object_versions(client: Any, bucket: str, prefix: str, *, uri: str) -> Iterator[Page]:
    """Yield the pages of all versions of the objects whose keys begin with a prefix; see :func:`list_objects`."""
    return _pages(client, Request(VERSIONS, bucket, prefix), uri)


def _pages(client: Any, request: Request, uri: str) -> Iterator[Page]:
    _read_strictly(client)
    asked: set[tuple[str, ...]] = set()
    while True:
        page = _ask(client, request, uri)
        yield page
        if not page.go_on:
            return
        if page.last != request.after:  # a page goes on, so what was asked for before it cannot come again
            asked.clear()
        asked.add(tuple(request.go_on.values()))
        if tuple(page.go_on.values()) in asked:
            raise _not_whole("it names a page that it named before", uri)
        request = replace(request, go_on=page.go_on, after=page.last)


def _ask(client: Any, request: Request, uri: str) -> Page:
    from botocore.exceptions import ClientError

    token = _ASKED.set(request)
    try:
        found = getattr(client, request.form.method)(**request.parameters).get(_PAGE)
    except ClientError as error:
        found = error.response.get(_PAGE)
        if found is None:  # S3's own refusal
            raise
        raise _not_whole(found, uri) from error
    finally:
        _ASKED.reset(token)
    if not isinstance(found, Page):
        raise LookupFailed(
            "could not list: whoever answers in the place of S3 gives no pages to read",
            uri=uri,
            remedy="Give a boto3 client whose answers come as S3 sends them",
        )
    return found


def _not_whole(why: Any, uri: str) -> LookupFailed:
    return LookupFailed(
        f"could not list: {why}",
        uri=uri,
        remedy="Nothing is concluded from a part of a listing; if it stays, look at what answers between here and S3",
        passing=True,
    )


def _read_strictly(client: Any) -> None:
    """Have the client hand over its pages before botocore reads them; once for each client."""
    with _REGISTERING:
        for form in (OBJECTS, VERSIONS):
            event = f"before-parse.s3.{form.operation}"
            client.meta.events.register(event, _read, unique_id=f"airflow_provider_crr.{event}")


def _read(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """
    Read the page that was asked for, and let botocore retry what is none.

    A 200 becomes a 500, as botocore itself does with an error in a 200 (``botocore.handlers._handle_200_error``).
    """
    request = _ASKED.get()
    if request is None:
        return
    status, body = response_dict["status_code"], response_dict["body"]
    try:
        if status >= 300:
            if status == 500 and body:
                parsed(body)  # what is cut off is a 500 for botocore already
            return
        customized_response_dict[_PAGE] = request.read(status, response_dict["headers"], body)
    except NotAPage as error:
        customized_response_dict[_PAGE] = str(error)
        response_dict["status_code"] = 500
    response_dict["body"] = b""  # botocore need not read it again, which takes it several times as long
