"""Completion reports, as S3 writes them and as it says that it does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_crr.batch.completion_report import (
    MAX_CODES,
    NO_CODE,
    OTHER_CODES,
    Results,
    result_files,
    task_results,
)
from airflow_provider_crr.batch.failure_reasons import FAILURE_REASONS
from airflow_provider_crr.errors import CompletionReportInvalid
from airflow_provider_crr.s3.objects import S3Object
from tests.support.batch_forms import TASKS, Task, completion_report

URI = "s3://reports/repair/job-1/results/1.csv"


def results_of(*rows: str, generated: bool = False) -> Results:
    results = Results()
    for result in task_results([f"{row}\n" for row in rows], URI, generated=generated):
        results.add(result)
    return results


@pytest.mark.parametrize("swapped", [False, True])
def test_columns_are_known_by_their_look(swapped: bool) -> None:
    """Code and HTTP status may be either way round: the report's own schema does not say how they are."""
    results = results_of(*(task.row(swapped=swapped) for task in TASKS))
    assert (results.succeeded, results.failed) == (1, 2)
    assert results.codes == {"SrcObjectNotEligible": 1, "DstPutObjectNotPermitted": 1}
    assert [(each.http_status, each.object.key) for each in results.sample] == [
        (500, "archived key"),
        (403, "denied"),
    ]


@pytest.mark.parametrize("code", FAILURE_REASONS)
def test_every_failure_code_is_told_with_its_remedy(code: str) -> None:
    """Each of S3's codes is counted, and told in words."""
    results = results_of(Task("landing", "a", "v1", code, 500, "No").row())
    assert results.codes == {code: 1}
    assert results.lines() == [f"1 {code}", "  s3://landing/a?versionId=v1", f"  {FAILURE_REASONS[code]}"]


def test_codes_that_nobody_knows_and_failures_without_a_code_are_told() -> None:
    """The list of codes grows, and S3 may give none."""
    lines = results_of("landing,a,v1,failed,500,NewCode,No", "landing,b,v1,failed,500,,No").lines()
    assert "1 NewCode" in lines
    assert f"1 {NO_CODE}" in lines
    assert any("does not know" in line for line in lines)


def test_counts_are_bounded() -> None:
    """However many codes and failures there are, what is kept of them is small, and none is lost from the counts."""
    results = results_of(*(f"landing,a{number},v1,failed,500,Code{number},No" for number in range(100)))
    assert results.failed == results.codes.total() == 100
    assert len(results.codes) == MAX_CODES + 1
    assert results.codes[OTHER_CODES] == 100 - MAX_CODES
    assert len(results.sample) == 10


def test_keys_are_decoded_as_they_were_encoded() -> None:
    """In a manifest of ours "+" is a plus; S3 itself writes it for a space."""
    (ours,) = task_results(["b,a+b%20c%2Fd%2B,v1,succeeded,200,,success\n"], URI)
    (own,) = task_results(["b,a+b%20c%2Fd%2B,v1,succeeded,200,,success\n"], URI, generated=True)
    assert (ours.object, own.object) == (S3Object("b", "a+b c/d+", "v1"), S3Object("b", "a b c/d+", "v1"))


def test_row_without_version_is_of_the_current_one() -> None:
    """A manifest without versions leaves the column empty."""
    (result,) = task_results(["b,k,,succeeded,200,,success\n"], URI)
    assert result.object == S3Object("b", "k")


def test_commas_in_a_message_are_part_of_it() -> None:
    """S3 does not quote its words."""
    (result,) = task_results(["b,k,v,failed,403,DstPutObjectNotPermitted,No, and again no\n"], URI)
    assert (result.code, result.message) == ("DstPutObjectNotPermitted", "No, and again no")


@pytest.mark.parametrize(
    "row",
    [
        *("b,k", "b,k,v", "b,,v,succeeded,200,,", ",k,v,succeeded,200,,", "b,k,v,maybe,200,,", "<html>"),
        # Another key would be asked for: the one that is left if what is no UTF-8 is replaced.
        *("b,a%FFb,v,succeeded,200,,", "b,%ed%a0%80,v,succeeded,200,,", "b,%C3,v,failed,500,,"),
        *("b,a%00b,v,succeeded,200,,", "b,k,v\0w,succeeded,200,,", f"b,{'k' * 1025},v,succeeded,200,,"),
    ],
)
def test_row_that_is_none_is_refused(row: str) -> None:
    """What is not a row of S3's counts for nothing."""
    for generated in (False, True):
        with pytest.raises(CompletionReportInvalid, match="row 1 is not one of S3's"):
            results_of(row, generated=generated)


def test_manifest_names_files_with_their_md5() -> None:
    """The report's manifest.json is read, whatever else is in it."""
    files = completion_report(TASKS)
    (name,) = [key for key in files if key.endswith("manifest.json")]
    assert {file.key for file in result_files(files[name], "s3://reports/x")} == {
        key for key in files if "/results/" in key
    }


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"Results": 5}', '{"Results": [{}]}', '{"Results": ["x"]}', "\xff", "[" * 100_000]
)
def test_manifest_that_is_not_s3s_is_refused(content: Any) -> None:
    """A broken manifest.json is an error of ours, and names the file."""
    with pytest.raises(CompletionReportInvalid, match="s3://reports/x") as caught:
        result_files(content.encode("latin-1"), "s3://reports/x")
    assert "manifest" in str(caught.value)


def test_file_without_md5_is_refused() -> None:
    """What cannot be checked does not count."""
    manifest = json.dumps({"Results": [{"Bucket": "b", "Key": "k", "MD5Checksum": "none"}]}).encode()
    with pytest.raises(CompletionReportInvalid, match="no MD5"):
        result_files(manifest, "s3://reports/x")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"b,k,v,succeeded,200,," + b"x" * 200_000, b"\x1f\x8b"])
def test_file_that_is_no_csv_is_refused(content: bytes) -> None:
    """Whatever a file has, the error is ours."""
    with pytest.raises(CompletionReportInvalid):
        list(task_results(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"), URI))


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        (None, "k"),
        (7, "k"),
        ("b", None),
        ("", "k"),
        ("b", ""),
        ("b/c", "k"),
        ("b", "\ud800"),
        ("b\n\x1b[31m" * 99, "k"),
    ],
)
def test_file_that_is_nowhere_in_s3_is_refused(bucket: Any, key: Any) -> None:
    """A place that cannot be is the manifest's fault, and told as one."""
    manifest = json.dumps({"Results": [{"Bucket": bucket, "Key": key, "MD5Checksum": "0" * 32}]}).encode()
    with pytest.raises(CompletionReportInvalid, match="s3://reports/x") as raised:
        result_files(manifest, "s3://reports/x")
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_file_that_is_named_twice_is_refused() -> None:
    """Its rows would count twice: as many as there are tasks, if those of another file are left out for them."""
    file = {"Bucket": "b", "Key": "k", "MD5Checksum": "0" * 32}
    for again in (file, {**file, "MD5Checksum": "1" * 32}):
        with pytest.raises(CompletionReportInvalid, match="it names s3://b/k twice"):
            result_files(json.dumps({"Results": [file, {**file, "Key": "other"}, again]}).encode(), "s3://reports/x")


def test_row_of_many_lines_is_bounded() -> None:
    """Between quotes a row may go on from line to line: it is not held in memory without end."""
    given = 0

    def endless() -> Iterator[str]:
        nonlocal given
        for given in range(1, 10_000_000):
            yield '"\n' if given == 1 else '","\n'

    with pytest.raises(CompletionReportInvalid, match="no row of S3's is that long"):
        list(task_results(endless(), URI))
    assert given < 100_000
