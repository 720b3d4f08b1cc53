"""Whom boto3 was asking when an error arose, and with which Airflow connection. The error itself does not say so."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from types import FrameType
from typing import Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.text.legible import message, told

#: Modules of botocore in which every error has to do with credentials.
_CREDENTIALS = frozenset({"botocore.credentials", "botocore.tokens"})
#: Beginnings of the names of modules that carry a request to AWS and the answer back.
_WAY = ("botocore.", "boto3.", "s3transfer.", "urllib3.", "http.client.", "ssl.", "socket.", "awscrt.")
#: Error numbers by which the network fails.
_NETWORK = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ENOTCONN,
    }
)
#: Those of them that read answers.
_READS = ("botocore.httpsession.", "botocore.response.", "botocore.parsers.", "urllib3.", "http.client.")
#: Operation of another service, which boto3 asks on the way to S3 -> that service.
SERVICES = {
    **dict.fromkeys(
        (
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoot",
            "GetCallerIdentity",
            "GetFederationToken",
            "GetSessionToken",
        ),
        "STS",
    ),
    **dict.fromkeys(("GetRoleCredentials", "CreateToken"), "AWS SSO"),
    "CreateOAuth2Token": "AWS sign-in",
    "CreateSession": "S3",
}
#: botocore's name of a provider of credentials, or amazon's ``sts-assume-role`` -> whom it asks.
_PROVIDERS = {
    **dict.fromkeys(("sts-assume-role", "assume-role", "assume-role-with-web-identity"), "STS"),
    "iam-role": "the instance metadata service (IMDS)",
    "container-role": "the container credential endpoint",
    "custom-process": "the credential process",
    "sso": "AWS SSO",
    "login": "AWS sign-in",
}
#: Most characters that are kept of the message in an answer. Those of AWS are shorter.
MAX_ANSWERED = 1000
#: Left on an error by :func:`name_connection`.
_NOTE = "CrrConnection"


def name_connection(client: Any, connection: str) -> None:
    """
    Note on every error of a client's requests which connection it is of, and shorten its text.

    An error's text stands in every traceback that a task logs.

    :param client: a boto3 client.
    :param connection: the connection, as it is named in messages; empty for none.
    """

    def note(exception: Exception, **_: Any) -> None:
        setattr(exception, _NOTE, connection)
        shorten(exception)

    def note_answer(parsed: dict[str, Any], **_: Any) -> None:
        if "Error" in parsed:
            parsed[_NOTE] = connection
            parsed["Error"] = {
                name: told(each, MAX_ANSWERED) if isinstance(each, str) else each
                for name, each in parsed["Error"].items()
            }

    client.meta.events.register("after-call-error", note)
    client.meta.events.register("after-call", note_answer)


def note_connection(client: Any, error: Exception) -> None:
    """Note on an error that boto3 did not raise itself which connection it is of."""
    client.meta.events.emit("after-call-error.s3.HeadObject", exception=error, context={})


def shorten(error: BaseException) -> None:
    """Shorten the texts of an error and of those that caused it: they stand in logged tracebacks."""
    known: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in known:
        known.add(id(each))
        each.args = tuple(message(part) if type(part) is str else part for part in each.args)
        each = each.__cause__ or each.__context__


def connection(error: Any) -> str:
    """Return the connection that :func:`name_connection` noted on an error; empty if it noted none."""
    noted = getattr(error, _NOTE, None) or getattr(error, "response", None)
    if isinstance(noted, dict):
        noted = noted.get(_NOTE)
    return noted if isinstance(noted, str) else ""


def answered(error: Any) -> tuple[str, str, int]:
    """
    Return code, message and HTTP status of a ClientError; no code if its body is not an error of an API.

    The code has at most 500 characters, the message :data:`MAX_ANSWERED`; both are one line, and legible.
    """
    answer = error.response.get("Error") or {}
    code = told(answer.get("Code") or "")
    status = int((error.response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    return ("" if code.isdigit() else code), told(answer.get("Message") or "", MAX_ANSWERED), status


def who(error: Exception) -> str:
    """Return who was asked for credentials; empty if nobody was."""
    if service := SERVICES.get(operation(error) or ""):
        return service
    told = str(getattr(error, "kwargs", {}).get("provider", ""))
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"SSOError", "TokenRetrievalError"}:
        return "AWS SSO"
    if "LoginError" in names:
        return "AWS sign-in"
    if names & {"MetadataRetrievalError", "InvalidIMDSEndpointError"}:
        return _PROVIDERS["iam-role"]
    if names & {"CredentialRetrievalError", "NoAuthTokenError"} or is_about_credentials(error):
        return _PROVIDERS.get(told) or _PROVIDERS.get(provider(error) or "") or "the source of the credentials"
    return ""


def is_of_another(error: Exception) -> bool:
    """Return whether somebody else than S3 refused or did not answer, so that S3 said nothing of what was asked."""
    return operation(error) in SERVICES or is_about_credentials(error) or proxy_asks_for_password(error)


def proxy_asks_for_password(error: Exception) -> bool:
    """Return whether a proxy answered 407 (RFC 9110), to the request or when it was to open a tunnel."""
    from botocore.exceptions import ClientError, ProxyConnectionError

    if isinstance(error, ClientError):
        return answered(error)[2] == 407
    return isinstance(error, ProxyConnectionError) and bool(re.search(r"\b407\b", str(error.kwargs.get("error"))))


def unwrapped(error: Any) -> Exception:
    """
    Return the error inside an error; the error itself if there is none.

    tenacity wraps errors, with which amazon's hooks try again. So does boto3 for an upload, and botocore, which wraps
    the errors that our connections raise.
    """
    ours = getattr(error, "kwargs", {}).get("error")
    if isinstance(ours, CrrError):
        return ours
    last = getattr(error, "last_attempt", None)
    wrapped = error.__context__ if type(error).__name__ == "S3UploadFailedError" else last and last.exception()
    inner: Exception = wrapped if isinstance(wrapped, Exception) else error
    return inner


def operation(error: Exception) -> str | None:
    """Return the innermost operation that was under way, such as AssumeRole within a HeadObject; None if none was."""
    name: str | None = getattr(error, "operation_name", None)
    if name is None:
        for frame in _frames(error):
            if frame.f_code.co_name == "_make_api_call":
                name = frame.f_locals.get("operation_name")
    return name


def is_about_credentials(error: Exception) -> bool:
    """Return whether an error arose while credentials were fetched."""
    return any(frame.f_globals.get("__name__") in _CREDENTIALS for frame in _frames(error))


def is_of_a_socket(error: Exception) -> bool:
    """Return whether the network failed, rather than a disk."""
    named = ConnectionError | TimeoutError | ssl.SSLError | socket.gaierror | socket.herror
    return isinstance(error, named) or (isinstance(error, OSError) and error.errno in _NETWORK)


def is_on_the_way(error: Exception) -> bool:
    """Return whether an error arose in what carries a request to AWS and the answer back, or in the network."""
    if is_of_a_socket(error):
        return True
    names = [type(error).__module__, *(str(frame.f_globals.get("__name__")) for frame in _frames(error))]
    return any(f"{name}.".startswith(_WAY) for name in names)


def is_of_an_answer(error: Exception) -> bool:
    """Return whether an error arose while an answer was waited for or read."""
    places = [(f"{frame.f_globals.get('__name__')}.", frame.f_code.co_name) for frame in _frames(error)]
    if ("botocore.httpsession.", "__init__") in places:  # a client was made, of settings that are not what they must be
        return False
    return any(
        module.startswith(_READS) or (module, function) == ("botocore.endpoint.", "_get_response")
        for module, function in places
    )


def is_of_parsing(error: Exception) -> bool:
    """Return whether an error arose while botocore made values of an answer, all of which it had."""
    return any(frame.f_globals.get("__name__") == "botocore.parsers" for frame in _frames(error))


def provider(error: Exception) -> str | None:
    """Return botocore's name of the provider of credentials that was asked; None if none was."""
    name = None
    for frame in _frames(error):
        asked = frame.f_locals.get("self")
        if type(asked).__module__ in _CREDENTIALS:
            name = getattr(asked, "METHOD", None) or getattr(asked, "method", None) or name
    return name


def _frames(error: Exception) -> Iterator[FrameType]:
    """Yield the frames of an error's traceback, the outermost first: only they show what was under way."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
