"""botocore's exceptions as errors of this provider, with the remedy: one table for every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_crr.errors import BucketNotFound, CredentialsNotFound, CrrError, InvalidArgument, LookupFailed

_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


@contextmanager
def translated(
    uri: str,
    action: str,
    *,
    permission: str,
    denied: type[CrrError] = LookupFailed,
    missing: CrrError | None = None,
) -> Iterator[None]:
    """
    Turn what botocore raises inside the block into an error of this provider, with the cause kept.

    :param uri: S3 URI that the block is about.
    :param action: what it does, such as ``"list objects"``.
    :param permission: IAM action that it needs.
    :param denied: what to raise if that is not allowed, or the object is archived.
    :param missing: what to raise if the object is not there.
    :raises CredentialsNotFound: if the connection yields no credentials.
    :raises BucketNotFound: if there is no such bucket.
    :raises InvalidArgument: if botocore cannot make a request of the arguments.
    :raises LookupFailed: for every other failure.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(error.response, error, uri, action, permission, denied, missing) from error
    except BotoCoreError as error:
        raise not_asked(error, uri, action) from error


def not_asked(error: Exception, uri: str | None, action: str) -> CrrError:
    """
    Return our error for one that botocore raised without an answer of S3.

    :param error: what botocore raised.
    :param uri: what it was about; None if it was about no object or bucket.
    :param action: what was to be done.
    """
    import botocore.exceptions as boto

    if isinstance(
        error,
        boto.NoCredentialsError
        | boto.PartialCredentialsError
        | boto.CredentialRetrievalError
        | boto.SSOError
        | boto.TokenRetrievalError,
    ):
        return no_credentials(uri, str(error))
    if isinstance(error, boto.ParamValidationError):
        return InvalidArgument(str(error), uri=uri, remedy="Check the bucket name and the key")
    remedy = "Run the task again; if it stays, check the connection's endpoint and the network"
    return LookupFailed(f"cannot {action}: {str(error).rstrip('.')}", uri=uri, remedy=remedy)


def _refused(
    response: Any,
    error: Exception,
    uri: str,
    action: str,
    permission: str,
    denied: type[CrrError],
    missing: CrrError | None,
) -> CrrError:
    code = str(response.get("Error", {}).get("Code", ""))
    if code == "NoSuchBucket":
        return no_such_bucket(uri)
    if missing is not None and code in _MISSING:
        return missing
    if code in _DENIED:
        remedy = f"Allow {permission} to the connection; without s3:ListBucket a missing object is denied too"
        return denied(f"cannot {action}: S3 answered {code}", uri=uri, remedy=remedy)
    if code == "InvalidObjectState":
        return denied(f"cannot {action}: the object is archived", uri=uri, remedy="Restore it, or name another one")
    remedy = "Look up what S3 answered; check the connection's region and endpoint"
    return LookupFailed(f"cannot {action}: {error}", uri=uri, remedy=remedy)


def no_such_bucket(uri: str) -> BucketNotFound:
    """Return the error for a bucket that is not there."""
    return BucketNotFound(
        "there is no such bucket", uri=uri, remedy="Check its name, and the connection's account and endpoint"
    )


def no_credentials(uri: str | None, detail: str) -> CredentialsNotFound:
    """Return the error for a connection that cannot sign."""
    return CredentialsNotFound(
        f"the connection yields no AWS credentials ({detail.rstrip('.')})",
        uri=uri,
        remedy="Put them into the connection that aws_conn_id names, or give worker and triggerer a role",
    )
