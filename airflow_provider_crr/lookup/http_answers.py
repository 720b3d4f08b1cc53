"""
Reads an HTTP/1.1 answer as RFC 9112 defines it, and refuses one that is written in another way.

Python's ``http.client`` takes an interim answer for the answer, and the end of the connection for the end of the
headers. Behind a header line that it cannot read it drops all others. Each of these turns S3's answer into another one.
"""

from __future__ import annotations

import email.parser
import io
import re
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPMessage, HTTPResponse, RemoteDisconnected
from threading import local
from typing import Any

#: Most bytes that may come before a body, interim answers included, for both clients. S3 keeps 2 KB of metadata with an
#: object ("Working with object metadata"), which is some hundred headers, of which http.client takes 100.
MAX_HEAD = 256 * 1024
#: Interim answers that may come before the answer (RFC 9110, section 15.2). S3 does not send more.
_MAX_INTERIM = 32
#: RFC 9112, section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*\r\n")
#: RFC 9112, section 5, with no line folding; RFC 9110, section 5.5, with no control character in a value.
_FIELD_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
#: Headers that say where an answer ends, and whether the connection may be used again.
_FRAMING = _LENGTHS | {b"connection", b"keep-alive", b"proxy-connection"}
_SWITCHING_PROTOCOLS = 101
#: Methods of requests that may be sent again without changing anything.
REPEATABLE = frozenset({"HEAD", "GET"})
#: Status and headers of this thread's last answer, if it was read whole.
_thread = local()


class Malformed(HTTPException):
    """An answer that was cut off, or that is no HTTP."""


class Doubtful(HTTPException):
    """A whole answer that may belong to another question."""


def reading_begins() -> None:
    """Forget this thread's last answer."""
    _thread.whole = None


def was_read_whole() -> bool:
    """Return whether this thread read its last answer to the end of the headers: else some may have been cut off."""
    return whole_head() is not None


def whole_head() -> tuple[int, dict[str, str]] | None:
    """Return status and headers, names in lower case, of this thread's last answer; None if it was not read whole."""
    head: tuple[int, HTTPMessage] | None = getattr(_thread, "whole", None)
    return None if head is None else (head[0], joined(head[1].items()))


def refusal(error: BaseException) -> str:
    """Return what was malformed about an answer that botocore reports as a lost connection; empty if nothing was."""
    known: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Malformed):
            return str(each)
        if isinstance(each, BaseException) and id(each) not in known:
            known.add(id(each))
            waiting += [*each.args, *getattr(each, "kwargs", {}).values(), each.__cause__, each.__context__]
    return ""


def read_head(read_line: Callable[[int], bytes]) -> bytes:
    """
    Return the status line, the header lines and the empty line of an answer, without the interim answers before it.

    :param read_line: returns the next line, but no more bytes than it is told; less at the end of the connection.
    :raises Malformed: if the answer is cut off, or is no HTTP.
    """
    read_line = _bounded(read_line)
    for _ in range(_MAX_INTERIM + 1):
        first = _line(read_line, "the status line")
        status_line = _STATUS_LINE.fullmatch(first)
        if not status_line:
            raise Malformed(f"the status line is malformed: {first[:80]!r}")
        fields = _fields(read_line)
        status = int(status_line[1])
        if status == _SWITCHING_PROTOCOLS:
            raise Malformed("HTTP 101, which was not asked for")
        if status >= 200:
            return b"".join((first, *fields))
    raise Malformed(f"more than {_MAX_INTERIM} interim answers")


def _fields(read_line: Callable[[int], bytes]) -> list[bytes]:
    lines: list[bytes] = []
    while True:
        line = _line(read_line, "the headers")
        lines.append(line)
        if line == b"\r\n":
            _check_length(lines)
            return lines
        if not _FIELD_LINE.fullmatch(line):
            raise Malformed(f"a header line is malformed: {line[:80]!r}")


def _check_length(lines: list[bytes]) -> None:
    """Refuse an answer that says in two ways where it ends (RFC 9112, section 6.3)."""
    if sum(_name(line) in _LENGTHS for line in lines) > 1:
        raise Malformed("its length is told more than once")


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _bounded(read_line: Callable[[int], bytes]) -> Callable[[int], bytes]:
    left = MAX_HEAD

    def read(most: int) -> bytes:
        nonlocal left
        line = read_line(min(most, left + 1))
        left -= len(line)
        if left < 0:
            raise Malformed(f"more than {MAX_HEAD} bytes of headers")
        return line

    return read


def _line(read_line: Callable[[int], bytes], where: str) -> bytes:
    line = read_line(MAX_HEAD + 1)
    if not line.endswith(b"\n"):
        raise Malformed(f"the connection ended in {where}")
    return line


def may_be_too_long(fields: Sequence[tuple[str, str]]) -> bool:
    """Return whether headers may have been longer than :data:`MAX_HEAD`, though only names and values are known."""
    # A letter takes up to 4 bytes, and neither the spaces around values nor interim answers are counted here.
    return sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD // 8


def joined(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name, the values of a repeated one joined as boto3 joins them."""
    headers = {name.lower(): value for name, value in fields}
    if len(headers) == len(fields):
        return headers
    headers = {}
    for name, value in fields:
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class StrictResponse(HTTPResponse):
    """
    An answer of ``http.client`` whose head is read by :func:`read_head`.

    :param leftover: called when the answer has been read, with whether bytes were there behind it.
    """

    def __init__(self, *args: Any, leftover: Callable[[bool], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._socket = args[0]
        self._leftover = leftover

    def begin(self) -> None:
        """Read the status line and the headers, or refuse them."""
        if self.headers is not None:
            return
        stream = self.fp
        if not stream.peek(1):
            raise RemoteDisconnected("the connection ended without an answer")
        first, *lines = read_head(stream.readline).splitlines(keepends=True)
        # http.client needs the headers that frame the answer; given all, it would refuse more than 100.
        framing = b"".join((first, *(line for line in lines if _name(line) in _FRAMING), b"\r\n"))
        self.fp = io.BytesIO(framing)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            self.fp = stream
        whole = b"".join(lines).decode("iso-8859-1")
        self.headers = self.msg = email.parser.Parser(_class=HTTPMessage).parsestr(whole)
        _thread.whole = self.status, self.headers

    def has_more(self) -> bool:
        """Return whether unread bytes are there, without waiting for any."""
        return bool(self.fp and _waiting_bytes(self.fp, self._socket))

    def _close_conn(self) -> None:
        self._leftover(self.has_more())
        super()._close_conn()  # type: ignore[misc]


def _waiting_bytes(stream: Any, sock: Any) -> bytes:
    try:
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            waiting: bytes = stream.peek(1)
        finally:
            sock.settimeout(timeout)
    except (OSError, ValueError):  # nothing is there, or the connection is closed
        return b""
    return waiting
