"""What was deleted and what was refused, counted, with a sample of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_crr.replication.reasons import MAX_REASON
from airflow_provider_crr.replication.verdict import MAX_SAMPLE
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import told


@dataclass(slots=True)
class DeleteCounts:
    """
    The counts of one delete; a retry goes on with those of the try before it.

    :param deleted: versions that S3 said are deleted, or in a dry run, that would have been.
    :param already_gone: versions that were not there any more.
    :param refused: state -> versions that were not deleted.
    """

    deleted: int = 0
    already_gone: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    deleted_sample: list[str] = field(default_factory=list)
    refused_sample: list[dict[str, str]] = field(default_factory=list)

    def add_deleted(self, versions: Iterable[S3Object]) -> None:
        """Count versions that are deleted."""
        for obj in versions:
            self.deleted += 1
            if len(self.deleted_sample) < MAX_SAMPLE:
                self.deleted_sample.append(str(obj))

    def add_refused(self, uri: str, state: str, reason: str) -> None:
        """Count an object that is not deleted."""
        self.refused[state] += 1
        if len(self.refused_sample) < MAX_SAMPLE:
            self.refused_sample.append({"uri": uri, "status": state, "reason": told(reason, MAX_REASON)})

    def restore(self, counts: Mapping[str, Any]) -> None:
        """
        Go on from the counts of an earlier try.

        :param counts: some of what :meth:`to_dict` returned.
        :raises ValueError: if it is something else.
        """
        numbers = [
            counts.get("deleted", 0),
            counts.get("already_gone", 0),
            *counts.get("refused_statuses", {}).values(),
        ]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError(f"counts {numbers}")
        self.deleted, self.already_gone = numbers[:2]
        self.refused = Counter(counts.get("refused_statuses", {}))
        self.deleted_sample = list(counts.get("deleted_sample", ()))
        self.refused_sample = list(counts.get("refused_sample", ()))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form, bounded in size."""
        return {
            "deleted": self.deleted,
            "already_gone": self.already_gone,
            "refused": self.refused.total(),
            "refused_statuses": dict(self.refused),
            "deleted_sample": self.deleted_sample,
            "refused_sample": self.refused_sample,
        }
