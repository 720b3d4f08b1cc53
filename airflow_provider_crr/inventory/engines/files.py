"""The data files of a report: fetched whole and checked. While one is read, the next ones are fetched."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import CrrError, GivenUp, InventoryFileInvalid
from airflow_provider_crr.inventory.data_file_locations import DataFileLocations
from airflow_provider_crr.inventory.disk_errors import disk_errors
from airflow_provider_crr.inventory.engines.csv_text import Gunzip
from airflow_provider_crr.inventory.get_object import broken_answer, open_object, with_retries
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER, Manifest, ManifestFile

#: How many files are fetched while one is read, each in a thread of its own. So at most three unpacked files are on the
#: disk; csv_text.most_unpacked bounds each. (A full CSV file of S3's has about 90 MB, and 3 to 4 times that unpacked.)
FILES_AHEAD = 2
#: Small enough to stay in the processor's cache for MD5, gunzip and write. A megabyte takes half as long again.
CHUNK_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """
    One data file on disk.

    :param uri: its S3 URI.
    :param path: where it is, unpacked.
    :param lines: how many line breaks a CSV file has; 0 for others.
    """

    uri: str
    path: Path
    lines: int = 0


def fetched(s3_client: Any, manifest: Manifest, directory: Path) -> Generator[FetchedFile]:
    """
    Yield each data file of a report once its size and MD5 are known to be those of the manifest.

    A file is removed when the next one is asked for. Closing the iterator ends the fetching.

    :param s3_client: boto3 client for S3; used by several threads, which boto3 allows.
    :param manifest: the report.
    :param directory: where to put the files; :data:`FILES_AHEAD` says how many.
    :raises InventoryNotFound: if a file is not there; see :mod:`~airflow_provider_crr.inventory.data_file_locations`.
    :raises InventoryFileInvalid: if a file is not the one that the manifest lists.
    :raises DiskFull: if the disk has no room.
    :raises CrrError: if no thread can be started.
    :raises InventoryError: if reading it is not allowed.
    :raises LookupFailed: if S3 could not be asked.
    """
    stop = threading.Event()
    waiting = iter(enumerate(manifest.files))
    ahead: deque[Future[FetchedFile]] = deque()
    locations = DataFileLocations(manifest)
    with ThreadPoolExecutor(FILES_AHEAD, thread_name_prefix="inventory-fetch") as threads:
        try:
            while True:
                while len(ahead) < FILES_AHEAD and (entry := next(waiting, None)):
                    number, file = entry
                    path = directory / str(number)
                    try:
                        ahead.append(threads.submit(_fetch, s3_client, manifest, file, path, stop, locations))
                    except RuntimeError as error:
                        raise CrrError(
                            f"a data file cannot be fetched: {error}",
                            uri=manifest.file_uri(file),
                            remedy="Look at how many processes and threads the worker may have",
                        ) from error
                if not ahead:
                    return
                done = ahead.popleft().result()
                yield done
                done.path.unlink()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def _fetch(
    s3_client: Any,
    manifest: Manifest,
    file: ManifestFile,
    path: Path,
    stop: threading.Event,
    locations: DataFileLocations,
) -> FetchedFile:
    def fetch(bucket: str, key: str) -> FetchedFile:
        uri = f"s3://{bucket}/{key}"

        def attempt() -> FetchedFile:
            gunzip = Gunzip(uri, file.size) if manifest.file_format == "CSV" else None
            with open_object(s3_client, bucket, key, uri) as (read, size):
                if size != file.size:
                    raise InventoryFileInvalid(
                        f"{size} bytes, the manifest says {file.size}", uri=uri, remedy=NAME_ANOTHER
                    )
                _store(read, path, file, uri, gunzip=gunzip, stop=stop)
            return FetchedFile(uri, path, gunzip.lines if gunzip else 0)

        return with_retries(attempt, stop.is_set)

    return locations.find(file, fetch)


def _store(
    read: Callable[[int], bytes],
    path: Path,
    file: ManifestFile,
    uri: str,
    *,
    gunzip: Gunzip | None,
    stop: threading.Event,
) -> None:
    # Unpacked as it arrives, so the packed file is never written. Nobody reads it before the MD5 is checked.
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    with disk_errors(uri), path.open("wb") as out:
        while chunk := read(CHUNK_BYTES):
            if stop.is_set():
                raise GivenUp("the summary was given up", uri=uri)
            size += len(chunk)
            md5.update(chunk)
            out.writelines(gunzip.unpack(chunk) if gunzip else [chunk])
    if size != file.size:  # as if the connection was closed too early
        raise broken_answer(f"{size} of {file.size} bytes", uri)
    if md5.hexdigest() != file.md5:
        raise InventoryFileInvalid(f"MD5 {md5.hexdigest()}, the manifest says {file.md5}", uri=uri, remedy=NAME_ANOTHER)
    if gunzip:
        gunzip.finish()
