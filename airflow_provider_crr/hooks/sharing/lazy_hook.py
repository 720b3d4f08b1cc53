"""A hook that is made when it is first needed, for whoever must not wait until then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_crr.hooks.sharing.shared_hook import SharedHook, shared_hook


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
