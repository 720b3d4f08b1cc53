"""Objects as a manifest of S3 Batch Operations: what stands on each row."""

from __future__ import annotations

import csv
import io
from urllib.parse import unquote

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.batch.manifest_writer import ManifestWriter, write
from airflow_provider_crr.batch.repair_manifest import NOT_ENCODED
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import S3Object

KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200)
VERSIONS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def written(*objects: S3Object, versions: bool = True) -> str:
    file = io.BytesIO()
    write(objects, file, versions=versions)
    return file.getvalue().decode()


def test_a_row_names_bucket_key_and_version() -> None:
    """Each row has the bucket, the URL-encoded key with its slashes, and the version."""
    rows = written(S3Object("b", "dt=2026-11-20/a b+c%.csv", "3sL4"), S3Object("b", "k", "null"))
    assert rows == "b,dt%3D2026-11-20/a%20b%2Bc%25.csv,3sL4\nb,k,null\n"


def test_without_versions_there_is_no_third_column() -> None:
    """A manifest of current objects has two columns on each row."""
    assert written(S3Object("b", "k"), S3Object("b", "é"), versions=False) == "b,k\nb,%C3%A9\n"


@pytest.mark.parametrize("versions", [True, False])
def test_rows_are_never_of_two_kinds(versions: bool) -> None:
    """A row with another number of columns makes S3 refuse the manifest, so such an object is refused before."""
    file = io.BytesIO()
    writer = ManifestWriter(file, versions=versions)
    with pytest.raises(InvalidArgument, match=r"s3://b/k.*all rows of a manifest name a version, or none does"):
        writer.add(S3Object("b", "k", None if versions else "v"))
    assert (writer.rows, file.getvalue()) == (0, b"")


@given(st.lists(st.tuples(KEYS, VERSIONS), max_size=20))
def test_whatever_the_key_it_comes_back(names: list[tuple[str, str]]) -> None:
    """Read as CSV and decoded, every row is the object again: commas, quotes and line ends in keys or versions too."""
    objects = [S3Object("b", key, version) for key, version in names if len(key.encode()) <= 1024]
    rows = list(csv.reader(io.StringIO(written(*objects), newline="")))
    assert [S3Object(bucket, unquote(key), version) for bucket, key, version in rows] == objects


@given(KEYS)
def test_keys_are_encoded_as_those_of_a_report(key: str) -> None:
    """A gate and an inventory summary write the same row for the same key."""
    if len(key.encode()) > 1024:
        return
    (encoded,) = duckdb.execute(
        f"SELECT replace(url_encode($1), '%{ord(NOT_ENCODED):X}', '{NOT_ENCODED}')", [key]
    ).fetchone() or ("",)
    assert written(S3Object("b", key, "v")) == f"b,{encoded},v\n"
