"""
One page of a listing, read strictly: whatever is not S3's whole answer to this very request is refused.

botocore takes an empty body, a web page, or a listing that is cut off for a short listing. What a page must say stands
in the API reference, `ListObjectsV2 <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>`__ and
`ListObjectVersions <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>`__.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

from airflow_provider_crr.s3.etags import opaque
from airflow_provider_crr.s3.freshness import cached
from airflow_provider_crr.s3.listing_xml import Answer, NotAPage, leaves, parsed, time


class Row(NamedTuple):
    """
    One object or version of a listing.

    :param key: its key.
    :param etag: without its quotes; "" if the listing has none.
    :param last_modified: when it was written, UTC; None if the listing does not say.
    :param version_id: its version; "" in a listing of objects, which shows what is current.
    :param is_latest: whether it is current; True where the listing does not say.
    """

    key: str
    etag: str
    last_modified: datetime | None
    version_id: str
    is_latest: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """
    One page of a listing.

    :param rows: its objects or versions, without delete markers.
    :param folders: its common prefixes.
    :param last: the greatest key or common prefix of this page and those before it.
    :param go_on: the parameters with which the next page is asked for; empty if this is the last one.
    """

    rows: list[Row]
    folders: list[str]
    last: str
    go_on: dict[str, str]


class Form(NamedTuple):
    """
    The names that belong to one kind of listing.

    :param operation: name of the request in the API of S3.
    :param method: name of the request in boto3.
    :param root: name of the answer's root element.
    :param row: name of the elements that are its rows.
    :param markers: parameter that asks for the next page -> element of the answer that gives its value.
    """

    operation: str
    method: str
    root: str
    row: str
    markers: dict[str, str]


OBJECTS = Form(
    "ListObjectsV2",
    "list_objects_v2",
    "ListBucketResult",
    "Contents",
    {"ContinuationToken": "NextContinuationToken"},
)
#: Both markers are needed: with a KeyMarker alone S3 goes on with the next key, and leaves out the other versions of
#: this one.
VERSIONS = Form(
    "ListObjectVersions",
    "list_object_versions",
    "ListVersionsResult",
    "Version",
    {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"},
)

#: Elements that, if they are there, repeat a parameter of the request.
_ECHOES = ("Prefix", "Delimiter", "StartAfter", "Marker", "ContinuationToken", "KeyMarker", "VersionIdMarker")
#: Endings of access point aliases, which are used in the place of a bucket's name (user guide, "Access points").
_ALIASES = ("-s3alias", "--ol-s3", "--op-s3")


@dataclass(frozen=True, slots=True)
class Request:
    """
    The request for one page.

    :param form: the kind of listing.
    :param bucket: the bucket, or an access point.
    :param prefix: what the keys begin with.
    :param delimiter: what ends a common prefix; "" for none.
    :param go_on: ``go_on`` of the page before; empty for the first page.
    :param after: the greatest key or common prefix of the pages before.
    """

    form: Form
    bucket: str
    prefix: str
    delimiter: str = ""
    go_on: Mapping[str, str] = field(default_factory=dict)
    after: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters, as boto3 takes them, with URL encoding: XML cannot hold every key."""
        asked = {"Prefix": self.prefix, "Delimiter": self.delimiter, **self.go_on}
        return {"Bucket": self.bucket, "EncodingType": "url", **{name: asked[name] for name in asked if asked[name]}}

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> Page:
        """
        Return the page that an answer is.

        :param status: HTTP status.
        :param headers: its headers, a mapping that ignores the case of their names.
        :param body: its body.
        :raises NotAPage: if it is no page, or one of another listing.
        """
        if status != 200:
            raise NotAPage(f"the answer is HTTP {status} instead of 200")
        if stored := cached(headers):
            raise NotAPage(f"it comes from a cache ({stored})")
        answer = Answer(parsed(body), self.form.root, self.form.row)
        self._check_echo(answer)
        rows = [_row(each, answer, self.form) for each in answer.rows]
        folders = [answer.decoded(leaves(each, "CommonPrefixes", "Prefix")["Prefix"]) for each in answer.folders]
        passed = [answer.decoded(leaves(each, "DeleteMarker", "Key")["Key"]) for each in answer.delete_markers]
        names = [*(row.key for row in rows), *folders, *passed]
        self._check_names(names, folders)
        counted = answer.text("KeyCount")
        if counted and (not counted.isdecimal() or len(counted) > 9 or int(counted) > len(names)):
            raise NotAPage(f"it counts {counted[:40]!r} keys and names {len(names)}")
        return Page(rows, folders, max(names, default=self.after), self._end(answer))

    def _check_echo(self, answer: Answer) -> None:
        name = answer.text("Name")
        if name and name != self.bucket and ":" not in self.bucket and not self.bucket.endswith(_ALIASES):
            raise NotAPage(f"it is of the bucket {name[:80]!r}")
        asked = self.parameters
        for parameter in _ECHOES:
            echo, wanted = answer.text(parameter), asked.get(parameter, "")
            # Stores differ in which of these they encode.
            if echo is not None and echo != wanted and answer.decoded(echo) != wanted:
                raise NotAPage(f"its {parameter} is {echo[:80]!r} and not {wanted[:80]!r}")

    def _check_names(self, names: list[str], folders: list[str]) -> None:
        if folders and not self.delimiter:
            raise NotAPage("it hides keys behind common prefixes")
        for name in names:
            if not name.startswith(self.prefix):
                raise NotAPage(f"its key {name[:80]!r} does not begin with the prefix")
        # "Objects are returned sorted in an ascending order of the respective key names": Python's order of text is
        # that of UTF-8. One key may have versions on several pages.
        first = min(names, default=None)
        if first is not None and self.after and (first < self.after or (first == self.after and self.form is OBJECTS)):
            raise NotAPage("it begins before the end of the page before it")

    def _end(self, answer: Answer) -> dict[str, str]:
        truncated = answer.text("IsTruncated")
        if truncated == "false":
            if any(answer.text(element) for element in (*self.form.markers.values(), "NextMarker")):
                raise NotAPage("it is not truncated, and names a next page")
            return {}
        if truncated != "true":
            raise NotAPage(f"IsTruncated is {truncated and truncated[:40]!r}, neither true nor false")
        markers = {parameter: answer.text(element) or "" for parameter, element in self.form.markers.items()}
        if not all(marker.strip() for marker in markers.values()):
            raise NotAPage("it is truncated, and does not name the next page")
        if self.form is OBJECTS:  # a continuation token is no key, and never encoded
            return markers
        return {**markers, "KeyMarker": answer.decoded(markers["KeyMarker"])}


def _row(element: Element, answer: Answer, form: Form) -> Row:
    texts = leaves(element, form.row, *(("Key",) if form is OBJECTS else ("Key", "VersionId")))
    version_id = "" if form is OBJECTS else texts["VersionId"]
    etag, last_modified = opaque(texts.get("ETag")), time(texts.get("LastModified", ""))
    return Row(answer.decoded(texts["Key"]), etag, last_modified, version_id, texts.get("IsLatest") != "false")
