"""The state store of an asset, as a trigger uses it in the triggerer's event loop, on each release that has one."""

from __future__ import annotations

import asyncio
from typing import Any


async def recall(store: Any, key: str) -> Any:
    """
    Return what the store has; None if it has nothing.

    :param store: one asset's store. That of Airflow 3.3.0 and 3.3.1 only has calls that wait, and that raise in the
        thread of the event loop or block it. A thread of its own makes them.
    :param key: which value.
    """
    if hasattr(store, "aget"):
        return await store.aget(key)
    return await asyncio.to_thread(store.get, key)


async def remember(store: Any, key: str, value: dict[str, Any]) -> None:
    """
    Put a value into the store.

    :param store: see :func:`recall`.
    :param key: which value.
    :param value: the value, plain JSON.
    """
    if hasattr(store, "aset"):
        await store.aset(key, value)
    else:
        await asyncio.to_thread(store.set, key, value)
