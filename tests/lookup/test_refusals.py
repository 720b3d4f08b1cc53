"""Why a HEAD was refused is asked of S3 by a GET, and only a clear word of its own about the object counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import CUT, Answer, S3Server, stored

PAGE = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<html>blocked</html>      "
XHTML = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 36\r\n\r\n<html><body>blocked</body></html>   "
SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."
KEY = "User: x is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext"


def error(status: int, code: str, message: str = "scripted", headers: dict[str, str] | None = None) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 {status} No\r\nx-amz-request-id: 0A\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return Answer(status, raw=head.encode() + body)


def refused_then(status: int, *gets: Answer) -> Callable[[], Answer]:
    """Answer each HEAD with a status, and the GETs after it in turn; the last one repeats."""
    left = list(gets)

    def answer(method: str) -> Answer:
        if method == "HEAD":
            return Answer(status)
        return left.pop(0) if len(left) > 1 else left[0]

    return answer  # type: ignore[return-value]


#: HEAD's status, what GET says, the state, and what the detail says.
TABLE: dict[str, tuple[int, Answer, str, str]] = {
    "AccessDenied": (403, error(403, "AccessDenied"), "FORBIDDEN", "AccessDenied"),
    "all access disabled": (403, error(403, "AllAccessDisabled"), "FORBIDDEN", "AllAccessDisabled"),
    "payer": (403, error(403, "InvalidPayer"), "FORBIDDEN", "InvalidPayer"),
    "customer key": (400, error(400, "InvalidRequest", SSE_C), "UNREADABLE", "Server Side Encryption"),
    "a version id that is none": (400, error(400, "InvalidArgument"), "UNREADABLE", "InvalidArgument"),
    "a code that nobody knows, 400": (400, error(400, "SomethingNew"), "UNREADABLE", "SomethingNew"),
    "a code that nobody knows, 403": (403, error(403, "SomethingNew"), "UNKNOWN", "SomethingNew"),
    "expired": (400, error(400, "ExpiredToken"), "UNKNOWN", "ExpiredToken"),
    "to be refreshed": (400, error(400, "TokenRefreshRequired"), "UNKNOWN", "TokenRefreshRequired"),
    "timed out": (400, error(400, "RequestTimeout"), "UNKNOWN", "RequestTimeout"),
    "clock": (403, error(403, "RequestTimeTooSkewed"), "UNKNOWN", "RequestTimeTooSkewed"),
    "clock, another status": (403, error(400, "RequestExpired"), "UNKNOWN", "RequestExpired"),
    "cut": (403, CUT, "UNKNOWN", "does not say why: no answer"),
    "cut, 400": (400, CUT, "UNKNOWN", "does not say why: no answer"),
    "500": (403, error(500, "InternalError"), "UNKNOWN", "HTTP 500 InternalError"),
    "503": (400, error(503, "SlowDown"), "UNKNOWN", "HTTP 503 SlowDown"),
    "all is well": (403, Answer(206, {"ETag": '"e"'}), "UNKNOWN", "it was answered with HTTP 206"),
    "all is well, 200": (400, stored("COMPLETED"), "UNKNOWN", "it was answered with HTTP 200"),
    "a page": (403, Answer(403, raw=PAGE), "UNKNOWN", "it was answered with HTTP 403"),
    "a page of XML": (403, Answer(403, raw=XHTML), "UNKNOWN", "it was answered with HTTP 403"),
    "gone": (403, error(404, "NoSuchKey"), "UNKNOWN", "HTTP 404 NoSuchKey"),
    "empty object": (403, error(416, "InvalidRange"), "UNKNOWN", "HTTP 416 InvalidRange"),
    "another status": (403, error(400, "InvalidRequest", SSE_C), "UNKNOWN", "HTTP 400 InvalidRequest"),
    "another status, denied": (400, error(403, "AccessDenied"), "UNKNOWN", "HTTP 403 AccessDenied"),
    "archived": (403, error(403, "InvalidObjectState"), "UNKNOWN", "InvalidObjectState"),
    "key denied": (403, error(403, "AccessDenied", KEY), "UNKNOWN", "kms:Decrypt"),
    "key disabled": (400, error(400, "KMS.DisabledException"), "UNKNOWN", "KMS.DisabledException"),
    "out of a cache": (403, error(403, "AccessDenied", headers={"Age": "30"}), "UNKNOWN", "HTTP 403 AccessDenied"),
}
#: What S3 says of the caller, and how it is called.
CALLER: dict[str, tuple[int, str, str, str]] = {
    "key": (403, "InvalidAccessKeyId", "no such key", "the access key"),
    "signature": (403, "SignatureDoesNotMatch", "check your key", "the signature"),
    "token": (400, "InvalidToken", "malformed", "the session token"),
    "credentials": (403, "InvalidSecurity", "not valid", "the credentials"),
    "not signed up": (403, "NotSignedUp", "sign up", "the account"),
    "account": (403, "AccountProblem", "contact us", "the account"),
    "old signature": (400, "InvalidRequest", "Please use AWS4-HMAC-SHA256.", "the signature"),
    "region": (400, "AuthorizationHeaderMalformed", "expecting 'x'", "the Region"),
}


@pytest.fixture
def by_method(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let functions of a script know whether HEAD or GET asks."""
    from tests.support import s3_server

    asking = s3_server._Handler._answer

    def answer(self: Any, request: Any) -> Any:
        script = self.server.s3.answers.get((request.bucket, request.key))
        if callable(script) and not request.fault:
            return script(request.method), ""
        return asking(self, request)

    monkeypatch.setattr(s3_server._Handler, "_answer", answer)
    yield
    assert server.faults() == []


@pytest.mark.usefixtures("crt", "by_method")
@pytest.mark.parametrize("row", TABLE)
def test_a_refusal_means_what_the_get_says(server: S3Server, row: str) -> None:
    """Only S3's own word about the object or the permission ends a gate; all that is unclear leaves it UNKNOWN."""
    status, get, state, says = TABLE[row]
    server.answers["b", "odd"] = refused_then(status, get)
    client = server.client(retries={"total_max_attempts": 1})
    one = head_one(client, S3Object("b", "odd"))
    many = {found.object.key: found for found in choose_lookup(client)([S3Object("b", "odd"), S3Object("b", "even")])}
    assert (one.state, one.http_status) == (state, status)
    assert says in one.detail
    assert (many["odd"].state, many["odd"].detail, many["even"].state) == (state, one.detail, "COMPLETED")


@pytest.mark.usefixtures("crt", "by_method")
@pytest.mark.parametrize("row", CALLER)
def test_a_word_about_the_caller_is_none_about_the_object(server: S3Server, row: str) -> None:
    """That S3 refuses key, signature, token or account is an error that lasts, and no permission is advised."""
    status, code, message, refused = CALLER[row]
    server.answers["b", "odd"] = refused_then(status, error(status, code, message))
    client = server.client(retries={"total_max_attempts": 3})
    for objects in ([S3Object("b", "odd")], [S3Object("b", "odd"), S3Object("b", "even")]):
        with pytest.raises(LookupFailed, match=f"S3 refused {refused}: {code}") as raised:
            list(choose_lookup(client)(objects))
        assert not raised.value.passing
        assert raised.value.__cause__ is not None
        assert "Allow" not in str(raised.value)
        assert raised.value.remedy


@pytest.mark.usefixtures("crt", "by_method")
def test_an_unclear_reason_is_none_for_others(server: S3Server, way: str) -> None:
    """After a GET without a reason the next object is asked too, a few times; what it says then holds for the rest."""
    for key in "abcd":
        server.answers["b", key] = refused_then(403, CUT if key == "a" else error(403, "AccessDenied"))
    ask = choose_lookup(server.client(retries={"total_max_attempts": 1}))
    found: list[str] = [answer.state.value for answer in ask(S3Object("b", key) for key in "abcd")]
    gets = [request.key for request in server.requests if request.method == "GET"]
    assert found.count("UNKNOWN") == gets.count("a")
    assert found.count("FORBIDDEN") == 4 - gets.count("a")
    assert len([key for key in gets if key != "a"]) == 1


@pytest.mark.usefixtures("crt", "by_method")
def test_gets_without_a_reason_are_bounded(server: S3Server, way: str) -> None:
    """Where no GET says why, a lookup of many objects sends three, and leaves all of them UNKNOWN."""
    for number in range(40):
        server.answers["b", f"k{number}"] = refused_then(403, Answer(206))
    found = list(choose_lookup(server.client())(S3Object("b", f"k{number}") for number in range(40)))
    assert {answer.state for answer in found} == {"UNKNOWN"}
    assert all("HTTP 403" in answer.detail for answer in found)
    assert len([request for request in server.requests if request.method == "GET"]) == 3


@pytest.mark.usefixtures("crt", "by_method")
def test_the_version_that_was_refused_is_asked_for(server: S3Server, way: str) -> None:
    """The GET is about the very version whose HEAD was refused."""
    server.answers["b", "k"] = refused_then(403, error(403, "AccessDenied"))
    list(choose_lookup(server.client())([S3Object("b", "k", "v1"), S3Object("b", "k", "v1")]))
    assert {request.version_id for request in server.requests} == {"v1"}
