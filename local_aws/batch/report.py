"""
The completion report of a job: a file of rows for each outcome, a manifest, and the manifest's MD5.

As S3 writes it: HTTPStatusCode before ErrorCode, whatever ``ReportSchema`` says; keys as the job's manifest had them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime

from local_aws.batch.job import Job, Outcome, Row

SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"


def location(job: Job) -> tuple[str, str]:
    """Return bucket and folder of a job's report; the folder ends with "/"."""
    report = job.values["Report"]
    prefix = report.get("Prefix", "").rstrip("/")
    return report["Bucket"].rpartition(":")[2], f"{prefix}/job-{job.id}/" if prefix else f"job-{job.id}/"


def completion_report(job: Job, *, swapped: bool = False, wrong_md5: bool = False) -> dict[str, bytes]:
    """
    Return the objects of a job's report by their keys, in the order in which they are written.

    :param job: the job, which is over.
    :param swapped: ErrorCode before HTTPStatusCode, as ``ReportSchema`` says.
    :param wrong_md5: say another MD5 of the results than they have.
    """
    bucket, folder = location(job)
    files: dict[str, bytes] = {}
    results = []
    for outcome in ("succeeded", "failed"):
        done = [(row, end) for row, end in job.done if bool(end.code) == (outcome == "failed")]
        only_failed = job.values["Report"].get("ReportScope") == "FailedTasksOnly"
        if not done or (only_failed and outcome == "succeeded"):
            continue
        content = _rows(done, outcome, swapped=swapped)
        key = f"{folder}results/{hashlib.sha1(content, usedforsecurity=False).hexdigest()}.csv"
        files[key] = content
        said = _md5(content + b"?" if wrong_md5 else content)
        results.append({"TaskExecutionStatus": outcome, "Bucket": bucket, "MD5Checksum": said, "Key": key})
    now = datetime.now(UTC)
    manifest = {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
        "Results": results,
        "ReportSchema": SCHEMA,
    }
    content = json.dumps(manifest).encode()
    return {**files, f"{folder}manifest.json": content, f"{folder}manifest.json.md5": _md5(content).encode()}


def _rows(done: list[tuple[Row, Outcome]], outcome: str, *, swapped: bool) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row, end in done:
        code_and_status = (end.code, end.http_status) if swapped else (end.http_status, end.code)
        writer.writerow((row.bucket, row.key, row.version_id or "", outcome, *code_and_status, end.message))
    return text.getvalue().encode()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
