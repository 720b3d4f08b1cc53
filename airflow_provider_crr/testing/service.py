"""The requests that the doubles answer, as S3 documents them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.testing import documents
from airflow_provider_crr.testing.documents import Answer, refused
from airflow_provider_crr.testing.objects import ABSENT, Layer, Version, new_version_id

#: Codes of S3 for the states in which nobody may read the object.
_UNREAD = {ObjectState.FORBIDDEN: (403, "AccessDenied"), ObjectState.UNREADABLE: (400, "InvalidRequest")}


class Service:
    """
    S3, as far as it is needed.

    :param layers: the doubles, the innermost last; the list may change.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._answers: dict[str, Callable[[Any], Answer]] = {
            "DeleteObject": self._delete_object,
            "DeleteObjects": self._delete_objects,
            "GetBucketEncryption": lambda params: documents.encryption(),
            "GetBucketLifecycleConfiguration": lambda params: refused(404, "NoSuchLifecycleConfiguration"),
            "GetBucketLocation": lambda params: documents.location(),
            "GetBucketReplication": self._replication,
            "GetBucketRequestPayment": lambda params: documents.request_payment(),
            "GetBucketVersioning": lambda params: documents.versioning(),
            "GetObjectLockConfiguration": lambda params: refused(404, "ObjectLockConfigurationNotFoundError"),
            "GetObject": self._get,
            "HeadBucket": lambda params: Answer(200),
            "HeadObject": self._head,
            "ListObjectVersions": self._list_versions,
            "ListObjectsV2": self._list,
            "PutObject": self._put,
        }

    def answer(self, operation: str, params: Mapping[str, Any]) -> Answer:
        """
        Return the answer to a request.

        :param operation: its name in the API of S3.
        :param params: its parameters, as boto3 takes them.
        :raises LookupFailed: if it is none of those that are answered.
        """
        answer = self._answers.get(operation)
        if answer is None:
            raise LookupFailed(
                f"fake_s3 does not answer {operation}",
                uri=_uri(params),
                remedy=f"It answers {', '.join(self._answers)}; leave the task that asks for more out of this test",
            )
        for layer in self._layers:
            layer.record.requests.append((operation, _uri(params)))
        if operation != "PutObject" and not self._exists(operation, params["Bucket"]):
            return refused(404, "NoSuchBucket", "The specified bucket does not exist")
        return answer(params)

    def _exists(self, operation: str, bucket: str) -> bool:
        """Return whether a bucket is there. A destination of a rule is, as far as its settings go."""
        if any(bucket in layer.buckets for layer in self._layers):
            return True
        named = {
            (rule.get("Destination") or {}).get("Bucket", "").rpartition(":")[2]
            for layer in self._layers
            for rules in layer.rules.values()
            for rule in rules
        }
        return operation.startswith(("GetBucket", "GetObjectLock")) and bucket in named

    def _kept(self, params: Mapping[str, Any]) -> list[Version]:
        """Return the versions of a key, the current one first."""
        for layer in reversed(self._layers):
            found = layer.buckets.get(params["Bucket"], {}).get(params["Key"])
            if found is not None:
                return found
        return []

    def _asked(self, params: Mapping[str, Any]) -> Version | None:
        wanted = params.get("VersionId")
        return next((each for each in self._kept(params) if wanted in (None, each.id)), None)

    def _head(self, params: Mapping[str, Any]) -> Answer:
        version = self._asked(params)
        if version is None:
            return refused(404, "NoSuchKey")
        state = version.look()
        if state in _UNREAD:
            return refused(*_UNREAD[state])
        if state in ABSENT:
            return self._absent(version, state, params)
        return documents.of_object(version, state)

    def _get(self, params: Mapping[str, Any]) -> Answer:
        version = self._asked(params)
        if version is None:
            return refused(404, "NoSuchKey", "The specified key does not exist.")
        state = version.last_seen
        if state in _UNREAD:
            return refused(*_UNREAD[state], "scripted")
        if state in ABSENT:
            return self._absent(version, state, params)
        return documents.of_object(version, state, params.get("Range", ""))

    def _absent(self, version: Version, state: ObjectState, params: Mapping[str, Any]) -> Answer:
        if state is ObjectState.MISSING:
            return refused(404, "NoSuchKey")
        code = (405, "MethodNotAllowed") if params.get("VersionId") else (404, "NoSuchKey")
        return refused(*code, headers={"x-amz-delete-marker": "true", "x-amz-version-id": version.id})

    def _put(self, params: Mapping[str, Any]) -> Answer:
        obj, content = S3Object(params["Bucket"], params["Key"]), _bytes(params.get("Body", b""))
        kept = self._kept(params)
        scripted = kept[0] if kept else None
        version = Version(
            new_version_id(obj, len(kept)),
            scripted.states if scripted else (ObjectState.NONE,),
            datetime.now(UTC).replace(microsecond=0),
            content,
            scripted.looks if scripted else 0,
        )
        if kept:
            kept.insert(0, version)
        else:
            self._layers[-1].add(obj, version)
        for layer in self._layers:
            layer.record.written[str(obj)] = content
        return Answer(200, {"ETag": f'"{version.etag}"', "x-amz-version-id": version.id})

    def _delete(self, bucket: str, named: Mapping[str, Any]) -> str:
        """Delete a version, or put a delete marker on a key; return the code with which that is refused, or ""."""
        params = {**named, "Bucket": bucket}
        kept, wanted = self._kept(params), named.get("VersionId")
        condition = (named.get("ETag") or named.get("IfMatch") or "").strip('"')
        if condition and (not kept or kept[0].etag != condition):
            return "PreconditionFailed" if kept else "NoSuchKey"
        if wanted:
            kept[:] = [version for version in kept if version.id != wanted]
        else:
            obj = S3Object(bucket, named["Key"])
            marker = Version(new_version_id(obj, "marker", len(kept)), (ObjectState.DELETED,), datetime.now(UTC))
            kept.insert(0, marker) if kept else self._layers[-1].add(obj, marker)
        for layer in self._layers:
            layer.record.deleted.append(_uri(params))
        return ""

    def _delete_object(self, params: Mapping[str, Any]) -> Answer:
        code = self._delete(params["Bucket"], params)
        if code:
            return refused(404 if code == "NoSuchKey" else 412, code)
        return Answer(204, {"x-amz-version-id": params["VersionId"]} if params.get("VersionId") else {})

    def _delete_objects(self, params: Mapping[str, Any]) -> Answer:
        asked = params["Delete"]["Objects"]
        return documents.delete_result([(named, self._delete(params["Bucket"], named)) for named in asked])

    def _replication(self, params: Mapping[str, Any]) -> Answer:
        for layer in reversed(self._layers):
            if params["Bucket"] in layer.rules:
                return documents.replication(layer.rules[params["Bucket"]])
        return refused(404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")

    def _rows(self, params: Mapping[str, Any]) -> list[tuple[str, list[tuple[Version, ObjectState]]]]:
        """
        Return the keys that begin with the prefix, in S3's order, and their versions, the current one first.

        The first page of a listing counts as a look at what is not there.
        """
        prefix, found = params.get("Prefix") or "", dict[str, list[Version]]()
        for layer in self._layers:
            found |= layer.buckets.get(params["Bucket"], {})
        begins = not (params.get("ContinuationToken") or params.get("KeyMarker"))

        def state(version: Version) -> ObjectState:
            return version.look() if begins and version.state in ABSENT else version.state

        return [
            (key, [(version, state(version)) for version in kept])
            for key, kept in sorted(found.items())
            if kept and key.startswith(prefix)
        ]

    def _list(self, params: Mapping[str, Any]) -> Answer:
        rows = [(key, kept[0][0]) for key, kept in self._rows(params) if kept[0][1] not in ABSENT]
        return documents.listing(params, rows)

    def _list_versions(self, params: Mapping[str, Any]) -> Answer:
        rows = [
            documents.VersionRow(key, version, number == 0, state is ObjectState.DELETED)
            for key, kept in self._rows(params)
            for number, (version, state) in enumerate(kept)
            if state is not ObjectState.MISSING
        ]
        return documents.versions(params, rows)


def _bytes(body: Any) -> bytes:
    if hasattr(body, "read"):
        if hasattr(body, "seek"):
            body.seek(0)
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body)


def _uri(params: Mapping[str, Any]) -> str:
    bucket, key, version = params.get("Bucket", ""), params.get("Key"), params.get("VersionId")
    if not key:
        return f"s3://{bucket}/{params.get('Prefix') or ''}"
    return f"s3://{bucket}/{key}" + (f"?versionId={version}" if version else "")
