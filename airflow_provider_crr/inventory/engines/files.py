"""The data files of a report: fetched whole and checked, the next ones while one is read."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid
from airflow_provider_crr.inventory.engines.csv_text import Gunzip
from airflow_provider_crr.inventory.engines.disk import disk_errors
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER, Manifest, ManifestFile
from airflow_provider_crr.inventory.objects import broken, insisting, opened
from airflow_provider_crr.inventory.places import Places

#: How many files are fetched while one is read, each in a thread of its own. With that one they bound the disk:
#: three files at a time, unpacked, each bounded by csv_text.most_unpacked (a full CSV file of S3's is about 90 MB, and
#: 3 to 4 times that unpacked).
FILES_AHEAD = 2
#: Small enough to stay in the processor's cache between MD5, gunzip and write: a megabyte takes half as long again.
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
    Yield each data file of a report; it is removed when the next one is asked for.

    Its size and MD5 are those of the manifest. Close the iterator, and the fetching ends.

    :param s3_client: boto3 client for S3; used by several threads, which boto3 allows.
    :param manifest: the report.
    :param directory: where to put the files; see :data:`FILES_AHEAD`.
    :raises InventoryNotFound: if a file is not there; see :mod:`~airflow_provider_crr.inventory.places`.
    :raises InventoryFileInvalid: if a file is not the one that the manifest lists.
    :raises CrrError: if the disk does not take it.
    :raises InventoryError: if reading it is not allowed.
    :raises LookupFailed: if S3 could not be asked.
    """
    stop = threading.Event()
    waiting = iter(enumerate(manifest.files))
    ahead: deque[Future[FetchedFile]] = deque()
    places = Places(manifest)
    with ThreadPoolExecutor(FILES_AHEAD, thread_name_prefix="inventory-fetch") as threads:
        try:
            while True:
                while len(ahead) < FILES_AHEAD and (entry := next(waiting, None)):
                    number, file = entry
                    path = directory / str(number)
                    ahead.append(threads.submit(_fetch, s3_client, manifest, file, path, stop, places))
                if not ahead:
                    return
                found = ahead.popleft().result()
                yield found
                found.path.unlink()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def _fetch(
    s3_client: Any, manifest: Manifest, file: ManifestFile, path: Path, stop: threading.Event, places: Places
) -> FetchedFile:
    def fetch(bucket: str, key: str) -> FetchedFile:
        uri = f"s3://{bucket}/{key}"

        def attempt() -> FetchedFile:
            gunzip = Gunzip(uri, file.size) if manifest.file_format == "CSV" else None
            with opened(s3_client, bucket, key, uri) as (read, size):
                if size != file.size:
                    raise InventoryFileInvalid(
                        f"{size} bytes, the manifest says {file.size}", uri=uri, remedy=NAME_ANOTHER
                    )
                _store(read, path, file, uri, gunzip=gunzip, stop=stop)
            return FetchedFile(uri, path, gunzip.lines if gunzip else 0)

        return insisting(attempt, stop.is_set)

    return places.look(file, fetch)


def _store(
    read: Callable[[int], bytes],
    path: Path,
    file: ManifestFile,
    uri: str,
    *,
    gunzip: Gunzip | None,
    stop: threading.Event,
) -> None:
    # Unpacked as it arrives, which saves writing and reading it packed; nobody reads it before the MD5 is right.
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    with disk_errors(uri), path.open("wb") as out:
        while chunk := read(CHUNK_BYTES):
            if stop.is_set():
                raise CrrError("the summary was given up", uri=uri)
            size += len(chunk)
            md5.update(chunk)
            out.writelines(gunzip.unpack(chunk) if gunzip else [chunk])
    if size != file.size:  # as a connection that is closed too early
        raise broken(f"{size} of {file.size} bytes", uri)
    if md5.hexdigest() != file.md5:
        raise InventoryFileInvalid(f"MD5 {md5.hexdigest()}, the manifest says {file.md5}", uri=uri, remedy=NAME_ANOTHER)
    if gunzip:
        gunzip.finish()
