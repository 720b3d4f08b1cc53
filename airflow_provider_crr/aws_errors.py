"""botocore's exceptions as errors of this provider, with the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_crr.errors import BucketNotFound, CredentialsNotFound, LookupFailed

#: What S3 calls a missing bucket; a HEAD answer has no body, so there the code is the HTTP status.
_NO_SUCH_BUCKET = frozenset({"NoSuchBucket"})
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


@contextmanager
def translated(uri: str, action: str, *, permission: str) -> Iterator[None]:
    """
    Turn what botocore raises inside the block into an error of this provider, with the cause kept.

    :param uri: S3 URI that the block is about.
    :param action: what it does, such as ``"list objects"``.
    :param permission: IAM action that it needs.
    :raises CredentialsNotFound: if the connection yields no credentials.
    :raises BucketNotFound: if there is no such bucket.
    :raises LookupFailed: for every other failure.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
        TokenRetrievalError,
    )

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, TokenRetrievalError) as error:
        raise no_credentials(uri, str(error)) from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _NO_SUCH_BUCKET:
            raise no_such_bucket(uri) from error
        if code in _DENIED:
            raise LookupFailed(
                f"cannot {action}: S3 answered {code}", uri=uri, remedy=f"Allow {permission} to the connection"
            ) from error
        raise LookupFailed(f"cannot {action}: {error}", uri=uri, remedy="Look at the code that S3 answered") from error
    except BotoCoreError as error:
        raise LookupFailed(
            f"cannot {action}: {error}", uri=uri, remedy="Check the connection's endpoint and the network"
        ) from error


def no_such_bucket(uri: str) -> BucketNotFound:
    """Return the error for a bucket that is not there."""
    return BucketNotFound(
        "there is no such bucket", uri=uri, remedy="Check its name, and the connection's account and endpoint"
    )


def no_credentials(uri: str | None, detail: str) -> CredentialsNotFound:
    """Return the error for a connection that cannot sign."""
    return CredentialsNotFound(
        f"the connection yields no AWS credentials ({detail})",
        uri=uri,
        remedy="Put them into the connection that aws_conn_id names, or give worker and triggerer a role",
    )
