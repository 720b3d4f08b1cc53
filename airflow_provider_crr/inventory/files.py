"""The data files of a report: fetched whole and checked, the next ones while one is read."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid, LookupFailed
from airflow_provider_crr.inventory.csv_text import Gunzip
from airflow_provider_crr.inventory.manifest import NAME_ANOTHER, Manifest, ManifestFile
from airflow_provider_crr.inventory.report import s3_errors

#: How many files are fetched while one is read, each in a thread of its own. With that one they bound the disk:
#: three files at a time, unpacked (a full CSV file of S3's is about 90 MB, and 3 to 4 times that unpacked).
FILES_AHEAD = 2
#: How often a file is asked for when its connection breaks: botocore retries a request, but not the reading of a body.
FETCH_ATTEMPTS = 3
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
    :raises InventoryNotFound: if a file is not there.
    :raises InventoryFileInvalid: if a file is not the one that the manifest lists.
    :raises InventoryError: if reading it is not allowed.
    :raises LookupFailed: if S3 could not be asked.
    """
    stop = threading.Event()
    waiting = iter(enumerate(manifest.files))
    ahead: deque[Future[FetchedFile]] = deque()
    with ThreadPoolExecutor(FILES_AHEAD, thread_name_prefix="inventory-fetch") as threads:
        try:
            while True:
                while len(ahead) < FILES_AHEAD and (entry := next(waiting, None)):
                    number, file = entry
                    path = directory / str(number)
                    ahead.append(threads.submit(_fetch, s3_client, manifest, file, path, stop))
                if not ahead:
                    return
                found = ahead.popleft().result()
                yield found
                found.path.unlink()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def _fetch(s3_client: Any, manifest: Manifest, file: ManifestFile, path: Path, stop: threading.Event) -> FetchedFile:
    uri = manifest.file_uri(file)
    for attempt in range(1, FETCH_ATTEMPTS + 1):
        gunzip = Gunzip(uri) if manifest.file_format == "CSV" else None
        try:
            with s3_errors(uri):
                answer = s3_client.get_object(Bucket=manifest.destination_bucket, Key=file.key)
                with closing(answer["Body"]) as body:  # one that is not read to its end holds its connection
                    if answer["ContentLength"] != file.size:
                        raise InventoryFileInvalid(
                            f"{answer['ContentLength']} bytes, the manifest says {file.size}",
                            uri=uri,
                            remedy=NAME_ANOTHER,
                        )
                    _store(body, path, file, uri, gunzip=gunzip, stop=stop)
            return FetchedFile(uri, path, gunzip.lines if gunzip else 0)
        except LookupFailed:
            if attempt == FETCH_ATTEMPTS or stop.is_set():
                raise
    raise AssertionError("there is a last attempt")


def _store(
    body: Any, path: Path, file: ManifestFile, uri: str, *, gunzip: Gunzip | None, stop: threading.Event
) -> None:
    # Unpacked as it arrives, which saves writing and reading it packed; nobody reads it before the MD5 is right.
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("wb") as out:
        while chunk := body.read(CHUNK_BYTES):
            if stop.is_set():
                raise CrrError("the summary was given up", uri=uri)
            md5.update(chunk)
            out.writelines(gunzip.unpack(chunk) if gunzip else [chunk])
    if md5.hexdigest() != file.md5:
        raise InventoryFileInvalid(f"MD5 {md5.hexdigest()}, the manifest says {file.md5}", uri=uri, remedy=NAME_ANOTHER)
    if gunzip:
        gunzip.finish()
