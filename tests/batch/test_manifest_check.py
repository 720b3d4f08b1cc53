"""A manifest that somebody wrote is refused before a job is created for it."""

from __future__ import annotations

import io

import pytest

from airflow_provider_crr.batch import manifest_writer
from airflow_provider_crr.batch.manifest_check import Checked, check
from airflow_provider_crr.errors import BatchManifestInvalid, InvalidArgument
from airflow_provider_crr.s3.objects import S3Object

URI = "s3://work/manifest.csv"
#: What is wrong -> the manifest, and what the message says.
BAD = {
    "two columns": ("landing,a\n", "row 1 names no version, and a bucket that is replicated has versions"),
    "no version": ("landing,a,v1\nlanding,b,\n", "row 2 names no version"),
    "None as version": ("landing,a,None\n", "row 1 names no version"),
    "URI as bucket": ("s3://landing,a,v1\n", "row 1 names what S3 cannot have: Invalid bucket name 's3://landing'"),
    "URI": ("s3://landing/a,a,v1\n", "row 1 names what S3 cannot have: Invalid bucket name"),
    "ARN": ("arn:aws:s3:::landing,a,v1\n", "row 1 names what S3 cannot have: Invalid bucket name"),
    "quotes that are none of CSV": ("'landing','a','v1'\n", "row 1 names what S3 cannot have: Invalid bucket name"),
    "four columns": ("landing,a,v1,x\n", "row 1 has 4 columns, not 3"),
    "one column": ("landing\n", "row 1 has 1 columns, not 3"),
    "other number of columns": ("landing,a,v1\nlanding,b,v1,x\n", "row 2 has 4 columns"),
    "blank in a key": ("landing,a b,v1\n", "row 1 has a key that is not URL-encoded"),
    "letter beyond ASCII": ("landing,ü,v1\n", "row 1 has a key that is not URL-encoded"),
    "percent sign": ("landing,100%,v1\n", "row 1 has a key that is not URL-encoded"),
    "comma in a key": ("landing,a,b,v1\n", "row 1 has 4 columns"),
    "no UTF-8": ("landing,a%FFb,v1\n", "row 1 names what S3 cannot have"),
    "NUL in a key": ("landing,a%00b,v1\n", "row 1 names what S3 cannot have"),
    "long key": (f"landing,{'k' * 1025},v1\n", "row 1 names what S3 cannot have: key of 1025 bytes"),
    "no bucket's name": ("land ing,a,v1\n", "row 1 names what S3 cannot have"),
    "endless row": ('"\n' + '","\n' * 40_000, "no row of S3's is that long"),
    "another bucket": ("landing,a,v1\nother,b,v1\n", "row 2 is of the bucket other, those before are of landing"),
    "header": ("Bucket,Key,VersionId\nlanding,a,v1\n", "row 1 is a header"),
    "header after a mark": ("\ufeffbucket,key\nlanding,a\n", "row 1 is a header"),
    "byte-order mark": ("\ufefflanding,a,v1\n", "byte-order mark"),
    "no bucket": (",a,v1\n", "row 1 names no object"),
    "no key": ("landing,,v1\n", "row 1 names no object"),
    "open quote": ('landing,"a,v1\n', "it is not CSV"),
    "semicolons": ("landing;a;v1\n", "row 1 has 1 columns"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_s3_cannot_take_is_refused(what: str) -> None:
    """Each fault is named, with the row and how a manifest is to be."""
    manifest, said = BAD[what]
    with pytest.raises(BatchManifestInvalid, match="S3BatchOperations_CSV_20180820") as caught:
        check(io.StringIO(manifest, newline=""), URI)
    assert said in caught.value.message
    assert caught.value.uri == URI
    assert isinstance(caught.value, InvalidArgument)


def test_compressed_manifest_is_refused() -> None:
    """What is no text is told so."""
    packed = io.TextIOWrapper(io.BytesIO(b"\x1f\x8b\x08\x00\xff\xff"), encoding="utf-8")
    with pytest.raises(BatchManifestInvalid, match="not UTF-8 text"):
        check(packed, URI)


def test_what_our_own_writer_writes_is_taken() -> None:
    """Any key that S3 stores, written by us, passes."""
    keys = ["a", "a b", "ü/€", "100%", 'q"uote', "a,b", "line\nbreak", "+", "a=b/c"]
    file = io.BytesIO()
    manifest_writer.write([S3Object("landing", key, "null") for key in keys], file)
    assert check(io.StringIO(file.getvalue().decode(), newline=""), URI) == Checked("landing", len(keys))


def test_empty_manifest_has_no_objects() -> None:
    """No row is no fault: there is nothing to do. Empty lines are no rows."""
    assert check(io.StringIO(""), URI) == check(io.StringIO("\n\r\n"), URI) == Checked(None, 0)


def test_quoted_rows_are_read() -> None:
    """Quotes are allowed, as S3's own lists have them."""
    assert check(io.StringIO('"landing","a%20b","v1"\r\n'), URI) == Checked("landing", 1)
