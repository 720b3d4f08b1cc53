"""
The section ``[crr]`` of Airflow's configuration, read here and nowhere else; described in ``provider_info.py``.

A limit that cannot be read is an error of the task that needs it. Where a value only shows something, the error is
logged, and what is shown is the default. Nothing is read while DAGs are parsed, so that no value keeps a DAG away.
"""

from __future__ import annotations

import json
import logging
from math import inf, isfinite
from typing import Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.prices import Prices
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)

SECTION = "crr"
#: In the place of a limit: what the configuration says.
CONFIGURED = "configured"
#: Most HEADs of a task in a second, unless the configuration or the task says otherwise.
MAX_REQUESTS_PER_SECOND = 1000.0
_YES, _NO = frozenset({"t", "true", "1"}), frozenset({"f", "false", "0"})  # as Airflow reads them


def max_requests_per_second() -> float | None:
    """
    Return most HEAD requests in a second of a task that does not say; None for no limit.

    :raises InvalidArgument: if the value is no number above 0.
    """
    text = _text("max_requests_per_second")
    if not text:
        return MAX_REQUESTS_PER_SECOND
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise _unreadable("max_requests_per_second", text, "Give a number above 0, or inf for no limit")
    return None if number == inf else number


def prices() -> Prices:
    """Return what requests cost."""
    try:
        return _prices(_text("prices"))
    except InvalidArgument as error:
        log.error("%s; taking the prices of us-east-1", error)
        return Prices()


def shows_tab() -> bool:
    """Return whether Airflow is to show the Replication tab, and the page of what waits now."""
    text = _text("show_tab").lower()
    if text and text not in _YES | _NO:
        log.error("%s; showing the tab", _unreadable("show_tab", text, "Give True or False"))
    return text not in _NO


def _prices(text: str) -> Prices:
    if not text:
        return Prices()
    remedy = 'Give US dollars for 1,000 HEADs, as JSON: {"head": 0.0004}'
    try:
        given: Any = json.loads(text)
    except ValueError as error:
        raise _unreadable("prices", text, remedy) from error
    if not isinstance(given, dict) or given.keys() != {"head"} or not _is_price(given["head"]):
        raise _unreadable("prices", text, remedy)
    return Prices(float(given["head"]), origin=f"by [{SECTION}] prices")


def _is_price(price: Any) -> bool:
    return isinstance(price, int | float) and not isinstance(price, bool) and isfinite(price) and price >= 0


def _unreadable(option: str, text: str, remedy: str) -> InvalidArgument:
    variable = f"AIRFLOW__{SECTION.upper()}__{option.upper()}"
    return InvalidArgument(
        f"[{SECTION}] {option} of Airflow's configuration is {told(text, 100)!r}",
        remedy=f"{remedy}, in airflow.cfg or as {variable}",
    )


def _text(option: str) -> str:
    """Return what the configuration says; "" if it says nothing."""
    from airflow_provider_crr.tasks.compat import conf

    return str(conf.get(SECTION, option, fallback="") or "").strip()
