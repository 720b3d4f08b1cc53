"""
Renewing credentials that are still valid, without anybody waiting for it.

botocore renews credentials in whatever thread needs them first, some minutes before they must be renewed. Where one
thread asks for many, all of them would wait for a source that hangs, although the credentials are good.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import Any, NamedTuple

from airflow_provider_crr.errors import LookupFailed

#: Seconds that a renewal may take once the credentials must be renewed; as long as botocore waits for STS to answer.
_MOST = 60.0


def renew_early(credentials: Any) -> None:
    """
    Have credentials renewed in a thread of its own; until they must be renewed, the old ones are used meanwhile.

    :param credentials: botocore's; whatever is not renewed stays as it is.
    """
    renew: Callable[[], Any] | None = getattr(credentials, "_refresh_using", None)
    if renew is not None and not isinstance(renew, _Renewal):
        credentials._refresh_using = _Renewal(credentials, renew)


class _UnderWay(NamedTuple):
    """A renewal that was begun: by which process, when, and what comes of it."""

    process: int
    since: float
    renewed: Future[Any]


class _Renewal:
    """
    Takes the place of botocore's function that renews. botocore calls it in one thread at a time.

    :param credentials: what is renewed.
    :param renew: asks the source.
    """

    def __init__(self, credentials: Any, renew: Callable[[], Any]) -> None:
        self._credentials = credentials
        self._renew = renew
        self._under_way: _UnderWay | None = None

    def __call__(self) -> Any:
        """
        Return new credentials, or the old ones if these are good for a while.

        :raises Exception: what the source raised.
        :raises LookupFailed: if there are none in time; the renewal goes on.
        """
        under_way = self._under_way
        if under_way is None or under_way.process != os.getpid():
            under_way = self._under_way = self._begin()
        if not under_way.renewed.done() and not self._must_be_renewed():
            return self._old()
        try:
            renewed = under_way.renewed.exception(max(0.0, under_way.since + _MOST - time.monotonic()))
        except TimeoutError:
            raise LookupFailed(
                f"credentials that expire soon were not renewed within {_MOST:g} s",
                remedy="Look at the source of the connection's credentials",
                passing=True,
            ) from None
        self._under_way = None
        if renewed is not None:
            raise renewed
        return under_way.renewed.result()

    def _begin(self) -> _UnderWay:
        begun = _UnderWay(os.getpid(), time.monotonic(), Future())
        run = copy_context().run
        Thread(target=run, args=(_ask, self._renew, begun.renewed), name="crr-renewal", daemon=True).start()
        return begun

    def _must_be_renewed(self) -> bool:
        return bool(self._credentials.refresh_needed(self._credentials._mandatory_refresh_timeout))

    def _old(self) -> dict[str, Any]:
        old = self._credentials._frozen_credentials
        return {**old._asdict(), "expiry_time": self._credentials._expiry_time.isoformat()}


def _ask(renew: Callable[[], Any], renewed: Future[Any]) -> None:
    try:
        renewed.set_result(renew())
    except BaseException as error:
        renewed.set_exception(error)
