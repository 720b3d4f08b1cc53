"""What an engine is: whatever makes the summary of a report, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from airflow_provider_crr.errors import InvalidArgument, InventoryManifestInvalid
from airflow_provider_crr.inventory.limits import MAX_PREFIX_DEPTH
from airflow_provider_crr.inventory.manifest import Manifest
from airflow_provider_crr.inventory.summary import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRequest:
    """
    What is asked of a report.

    :param prefix_depth: how many key segments make a prefix, up to :data:`~.limits.MAX_PREFIX_DEPTH`; 0 for no
        prefixes.
    :param versions: ``all`` object versions, or the ``current`` ones.
    :param failed_manifest: file to write the FAILED versions to, as a manifest for S3 Batch Operations, or None. It is
        there only if the whole report could be read, and may be empty.
    :param pending_older_than: age at the time of the report from which a PENDING version is listed there, too; None
        lists FAILED ones only.
    :raises InvalidArgument: for a depth out of range, or another word for the versions.
    """

    prefix_depth: int = 0
    versions: str = "all"
    failed_manifest: Path | None = None
    pending_older_than: timedelta | None = None

    def __post_init__(self) -> None:
        """Check what does not depend on the report."""
        depth = self.prefix_depth
        if not isinstance(depth, int) or not 0 <= depth <= MAX_PREFIX_DEPTH:
            raise InvalidArgument(f"prefix_depth {depth!r}", remedy=f"Give a whole number from 0 to {MAX_PREFIX_DEPTH}")
        if self.versions not in ("all", "current"):
            raise InvalidArgument(f"versions {self.versions!r}", remedy='Give "all" or "current"')

    def check(self, manifest: Manifest) -> None:
        """
        Refuse what this report cannot answer.

        :param manifest: the report.
        :raises InvalidArgument: if ``pending_older_than`` reaches back before the calendar begins.
        :raises InventoryManifestInvalid: if ``pending_older_than`` is given and the report has no LastModifiedDate.
        """
        age = self.pending_older_than
        if age is None:
            return
        try:
            _ = manifest.created_at - age
        except OverflowError as error:
            raise InvalidArgument(
                f"pending_older_than {age} is before the year 1", remedy="Give a shorter age"
            ) from error
        if "last_modified_date" not in manifest.fields:
            raise InventoryManifestInvalid(
                "the report does not say how old its PENDING versions are",
                uri=manifest.uri,
                remedy="Add the optional field LastModifiedDate to the inventory configuration, or ask for FAILED only",
            )


class Summarizer(Protocol):
    """
    An engine: it makes the summary of a report.

    For the same report and request every engine MUST give the same :class:`Summary` and list the same versions in
    ``failed_manifest``, or refuse the report. ``tests/inventory/test_summary.py`` holds each engine to this, against a
    definition in plain Python.

    An engine is made for one task by :func:`~.choice.choose_summarizer`, and is used by one thread.

    Some engines start the work elsewhere and wait for it. Such an engine splits :meth:`summarize` into two further
    methods, and calls one after the other in it::

        def start(self, manifest: Manifest, request: SummaryRequest) -> dict[str, Any]: ...
        def finish(self, manifest: Manifest, request: SummaryRequest, started: dict[str, Any]) -> Summary: ...

    What ``start`` returns names the work in plain JSON, so that a trigger can take it along. ``finish`` waits for what
    is left of the work; it may run in another process, so it is given manifest and request again. A caller that cannot
    defer goes on calling :meth:`summarize`.
    """

    def summarize(self, manifest: Manifest, request: SummaryRequest) -> Summary:
        """
        Return the summary of a report.

        :param manifest: the report.
        :param request: what is asked of it.
        :raises InvalidArgument: for a request that no report can answer.
        :raises InventoryError: if the report cannot be trusted, or cannot answer the request; see its subclasses.
        :raises LookupFailed: if S3 could not be asked.
        :raises CrrError: if the worker lacks memory, room on its disk or a package; see its subclasses.
        """
        ...
