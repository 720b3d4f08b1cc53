"""Whom boto3 was asking when an error arose, and by which connection: what the error itself does not say."""

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

#: Modules of botocore in which an error has to do with credentials, whatever it is.
_CREDENTIALS = frozenset({"botocore.credentials", "botocore.tokens"})
#: What carries a request to AWS and the answer back, by the beginnings of modules' names.
_WAY = ("botocore.", "boto3.", "s3transfer.", "urllib3.", "http.client.", "ssl.", "socket.", "awscrt.")
#: What a socket is refused by the network.
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
#: The part of it that reads answers.
_READS = ("botocore.httpsession.", "botocore.response.", "botocore.parsers.", "urllib3.", "http.client.")
#: Who answers which operation on the way to S3; whoever is not here is the service of that name.
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
#: The same by botocore's names of providers of credentials, and amazon's ``sts-assume-role``.
_PROVIDERS = {
    **dict.fromkeys(("sts-assume-role", "assume-role", "assume-role-with-web-identity"), "STS"),
    "iam-role": "the instance metadata service (IMDS)",
    "container-role": "the container credential endpoint",
    "custom-process": "the credential process",
    "sso": "AWS SSO",
    "login": "AWS sign-in",
}
#: Most characters of the message in an answer of AWS's that are read. Its own are shorter.
MAX_ANSWERED = 1000
#: Left on an error by :func:`name_connection`.
_NOTE = "CrrConnection"


def name_connection(client: Any, connection: str) -> None:
    """
    Let every error of a client's requests say whose connection it is, and none say more than a message can hold.

    What an error says stands in its text, and with it in every traceback that a task logs.

    :param client: a boto3 client.
    :param connection: the connection, as people call it; empty for none.
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
    """Leave on an error what boto3 would: whose connection it is that could not sign."""
    client.meta.events.emit("after-call-error.s3.HeadObject", exception=error, context={})


def shorten(error: BaseException) -> None:
    """Let an error, and those that it came of, say no more than a message may: they stand in logged tracebacks."""
    known: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in known:
        known.add(id(each))
        each.args = tuple(message(part) if type(part) is str else part for part in each.args)
        each = each.__cause__ or each.__context__


def connection(error: Any) -> str:
    """Return whose connection it was, as :func:`name_connection` was told; empty if it was not."""
    noted = getattr(error, _NOTE, None) or getattr(error, "response", None)
    if isinstance(noted, dict):
        noted = noted.get(_NOTE)
    return noted if isinstance(noted, str) else ""


def answered(error: Any) -> tuple[str, str, int]:
    """
    Return code, message and HTTP status of a ClientError; no code if its body is not an error of an API.

    The code has at most 500 characters, the message :data:`MAX_ANSWERED`; both are one line, and legible.
    """
    found = error.response.get("Error") or {}
    code = told(found.get("Code") or "")
    status = int((error.response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    return ("" if code.isdigit() else code), told(found.get("Message") or "", MAX_ANSWERED), status


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
        return _PROVIDERS.get(told) or _PROVIDERS.get(provider(error) or "") or "whoever gives the credentials"
    return ""


def is_of_another(error: Exception) -> bool:
    """Return whether somebody else than S3 refused, or did not answer, whatever was asked of S3."""
    return operation(error) in SERVICES or is_about_credentials(error) or proxy_asks_for_password(error)


def proxy_asks_for_password(error: Exception) -> bool:
    """Return whether a proxy answered 407 (RFC 9110), to the request or when it was to open a tunnel."""
    from botocore.exceptions import ClientError, ProxyConnectionError

    if isinstance(error, ClientError):
        return answered(error)[2] == 407
    return isinstance(error, ProxyConnectionError) and bool(re.search(r"\b407\b", str(error.kwargs.get("error"))))


def unwrapped(error: Any) -> Exception:
    """
    Return what was wrapped: by tenacity, with which amazon's hooks try again, by boto3 for an upload, or by botocore
    around an error of ours, which a connection raised.
    """
    ours = getattr(error, "kwargs", {}).get("error")
    if isinstance(ours, CrrError):
        return ours
    last = getattr(error, "last_attempt", None)
    wrapped = error.__context__ if type(error).__name__ == "S3UploadFailedError" else last and last.exception()
    found: Exception = wrapped if isinstance(wrapped, Exception) else error
    return found


def operation(error: Exception) -> str | None:
    """Return the innermost operation that was under way, such as AssumeRole amid a HeadObject; None if none was."""
    found: str | None = getattr(error, "operation_name", None)
    if found is None:
        for frame in _frames(error):
            if frame.f_code.co_name == "_make_api_call":
                found = frame.f_locals.get("operation_name")
    return found


def is_about_credentials(error: Exception) -> bool:
    """Return whether an error arose while credentials were fetched."""
    return any(frame.f_globals.get("__name__") in _CREDENTIALS for frame in _frames(error))


def is_of_a_socket(error: Exception) -> bool:
    """Return whether the network failed, rather than a disk."""
    named = ConnectionError | TimeoutError | ssl.SSLError | socket.gaierror | socket.herror
    return isinstance(error, named) or (isinstance(error, OSError) and error.errno in _NETWORK)


def is_on_the_way(error: Exception) -> bool:
    """Return whether an error arose between here and AWS, in whatever carries a request there and the answer back."""
    if is_of_a_socket(error):
        return True
    names = [type(error).__module__, *(str(frame.f_globals.get("__name__")) for frame in _frames(error))]
    return any(f"{name}.".startswith(_WAY) for name in names)


def is_of_an_answer(error: Exception) -> bool:
    """Return whether an error arose while an answer was waited for or read."""
    found = [(f"{frame.f_globals.get('__name__')}.", frame.f_code.co_name) for frame in _frames(error)]
    return any(
        name.startswith(_READS) or (name, code) == ("botocore.endpoint.", "_get_response") for name, code in found
    )


def provider(error: Exception) -> str | None:
    """Return botocore's name of the provider of credentials that was asked; None if none was."""
    found = None
    for frame in _frames(error):
        asked = frame.f_locals.get("self")
        if type(asked).__module__ in _CREDENTIALS:
            found = getattr(asked, "METHOD", None) or getattr(asked, "method", None) or found
    return found


def _frames(error: Exception) -> Iterator[FrameType]:
    """Yield the frames that an error came through, the outermost first: only they tell what it is about."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
