"""
Errors that are about the caller, whatever was asked: credentials, signature, account, Region, a proxy's password.

Nothing is concluded from them about any object or bucket.
"""

from __future__ import annotations

from airflow_provider_crr.errors import CredentialsNotFound, LookupFailed
from airflow_provider_crr.s3 import error_origin
from airflow_provider_crr.s3.transient_errors import passes
from airflow_provider_crr.text.legible import told

#: Code of S3 -> what of the caller it refuses.
_CALLER = {
    **dict.fromkeys(("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"), "the access key"),
    **dict.fromkeys(("InvalidToken", "TokenCodeInvalidError"), "the session token"),
    **dict.fromkeys(("InvalidSecurity", "CredentialsNotSupported", "AuthFailure"), "the credentials"),
    **dict.fromkeys(
        (
            "AuthorizationQueryParametersError",
            "IncompleteSignature",
            "InvalidSignature",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingSecurityHeader",
            "SignatureDoesNotMatch",
            "UnsupportedSignature",
            "XAmzContentSHA256Mismatch",
        ),
        "the signature",
    ),
    **dict.fromkeys(
        # The last two: China's Regions, and Ceph.
        ("AccountProblem", "NotSignedUp", "OptInRequired", "UnauthorizedAccess", "UserSuspended"),
        "the account",
    ),
    **dict.fromkeys(("AuthorizationHeaderMalformed", "IllegalLocationConstraintException"), "the Region"),
}
_MEND_CALLER = {
    "the account": "Look at the state of the connection's account",
    "the Region": "Set the bucket's Region as region_name, in the connection or the argument",
}
_MEND_KEYS = "Mend access key, secret and session token of the connection"


def refused_caller(error: Exception, uri: str, action: str) -> LookupFailed | None:
    """
    Return this provider's error if S3 refused the caller rather than what was asked; None if it did not.

    :param error: a ClientError from S3.
    :param uri: what was asked about.
    :param action: what was to be done.
    """
    code, message, _ = error_origin.answered(error)
    refused = _CALLER.get(code)
    if code == "InvalidRequest" and "AWS4-HMAC-SHA256" in message:  # signed in another way than the Region takes
        refused = "the signature"
    if refused is None or passes(code, message=message):
        return None
    connection = error_origin.connection(error)
    said = f"S3 refused {refused}: {code}: {told(message).rstrip('.')}"
    return LookupFailed(
        f"cannot {action}{connection and f' by {connection}'}: {said}",
        uri=uri,
        remedy=_MEND_CALLER.get(refused, _MEND_KEYS),
    )


def no_credentials(uri: str | None, detail: str, connection: str = "") -> CredentialsNotFound:
    """Return the error for a connection that cannot sign."""
    return CredentialsNotFound(
        f"{connection or 'the connection'} yields no AWS credentials ({told(detail).rstrip('.')})",
        uri=uri,
        remedy="Put them into the connection that aws_conn_id names, or give worker and triggerer a role",
    )


def proxy_refused(uri: str | None, begun: str = "cannot look up") -> LookupFailed:
    """Return the error for a proxy that lets nobody through without a password (RFC 9110, 407)."""
    return LookupFailed(
        f"{begun}: the proxy asks for a name and a password (HTTP 407)",
        uri=uri,
        remedy="Put them into the proxy's URL: http://name:password@host:port",
    )
