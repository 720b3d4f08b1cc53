"""
Why S3 answered 400 or 403: a HEAD has no body, so the first object of a bucket is asked once more by GET.

The GET is part of the question, and what it says decides:

- ``AccessDenied``, ``AllAccessDisabled``, ``InvalidPayer``: FORBIDDEN;
- another code with 400, such as ``InvalidRequest`` of an object with a customer key (SSE-C): UNREADABLE;
- credentials that expired, a clock that is off, throttling: UNKNOWN, they pass by themselves;
- a word about the caller, or of somebody who is not S3: an error, for nothing is known of any object;
- anything else is no reason for what HEAD was answered: UNKNOWN. No answer, an error of the server, a page without S3's
  ``<Error><Code>``, an answer out of a cache, another status, a code of KMS (a HEAD needs no key), an archived object
  (which a HEAD does not mind), or that now all is well.

The codes: `Error responses <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>`__.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.client_errors import is_of_others, not_asked, passes, proxy_refused, refused_caller
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.s3.freshness import cached

_REFUSED = frozenset({ObjectState.FORBIDDEN, ObjectState.UNREADABLE})
_FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled", "InvalidPayer"})
#: How an AccessDenied speaks of the object's key, which only the GET needs.
_OF_KEY = ("kms:", "customer master key")
#: GETs of one bucket and status in a sweep that may end without a reason; then no more are sent.
_TRIES = 3


class Refusals:
    """
    Adds to answers what S3 says about refusing them, for one sweep.

    :param client: a boto3 S3 client.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._codes: dict[tuple[str, int], str] = {}
        self._unclear: Counter[tuple[str, int]] = Counter()

    def explain(self, found: ObjectReplication) -> ObjectReplication:
        """
        Return the answer, with the error that S3 names if it is the first of its bucket and status.

        A reason holds for all of the bucket and status. Without one the object is UNKNOWN, and the next one is asked.

        :raises LookupFailed: if S3 refused the caller, or somebody else than S3 refused.
        """
        if found.http_status == 407:
            raise proxy_refused(str(found.object))
        if found.state not in _REFUSED:
            return found
        refused = (found.object.bucket, found.http_status)
        if refused not in self._codes:
            return self._ask(found, refused)
        code = self._codes[refused]
        return _unknown(found, f"S3 answered {code}") if passes(code) else found

    def _ask(self, found: ObjectReplication, refused: tuple[str, int]) -> ObjectReplication:
        if self._unclear[refused] == _TRIES:
            return _unknown(found, f"S3 answered HTTP {found.http_status}, and nothing says why")
        code, said = self._get(found)
        if not code:
            self._unclear[refused] += 1
            return _unknown(found, f"S3 answered HTTP {found.http_status}, and a GET does not say why: {said}")
        self._codes[refused] = code
        detail = f"S3 answered {code}: {said}"
        return _unknown(found, detail) if passes(code) else replace(found, detail=detail)

    def _get(self, found: ObjectReplication) -> tuple[str, str]:
        """Return code and message of the reason; no code, and what was found instead, if there is none."""
        from botocore.exceptions import ClientError

        obj = found.object
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        try:
            answer = self._client.get_object(Bucket=obj.bucket, Key=obj.key, Range="bytes=0-0", **version)
            answer["Body"].close()
        except Exception as error:
            if is_of_others(error, "GetObject"):
                raise not_asked(error, str(obj), "look up") from error
            if not isinstance(error, ClientError):
                return "", f"no answer: {error}"
            if caller := refused_caller(error, str(obj), "look up"):
                raise caller from error
            return _reason(found, error)
        return "", f"it was answered with HTTP {answer['ResponseMetadata']['HTTPStatusCode']}"


def _reason(found: ObjectReplication, error: Any) -> tuple[str, str]:
    code, message, status = answered(error)
    if passes(code) and status < 500:
        return code, message
    headers = error.response["ResponseMetadata"].get("HTTPHeaders") or {}
    if not code or status != found.http_status or cached(headers):
        return "", f"it was answered with HTTP {status} {code}".rstrip()
    if found.state is ObjectState.FORBIDDEN:
        explains = code in _FORBIDDEN and not any(words in message for words in _OF_KEY)
    else:
        explains = not code.startswith("KMS.")
    return (code, message) if explains else ("", f"S3 answered {code}: {message}")


def _unknown(found: ObjectReplication, detail: str) -> ObjectReplication:
    return replace(found, state=ObjectState.UNKNOWN, detail=detail)
