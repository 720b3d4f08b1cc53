"""
What tasks tell OpenLineage: the places that they read and wrote.

Nothing of OpenLineage is imported before it asks, and nobody is asked on its behalf unless it listens. OpenLineage asks
in a process that it forks from the task's. That process must ask neither Airflow nor S3, so the task learns beforehand
what only these know.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.replication import rules
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.s3.objects import S3Object, is_s3_uri, split_uri
from airflow_provider_crr.s3.patterns import literal_prefix

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_crr.tasks.asset_events import Rules

log = logging.getLogger(__name__)

#: Most inputs or outputs that an event names. More objects than this are told as the folders that hold them.
MAX_PLACES = 50
#: Most levels of folders that are told apart in the search for few enough names.
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """
    An object or a folder, by OpenLineage's naming.

    :param namespace: ``s3://bucket``, or ``s3://`` and an access point's ARN where that was named; or ``file``.
    :param name: key of an object, folder with its "/", or ``"/"`` for a whole bucket; path of a file.
    :param dropped: whether the task has deleted it.
    """

    namespace: str
    name: str
    dropped: bool = False

    @classmethod
    def of(cls, uri: str) -> Place:
        """Return the place of an S3 URI with a key, of a ``file://`` URI, or of a path."""
        if not is_s3_uri(uri):
            return cls("file", uri.removeprefix("file://"))
        return cls.in_bucket(*split_uri(uri))

    @classmethod
    def in_bucket(cls, bucket: str, key: str = "") -> Place:
        """Return the place of an object or folder, or of a whole bucket."""
        return cls(f"s3://{bucket}", key or "/")


@dataclass(frozen=True, slots=True)
class Flow:
    """
    What a task reads and writes.

    :param inputs: places that it read, or waited for.
    :param outputs: places that were written.
    """

    inputs: tuple[Place, ...] = ()
    outputs: tuple[Place, ...] = ()


class Traced:
    """An operator or sensor that tells OpenLineage what it reads and writes."""

    _learnt: Flow | None = None

    def _flow(self) -> Flow:
        """Return what the arguments alone tell; nobody is asked."""
        raise NotImplementedError

    def _learn(self, flow: Callable[[], Flow]) -> None:
        """
        Keep what is known at the end of the task, if OpenLineage listens. An error here does not fail the task.

        :param flow: returns what the task has read and written.
        """
        # Airflow imports this with the plugin that listens, before it runs a task.
        conf: Any = sys.modules.get("airflow.providers.openlineage.conf")
        try:
            if conf is not None and not conf.is_disabled():
                self._learnt = flow()
        except BaseException:  # also Airflow's execution_timeout: what the task has found stands
            log.debug("nothing to tell OpenLineage", exc_info=True)

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Return what the arguments tell."""
        return _told(self._flow())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return what the task has learnt."""
        return _told(self._learnt or self._flow())

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return what the task has learnt until it failed."""
        return self.get_openlineage_facets_on_complete(task_instance)


def gate_flow(targets: Targets, summary: Mapping[str, Any] | None = None, source: Rules | None = None) -> Flow:
    """
    Return what a gate is about: the objects, and their replicas once all of them are COMPLETED.

    :param targets: what it waits for.
    :param summary: its XCom value if it is open; None if it is not.
    :param source: where the rules are read that name the destinations.
    """
    asked = _asked(targets)
    inputs = tuple(Place.in_bucket(bucket, key) for bucket, key in asked)
    if source is None or summary is None or set(summary["statuses"]) != {ObjectState.COMPLETED.value}:
        return Flow(inputs)
    try:
        outputs = [
            Place.in_bucket(destination, key)
            for bucket, key in asked
            for destination in sorted(rules.destinations(source.get_replication_rules(bucket), key))
        ]
        # On another server a bucket of the same name may be the destination: that is no place to read and to write.
        outputs = [place for place in outputs if place not in inputs]
    except CrrError:  # usually s3:GetReplicationConfiguration is not allowed; the gate is open all the same
        return Flow(inputs)
    return Flow(inputs, tuple(outputs[:MAX_PLACES]))


def deletion_flow(targets: Targets, *, all_gone: bool = False) -> Flow:
    """
    Return what a delete is about.

    :param targets: what was to be deleted.
    :param all_gone: whether every version of all that was named is deleted, and none was written since. Folders are
        never told as deleted, because something else may be in them.
    """
    named = {(obj.bucket, obj.key) for obj in targets.objects} if all_gone else set()
    return Flow(tuple(Place(f"s3://{bucket}", key or "/", (bucket, key) in named) for bucket, key in _asked(targets)))


def summary_flow(summary: Mapping[str, Any]) -> Flow:
    """
    Return what an inventory summary has read and written.

    :param summary: its XCom value.
    """
    written = [uri for uri in (summary["report_uri"], summary["failed_manifest_uri"]) if uri]
    inputs = (Place.of(summary["manifest"]), Place.in_bucket(summary["source_bucket"]))
    return Flow(inputs, tuple(map(Place.of, written)))


def repair_flow(source: object, manifest: str | None, value: Mapping[str, Any] | None = None) -> Flow:
    """
    Return what a repair reads and writes.

    :param source: name of the bucket that S3 searches, or the objects that are named.
    :param manifest: S3 URI of the manifest that was given; None if none was.
    :param value: its XCom value; None if it is not known.
    """
    known = value or {}
    buckets = {source} if isinstance(source, str) else {obj.bucket for obj in _objects(source)}
    read = [uri for uri in (manifest, known.get("manifest")) if uri]
    inputs = (*(Place.in_bucket(bucket) for bucket in sorted(buckets)), *(Place.of(uri) for uri in dict.fromkeys(read)))
    report = known.get("completion_report")
    return Flow(inputs[:MAX_PLACES], (Place.of(report),) if report else ())


def _objects(named: object) -> list[S3Object]:
    return [obj for obj in named if isinstance(obj, S3Object)] if isinstance(named, list | tuple) else []


def at_hand(bucket_key: object) -> bool:
    """Return whether keys can be read without asking Airflow; those that a mapped task returned cannot."""
    return isinstance(bucket_key, str | Mapping | S3Object | list | tuple | set | frozenset)


def _asked(targets: Targets) -> list[tuple[str, str]]:
    """Return bucket and key of each object and of each pattern's folder; if these are too many, of shared folders."""
    named = {(obj.bucket, obj.key) for obj in targets.objects}
    named |= {(pattern.bucket, _folder(literal_prefix(pattern.key))) for pattern in targets.patterns}
    return sorted(named if len(named) <= MAX_PLACES else _shared(named))[:MAX_PLACES]


def _shared(named: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the folders that hold all that is named: the deepest ones that are still few enough."""
    folders = {(bucket, _folder(key)) for bucket, key in named}
    shared = {(bucket, "") for bucket, _ in folders}
    for depth in range(1, _DEEPEST + 1):
        deeper = {(bucket, _folder(folder, depth)) for bucket, folder in folders}
        if len(deeper) > MAX_PLACES:
            break
        shared = deeper
    return shared


def _folder(key: str, depth: int | None = None) -> str:
    """Return the folder of a key with its "/", cut at ``depth`` levels; ``""`` at the root."""
    return "".join(f"{part}/" for part in key.split("/")[:-1][:depth])


def _told(flow: Flow) -> OperatorLineage[Any, Any]:
    """Return a flow in OpenLineage's form."""
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        LifecycleStateChange,
        LifecycleStateChangeDatasetFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    def dataset(place: Place) -> Any:
        dropped = LifecycleStateChangeDatasetFacet(lifecycleStateChange=LifecycleStateChange.DROP)
        facets: dict[str, Any] = {"lifecycleStateChange": dropped} if place.dropped else {}
        return Dataset(namespace=place.namespace, name=place.name, facets=facets)

    return OperatorLineage(inputs=[*map(dataset, flow.inputs)], outputs=[*map(dataset, flow.outputs)])
