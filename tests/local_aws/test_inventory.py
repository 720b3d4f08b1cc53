"""Inventory reports: what is in them, and the order in which they arrive."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import orc, parquet

from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, versioned_bucket
from local_aws.inventory import ALL_FIELDS, USUAL_FIELDS, Report, Row, deliver, scan, write_report
from local_aws.inventory.formats import FileFormat, csv_key

CREATED_AT = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
MODIFIED = datetime(2026, 11, 19, 23, 59, 58, tzinfo=UTC)
FORMATS: list[FileFormat] = ["CSV", "ORC", "Parquet"]
ROWS = [
    Row("b", 'a b+c/"ü",~*.txt', "v1", True, False, 10, MODIFIED, "e1", "STANDARD", False, "COMPLETED", "SSE-S3"),
    Row("b", "none", None, True, False, 0, MODIFIED, "e2-7", "GLACIER_IR", True, None, "SSE-C"),
    Row("b", "old", "v3", False, False, 2**40, MODIFIED, "e3", "STANDARD", False, "FAILED", "SSE-KMS"),
    Row("b", "old", "v4", True, True, None, MODIFIED),
]


def report(rows: list[Row], file_format: FileFormat, **options: Any) -> Report:
    """Write a report about bucket ``b`` to bucket ``d``."""
    return write_report(
        rows, file_format=file_format, source_bucket="b", destination_bucket="d", created_at=CREATED_AT, **options
    )


def data_files(written: Report) -> list[bytes]:
    """Return the data files that the manifest names."""
    return [written.objects[file["key"]] for file in written.manifest["files"]]


def csv_rows(content: bytes) -> list[list[str]]:
    """Read one CSV data file, as text."""
    return list(csv.reader(io.StringIO(gzip.decompress(content).decode(), newline="")))


def test_csv_is_what_s3_writes() -> None:
    """CSV quotes every value, encodes keys like forms, and leaves empty what S3 does not know."""
    (content,) = data_files(report(ROWS, "CSV"))
    assert gzip.decompress(content).decode() == (
        '"b","a+b%2Bc/%22%C3%BC%22%2C%7E*.txt","v1","true","false","10","2026-11-19T23:59:58.000Z","e1","STANDARD",'
        '"false","COMPLETED","SSE-S3"\n'
        '"b","none","","true","false","0","2026-11-19T23:59:58.000Z","e2-7","GLACIER_IR","true","","SSE-C"\n'
        '"b","old","v3","false","false","1099511627776","2026-11-19T23:59:58.000Z","e3","STANDARD","false","FAILED",'
        '"SSE-KMS"\n'
        '"b","old","v4","true","true","","2026-11-19T23:59:58.000Z","","","","",""\n'
    )


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_columnar_formats_hold_the_rows(file_format: FileFormat) -> None:
    """ORC and Parquet give back every value with its type, in the columns of the schema."""
    (content,) = data_files(report(ROWS, file_format, fields=ALL_FIELDS))
    read = orc.read_table if file_format == "ORC" else parquet.read_table
    table = read(pa.BufferReader(content))
    assert tuple(table.column_names) == Row._fields
    zone = None if file_format == "ORC" else UTC
    expected = [row._replace(last_modified_date=MODIFIED.replace(tzinfo=zone)) for row in ROWS]
    assert [Row(**row) for row in table.to_pylist()] == expected


def test_parquet_is_what_s3_writes() -> None:
    """Parquet is snappy, its times are INT64 milliseconds in UTC, its bucket and key are required."""
    (content,) = data_files(report(ROWS, "Parquet"))
    file = parquet.ParquetFile(pa.BufferReader(content))
    schema = {file.schema.column(i).name: file.schema.column(i) for i in range(len(file.schema))}
    modified = schema["last_modified_date"]
    assert (modified.physical_type, modified.converted_type) == ("INT64", "TIMESTAMP_MILLIS")
    assert [schema[name].max_definition_level for name in ("bucket", "key", "version_id")] == [0, 0, 1]
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"
    assert file.metadata.metadata is None


def test_orc_is_what_s3_writes() -> None:
    """ORC is zlib, and its times have no zone."""
    (content,) = data_files(report(ROWS, "ORC"))
    file = orc.ORCFile(pa.BufferReader(content))
    assert file.compression == "ZLIB"
    assert file.schema.field("last_modified_date").type == pa.timestamp("ns")


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
def test_duckdb_reads_the_same_summary(file_format: FileFormat, tmp_path: Path) -> None:
    """DuckDB sees the same objects and bytes by status, whichever the format."""
    (content,) = data_files(report(ROWS, file_format))
    path = tmp_path / ("data.csv.gz" if file_format == "CSV" else "data.parquet")
    path.write_bytes(content)
    names = [name.lower() for name in Row._fields[: len(USUAL_FIELDS)]]
    source = (
        f"read_csv('{path}', header=false, all_varchar=true, names={names})"
        if file_format == "CSV"
        else f"read_parquet('{path}')"
    )
    statement = f"""
        SELECT coalesce(nullif(replication_status, ''), 'NONE') AS status, count(*), sum(size::BIGINT)
        FROM {source} WHERE NOT is_delete_marker::BOOLEAN GROUP BY status ORDER BY status
    """
    with duckdb.connect() as connection:
        found = connection.execute(statement).fetchall()
    assert found == [("COMPLETED", 1, 10), ("FAILED", 1, 2**40), ("NONE", 1, 0)]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_csv_key_can_be_read_back(key: str) -> None:
    """Every key comes back from its encoded form, which has no space, quote or comma."""
    assert unquote_plus(csv_key(key)) == key
    assert not set(' ",\n') & set(csv_key(key))


def test_manifest_is_what_s3_writes() -> None:
    """The manifest has the layout of real ones, byte for byte."""
    written = report(ROWS[:1], "CSV", fields=("Bucket", "Key"), prefix="inventory", rows_per_file=1)
    assert written.manifest_key == "inventory/b/daily/2026-11-20T01-00Z/manifest.json"
    ((key, content),) = [item for item in written.objects.items() if "/data/" in item[0]]
    assert written.objects[written.manifest_key].decode() == "\n".join(
        [
            "{",
            '  "sourceBucket" : "b",',
            '  "destinationBucket" : "arn:aws:s3:::d",',
            '  "version" : "2016-11-30",',
            '  "creationTimestamp" : "1795136400000",',
            '  "fileFormat" : "CSV",',
            '  "fileSchema" : "Bucket, Key",',
            '  "files" : [ {',
            f'    "key" : "{key}",',
            f'    "size" : {len(content)},',
            f'    "MD5checksum" : "{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
            "  } ]",
            "}",
        ]
    )


SCHEMAS = {
    ("CSV", "STRING"): "Bucket, Key, Size, LastModifiedDate, IsLatest",
    ("ORC", "STRING"): "struct<bucket:string,key:string,size:bigint,last_modified_date:timestamp,is_latest:boolean>",
    ("Parquet", "STRING"): (
        "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  optional int64 size;"
        "  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));  optional boolean is_latest;}"
    ),
    ("Parquet", "UTF8"): (
        "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional int64 size;"
        " optional int64 last_modified_date (TIMESTAMP_MILLIS); optional boolean is_latest; }"
    ),
}


@pytest.mark.parametrize(("file_format", "style"), SCHEMAS)
def test_schema_is_spelled_as_s3_does(file_format: FileFormat, style: str) -> None:
    """Each format spells its schema in its own way, and Parquet in two."""
    fields = ("Bucket", "Key", "Size", "LastModifiedDate", "IsLatest")
    written = report(ROWS, file_format, fields=fields, parquet_schema_style=style)
    assert written.manifest["fileSchema"] == SCHEMAS[file_format, style]


@pytest.mark.parametrize("file_format", FORMATS)
def test_digests_match_and_checksum_is_last(file_format: FileFormat) -> None:
    """Sizes and MD5s are those of the stored files, and what says that all is there comes last."""
    rows = [ROWS[0]._replace(key=str(number), size=number) for number in range(250)]
    written = report(rows, file_format, rows_per_file=100)
    files = written.manifest["files"]
    assert [file["size"] for file in files] == [len(written.objects[file["key"]]) for file in files]
    assert [file["MD5checksum"] for file in files] == [
        hashlib.md5(content).hexdigest() for content in data_files(written)
    ]
    *data, symlink, manifest, checksum = written.objects
    assert data == [file["key"] for file in files]
    assert len(data) == 3
    assert symlink == "b/daily/hive/dt=2026-11-20-01-00/symlink.txt"
    assert written.objects[symlink].decode().split("\n") == [f"s3://d/{key}" for key in data]
    assert (manifest, checksum) == (written.manifest_key, "b/daily/2026-11-20T01-00Z/manifest.checksum")
    assert written.objects[checksum].decode() == hashlib.md5(written.objects[manifest]).hexdigest() + "\n"


@pytest.mark.parametrize("file_format", FORMATS)
def test_same_rows_make_the_same_bytes(file_format: FileFormat) -> None:
    """A report can be written again, byte for byte."""
    assert report(ROWS, file_format).objects == report(ROWS, file_format).objects


def test_report_of_current_versions() -> None:
    """A report of current versions has neither the columns about versions nor what is not current."""
    written = report(ROWS, "CSV", versions="current")
    assert written.manifest["fileSchema"].split(", ")[:3] == ["Bucket", "Key", "Size"]
    assert [unquote_plus(row[1]) for row in csv_rows(*data_files(written))] == [ROWS[0].key, "none"]


def test_empty_report() -> None:
    """A bucket without objects has a report without files."""
    written = report([], "ORC")
    assert written.manifest["files"] == []
    assert len(written.objects) == 3


def test_delivery_under_way(aws: LocalAws) -> None:
    """A delivery can be stopped before its checksum, and be completed later."""
    client, bucket = aws.client(), f"inventory-{uuid.uuid4().hex[:12]}"
    versioned_bucket(client, bucket)
    written = write_report(
        ROWS, file_format="CSV", source_bucket="b", destination_bucket=bucket, created_at=CREATED_AT, prefix="p"
    )
    assert deliver(client, written, upto="manifest.checksum") == list(written.objects)[:-1]
    listed = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix="p/b/daily/2026")["Contents"]]
    assert listed == [written.manifest_key]
    assert deliver(client, written) == list(written.objects)
    stored = client.get_object(Bucket=bucket, Key=written.manifest_key)["Body"].read()
    assert json.loads(stored) == written.manifest
    assert written.manifest_uri.startswith(written.folder_uri)


def test_scan_finds_what_s3_would(aws: LocalAws, pair: ReplicatedPair) -> None:
    """A scan has every version and delete marker, with the status of the time, in the source and in the destination."""
    client, bucket = pair.source_client, pair.source
    for body in (b"old", b"newer"):
        client.put_object(Bucket=bucket, Key="kept ü", Body=body)
    client.put_object(Bucket=bucket, Key="deleted", Body=b"x")
    client.delete_object(Bucket=bucket, Key="deleted")
    aws.hold(bucket, "kept")

    found = {(row.key, row.is_latest, row.is_delete_marker): row for row in scan(client, bucket)}
    statuses = {of: (row.replication_status, row.size) for of, row in found.items()}
    assert statuses == {
        ("kept ü", True, False): ("PENDING", 5),
        ("kept ü", False, False): ("PENDING", 3),
        ("deleted", False, False): ("COMPLETED", 1),
        ("deleted", True, True): (None, None),
    }
    newest = found["kept ü", True, False]
    assert newest.e_tag == hashlib.md5(b"newer").hexdigest()
    assert newest.last_modified_date == client.head_object(Bucket=bucket, Key="kept ü")["LastModified"]
    replicas = scan(pair.destination_client, pair.destination)
    assert {row.replication_status for row in replicas} == {"REPLICA"}


def test_scan_reads_every_page(pair: ReplicatedPair) -> None:
    """A bucket with more versions than one answer holds is scanned to its end."""
    keys = ["a", "b", "c", "d"]
    for key in keys * 2:
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"")
    assert sorted(row.key for row in scan(pair.source_client, pair.source, page_size=3)) == sorted(keys * 2)
