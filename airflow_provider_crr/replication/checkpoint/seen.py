"""
What a gate shows to people, handed from one process of it to the next: its history, its lags and the rules.

It decides nothing. So what cannot be read, or has no room, is left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_crr.replication.lag import Lags
from airflow_provider_crr.replication.progress import Progress

log = logging.getLogger(__name__)

#: Most characters of the JSON text: beside the largest part of a record it has room in one value of Airflow's store.
MAX_SEEN = 4_500


def to_seen(lags: Lags, progress: Progress) -> dict[str, Any]:
    """
    Return the plain JSON that is kept.

    :param lags: how long replication takes.
    :param progress: how far the gate is.
    """
    seen = {"lags": lags.to_stored(), "progress": progress.to_stored(), "rules": progress.rules}
    while len(json.dumps(seen)) > MAX_SEEN:
        seen.popitem()  # the rules first, which can be read again
    return seen


def recall(seen: Mapping[str, Any] | None, lags: Lags, progress: Progress) -> None:
    """
    Go on from what was kept.

    :param seen: what :func:`to_seen` returned; None if nothing is known.
    :param lags: what measures from now on.
    :param progress: what tells from now on.
    """
    try:
        if seen:
            lags.recall(seen.get("lags", {}))
            progress.recall(seen.get("progress", {}))
            progress.rules = seen.get("rules")
    except Exception as error:  # of whatever is kept there
        log.debug("what was shown of the wait before cannot be read: %s", error)
