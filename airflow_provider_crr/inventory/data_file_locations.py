"""
Where the data files of a report may be.

A manifest says where S3 put them. If the report was copied to another bucket or prefix, its manifest still names the
old place. The files are then looked for beside the manifest, where a copy that kept S3's folders has them:
``<prefix>/<source-bucket>/<config-id>/data/``. Wherever a file is, it must have the MD5 that the manifest lists.
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

Result = TypeVar("Result")


class DataFileLocations:
    """
    The places at which the data files of one report are looked for, beginning with the one that had the last file.

    :param manifest: the report.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._first = 0

    def candidates(self, file: ManifestFile) -> list[tuple[str, str]]:
        """Return bucket and key of each place where a file may be; the one that the manifest names comes first."""
        bucket, folder = split_uri(report_folder(self._manifest.uri))
        parent = folder.rstrip("/").rpartition("/")[0]
        name = file.key.rpartition("/")[2]
        beside = [f"{parent}/data/{name}".removeprefix("/"), file.key, f"{folder}data/{name}", f"{folder}{name}"]
        named = (self._manifest.destination_bucket, file.key)
        if named == (bucket, beside[0]):
            return [named]
        return list(dict.fromkeys([named, *((bucket, key) for key in beside)]))

    def find(self, file: ManifestFile, fetch: Callable[[str, str], Result]) -> Result:
        """
        Fetch a file from the first place that has it.

        :param file: the data file.
        :param fetch: takes bucket and key, returns what the caller wants, and raises an error of this provider.
        :raises CredentialsNotFound: if the connection yields none; then no other place is tried.
        :raises LookupFailed: if S3 could not be asked about one of the places.
        :raises InventoryError: if no place has it. The message says for each place what is wrong there.
        """
        places = self.candidates(file)
        first = min(self._first, len(places) - 1)
        failed: dict[int, CrrError] = {}
        for number in [first, *(each for each in range(len(places)) if each != first)]:
            try:
                result = fetch(*places[number])
            except CredentialsNotFound:
                raise
            except (InventoryError, LookupFailed) as error:
                failed[number] = error
            else:
                self._first = number
                return result
        raise _nowhere([failed[number] for number in range(len(places))])


def _nowhere(failed: list[CrrError]) -> CrrError:
    if len(failed) == 1:
        return failed[0]
    worst = max(failed, key=_weight)
    error_class = type(worst) if _weight(worst) else InventoryNotFound
    tried = "; ".join(f"{each.uri}: {each.message}" for each in failed)
    error = error_class(
        f"a data file is neither where the manifest says nor beside it: {tried}",
        uri=worst.uri,
        remedy=worst.remedy if isinstance(worst, LookupFailed | InventoryFileInvalid) and _weight(worst) else _COPY,
    )
    if isinstance(worst, LookupFailed) and isinstance(error, LookupFailed):
        error.passing = worst.passing
    error.__cause__ = worst
    return error


def _weight(error: CrrError) -> int:
    # How much an error tells, most first: S3 could not be asked, so the file may be there; another file is there; the
    # file may not be read; nothing is there.
    if isinstance(error, BucketNotFound | InventoryNotFound):
        return 0
    return 3 if isinstance(error, LookupFailed) else 2 if isinstance(error, InventoryFileInvalid) else 1
