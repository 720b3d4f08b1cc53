"""
The completion report of a job: what became of each object.

`Completion report examples <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html>`__.
A ``manifest.json`` names the result files and their MD5. Each has a row a task, without a header. Keys are as in the
job's manifest, URL-encoded. What ``ReportSchema`` says of the columns is not true: HTTP status and error code are the
other way round. So each of the two is known by its look.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

from airflow_provider_crr.batch.csv_rows import rows
from airflow_provider_crr.batch.failure_reasons import explain
from airflow_provider_crr.errors import CompletionReportInvalid, InvalidArgument
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.text.legible import legible, told

#: Most failure codes that are counted apart, and most failed tasks that are named.
MAX_CODES, MAX_SAMPLE = 40, 10
#: In the place of a failure code: S3 gave none; or there are too many.
NO_CODE, OTHER_CODES = "NoCode", "Other"
_STATUS = re.compile(r"[0-9]{3}")
_CODE = 100  # characters that are kept of a code
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class ResultFile:
    """
    One file of results.

    :param bucket: where it is.
    :param key: its key.
    :param md5: MD5 of its content, 32 hexadecimal digits in lower case.
    """

    bucket: str
    key: str
    md5: str

    @property
    def uri(self) -> str:
        """Its S3 URI."""
        return f"s3://{self.bucket}/{self.key}"


def result_files(content: bytes, uri: str) -> list[ResultFile]:
    """
    Return the files that a report's ``manifest.json`` names.

    :param content: the manifest.
    :param uri: its S3 URI, for messages.
    :raises CompletionReportInvalid: if it is not what S3 writes.
    """
    try:
        results = json.loads(content)["Results"]
        files = [
            ResultFile(place.bucket, place.key, str(each["MD5Checksum"]).lower())
            for each in results
            for place in [S3Object(each["Bucket"], each["Key"])]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        said = error.message if isinstance(error, InvalidArgument) else f"{type(error).__name__}: {error}"
        raise _invalid(f"manifest.json is not S3's: {told(said, 100)}", uri) from error
    seen: set[str] = set()
    for file in files:
        if not _MD5.fullmatch(file.md5):
            raise _invalid(f"it has no MD5 of {told(file.uri)}", uri)
        if file.uri in seen:  # its rows would count twice, and those of another file not at all
            raise _invalid(f"it names {told(file.uri)} twice", uri)
        seen.add(file.uri)
    return files


@dataclass(frozen=True, slots=True)
class TaskResult:
    """
    What became of one object.

    :param object: the object, its key decoded.
    :param succeeded: whether S3 says that the task succeeded.
    :param code: S3's code of why it failed; None if it succeeded, or S3 gave none.
    :param http_status: of S3's last attempt; None if it is not told.
    :param message: S3's words.
    """

    object: S3Object
    succeeded: bool
    code: str | None
    http_status: int | None
    message: str


def task_results(lines: Iterable[str], uri: str, *, generated: bool = False) -> Iterator[TaskResult]:
    """
    Yield the rows of a result file.

    :param lines: its lines.
    :param uri: its S3 URI, for messages.
    :param generated: whether S3 made the job's manifest. There it writes "+" for a space, as in its inventory reports.
    :raises CompletionReportInvalid: for a row that is none.
    """
    decode = unquote_plus if generated else unquote
    for number, row in _rows(lines, uri):
        if not row:
            continue
        try:
            bucket, key, version_id, outcome, *rest = row
            if "\0" in version_id:
                raise ValueError("a version id with a NUL")
            obj = S3Object(bucket, decode(key, errors="strict"), version_id or None)  # not the next best key
            succeeded = {"succeeded": True, "failed": False}[outcome.strip().lower()]
        except (ValueError, KeyError) as error:
            raise _invalid(f"row {number} is not one of S3's: {told(','.join(row), 200)}", uri) from error
        first, second = (*(part.strip() for part in rest[:2]), "", "")[:2]
        status, code = (
            (second, first) if _STATUS.fullmatch(second) and not _STATUS.fullmatch(first) else (first, second)
        )
        yield TaskResult(
            obj,
            succeeded,
            (told(code, _CODE) or None) if not succeeded else None,
            int(status) if _STATUS.fullmatch(status) else None,
            told(",".join(rest[2:])),
        )


def _rows(lines: Iterable[str], uri: str) -> Iterator[tuple[int, list[str]]]:
    try:
        yield from enumerate(rows(lines), 1)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(f"it is not CSV in UTF-8: {told(error, 100)}", uri) from error


@dataclass(slots=True)
class Results:
    """The rows of a report, counted; a sample of those that failed is kept."""

    succeeded: int = 0
    failed: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    sample: list[TaskResult] = field(default_factory=list)

    def add(self, result: TaskResult) -> None:
        """Count one row."""
        if result.succeeded:
            self.succeeded += 1
            return
        self.failed += 1
        code = result.code or NO_CODE
        self.codes[code if code in self.codes or len(self.codes) < MAX_CODES else OTHER_CODES] += 1
        if len(self.sample) < MAX_SAMPLE:
            self.sample.append(result)

    def lines(self) -> list[str]:
        """Return why tasks failed: for each code the count, some objects, and what to do."""
        lines = []
        for code, count in self.codes.most_common():
            lines.append(f"{count:,} {code}")
            lines += [f"  {legible(str(result.object))}" for result in self.sample if (result.code or NO_CODE) == code][
                :3
            ]
            known = None if code == NO_CODE else code
            lines.append("  " + ("see the completion report" if code == OTHER_CODES else explain(known)))
        return lines


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CompletionReport:
    """
    A whole report, whose files match their MD5.

    :param uri: S3 URI of its ``manifest.json``.
    :param results: its rows, counted.
    :param objects: returns the objects whose tasks succeeded; may be called once.
    """

    uri: str
    results: Results
    objects: Callable[[], Iterator[S3Object]]


def invalid_file(file: ResultFile, found: str) -> CompletionReportInvalid:
    """Return the error for a result file whose MD5 is another."""
    return _invalid(f"its MD5 is {found}, and the report's manifest says {file.md5}", file.uri)


def invalid_size(most: int, uri: str) -> CompletionReportInvalid:
    """Return the error for a ``manifest.json`` that is too long."""
    return _invalid(f"it has more than {most:,} bytes", uri)


def invalid_count(rows: int, tasks: int, uri: str) -> CompletionReportInvalid:
    """Return the error for a report that has more rows than its job ran tasks."""
    plural = "" if tasks == 1 else "s"
    return _invalid(f"it has {rows:,} rows, and the job ran {tasks:,} task{plural}", uri)


def invalid_objects(read: int, succeeded: int, uri: str) -> CompletionReportInvalid:
    """Return the error for a report of which not every object that succeeded could be read for verification."""
    return _invalid(f"{read:,} of the {succeeded:,} objects whose tasks succeeded were read", uri)


def _invalid(what: Any, uri: str) -> CompletionReportInvalid:
    return CompletionReportInvalid(
        f"the completion report cannot be read: {what}",
        uri=uri,
        remedy="Look at the file; S3 may still be writing. Clear the task only to ask for a new job",
    )
