"""Time that passes at once where sensors and triggers would wait between two looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from typing import Any

#: Longer than any wait between two looks: none of them is left to Airflow, which would wait for real.
_LONG = 366 * 86_400.0


class _Clock:
    """The machine's clock, moved forward by the time that was not waited."""

    def __init__(self) -> None:
        self._passed = 0.0

    def time(self) -> float:
        return time.time() + self._passed

    def monotonic(self) -> float:
        return time.monotonic() + self._passed

    def sleep(self, seconds: float) -> None:
        self._passed += max(0.0, seconds)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)

    @property
    def passed(self) -> timedelta:
        return timedelta(seconds=self._passed)


class _Instead:
    """A module of which some functions are others."""

    def __init__(self, module: Any, **others: Any) -> None:
        vars(self).update(others)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def no_waiting() -> Iterator[None]:
    """
    Let the time pass at once that this provider's sensors and triggers wait, and any sensor in ``mode="poke"``.

    Their timeouts come as much sooner. Nothing else of the process sees another time.
    """
    from unittest.mock import patch

    from airflow.sdk import BaseSensorOperator

    from airflow_provider_crr.sensors import base as sensors
    from airflow_provider_crr.tasks import deferral
    from airflow_provider_crr.triggers import base as triggers

    clock = _Clock()
    of_airflow = import_module(BaseSensorOperator.__module__)
    instead = _Instead(time, time=clock.time, monotonic=clock.monotonic, sleep=clock.sleep)
    utcnow = of_airflow.timezone.utcnow
    timezone = _Instead(of_airflow.timezone, utcnow=lambda: utcnow() + clock.passed)
    with ExitStack() as stack:
        for module in (of_airflow, sensors, deferral, triggers):
            stack.enter_context(patch.object(module, "time", instead))
        stack.enter_context(patch.object(of_airflow, "timezone", timezone))
        stack.enter_context(patch.object(sensors, "datetime", _datetime(clock)))
        stack.enter_context(patch.object(sensors, "seconds_to_notice", lambda: _LONG))
        stack.enter_context(patch.object(triggers, "asyncio", _Instead(asyncio, sleep=clock.asleep)))
        yield


def _datetime(clock: _Clock) -> type[datetime]:
    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + clock.passed

    return Now
