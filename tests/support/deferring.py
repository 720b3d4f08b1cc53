"""Triggers of sensors, for tests of what happens in the triggerer."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.sensors.base import PollingSensor
from airflow_provider_crr.tasks.compat import TaskDeferred


def deferral(sensor: PollingSensor, ti: Any) -> TaskDeferred:
    """
    Return how a deferrable sensor defers if its look on the worker found out nothing. Its trigger polls at once.

    :param sensor: the sensor; it is of no further use.
    :param ti: the task instance.
    """
    sensor.poke = lambda context: False  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({"ti": ti})  # type: ignore[arg-type]
    trigger: Any = caught.value.trigger
    trigger.next_poke = 0
    return caught.value
