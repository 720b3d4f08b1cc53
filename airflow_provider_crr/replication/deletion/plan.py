"""Which objects a delete looks up: every version, or the current one, of what the user named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import groupby
from typing import Any, TypeAlias

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.targets import Targets, distinct
from airflow_provider_crr.s3.listing import ListedObject, list_matching, list_versions
from airflow_provider_crr.s3.objects import S3Object

#: The place of an object in the order in which a delete goes: bucket, key, and the version that the user named, or "".
Place: TypeAlias = tuple[str, str, str]


def place(obj: S3Object) -> Place:
    """Return the place of an object: by bucket, by key as S3 sorts it, by version."""
    return obj.bucket, obj.key, obj.version_id or ""


class DeletePlan:
    """
    The objects to look up.

    :param client: boto3 S3 client.
    :param targets: what the user named.
    """

    def __init__(self, client: Any, targets: Targets) -> None:
        self._client = client
        self._objects = sorted(targets.objects, key=place)
        self._patterns = targets.patterns
        #: What the listing said of objects that are being looked up.
        self.listed: dict[S3Object, ListedObject] = {}
        #: Keys without a version and patterns without a match.
        self.empty: list[S3Object] = []

    def all_versions(self) -> Iterator[S3Object]:
        """Yield the versions that are named, and every version of what is named without one, each once."""
        for row in distinct(map(self._versions, (*self._objects, *self._patterns)), key=lambda row: row.object):
            self.listed[row.object] = row
            yield row.object

    def _versions(self, named: S3Object) -> Iterator[ListedObject]:
        if named.version_id is not None:
            return iter((ListedObject(named, "", None),))
        return self._at_least_one(list_versions(self._client, named, exact=bool(self._objects)), named)

    def current(self, after: Place | None, chosen: Mapping[Place, S3Object]) -> Iterator[tuple[Place, S3Object]]:
        """
        Yield the versions that are named, and the current version of the rest, each once, in order of their places.

        :param after: the place up to which all is done.
        :param chosen: versions that were current when an earlier try looked. These are yielded instead.
        """
        meant = (S3Object(bucket, key) for bucket, key, _ in sorted(chosen))
        for where, same in groupby(merge(self._objects, *map(self._matching, self._patterns), meant, key=place), place):
            obj = next(same)
            if after is not None and where <= after:
                self.listed.pop(obj, None)
            elif where in chosen:
                self.listed.pop(obj, None)
                yield where, chosen[where]
            else:
                yield where, obj

    def _matching(self, pattern: S3Object) -> Iterator[S3Object]:
        before = ""
        for row in self._at_least_one(list_matching(self._client, pattern), pattern):
            if row.object.key < before:
                raise LookupFailed(
                    f"the bucket is not listed in the order of its keys: {before!r}, then {row.object.key!r}",
                    uri=str(pattern),
                    remedy='Use versions="all", or name the keys',
                )
            before = row.object.key
            self.listed[row.object] = row
            yield row.object

    def _at_least_one(self, rows: Iterator[ListedObject], named: S3Object) -> Iterator[ListedObject]:
        first = next(rows, None)
        if first is None:
            self.empty.append(named)
            return
        yield first
        yield from rows
