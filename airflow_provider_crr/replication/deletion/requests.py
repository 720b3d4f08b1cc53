"""
The requests that delete versions, and what a store answers about each version.

The rules encoded here: `DeleteObjects <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>`__,
`DeleteObject <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>`__, `How to perform conditional
deletes <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>`__ and XML 1.0, section 2.2.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_crr.s3.client_errors import is_of_others, translated
from airflow_provider_crr.s3.error_origin import is_of_an_answer
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)

#: Characters that no XML 1.0 document can hold, not even as a reference (XML 1.0, production Char).
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Codes by which a store refuses a request because of its form: one of its keys, its condition, its size, its checksum.
_OF_THE_FORM = frozenset(
    {
        "MalformedXML",
        "InvalidRequest",
        "InvalidArgument",
        "NotImplemented",
        "MethodNotAllowed",
        "MaxMessageLengthExceeded",
        "EntityTooLarge",
        "MissingContentMD5",
    }
)
#: Codes of DeleteObject that are about the object, beside those of the form. The HTTP status is the code where boto3
#: cannot read the answer, as when that names a key with characters that XML cannot hold.
_OF_THE_OBJECT = frozenset(
    {"AccessDenied", "PreconditionFailed", "NoSuchKey", "NoSuchVersion", "ConditionalRequestConflict"}
    | {"400", "403", "404", "409", "412", "501"}
)
#: Codes by which the condition of a key may be refused. A condition also needs s3:GetObject and s3:DeleteObject.
_OF_THE_CONDITION = _OF_THE_FORM | {"AccessDenied", "400", "403", "501"}
#: Codes of a condition that was not met. S3 evaluates it against the current version, whatever version is named.
UNMET = frozenset({"PreconditionFailed", "412 Precondition Failed", "412", "NoSuchKey", "NoSuchVersion", "404"})
_PERMISSION = "s3:DeleteObjectVersion"


class _Refused(Exception):
    """
    The store refused a request, and did nothing.

    :param message: what it refused.
    :param code: its code.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class DeleteResult:
    """
    What a store said of the versions that it was asked to delete. Of a version in neither it said nothing.

    :param deleted: versions that it named as deleted.
    :param errors: version that it refused to delete -> its code.
    """

    deleted: set[S3Object] = field(default_factory=set)
    errors: dict[S3Object, str] = field(default_factory=dict)


class DeleteRequests:
    """
    Deletes versions by their ids, on the condition that each has the ETag that was checked, if the store takes that.

    :param client: boto3 S3 client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._takes_etags = True

    def send(self, versions: Sequence[S3Object], etags: Mapping[S3Object, str], result: DeleteResult) -> None:
        """
        Ask to delete versions of one bucket, at most 1,000.

        :param versions: what to delete, each with its version id.
        :param etags: ETags without quotes, of those to delete only if they have it.
        :param result: gets what the store says, also what it said before a request that fails.
        :raises LookupFailed: if the store cannot be asked.
        """
        if not self._takes_etags:
            etags = {}
        together = [obj for obj in versions if not _NOT_IN_XML.search(obj.key)]
        if together:
            self._together(together, etags, result)
        for obj in versions:
            if _NOT_IN_XML.search(obj.key):
                self._alone(obj, etags.get(obj), result)
        again = [obj for obj in versions if obj in etags and result.errors.get(obj) in _OF_THE_CONDITION]
        if again:
            before = len(result.deleted)
            for obj in again:
                del result.errors[obj]
            self.send(again, {}, result)
            if len(result.deleted) > before:
                self._takes_etags = False

    def _together(self, versions: Sequence[S3Object], etags: Mapping[S3Object, str], result: DeleteResult) -> None:
        conditional = any(obj in etags for obj in versions)
        for conditions in (etags, {}) if conditional else ({},):
            try:
                response = self._delete_objects(versions, conditions)
            except _Refused as refusal:
                log.info("%s; asking otherwise", told(refusal))
                continue
            if conditional and not conditions:
                self._takes_etags = False
            _read(response, versions, result)
            return
        for obj in versions:  # so that none of them can hold up the others
            self._alone(obj, etags.get(obj) if self._takes_etags else None, result)

    def _delete_objects(self, versions: Sequence[S3Object], etags: Mapping[S3Object, str]) -> Mapping[str, Any]:
        names = [
            {"Key": obj.key, "VersionId": obj.version_id, **({"ETag": f'"{etags[obj]}"'} if obj in etags else {})}
            for obj in versions
        ]
        response: dict[str, Any] = {}
        with _asking(versions, "DeleteObjects", _OF_THE_FORM):
            response.update(self._client.delete_objects(Bucket=versions[0].bucket, Delete={"Objects": names}))
        return response

    def _alone(self, obj: S3Object, etag: str | None, result: DeleteResult) -> None:
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        response: Mapping[str, Any] = {}
        try:
            with _asking([obj], "DeleteObject", _OF_THE_FORM | _OF_THE_OBJECT):
                response = self._client.delete_object(
                    Bucket=obj.bucket, Key=obj.key, VersionId=obj.version_id, **condition
                )
        except _Refused as refusal:
            result.errors[obj] = refusal.code
        if response.get("VersionId") == obj.version_id and not response.get("DeleteMarker"):
            result.deleted.add(obj)


@contextmanager
def _asking(versions: Sequence[S3Object], operation: str, codes: Collection[str]) -> Iterator[None]:
    """
    Translate the errors of a request. An answer that cannot be read is logged, and otherwise ignored.

    :param versions: what is to be deleted.
    :param operation: the request. Refusals of any other one, or by a proxy, are not S3's.
    :param codes: codes of S3 that are raised as :class:`_Refused`.
    """
    from botocore.exceptions import ClientError
    from botocore.parsers import ResponseParserError

    first, last = str(versions[0]), str(versions[-1])
    named = first if len(versions) == 1 else f"{len(versions):,} object versions, {first} to {last}"
    with translated(named, "delete objects", permission=_PERMISSION):
        try:
            yield
        except (ResponseParserError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            if not is_of_an_answer(error):
                raise
            log.warning("the answer to a delete cannot be read: %s: %s", told(named), told(error))
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in codes and not is_of_others(error, operation):
                raise _Refused(f"S3 answered {code} to {operation} of {named}", code) from error
            raise


def _read(response: Mapping[str, Any], versions: Sequence[S3Object], result: DeleteResult) -> None:
    """
    Note what an answer of DeleteObjects says of the versions in the request, by key and version.

    If a delete marker was deleted or written, it was not the version that was checked.
    """
    asked = {(obj.key, obj.version_id): obj for obj in versions}
    errors, deleted = response.get("Errors") or (), response.get("Deleted") or ()
    for line in deleted:
        obj = asked.get((line.get("Key"), line.get("VersionId")))
        marker = line.get("DeleteMarker") or line.get("DeleteMarkerVersionId") not in (None, line.get("VersionId"))
        if obj is None or marker:
            log.warning("the answer to a delete does not tell that it is done: %s", told(line))
        else:
            result.deleted.add(obj)
    for line in errors:
        for obj in versions:
            if line.get("Key") != obj.key:
                continue
            # An error that names no version is about any version of the key that is not deleted.
            if line.get("VersionId") == obj.version_id or (not line.get("VersionId") and obj not in result.deleted):
                result.errors[obj] = str(line.get("Code"))
                result.deleted.discard(obj)
