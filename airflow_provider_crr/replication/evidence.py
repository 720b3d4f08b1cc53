"""What a gate leaves behind when it fails, beside its verdict."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_crr.replication.status import ObjectReplication


@dataclass(frozen=True, slots=True)
class Left:
    """
    What was left behind.

    :param asker: who has asked S3, such as "by the connection 'prod' on a worker"; empty if it is not known.
    :param remarks: lines for the message of the failure.
    :param failed_manifest_uri: where all objects that FAILED are listed; None if nothing was written.
    """

    asker: str = ""
    remarks: tuple[str, ...] = ()
    failed_manifest_uri: str | None = None


class Evidence(Protocol):
    """Notes what FAILED, and leaves it where people find it. It raises nothing, and changes no verdict."""

    def begin(self) -> None:
        """Begin again: what was noted before is asked for once more."""

    def note(self, answer: ObjectReplication) -> None:
        """Note an answer in state FAILED."""

    def leave(self, deciding: Collection[str]) -> Left:
        """
        Leave what was noted; called once a gate has failed.

        :param deciding: the states that made it fail.
        """
