"""
Names that Airflow moved between the releases that this provider runs on.

A name is looked up when it is imported from here; importing this module loads nothing. What ``airflow.sdk`` itself has
in all of these releases is imported from there instead. The provider common-compat has such a list, too, but not in
the releases that old images pin (1.7.3 has none).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag as DagBag
    from airflow.sdk.configuration import conf as conf
    from airflow.sdk.exceptions import (
        AirflowException as AirflowException,
    )
    from airflow.sdk.exceptions import (
        AirflowFailException as AirflowFailException,
    )
    from airflow.sdk.exceptions import (
        AirflowSensorTimeout as AirflowSensorTimeout,
    )
    from airflow.sdk.exceptions import (
        AirflowSkipException as AirflowSkipException,
    )
    from airflow.sdk.exceptions import (
        TaskDeferred as TaskDeferred,
    )
    from airflow.sdk.observability.stats import Stats as Stats
    from airflow.sdk.plugins_manager import AirflowPlugin as AirflowPlugin

_ERRORS = ("airflow.sdk.exceptions", "airflow.exceptions")

#: The modules that have had each name, newest first: a name that an old module still has is deprecated there.
PLACES: dict[str, tuple[str, ...]] = {
    "AirflowException": _ERRORS,
    "AirflowFailException": _ERRORS,
    "AirflowSensorTimeout": _ERRORS,
    "AirflowSkipException": _ERRORS,
    "TaskDeferred": _ERRORS,
    "DagBag": ("airflow.dag_processing.dagbag", "airflow.models.dagbag"),
    "AirflowPlugin": ("airflow.sdk.plugins_manager", "airflow.plugins_manager"),
    "Stats": ("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
}


def __getattr__(name: str) -> Any:
    """Return what Airflow has by this name."""
    places = PLACES.get(name, ())
    for place in places:
        try:
            value = getattr(import_module(place), name, None)
        except ModuleNotFoundError as error:
            # A module that is there and cannot be imported, because another one is missing, is a fault to be seen.
            if not f"{place}.".startswith(f"{error.name}."):
                raise
            continue
        if value is not None:
            return value
    tried = f"; it is in none of {', '.join(places)}" if places else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{tried}")
