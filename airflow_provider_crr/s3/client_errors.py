"""
What the errors of a boto3 client mean, with the remedy: each becomes an error of this provider.

An error is S3's answer about an object or a bucket only if it answers the very request about it. On the way boto3 asks
others: STS, SSO, the instance metadata service, a container's credential endpoint, a credential process, CreateSession.
It also passes through proxies. What these refuse says nothing of the object, which could not be asked about
(:mod:`.error_origin`). Nor does what S3 says of the caller (:mod:`.caller_errors`). What passes by itself
(:mod:`.transient_errors`) is marked ``passing``: a task that waits goes on waiting.

The codes: `Error responses <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>`__.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from airflow_provider_crr.errors import BucketNotFound, CredentialsNotFound, CrrError, InvalidArgument, LookupFailed
from airflow_provider_crr.s3 import error_origin
from airflow_provider_crr.s3.caller_errors import no_credentials, proxy_refused, refused_caller
from airflow_provider_crr.s3.guard import TimeUp
from airflow_provider_crr.s3.transient_errors import error_passes, is_unanswered, passes
from airflow_provider_crr.text.legible import told

_DENIED = frozenset({"AccessDenied", "AllAccessDisabled"})
_MISSING = frozenset({"NoSuchKey", "NoSuchVersion"})


@contextmanager
def translated(
    uri: str,
    action: str,
    *,
    permission: str,
    denied: Callable[..., CrrError] = LookupFailed,
    missing: CrrError | None = None,
) -> Iterator[None]:
    """
    Turn what boto3 raises inside the block into an error of this provider, with the cause kept.

    :param uri: S3 URI that the block is about.
    :param action: what it does, such as ``"list objects"``.
    :param permission: IAM action that it needs.
    :param denied: makes what to raise if S3 does not allow that, or the object is archived.
    :param missing: what to raise if the object is not there.
    :raises CredentialsNotFound: if the connection yields no credentials.
    :raises BucketNotFound: if there is no such bucket.
    :raises InvalidArgument: if botocore cannot make a request of the arguments.
    :raises LookupFailed: for every other failure; ``passing`` if it passes by itself.
    """
    from botocore.exceptions import ClientError

    try:
        yield
    except (CrrError, MemoryError):
        raise
    except Exception as raised:
        error_origin.shorten(raised)
        error = error_origin.unwrapped(raised)
        if isinstance(error, ClientError) and not error_origin.is_of_another(error):
            raise _refused(error, uri, action, permission, denied, missing) from raised
        if isinstance(error, CrrError | ClientError | TimeUp) or error_origin.is_on_the_way(error):
            raise_not_asked(raised, uri, action)
        raise


def is_of_others(error: Exception, operation: str) -> bool:
    """
    Return whether an error is neither the answer to one request, nor says that this answer did not come.

    :param error: what boto3 raised for the request.
    :param operation: its name in the API, such as ``"HeadObject"``.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    if isinstance(error_origin.unwrapped(error), CrrError | TimeUp) or error_origin.is_of_another(error):
        return True
    if isinstance(error, ClientError):
        return error.operation_name != operation
    return isinstance(error, BotoCoreError) and not isinstance(error, HTTPClientError | ConnectionError)


def raise_not_asked(error: Exception, uri: str | None, action: str) -> NoReturn:
    """
    Raise this provider's error for one that is no answer of S3 about what was asked, with the cause kept.

    :param error: what was raised.
    :param uri: what it was about; None if it was about no object or bucket.
    :param action: what was to be done.
    :raises CrrError: always.
    """
    ours = _not_asked(error, uri, action)
    raise ours from (ours.__cause__ if _led_to(ours, error) else error)


def _led_to(ours: BaseException, error: BaseException) -> bool:
    """Return whether an error is, or came of, one of ours: as its cause it would close a circle, which logs follow."""
    each: BaseException | None = error
    passed: list[BaseException] = []
    while each is not None and each is not ours and each not in passed:
        passed.append(each)
        each = each.__cause__ or each.__context__
    return each is ours


def _not_asked(error: Exception, uri: str | None, action: str) -> CrrError:
    import botocore.exceptions as boto

    if not isinstance(error, CrrError):
        error_origin.shorten(error)
    error = error_origin.unwrapped(error)
    if isinstance(error, CrrError):
        error.uri = error.uri or uri
        return error
    connection = error_origin.connection(error)
    if isinstance(error, boto.ParamValidationError):
        return InvalidArgument(told(error), uri=uri, remedy="Check the bucket name and the key")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return no_credentials(uri, str(error), connection)
    begun = f"cannot {action}{connection and f' by {connection}'}"
    if error_origin.proxy_asks_for_password(error):
        return proxy_refused(uri, begun)
    if isinstance(error, boto.ClientError):
        return _refused_by_another(error, uri, begun)
    who = error_origin.who(error)
    passing = error_passes(error)
    said = _said(error)
    if not who:
        remedy = "Run the task again; if it stays, check the connection's endpoint and the network"
        if not passing:
            remedy = "Correct the setting that this names, in the task, the connection or the environment"
        if isinstance(error, boto.InvalidRegionError):
            remedy = "Write a Region, such as eu-west-1, as region_name of the task or of the connection"
        return LookupFailed(f"{begun}: {said}", uri=uri, remedy=remedy, passing=passing)
    if is_unanswered(error):
        message = f"{begun}: no answer of {who}: {said}"
        return LookupFailed(message, uri=uri, remedy=f"Look at the way to {who}", passing=passing)
    message = f"{begun}: {who} gave no credentials: {said}"
    return CredentialsNotFound(message, uri=uri, remedy=_remedy(who, passing), passing=passing)


def no_such_bucket(uri: str) -> BucketNotFound:
    """Return the error for a bucket that is not there."""
    return BucketNotFound(
        "there is no such bucket", uri=uri, remedy="Check its name, and the connection's account and endpoint"
    )


def _refused(
    error: Any,
    uri: str,
    action: str,
    permission: str,
    denied: Callable[..., CrrError],
    missing: CrrError | None,
) -> CrrError:
    code, message, status = error_origin.answered(error)
    if code == "NoSuchBucket":
        return no_such_bucket(uri)
    if missing is not None and code in _MISSING:
        return missing
    if caller := refused_caller(error, uri, action):
        return caller
    if code in _DENIED:
        remedy = f"Allow {permission} to the connection; without s3:ListBucket a missing object is denied too"
        said = f"cannot {action}: S3 answered {code}{_to_whom(error)}: {message.rstrip('.')}".rstrip(": ")
        refused = denied(said, uri=uri, remedy=remedy)
        refused.is_denied = True
        return refused
    if code == "InvalidObjectState":
        return denied(f"cannot {action}: the object is archived", uri=uri, remedy="Restore it, or name another one")
    if not code:  # S3 names a code in the body of every error
        return LookupFailed(
            f"cannot {action}: HTTP {status} without an error of S3's, as a proxy answers",
            uri=uri,
            remedy="Run the task again; if it stays, look at what stands between here and S3",
            passing=True,
        )
    remedy = "Look up what S3 answered; check the connection's region and endpoint"
    return LookupFailed(
        f"cannot {action}: {told(error)}", uri=uri, remedy=remedy, passing=passes(code, status, message)
    )


def _to_whom(error: Any) -> str:
    connection = error_origin.connection(error).rstrip(",")
    return f" to {connection}" if connection else ""


def _refused_by_another(error: Any, uri: str | None, begun: str) -> LookupFailed:
    code, message, status = error_origin.answered(error)
    operation = error.operation_name
    who = error_origin.SERVICES.get(operation, "the service")
    passing = passes(code, status, message) or not code
    remedy = _remedy(who, passing)
    if code.startswith("AccessDenied") and not passing:
        service = "s3express" if operation == "CreateSession" else who.removeprefix("AWS ").lower()
        remedy = f"Allow {service}:{operation} to the connection"
        if who == "STS":
            remedy = (
                f"Allow {service}:{operation}, also in the role's trust policy, to the connection's own credentials"
            )
    said = f"{code or f'HTTP {status}'} to {operation}: {told(message).rstrip('.')}"
    return LookupFailed(f"{begun}: {who} answered {said}", uri=uri, remedy=remedy, passing=passing)


def _remedy(who: str, passing: bool) -> str:
    if passing:
        return f"Ask again later; if it stays, look at {who}"
    return "Mend the connection: its role, profile, token or keys, and what they are allowed"


def _said(error: Exception) -> str:
    from botocore.exceptions import BotoCoreError

    kwargs = getattr(error, "kwargs", {})
    said = str(kwargs.get("error_msg") or error)
    if "proxy_url" in kwargs:
        said += f" ({kwargs.get('error')})"
    if not isinstance(error, BotoCoreError | TimeUp):
        said = f"{type(error).__name__}: {said}"
    return told(said).rstrip(".")
