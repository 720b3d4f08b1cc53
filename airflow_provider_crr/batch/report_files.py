"""The files of S3 Batch Operations in S3: the completion report, and the manifest that somebody wrote."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import IO, Any
from weakref import finalize

from airflow_provider_crr.batch.completion_report import (
    CompletionReport,
    ResultFile,
    Results,
    invalid_count,
    invalid_file,
    invalid_size,
    result_files,
    task_results,
)
from airflow_provider_crr.batch.csv_rows import LONGEST_ROW
from airflow_provider_crr.batch.job import COMPLETE, Job
from airflow_provider_crr.batch.manifest_check import Checked, check
from airflow_provider_crr.errors import BatchManifestInvalid, CrrError, LookupFailed, of_disk
from airflow_provider_crr.s3 import whole_objects
from airflow_provider_crr.s3.client_errors import translated
from airflow_provider_crr.s3.etags import opaque
from airflow_provider_crr.s3.objects import S3Object, split_uri

#: Largest ``manifest.json`` of a report that is read; it names two files.
_MAX_MANIFEST = 1_000_000
#: Bytes of the objects to verify that are kept in memory; more of them go to a temporary file.
_IN_MEMORY = 4_000_000
_CHUNK = 1_000_000
_SEPARATOR = "\0"  # in no key


class _Missing(LookupFailed):
    """The object is not there."""


def read_report(client: Any, job: Job) -> CompletionReport | None:
    """
    Return the completion report of a job, every file of which matches its MD5.

    :param client: boto3 S3 client.
    :param job: the job.
    :return: None as long as it is not there, or has fewer rows than the job had tasks.
    :raises CompletionReportInvalid: if it is not what S3 writes.
    :raises LookupFailed: if it cannot be read.
    """
    if job.report is None:
        return None
    uri = f"{job.report}manifest.json"
    results = Results()
    spool: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    try:
        with _open(client, uri) as (body, _):
            files = result_files(_read(body, uri), uri)
        for file in files:
            _count(client, file, job, results, spool)
    except _Missing:
        _close(spool)
        return None
    except OSError as error:
        _close(spool)
        raise _no_room(error, uri) from error
    except BaseException:
        _close(spool)
        raise
    rows = results.succeeded + results.failed
    if rows < job.run or (rows > job.run and job.status == COMPLETE):  # of any other job the counts may lag
        _close(spool)
        if rows < job.run:
            return None
        raise invalid_count(rows, job.run, uri)
    report = CompletionReport(uri, results, lambda: _objects(spool))
    finalize(report, _close, spool)
    return report


def _read(body: Any, uri: str) -> bytes:
    """Return a manifest.json, read to its end, where botocore sees whether it is whole."""
    content = b""
    while chunk := body.read(_MAX_MANIFEST):
        content += chunk
        if len(content) > _MAX_MANIFEST:
            raise invalid_size(_MAX_MANIFEST, uri)
    return content


def _close(spool: Any) -> None:
    with suppress(OSError):  # what is left in its buffer has no room on the disk
        spool.close()


def _no_room(error: OSError, uri: str) -> CrrError:
    return of_disk(error.errno)(
        f"a temporary file for the completion report cannot be written: {error}",
        uri=uri,
        remedy="Let the worker's TMPDIR name a directory with more room",
    )


def _count(client: Any, file: ResultFile, job: Job, results: Results, spool: IO[bytes]) -> None:
    with _open(client, file.uri) as (body, _):
        hashed = _Hashed(body)
        for result in task_results(_lines(hashed), file.uri, generated=job.generated):
            results.add(result)
            if result.succeeded and (results.succeeded <= job.run or job.status != COMPLETE):  # more is refused
                obj = result.object
                spool.write(
                    f"{obj.bucket}{_SEPARATOR}{obj.key}{_SEPARATOR}{obj.version_id or ''}{_SEPARATOR}\n".encode()
                )
    if hashed.md5.hexdigest() != file.md5:
        raise invalid_file(file, hashed.md5.hexdigest())


def _objects(spool: IO[bytes]) -> Iterator[S3Object]:
    with spool:
        spool.seek(0)
        rest = ""
        for line in io.TextIOWrapper(spool, encoding="utf-8", newline="\n"):
            rest += line
            if rest.endswith(f"{_SEPARATOR}\n"):  # a key may have line breaks
                bucket, key, version_id, _ = rest.split(_SEPARATOR)
                rest = ""
                yield S3Object(bucket, key, version_id or None)


def read_manifest(client: Any, uri: str) -> tuple[Checked, str]:
    """
    Read a manifest through; return what it is about, and its ETag.

    :param client: boto3 S3 client.
    :param uri: its S3 URI.
    :raises BatchManifestInvalid: if it is not there, or S3 Batch Replication cannot take it.
    :raises LookupFailed: if it cannot be read.
    """
    try:
        with _open(client, uri, what="the manifest") as (body, answer):
            encryption = str(answer.get("ServerSideEncryption") or "")
            if encryption.startswith("aws:") or answer.get("SSECustomerAlgorithm"):
                raise BatchManifestInvalid(
                    f"the manifest cannot be taken: it is encrypted with {encryption or 'a key of the customer'}",
                    uri=uri,
                    remedy="Write it without KMS: S3 Batch Operations reads a CSV manifest only with SSE-S3",
                )
            return check(_lines(_Hashed(body)), uri), opaque(answer.get("ETag"))
    except _Missing as missing:
        raise BatchManifestInvalid(
            "there is no such manifest", uri=uri, remedy="Check the URI; a task upstream may have written none"
        ) from missing


def etag_of(client: Any, uri: str) -> str | None:
    """
    Return the ETag of an object, None if it is not there.

    :param client: boto3 S3 client.
    :param uri: its S3 URI.
    :raises LookupFailed: if S3 cannot be asked.
    """
    try:
        with _open(client, uri, what="the manifest") as (_, answer):
            return opaque(answer.get("ETag"))
    except _Missing:
        return None


@contextmanager
def _open(client: Any, uri: str, *, what: str = "the completion report") -> Iterator[tuple[Any, Any]]:
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    bucket, key = split_uri(uri)
    missing = _Missing("no such object", uri=uri)
    with translated(uri, f"read {what}", permission="s3:GetObject", missing=missing):
        try:
            answer = whole_objects.get_object(client, bucket, key)
            with closing(answer["Body"]) as body:
                if whole_objects.size_of(answer) is None:
                    raise _broken(what, "is not whole", uri)
                yield body, answer
        except (HTTPError, HTTPException) as error:
            raise _broken(what, f"breaks off: {type(error).__name__}", uri) from error


def _broken(what: str, how: str, uri: str) -> LookupFailed:
    return LookupFailed(
        f"cannot read {what}: the answer {how}",
        uri=uri,
        remedy="Run the task again; if it stays, look at what stands between here and S3",
        passing=True,
    )


def _lines(body: _Hashed) -> Iterator[str]:
    lines = io.TextIOWrapper(io.BufferedReader(body, _CHUNK), encoding="utf-8", newline="")
    while line := lines.readline(LONGEST_ROW):
        yield line


class _Hashed(io.RawIOBase):
    """A body whose MD5 is known once it is read."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._body.read(len(buffer))
        self.md5.update(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)
