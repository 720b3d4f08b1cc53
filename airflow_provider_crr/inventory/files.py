"""The data files of a report: fetched whole and checked, the next ones while one is read."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from airflow_provider_crr.errors import CrrError, InventoryFileInvalid, LookupFailed
from airflow_provider_crr.inventory.manifest import Manifest, ManifestFile
from airflow_provider_crr.inventory.report import s3_errors

#: How many files are fetched while one is read, each in a thread of its own. With that one they bound the disk:
#: three files at a time, unpacked (a full CSV file of S3's is about 90 MB, and 3 to 4 times that unpacked).
FILES_AHEAD = 2
#: How often a file is asked for when its connection breaks: botocore retries a request, but not the reading of a body.
FETCH_ATTEMPTS = 3
#: Small enough to stay in the processor's cache between MD5, gunzip and write: a megabyte takes half as long again.
CHUNK_BYTES = 128 * 1024

NAME_ANOTHER = "Name another report; S3 Inventory writes each report once"


def fetched(s3_client: Any, manifest: Manifest, directory: Path) -> Generator[tuple[ManifestFile, Path]]:
    """
    Yield each data file of a report with where it is on disk, unpacked; it is removed when the next one is asked for.

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
    ahead: deque[tuple[ManifestFile, Path, Future[None]]] = deque()
    with ThreadPoolExecutor(FILES_AHEAD, thread_name_prefix="inventory-fetch") as threads:
        try:
            while True:
                while len(ahead) < FILES_AHEAD and (entry := next(waiting, None)):
                    number, file = entry
                    path = directory / str(number)
                    ahead.append((file, path, threads.submit(_fetch, s3_client, manifest, file, path, stop)))
                if not ahead:
                    return
                file, path, future = ahead.popleft()
                future.result()
                yield file, path
                path.unlink()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def _fetch(s3_client: Any, manifest: Manifest, file: ManifestFile, path: Path, stop: threading.Event) -> None:
    uri = manifest.file_uri(file)
    for attempt in range(1, FETCH_ATTEMPTS + 1):
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
                    _store(body, path, file, uri, unpack=manifest.file_format == "CSV", stop=stop)
            return
        except LookupFailed:
            if attempt == FETCH_ATTEMPTS or stop.is_set():
                raise


def _store(body: Any, path: Path, file: ManifestFile, uri: str, *, unpack: bool, stop: threading.Event) -> None:
    # Unpacked as it arrives, which saves writing and reading it packed; nobody reads it before the MD5 is right.
    md5 = hashlib.md5(usedforsecurity=False)
    gunzip = _Gunzip(uri) if unpack else None
    with path.open("wb") as out:
        while chunk := body.read(CHUNK_BYTES):
            if stop.is_set():
                raise CrrError("the summary was given up", uri=uri)
            md5.update(chunk)
            out.write(gunzip.decompress(chunk) if gunzip else chunk)
    if md5.hexdigest() != file.md5:
        raise InventoryFileInvalid(f"MD5 {md5.hexdigest()}, the manifest says {file.md5}", uri=uri, remedy=NAME_ANOTHER)
    if gunzip:
        gunzip.finish()


class _Gunzip:
    """
    Unpacks one gzip file, of any number of members; what is wrong with it is told at the end, after its MD5.

    :param uri: for messages.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._error: Exception | None = None
        self._started = False
        self._decompressor = _gzip_decompressor()

    def decompress(self, data: bytes) -> bytes:
        parts = []
        try:
            while data and not self._error:
                if self._decompressor.eof:
                    self._decompressor = _gzip_decompressor()
                self._started = True
                parts.append(self._decompressor.decompress(data))
                data = self._decompressor.unused_data
        except Exception as error:  # isal's, which derives from nothing of its own
            self._error = error
        return b"".join(parts)

    def finish(self) -> None:
        """Raise what was wrong, if anything was."""
        if self._error or not self._decompressor.eof:
            reason = self._error or "it ends too early"
            raise InventoryFileInvalid(
                f"not a whole gzip file: {reason}", uri=self._uri, remedy=NAME_ANOTHER
            ) from self._error


def _gzip_decompressor() -> Any:
    # Here, for nobody needs it to parse a DAG. Half the processor time of zlib (measured); alike in all else.
    from isal import isal_zlib

    return isal_zlib.decompressobj(wbits=31)
