"""A hook that is made when it is first needed, for code that must not wait until then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any, TypeVar

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.sharing.shared_hook import SharedHook, shared_hook
from airflow_provider_crr.replication.source import Steps

T = TypeVar("T")


class LazyHook:
    """
    A shared hook that may not be there yet.

    :param arguments: keyword arguments of the hook.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._hook: SharedHook | None = None

    def get(self) -> SharedHook:
        """
        Return the hook; the first time in a thread that may read Airflow's connections.

        :raises LookupFailed: if no client can be made.
        """
        self._hook = self._hook or shared_hook(self._arguments)
        return self._hook

    @property
    def may_have_moved(self) -> bool:
        """Whether :meth:`has_moved` has something to look at, or to say; this does not wait."""
        return self._hook is not None and self._hook.may_have_moved

    def has_moved(self) -> bool:
        """Return whether another hook is to be made, because the connection was edited."""
        return self._hook is not None and self._hook.has_moved()

    def check(self) -> None:
        """
        Make sure that what was said by the hook still counts; in a thread that may read Airflow's connections.

        :raises LookupFailed: if the connection was edited; ``passing``.
        """
        if self.has_moved():
            raise _edited()

    def unless_moved(self, steps: Steps[T]) -> Steps[T]:
        """
        Go through steps as long as nobody has seen that the connection was edited; the connection is not read for that.

        :raises LookupFailed: if it was edited; ``passing``.
        """
        with closing(steps):
            while True:
                if self._hook is not None and self._hook.is_outdated:
                    raise _edited()
                try:
                    later = next(steps)
                except StopIteration as ended:
                    result: T = ended.value
                    return result
                yield later


def _edited() -> LookupFailed:
    return LookupFailed(
        "the connection was edited while S3 was asked, so the answers do not count",
        remedy="Everything is asked again with the connection as it is now",
        passing=True,
    )
