"""
Why S3 answered 400 or 403. A HEAD has no body that says so, so the first object of a bucket is asked for by GET too.

What the GET says decides:

- ``AccessDenied``, ``AllAccessDisabled``, ``InvalidPayer``: FORBIDDEN;
- another code with 400, such as ``InvalidRequest`` of an object with a customer key (SSE-C): UNREADABLE;
- credentials that expired, a clock that is wrong, throttling: UNKNOWN, for these pass by themselves;
- an error about the caller, or an answer of somebody other than S3: an error, for nothing is known of any object;
- anything else does not explain the answer to the HEAD: UNKNOWN. Such are no answer, an error of the server, a page
  without S3's ``<Error><Code>``, an answer from a cache, another status, a code of KMS (a HEAD needs no key), an
  archived object (a HEAD can ask for it), or success.

The codes: `Error responses <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>`__.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.caller_errors import proxy_refused, refused_caller
from airflow_provider_crr.s3.client_errors import is_of_others, raise_not_asked
from airflow_provider_crr.s3.error_origin import answered
from airflow_provider_crr.s3.freshness import cached
from airflow_provider_crr.s3.transient_errors import passes

_REFUSED = frozenset({ObjectState.FORBIDDEN, ObjectState.UNREADABLE})
_FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled", "InvalidPayer"})
#: Words by which an AccessDenied is about the key that the object is encrypted with. Only the GET needs that key.
_OF_KEY = ("kms:", "customer master key")
#: GETs about one bucket and status that may end without an explanation in one lookup; then no more are sent.
_TRIES = 3


class Refusals:
    """
    Explains the refusals of one lookup with what S3 says about them.

    :param client: a boto3 S3 client.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._codes: dict[tuple[str, int], str] = {}
        self._unclear: Counter[tuple[str, int]] = Counter()

    def explain(self, answer: ObjectReplication) -> ObjectReplication:
        """
        Return an answer; if it is the first refusal of its bucket and status, with the error that S3 names.

        What explains one refusal holds for all of the bucket with the same status. A refusal without an explanation
        is UNKNOWN, and the next one is asked about.

        :param answer: the answer to a HEAD.
        :raises LookupFailed: if S3 refused the caller, or somebody other than S3 refused.
        """
        if answer.http_status == 407:
            raise proxy_refused(str(answer.object))
        if answer.state not in _REFUSED:
            return answer
        refused = (answer.object.bucket, answer.http_status)
        if refused not in self._codes:
            return self._ask(answer, refused)
        code = self._codes[refused]
        return _unknown(answer, f"S3 answered {code}") if passes(code) else answer

    def _ask(self, answer: ObjectReplication, refused: tuple[str, int]) -> ObjectReplication:
        if self._unclear[refused] == _TRIES:
            return _unknown(answer, f"S3 answered HTTP {answer.http_status}, and nothing says why")
        code, said = self._get(answer)
        if not code:
            self._unclear[refused] += 1
            return _unknown(answer, f"S3 answered HTTP {answer.http_status}, and a GET does not say why: {said}")
        self._codes[refused] = code
        detail = f"S3 answered {code}: {said}"
        return _unknown(answer, detail) if passes(code) else replace(answer, detail=detail)

    def _get(self, answer: ObjectReplication) -> tuple[str, str]:
        """Return the code and the message that explain a refusal; an empty code, and what came instead, if none do."""
        from botocore.exceptions import ClientError

        obj = answer.object
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        try:
            response = self._client.get_object(Bucket=obj.bucket, Key=obj.key, Range="bytes=0-0", **version)
            response["Body"].close()
        except Exception as error:
            if is_of_others(error, "GetObject"):
                raise_not_asked(error, str(obj), "look up")
            if not isinstance(error, ClientError):
                return "", f"no answer: {error}"
            if caller := refused_caller(error, str(obj), "look up"):
                raise caller from error
            return _explanation(answer, error)
        return "", f"it was answered with HTTP {response['ResponseMetadata']['HTTPStatusCode']}"


def _explanation(answer: ObjectReplication, error: Any) -> tuple[str, str]:
    code, message, status = answered(error)
    if passes(code) and status < 500:
        return code, message
    headers = error.response["ResponseMetadata"].get("HTTPHeaders") or {}
    if not code or status != answer.http_status or cached(headers):
        return "", f"it was answered with HTTP {status} {code}".rstrip()
    if answer.state is ObjectState.FORBIDDEN:
        explains = code in _FORBIDDEN and not any(words in message for words in _OF_KEY)
    else:
        explains = not code.startswith("KMS.")
    return (code, message) if explains else ("", f"S3 answered {code}: {message}")


def _unknown(answer: ObjectReplication, detail: str) -> ObjectReplication:
    return replace(answer, state=ObjectState.UNKNOWN, detail=detail)
