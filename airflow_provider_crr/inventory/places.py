"""
Where the data files of a report may be.

A manifest says where S3 put them. A report that was copied to another bucket or prefix still says so: then they are
beside its manifest, as far as the copy kept S3's folders, ``<prefix>/<source-bucket>/<config-id>/data/``. The MD5 in
the manifest vouches for a file, wherever it is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_provider_crr.errors import (
    BucketNotFound,
    CredentialsNotFound,
    CrrError,
    InventoryError,
    InventoryFileInvalid,
    InventoryNotFound,
    LookupFailed,
)
from airflow_provider_crr.inventory.location import report_folder
from airflow_provider_crr.inventory.manifest import Manifest, ManifestFile
from airflow_provider_crr.s3.objects import split_uri

_COPY = (
    "Copy the folder data/ of the report to beside the folder of its manifest, or name the manifest in the bucket that"
    " S3 delivers to; what may not be read needs s3:GetObject"
)

Found = TypeVar("Found")


class Places:
    """
    The places at which the data files of one report are looked for; the one that had the last file comes first.

    :param manifest: the report.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._first = 0

    def of(self, file: ManifestFile) -> list[tuple[str, str]]:
        """Return bucket and key of each place where a file may be, the one that the manifest names first."""
        bucket, folder = split_uri(report_folder(self._manifest.uri))
        parent = folder.rstrip("/").rpartition("/")[0]
        name = file.key.rpartition("/")[2]
        beside = [f"{parent}/data/{name}".removeprefix("/"), file.key, f"{folder}data/{name}", f"{folder}{name}"]
        named = (self._manifest.destination_bucket, file.key)
        if named == (bucket, beside[0]):
            return [named]
        return list(dict.fromkeys([named, *((bucket, key) for key in beside)]))

    def look(self, file: ManifestFile, fetch: Callable[[str, str], Found]) -> Found:
        """
        Return what is fetched at the first place that has the file.

        :param file: the data file.
        :param fetch: is given bucket and key, and raises an error of this provider.
        :raises CrrError: where S3 could not be asked, or the error of the only place.
        :raises InventoryError: if no place has it, each with what is there instead.
        """
        places = self.of(file)
        first = min(self._first, len(places) - 1)
        failed: dict[int, CrrError] = {}
        for number in [first, *(each for each in range(len(places)) if each != first)]:
            try:
                found = fetch(*places[number])
            except CredentialsNotFound:
                raise
            except (InventoryError, LookupFailed) as error:
                failed[number] = error
            else:
                self._first = number
                return found
        raise _nowhere([failed[number] for number in range(len(places))])


def _nowhere(failed: list[CrrError]) -> CrrError:
    if len(failed) == 1:
        return failed[0]
    worst = max(failed, key=_weight)
    kind = type(worst) if _weight(worst) else InventoryNotFound
    tried = "; ".join(f"{error.uri}: {error.message}" for error in failed)
    found = kind(
        f"a data file is neither where the manifest says nor beside it: {tried}",
        uri=worst.uri,
        remedy=worst.remedy if isinstance(worst, LookupFailed | InventoryFileInvalid) and _weight(worst) else _COPY,
    )
    if isinstance(worst, LookupFailed) and isinstance(found, LookupFailed):
        found.passing = worst.passing
    found.__cause__ = worst
    return found


def _weight(error: CrrError) -> int:
    # Who could not be asked may have it. What is there and is another file says more than what may not be read, and
    # that more than what is not there.
    if isinstance(error, BucketNotFound | InventoryNotFound):
        return 0
    return 3 if isinstance(error, LookupFailed) else 2 if isinstance(error, InventoryFileInvalid) else 1
