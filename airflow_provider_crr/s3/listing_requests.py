"""
Listings, page by page, whole or not at all.

A listing ends only where S3 says that nothing follows. Anything else is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.fork_lock import ForkLock
from airflow_provider_crr.s3.listing_page import OBJECTS, VERSIONS, Page, Request
from airflow_provider_crr.s3.listing_xml import NotAPage, parsed

#: The request for the page that this thread asks for; None while it asks for something else.
_ASKED: ContextVar[Request | None] = ContextVar("page", default=None)
#: Key in botocore's answer, under which is the page, or the reason why there is none.
_PAGE = "CrrPage"
_REGISTERING = ForkLock()


def list_objects(client: Any, bucket: str, prefix: str, *, uri: str, delimiter: str = "") -> Iterator[Page]:
    """
    Yield the pages of the current objects whose keys begin with a prefix, in key order.

    :param client: boto3 S3 client.
    :param bucket: the bucket.
    :param prefix: "" for all objects.
    :param uri: what is listed, for messages.
    :param delimiter: keys that have it after the prefix are listed as common prefixes; "" for none.
    :raises LookupFailed: if an answer is no page of this listing, also after botocore's retries; ``passing``.
    :raises ClientError: if S3 refuses. Whatever else botocore raises is not caught either.
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
        if page.last != request.after:  # the listing has gone on, so that earlier markers cannot come again
            asked.clear()
        asked.add(tuple(request.go_on.values()))
        if tuple(page.go_on.values()) in asked:
            raise _not_whole("it names a page that it named before", uri)
        request = replace(request, go_on=page.go_on, after=page.last)


def _ask(client: Any, request: Request, uri: str) -> Page:
    from botocore.exceptions import ClientError

    token = _ASKED.set(request)
    try:
        page = getattr(client, request.form.method)(**request.parameters).get(_PAGE)
    except ClientError as error:
        page = error.response.get(_PAGE)
        if page is None:  # S3's own refusal
            raise
        raise _not_whole(page, uri) from error
    finally:
        _ASKED.reset(token)
    if not isinstance(page, Page):
        raise LookupFailed(
            "could not list: this boto3 client does not show what S3 answers",
            uri=uri,
            remedy="Give a client of boto3 itself, and not a double that makes answers up",
        )
    return page


def _not_whole(why: Any, uri: str) -> LookupFailed:
    return LookupFailed(
        f"could not list: {why}",
        uri=uri,
        remedy="Part of a listing is not used. If this stays, look at what is between here and S3, such as a proxy",
        passing=True,
    )


def _read_strictly(client: Any) -> None:
    """Have the client's pages read here, before botocore does it; once for each client."""
    with _REGISTERING:
        for form in (OBJECTS, VERSIONS):
            event = f"before-parse.s3.{form.operation}"
            client.meta.events.register(event, _read, unique_id=f"airflow_provider_crr.{event}")


def _read(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """
    Read the page that was asked for, and have botocore retry if the answer is none.

    For that its status becomes 500, as botocore does it with a 200 whose body is an error
    (``botocore.handlers._handle_200_error``).
    """
    request = _ASKED.get()
    if request is None:
        return
    status, body = response_dict["status_code"], response_dict["body"]
    try:
        if status >= 300:
            if status == 500 and body:
                parsed(body)  # a 500 whose body is cut off becomes one without a body, which botocore can read
            return
        customized_response_dict[_PAGE] = request.read(status, response_dict["headers"], body)
    except NotAPage as error:
        customized_response_dict[_PAGE] = str(error)
        response_dict["status_code"] = 500
    response_dict["body"] = b""  # botocore would parse it once more, which takes several times as long
