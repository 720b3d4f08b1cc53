"""
What tasks tell OpenLineage: the places that they read and wrote.

Nothing of OpenLineage is imported before it asks, and nothing is found out for it unless it listens. It asks in a
process that it forks from the task's, which must ask neither Airflow nor S3: what needs that is learnt by the task.
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

#: How many inputs or outputs an event names. More objects than this are told as the folders that hold them.
MAX_PLACES = 50
#: How many folders deep it is looked for names that are few enough.
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """
    An object or a folder, by OpenLineage's naming.

    :param namespace: ``s3://bucket``, with the ARN of an access point where that was named; or ``file``.
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

    :param inputs: places that it is about.
    :param outputs: places that came to be.
    """

    inputs: tuple[Place, ...] = ()
    outputs: tuple[Place, ...] = ()


class Traced:
    """An operator or sensor that OpenLineage may ask what it reads and writes."""

    _learnt: Flow | None = None

    def _flow(self) -> Flow:
        """Return what the arguments tell, without asking anybody."""
        raise NotImplementedError

    def _learn(self, flow: Callable[[], Flow]) -> None:
        """
        Keep what is known at the end of the task, if OpenLineage listens; it is no reason for a task to fail.

        :param flow: returns it.
        """
        # Airflow has imported this with the plugin that listens, before it runs a task.
        conf: Any = sys.modules.get("airflow.providers.openlineage.conf")
        try:
            if conf is not None and not conf.is_disabled():
                self._learnt = flow()
        except Exception:
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
        # Another server's bucket may have the same name: nobody reads and writes one place here.
        outputs = [place for place in outputs if place not in inputs]
    except CrrError:  # as with asset events: the gate is open all the same
        return Flow(inputs)
    return Flow(inputs, tuple(outputs[:MAX_PLACES]))


def deletion_flow(targets: Targets, *, all_gone: bool = False) -> Flow:
    """
    Return what a delete is about.

    :param targets: what was to be deleted.
    :param all_gone: whether every version of everything named was, and none came since. A folder stays: who knows what
        else is in it.
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


def at_hand(bucket_key: object) -> bool:
    """Return whether keys can be read without asking Airflow, as those that a mapped task returned cannot."""
    return isinstance(bucket_key, str | Mapping | S3Object | list | tuple | set | frozenset)


def _asked(targets: Targets) -> list[tuple[str, str]]:
    """Return bucket and key of every object and of every pattern's folder; of too many, of the folders they share."""
    named = {(obj.bucket, obj.key) for obj in targets.objects}
    named |= {(pattern.bucket, _folder(literal_prefix(pattern.key))) for pattern in targets.patterns}
    return sorted(named if len(named) <= MAX_PLACES else _shared(named))[:MAX_PLACES]


def _shared(named: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the deepest folders that hold all that is named and are few enough."""
    folders = {(bucket, _folder(key)) for bucket, key in named}
    found = {(bucket, "") for bucket, _ in folders}
    for depth in range(1, _DEEPEST + 1):
        deeper = {(bucket, _folder(folder, depth)) for bucket, folder in folders}
        if len(deeper) > MAX_PLACES:
            break
        found = deeper
    return found


def _folder(key: str, depth: int | None = None) -> str:
    """Return the folder of a key with its "/", at most so many folders deep; ``""`` at the root."""
    return "".join(f"{part}/" for part in key.split("/")[:-1][:depth])


def _told(flow: Flow) -> OperatorLineage[Any, Any]:
    """Return it as OpenLineage wants it."""
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
