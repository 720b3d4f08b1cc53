"""
The errors that fail a task for good.

They derive from ``AirflowFailException``, because only with that ``soft_fail`` and ``never_fail`` work in the same way
whether the task pokes or defers. A retry could not help either: S3 never retries a FAILED object by itself, and for a
store that does, the gate has waited.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_crr import errors
from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.tasks.compat import AirflowFailException


class _TaskFailure(CrrError, AirflowFailException):
    """
    An error whose whole evidence is a plain JSON summary.

    :param message: what is wrong, ready to be shown.
    :param summary: the same mapping that the task pushed to XCom before it failed.
    """

    def __init__(self, message: str, *, summary: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.summary = summary or {}


class ReplicationFailed(_TaskFailure):
    """The gate can never open for the objects that the message names."""


class InventoryLimitExceeded(_TaskFailure):
    """A report exceeds a limit that the operator was given."""


class ObjectsNotDeleted(_TaskFailure):
    """At least one object was not deleted, because S3 did not say that it is replicated."""


class BatchReplicationFailed(_TaskFailure):
    """A job of S3 Batch Replication did not replicate all that it should, or was not allowed to begin."""


class ReplicationRulesBroken(_TaskFailure):
    """The settings of buckets, rules or role keep objects from being replicated, or may."""


class ReplicationStatusMissing(errors.ReplicationStatusMissing, AirflowFailException):
    """The report was configured without the ReplicationStatus field. No retry adds it: the next report has it."""
