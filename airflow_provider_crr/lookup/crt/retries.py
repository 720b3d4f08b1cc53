"""How often a question is sent again, and after how long, as boto3 would."""

from __future__ import annotations

import random

from airflow_provider_crr.lookup.boto3_asker import S3Client

#: Answers that may be another one a moment later ("Error responses": SlowDown, InternalError, and those of gateways).
PASSING = frozenset({429, 500, 502, 503, 504})
#: How often boto3 asks by default in each retry mode ("Retries" of the boto3 guide); 3 in all others.
_ATTEMPTS = {"legacy": 5, None: 5}
#: Before the n-th retry up to this much time passes, times 2 to the n-th, in seconds (full jitter); and the most.
_BACKOFF = 0.25
_MAX_BACKOFF = 20.0


class Retries:
    """
    The retries that a boto3 client is configured for.

    :param client: a boto3 S3 client.
    """

    def __init__(self, client: S3Client) -> None:
        configured = client.meta.config.retries or {}
        self._attempts = int(configured.get("total_max_attempts") or _ATTEMPTS.get(configured.get("mode"), 3))

    def pause_after(self, attempts: int) -> float | None:
        """Return the seconds until the next attempt, after so many that failed; None if there is to be none."""
        if attempts >= self._attempts:
            return None
        return random.random() * min(_MAX_BACKOFF, _BACKOFF * 2.0**attempts)  # noqa: S311
