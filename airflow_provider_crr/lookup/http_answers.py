"""
One HTTP/1.1 answer, read as RFC 9112 writes it, and refused where it is written otherwise.

Python's ``http.client`` takes the first interim answer for the answer, the end of the connection for the end of the
headers, and drops whatever follows a header line that it cannot read. Each of these makes another answer out of S3's.
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
#: Interim answers that may come before the answer (RFC 9110, section 15.2): more is no S3.
_MAX_INTERIM = 32
#: RFC 9112, section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*\r\n")
#: RFC 9112, section 5, with no line folding; RFC 9110, section 5.5, with no control character in a value.
_FIELD_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
#: Headers that say where an answer ends, and whether another one may follow.
_FRAMING = _LENGTHS | {b"connection", b"keep-alive", b"proxy-connection"}
_SWITCHING_PROTOCOLS = 101
#: Methods whose answer tells everything about an object and may be asked for again.
REPEATABLE = frozenset({"HEAD", "GET"})
#: What this thread read last.
_thread = local()


class Malformed(HTTPException):
    """An answer that is none: cut off, or not as HTTP writes it."""


class Doubtful(HTTPException):
    """A whole answer that may be the answer to another question."""


def reading_begins() -> None:
    """Forget what this thread read last."""
    _thread.whole = False


def was_read_whole() -> bool:
    """Return whether this thread read an answer to the end of its headers, so that a missing header is missing."""
    return getattr(_thread, "whole", False)


def refusal(error: BaseException) -> str:
    """Return what was wrong with the answer that botocore calls a lost connection; empty if nothing was."""
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
    Return status line, header lines and empty line of the answer, without the interim answers before it.

    :param read_line: returns the next line, at most as many bytes of it; shorter at the end of the connection.
    :raises Malformed: if it ends early, or is not as HTTP writes it.
    """
    read_line = _bounded(read_line)
    for _ in range(_MAX_INTERIM + 1):
        first = _line(read_line, "the status line")
        found = _STATUS_LINE.fullmatch(first)
        if not found:
            raise Malformed(f"the status line is malformed: {first[:80]!r}")
        fields = _fields(read_line)
        status = int(found[1])
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
    """Refuse an answer whose end is told in two ways (RFC 9112, section 6.3)."""
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
        raise Malformed(f"the connection ended amid {where}")
    return line


def may_be_too_long(fields: Sequence[tuple[str, str]]) -> bool:
    """Return whether headers, of which only names and values are known, may have been longer than :data:`MAX_HEAD`."""
    # A letter takes up to 4 bytes; nobody saw the spaces around values, nor interim answers.
    return sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD // 8


def joined(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name, the values of a repeated one joined as boto3 joins them."""
    found = {name.lower(): value for name, value in fields}
    if len(found) == len(fields):
        return found
    found = {}
    for name, value in fields:
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


class StrictResponse(HTTPResponse):
    """
    An answer of ``http.client`` whose head is read by :func:`read_head`.

    :param leftover: is told whether bytes were there behind the answer when it had been read.
    """

    def __init__(self, *args: Any, leftover: Callable[[bool], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._socket = args[0]
        self._leftover = leftover

    def begin(self) -> None:
        """Read the head, or refuse it."""
        if self.headers is not None:
            return
        stream = self.fp
        if not stream.peek(1):
            raise RemoteDisconnected("the connection ended without an answer")
        first, *lines = read_head(stream.readline).splitlines(keepends=True)
        # http.client looks at what frames the answer, and refuses more than 100 headers.
        framing = b"".join((first, *(line for line in lines if _name(line) in _FRAMING), b"\r\n"))
        self.fp = io.BytesIO(framing)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            self.fp = stream
        whole = b"".join(lines).decode("iso-8859-1")
        self.headers = self.msg = email.parser.Parser(_class=HTTPMessage).parsestr(whole)
        _thread.whole = True

    def has_more(self) -> bool:
        """Return whether bytes are there behind what was read, without waiting for any."""
        return bool(self.fp and _waiting_bytes(self.fp, self._socket))

    def _close_conn(self) -> None:
        self._leftover(self.has_more())
        super()._close_conn()  # type: ignore[misc]


def _waiting_bytes(stream: Any, sock: Any) -> bytes:
    try:
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            found: bytes = stream.peek(1)
        finally:
            sock.settimeout(timeout)
    except (OSError, ValueError):  # nothing is there, or the connection is closed
        return b""
    return found
