"""
One HTTP/1.1 answer, read as RFC 9112 writes it, and refused where it is written otherwise.

Python's ``http.client`` takes the first interim answer for the answer, the end of the connection for the end of the
headers, and drops whatever follows a header line that it cannot read. Each of these makes another answer out of S3's.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from threading import local
from typing import Any

#: Longest line, in bytes, and most lines: http.client's own.
_MAX_LINE = 65536
_MAX_LINES = 100
#: Interim answers that may come before the answer (RFC 9110, section 15.2): more is no S3.
_MAX_INTERIM = 32
#: RFC 9112, section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*\r\n")
#: RFC 9112, section 5, with no line folding; RFC 9110, section 5.5, with no control character in a value.
_FIELD_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
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
    while len(lines) <= _MAX_LINES:
        line = _line(read_line, "the headers")
        lines.append(line)
        if line == b"\r\n":
            _check_length(lines)
            return lines
        if not _FIELD_LINE.fullmatch(line):
            raise Malformed(f"a header line is malformed: {line[:80]!r}")
    raise Malformed(f"more than {_MAX_LINES} headers")


def _check_length(lines: list[bytes]) -> None:
    """Refuse an answer whose end is told in two ways (RFC 9112, section 6.3)."""
    told = [name for line in lines if (name := line.partition(b":")[0].lower()) in _LENGTHS]
    if len(told) > 1:
        raise Malformed("its length is told more than once")


def _line(read_line: Callable[[int], bytes], where: str) -> bytes:
    line = read_line(_MAX_LINE + 1)
    if len(line) > _MAX_LINE:
        raise Malformed(f"a line of more than {_MAX_LINE} bytes in {where}")
    if not line.endswith(b"\n"):
        raise Malformed(f"the connection ended amid {where}")
    return line


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
        head = read_head(stream.readline)
        self.fp = io.BytesIO(head)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            self.fp = stream
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
