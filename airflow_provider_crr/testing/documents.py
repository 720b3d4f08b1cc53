"""What S3 answers, in the form in which S3 writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.testing.objects import Version

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_PAGE = 1000
#: Lists of a replication configuration -> the element that each of their items is.
_ITEMS = {"Rules": "Rule", "Tags": "Tag"}


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of S3.

    :param status: HTTP status.
    :param headers: headers beside those that every answer has.
    :param body: its body; None if ``headers`` tell the length of one that is not sent.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""


class VersionRow(NamedTuple):
    """One row of a listing of versions."""

    key: str
    version: Version
    is_latest: bool
    is_marker: bool


def refused(status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer to a request that S3 refuses."""
    return Answer(status, headers or {}, _xml("Error", {"Code": code, "Message": message or code}))


def of_object(version: Version, state: ObjectState, byte_range: str = "") -> Answer:
    """
    Return the answer that shows an object.

    :param version: the version.
    :param state: its state, one in which it can be read.
    :param byte_range: the ``Range`` of the request; "" for all bytes.
    """
    headers = {
        "ETag": f'"{version.etag}"',
        "Last-Modified": format_datetime(version.last_modified, usegmt=True),
        "x-amz-version-id": version.id,
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
    }
    if state is not ObjectState.NONE:  # a word that nobody knows makes it UNKNOWN
        headers["x-amz-replication-status"] = state
    first, _, last = byte_range.removeprefix("bytes=").partition("-")
    if not first:
        return Answer(200, headers, version.content)
    whole = len(version.content)
    part = version.content[int(first) : int(last) + 1 if last else whole]
    headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{whole}"
    return Answer(206, headers, part)


def listing(params: Mapping[str, Any], rows: Iterable[tuple[str, Version]]) -> Answer:
    """Return a page of a listing of objects, with common prefixes where the request has a delimiter."""
    prefix, delimiter = params.get("Prefix") or "", params.get("Delimiter") or ""
    after = unquote(params.get("ContinuationToken") or "") or params.get("StartAfter") or ""
    limit = min(int(params.get("MaxKeys", _PAGE)), _PAGE)
    elements: dict[str, str] = {}
    more = False
    for key, version in rows:
        folded, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        name = f"{prefix}{folded}{delimiter}" if found else key
        if name <= after or name in elements:
            continue
        if len(elements) == limit:
            more = True
            break
        elements[name] = (
            f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>"
            if found
            else f"<Contents><Key>{quote(key)}</Key>{_row(version)}<StorageClass>STANDARD</StorageClass></Contents>"
        )
    token = f"<NextContinuationToken>{quote(next(reversed(elements)))}</NextContinuationToken>" if more else ""
    return _page("ListBucketResult", params, more, f"<KeyCount>{len(elements)}</KeyCount>{token}", elements.values())


def versions(params: Mapping[str, Any], rows: Sequence[VersionRow]) -> Answer:
    """Return a page of a listing of versions."""
    marker = (params.get("KeyMarker"), params.get("VersionIdMarker"))
    names = [(row.key, row.version.id) for row in rows]
    first = names.index(marker) + 1 if marker in names else 0  # type: ignore[arg-type]
    page, more = rows[first : first + _PAGE], len(rows) > first + _PAGE
    elements = [
        f"<{kind}><Key>{quote(row.key)}</Key><VersionId>{row.version.id}</VersionId>"
        f"<IsLatest>{str(row.is_latest).lower()}</IsLatest>{_row(row.version)}</{kind}>"
        for row in page
        for kind in ["DeleteMarker" if row.is_marker else "Version"]
    ]
    last = page[-1] if more else None
    go_on = (
        f"<NextKeyMarker>{quote(last.key)}</NextKeyMarker><NextVersionIdMarker>{last.version.id}</NextVersionIdMarker>"
        if last
        else ""
    )
    return _page("ListVersionsResult", params, more, go_on, elements)


def delete_result(asked: Iterable[tuple[Mapping[str, Any], str]]) -> Answer:
    """
    Return the answer to DeleteObjects.

    :param asked: what was asked for, and the code with which it is refused; "" if it is deleted.
    """
    lines = [
        _element(
            "Error" if code else "Deleted",
            {
                "Key": named["Key"],
                **({"VersionId": named["VersionId"]} if named.get("VersionId") else {}),
                **({"Code": code, "Message": code} if code else {}),
            },
        )
        for named, code in asked
    ]
    return Answer(200, body=f'{_HEAD}<DeleteResult xmlns="{_NAMESPACE}">{"".join(lines)}</DeleteResult>'.encode())


def replication(rules: Sequence[Mapping[str, Any]]) -> Answer:
    """Return the answer to GetBucketReplication."""
    role = "arn:aws:iam::123456789012:role/replication"
    return Answer(200, body=_xml("ReplicationConfiguration", {"Role": role, "Rules": rules}))


def encryption() -> Answer:
    """Return the answer to GetBucketEncryption: what S3 does by default."""
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return Answer(200, body=_xml("ServerSideEncryptionConfiguration", {"Rule": default}))


def request_payment() -> Answer:
    """Return the answer to GetBucketRequestPayment: the owner pays."""
    return Answer(200, body=_xml("RequestPaymentConfiguration", {"Payer": "BucketOwner"}))


def location() -> Answer:
    """Return the answer to GetBucketLocation of a bucket in us-east-1."""
    return Answer(200, body=f'{_HEAD}<LocationConstraint xmlns="{_NAMESPACE}"/>'.encode())


def versioning() -> Answer:
    """Return the answer to GetBucketVersioning: buckets that replicate keep versions."""
    return Answer(200, body=_xml("VersioningConfiguration", {"Status": "Enabled"}))


def _page(name: str, params: Mapping[str, Any], more: bool, rest: str, elements: Iterable[str]) -> Answer:
    text = (
        f'{_HEAD}<{name} xmlns="{_NAMESPACE}"><Name>{escape(params["Bucket"])}</Name>'
        f"<Prefix>{quote(params.get('Prefix') or '')}</Prefix><MaxKeys>{_PAGE}</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{rest}{''.join(elements)}"
        f"</{name}>"
    )
    return Answer(200, {"Content-Type": "application/xml"}, text.encode())


def _row(version: Version) -> str:
    modified = version.last_modified.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    etag = f"&quot;{version.etag}&quot;"
    return f"<LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{len(version.content)}</Size>"


def _xml(name: str, value: Mapping[str, Any]) -> bytes:
    return (_HEAD + _element(name, value)).encode()


def _element(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_element(*item) for item in value.items())}</{name}>"
    if isinstance(value, list | tuple):
        return "".join(_element(_ITEMS.get(name, name), each) for each in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text, {chr(13): '&#13;'})}</{name}>"
