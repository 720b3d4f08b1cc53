"""A connection of urllib3 that pairs questions and answers."""

from __future__ import annotations

import os
import ssl
import time
from typing import Any

from airflow_provider_crr.lookup.held_connections import held_connections
from airflow_provider_crr.lookup.http_answers import REPEATABLE, Doubtful, StrictResponse
from airflow_provider_crr.lookup.own_faults import raise_for_files
from airflow_provider_crr.lookup.pairing import LONG_IDLE, Exchange

#: What some proxies say on a connection that was idle for long, before they close it (RFC 9110, section 15.5.9).
_IDLE_TOO_LONG = b"HTTP/1.1 408"


class PairingConnection:
    """Mixed into a connection of urllib3: counts answers, and looks for whatever follows them."""

    exchange: Exchange
    #: Answers since it was opened.
    answers = 0
    answered_at = 0.0
    rests_until = 0.0
    connect_seconds = 0.0
    _process = 0
    _sent_at = 0.0
    _leftover = False
    _asked = ""

    def connect(self) -> None:
        """Open it."""
        started = time.monotonic()
        try:
            super().connect()  # type: ignore[misc]
        except Exception as error:
            raise_for_files(self, error)
            raise
        self.connect_seconds = time.monotonic() - started
        self.answers, self._leftover, self._process = 0, False, os.getpid()

    def request(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        self._note_question(method)
        return super().request(method, *args, **kwargs)  # type: ignore[misc]

    def request_chunked(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request in chunks, as urllib3 1.26 does here."""
        self._note_question(method)
        return super().request_chunked(method, *args, **kwargs)  # type: ignore[misc]

    def _note_question(self, method: str) -> None:
        self._asked, self._sent_at, self._leftover = method, time.monotonic(), False

    def response_class(self, *args: Any, **kwargs: Any) -> StrictResponse:
        """Return a response that is read strictly."""
        return StrictResponse(*args, leftover=self._note_leftover, **kwargs)

    @property
    def is_connected(self) -> bool:
        """Whether it was opened. Whether it still is, :meth:`may_be_used_again` finds out better than urllib3."""
        return self.sock is not None  # type: ignore[attr-defined, no-any-return]

    def getresponse(self) -> Any:
        """
        Return the answer.

        :raises Doubtful: if it may be another question's.
        """
        response = super().getresponse()  # type: ignore[misc]
        self.answers += 1
        self.answered_at = time.monotonic()
        held = held_connections()
        single = held.single if held else True
        self.rests_until = self.exchange.rest_until(self._sent_at, self.answered_at, single=single)
        repeats = self.exchange.repeats(response.headers.get("x-amz-request-id"), is_first=self.answers == 1)
        followed = self._asked == "HEAD" and self._is_followed(response)
        if repeats or followed or self.exchange.convicted:
            self._refuse_unless_first()
        return response

    def _refuse_unless_first(self) -> None:
        if self.answers > 1 and self._asked in REPEATABLE:
            raise Doubtful("it may be the answer to another request")

    def _is_followed(self, response: Any) -> bool:
        """Return whether anything follows the answer to a HEAD, or whether that cannot be seen."""
        if self.sock is None:  # type: ignore[attr-defined]
            return True  # the answer announced that the connection closes, so nothing can be seen of what follows
        if getattr(response, "_original_response", response).has_more():
            self.exchange.convict()
            return True
        return False

    def _note_leftover(self, leftover: bool) -> None:
        self._leftover = leftover

    def is_followed_by_bytes(self) -> bool:
        """Return whether bytes followed an answer that was read whole."""
        if self._leftover:
            self.exchange.convict()
        return self._leftover

    def refuse_unless_first(self) -> None:
        """
        Refuse an answer whose body was read already.

        :raises ProtocolError: if it may be another question's; botocore asks again.
        """
        from urllib3.exceptions import ProtocolError

        try:
            self._refuse_unless_first()
        except Doubtful as error:
            raise ProtocolError("Connection aborted.", error) from error

    def rest_left(self) -> float:
        """Return for how many seconds it still rests."""
        return max(0.0, self.rests_until - time.monotonic())

    def use_left(self) -> float:
        """Return after how many seconds it may be used again."""
        return max(0.0, self.exchange.usable_at(self.answered_at, self.rests_until) - time.monotonic())

    def is_sooner_replaced(self) -> bool:
        """Return whether a new connection could be used sooner."""
        return self.use_left() > self.connect_seconds

    def may_be_used_again(self) -> bool:
        """Return whether each question so far had exactly one answer; wait until that is known."""
        if self._process != os.getpid():  # it belongs to the process that forked this one
            return False
        return self._is_quiet(self.use_left())

    def stays_quiet(self) -> bool:
        """Return whether nothing follows the answer during the rest, neither bytes nor the end of the connection."""
        return self._is_quiet(self.rest_left())

    def _is_quiet(self, seconds: float) -> bool:
        if self.exchange.convicted:
            return False
        came = _next_bytes(self.sock, seconds)  # type: ignore[attr-defined]
        if came is None and self.answers:  # a connection without an answer proves nothing
            self.exchange.note_quiet(self.answered_at)
        elif came and not (came.startswith(_IDLE_TOO_LONG) and time.monotonic() - self.answered_at >= LONG_IDLE):
            self.exchange.convict()
        return came is None and not self.exchange.convicted


def _next_bytes(sock: Any, seconds: float) -> bytes | None:
    """Return what can be read within some seconds: None for nothing, empty for the end of the connection."""
    from urllib3.util import wait_for_read

    if sock is None:
        return b""
    timeout, until = sock.gettimeout(), time.monotonic() + seconds
    sock.settimeout(0)
    try:
        while True:
            try:
                return bytes(sock.recv(len(_IDLE_TOO_LONG)))
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            if (left := until - time.monotonic()) <= 0:
                return None
            wait_for_read(sock, left)
    except OSError:
        return b""
    finally:
        sock.settimeout(timeout)
