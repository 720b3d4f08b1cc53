"""Where a gate asks; the hook is one such place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Event
from typing import Any, Protocol

from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.listing import ListedObject
from airflow_provider_crr.s3.objects import S3Object


class Source(Protocol):
    """What a gate asks of S3."""

    def get_replication_statuses(
        self, objects: Iterable[S3Object], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication]:
        """Return one answer for each object, in any order."""

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject]:
        """Return the current objects whose keys match a pattern, in key order."""

    def check_bucket(self, bucket_name: str) -> None:
        """Raise BucketNotFound if there is no such bucket."""

    def why_no_status(self, answer: ObjectReplication) -> str:
        """Return why an object has no replication status."""

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[ReplicationRule, ...]:
        """Return a bucket's rules; asked only about a store that replicates by itself."""

    def whereabouts(self) -> dict[str, Any]:
        """
        Return which endpoint is asked, and by which connection, as plain JSON.

        What is kept of earlier polls holds for the same whereabouts only: another endpoint has not answered.
        """
