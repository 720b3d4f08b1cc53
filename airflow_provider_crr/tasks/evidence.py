"""What a task leaves in XCom before it fails. It fails with the same error whether or not this can be stored."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger(__name__)


def push(context: Any, value: Any, key: str = "return_value") -> bool:
    """
    Push the evidence of a failure, before its error is raised. Return whether it could be pushed.

    Nothing is raised here: another error in its place might be retried, which a failure for good must not be.

    :param context: Airflow's context of this run.
    :param value: plain JSON; None is not pushed, which Airflow 3.0 refuses to store.
    :param key: under which it is pushed.
    """
    if value is None:
        return True
    try:
        context["ti"].xcom_push(key=key, value=value)
    except BaseException:  # also Airflow's execution_timeout, while its API server gives no answer
        log.warning("what was found cannot be pushed to XCom", exc_info=True)
        return False
    return True
