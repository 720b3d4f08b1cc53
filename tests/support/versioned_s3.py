"""
A scripted S3 that keeps versions: it lists them, answers HEAD for them, and deletes them as S3 documents it.

Attributes let it behave otherwise: how it treats conditions, and how it answers a delete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.support.s3_server import LAST_MODIFIED, Answer, Request, S3Server, _error, _Handler

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class Version:
    """One version of a key; ``replication`` is its status, None for none; ``marker`` makes it a delete marker."""

    id: str
    replication: str | None = "COMPLETED"
    content: str = ""
    marker: bool = False

    @property
    def etag(self) -> str:
        """Its ETag without quotes."""
        return md5((self.content or self.id).encode()).hexdigest()


@dataclass(frozen=True)
class Deleted:
    """One version that the server was asked to delete; ``etag`` is the condition, ``alone`` says DeleteObject."""

    key: str
    version_id: str | None
    etag: str | None
    alone: bool


#: Is given the objects of a DeleteObjects request; returns an answer, or the body of one, or None for S3's own.
Script = Callable[[Sequence[Deleted]], "Answer | str | None"]


class VersionedS3(S3Server):
    """
    The server. ``server`` is the value of its ``Server`` header, None for none at all.

    ``conditions`` says how it treats an ETag: "current" compares it with the current version, as S3 does; "ignored"
    ignores it, as MinIO does; any other value is the code with which the whole request is refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self._http.RequestHandlerClass = _VersionedHandler
        self.objects: dict[tuple[str, str], list[Version]] = {}
        self.server: str | None = "AmazonS3"
        self.conditions = "current"
        #: Scripts DeleteObjects; it may leave out what it says to be deleted.
        self.on_delete: Script = lambda objects: None
        self.deletes: list[Deleted] = []
        #: Whether it lists keys backwards, as no S3 does.
        self.backwards = False
        self.on_head: Callable[[Request], Answer | None] = lambda request: None
        #: Is given a HEAD of an object and what would be sent; what it shortens ends the connection.
        self.on_wire: Callable[[Request, bytes], bytes] = lambda request, sent: sent
        self.on_listing: Callable[[Request, str], Answer | str] = lambda request, body: body

    def put(self, bucket: str, key: str, *versions: Version | str) -> None:
        """Keep versions of a key, the oldest first; text is the id of one that is COMPLETED."""
        found = [version if isinstance(version, Version) else Version(version) for version in versions]
        self.objects.setdefault((bucket, key), [])[:0] = reversed(found)

    def left(self, bucket: str = "b") -> dict[str, list[str]]:
        """Return the ids of the versions that are there, by key, the newest first."""
        return {
            key: [each.id for each in kept] for (where, key), kept in self.objects.items() if where == bucket and kept
        }

    def delete(self, bucket: str, asked: Deleted) -> str | None:
        """Delete one version as S3 does, and return the code with which that is refused."""
        kept = self.objects.get((bucket, asked.key), [])
        if asked.etag and self.conditions == "current":
            if not kept or kept[0].marker:
                return "NoSuchKey"
            if asked.etag.strip('"') != kept[0].etag:
                return "PreconditionFailed"
        kept[:] = [version for version in kept if version.id != asked.version_id]
        return None


class _VersionedHandler(_Handler):
    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self._serve()

    do_DELETE = _Handler.do_HEAD

    def version_string(self) -> str:
        return self._s3.server or ""

    def send_header(self, keyword: str, value: str) -> None:
        if (keyword, value) != ("Server", ""):
            super().send_header(keyword, value)

    @property
    def _s3(self) -> VersionedS3:
        found = self.server.s3
        assert isinstance(found, VersionedS3)
        return found

    def _send(self, answer: Answer, body: str, request: Request) -> None:
        if request.method != "HEAD" or not request.key or answer.raw is not None:
            super()._send(answer, body, request)
            return
        whole = self._head(answer, request, len(body))
        sent = self._s3.on_wire(request, whole)
        self.wfile.write(sent)
        self.close_connection |= len(sent) < len(whole)

    def _answer(self, request: Request) -> tuple[Answer, str]:
        if not request.fault:
            if request.method == "DELETE":
                return self._delete_object(request)
            if request.method == "POST":
                return self._delete_objects(request)
            if request.method in ("HEAD", "GET") and request.key:
                found = replace(self._s3.on_head(request) or self._object(request), names_version=False)
                return (found, "") if found.status < 300 else _error(found, request.key)
            if request.method == "GET" and "replication" not in request.query:
                listed = self._s3.on_listing(request, self._listing(request))
                return (listed, "") if isinstance(listed, Answer) else (Answer(), listed)
        return super()._answer(request)

    def _object(self, request: Request) -> Answer:
        kept = self._s3.objects.get((request.bucket, request.key), [])
        asked = [each for each in kept if request.version_id in (None, each.id)][:1]
        if not asked:
            return Answer(404, code="NoSuchKey")
        (version,) = asked
        headers = {"x-amz-version-id": version.id, "Last-Modified": LAST_MODIFIED}
        if version.marker:
            return Answer(405 if request.version_id else 404, {**headers, "x-amz-delete-marker": "true"}, "NoSuchKey")
        status = {"x-amz-replication-status": version.replication} if version.replication else {}
        return Answer(headers={**headers, **status, "ETag": f'"{version.etag}"'})

    def _delete_object(self, request: Request) -> tuple[Answer, str]:
        s3 = self._s3
        asked = Deleted(request.key, request.version_id, request.headers.get("if-match"), alone=True)
        s3.deletes.append(asked)
        if asked.etag and s3.conditions not in ("current", "ignored"):
            return _error(Answer(501, code=s3.conditions), request.key)
        code = s3.delete(request.bucket, asked)
        if code:
            return _error(Answer(404 if code == "NoSuchKey" else 412, code=code), request.key)
        return Answer(204, {"x-amz-version-id": request.version_id or ""}), ""

    def _delete_objects(self, request: Request) -> tuple[Answer, str]:
        s3 = self._s3
        try:
            root = ElementTree.fromstring(self.body)
        except ElementTree.ParseError:
            return _error(Answer(400, code="MalformedXML"), request.bucket)
        objects = [
            Deleted(_text(each, "Key") or "", _text(each, "VersionId"), _text(each, "ETag"), alone=False)
            for each in root.iter(f"{{{NAMESPACE}}}Object")
        ]
        s3.deletes += objects
        if s3.conditions not in ("current", "ignored") and any(each.etag for each in objects):
            return _error(Answer(400, code=s3.conditions), request.bucket)
        scripted = s3.on_delete(objects)
        if isinstance(scripted, Answer):
            return _error(scripted, request.bucket)
        if scripted is not None:
            return Answer(), scripted
        return Answer(), delete_result(*(said(each, s3.delete(request.bucket, each)) for each in objects))

    def _listing(self, request: Request) -> str:
        query = request.query
        encode: Any = quote if query.get("encoding-type") == "url" else escape
        keys = sorted(
            key
            for (bucket, key), kept in self._s3.objects.items()
            if bucket == request.bucket and key.startswith(query.get("prefix", "")) and kept
        )[:: -1 if self._s3.backwards else 1]
        rows = []
        for key in keys:
            kept = self._s3.objects[request.bucket, key]
            for index, version in enumerate(kept if "versions" in query else kept[:1]):
                kind = "Contents" if "versions" not in query else "DeleteMarker" if version.marker else "Version"
                if kind == "Contents" and version.marker:
                    continue
                rows.append(
                    f"<{kind}><Key>{encode(key)}</Key><VersionId>{version.id}</VersionId>"
                    f"<IsLatest>{str(not index).lower()}</IsLatest>"
                    "<LastModified>2026-10-05T20:00:00.000Z</LastModified>"
                    f"<ETag>&quot;{version.etag}&quot;</ETag><Size>4</Size></{kind}>"
                )
        name = "ListVersionsResult" if "versions" in query else "ListBucketResult"
        encoding = "<EncodingType>url</EncodingType>" if encode is quote else ""
        return (
            f'<{name} xmlns="{NAMESPACE}"><Name>{request.bucket}</Name><IsTruncated>false</IsTruncated>{encoding}'
            f"{''.join(rows)}</{name}>"
        )


def said(asked: Deleted, code: str | None = None) -> str:
    """Return what S3 says of one object of DeleteObjects; with a code, that it was not deleted."""
    kind, more = ("Error", f"<Code>{code}</Code>") if code else ("Deleted", "")
    return f"<{kind}><Key>{reference(asked.key)}</Key><VersionId>{asked.version_id}</VersionId>{more}</{kind}>"


def reference(key: str) -> str:
    """Return a key as S3 writes it into XML."""
    return escape(key, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def delete_result(*lines: str) -> str:
    """Return the body of an answer to DeleteObjects."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="{NAMESPACE}">{"".join(lines)}</DeleteResult>'


def _text(element: ElementTree.Element, name: str) -> str | None:
    found = element.find(f"{{{NAMESPACE}}}{name}")
    return None if found is None else found.text or ""
