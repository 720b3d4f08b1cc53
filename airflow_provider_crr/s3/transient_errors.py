"""
Which errors pass by themselves, so that it helps to ask again: throttling, time-outs, a server's own faults.

The codes: `Error responses <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>`__ of S3, the common
errors and those of AssumeRole and AssumeRoleWithWebIdentity in the `STS API reference
<https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>`__, and botocore's own lists of what it retries.
"""

from __future__ import annotations

import re
from http.client import HTTPException

from airflow_provider_crr.s3 import error_origin

#: Codes that pass by themselves, beside those that botocore lists as throttled or transient.
_PASSING = frozenset(
    {
        # Credentials that are not renewed yet, and clocks that are off.
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "TokenRefreshRequired",
        # STS could not reach the identity provider: "often a transient error" (AssumeRoleWithWebIdentity).
        "IDPCommunicationError",
        "Busy",
        "InternalError",
        "InternalFailure",
        "InternalServerException",
        "OperationAborted",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
#: Request Timeout, Too Many Requests.
_PASSING_STATUS = frozenset({408, 429})
#: Not Implemented, HTTP Version Not Supported: the only errors of a server that a later try cannot change.
_LASTING_STATUS = frozenset({501, 505})
#: Codes by which STS and SSO also refuse a signature because of its time ("Signature expired: ... is now earlier than
#: ...").
_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})
_OFF_CLOCK = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)

#: Of an answer of a container's credential endpoint, botocore keeps only a sentence with the status.
_STATUS_IN_WORDS = re.compile(r"non 200 response (\d{3}) ")
_NO_CLEAR_WORD = ("Received error when attempting to retrieve", "Unable to parse JSON")


def passes(code: str, http_status: int = 0, message: str = "") -> bool:
    """
    Return whether an answer with an error passes by itself.

    :param code: the error code.
    :param http_status: status of the answer; 0 if it does not matter.
    :param message: the message beside the code.
    """
    from botocore.retries.standard import RetryContext, ThrottledRetryableChecker, TransientRetryableChecker

    if code in _PASSING or http_status in _PASSING_STATUS or (code in _SIGNATURE and _OFF_CLOCK.search(message)):
        return True
    if http_status >= 500 and http_status not in _LASTING_STATUS:
        return True
    context = RetryContext(1, parsed_response={"Error": {"Code": code}})
    return any(checker.is_retryable(context) for checker in (ThrottledRetryableChecker(), TransientRetryableChecker()))


def error_passes(error: Exception) -> bool:
    """Return whether an error that is no answer of an AWS API passes by itself."""
    import botocore.exceptions as boto
    from botocore.parsers import ResponseParserError

    if is_unanswered(error) or isinstance(error, boto.CapacityNotAvailableError | ResponseParserError):
        return True
    of_boto3 = isinstance(error, boto.BotoCoreError | boto.ClientError)
    if not of_boto3 and not error_origin.who(error) and error_origin.is_of_an_answer(error):  # an unreadable answer
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)  # of requests, which asks a SAML provider
    if isinstance(status, int):
        return passes("", status)
    said = str(error)
    if in_words := _STATUS_IN_WORDS.search(said):
        return passes("", int(in_words[1]))
    if any(words in said for words in _NO_CLEAR_WORD) or bool(getattr(error, "retryable", False)):  # Google's
        return True
    if isinstance(error, boto.CredentialRetrievalError) and "refresh failed" in said:
        return True  # the source that gave credentials before has none at the moment
    return "expired" in said and bool(error_origin.who(error))


def is_unanswered(error: Exception) -> bool:
    """Return whether no answer came: the connection could not be opened, broke off, or took too long."""
    import botocore.exceptions as boto

    lost = boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError | HTTPException
    if isinstance(error, lost) or error_origin.is_of_a_socket(error):
        return True
    module = type(error).__module__
    return module.startswith(("urllib3.", "awscrt.")) or (
        module.startswith("requests.") and getattr(error, "response", None) is None
    )
