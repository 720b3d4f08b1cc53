"""manifest.json: what is believed of it, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_crr.errors import InventoryManifestInvalid, ReplicationStatusMissing
from airflow_provider_crr.inventory.manifest import Manifest, ManifestFile
from local_aws.inventory import ALL_FIELDS, write_report
from tests.inventory.rows import CREATED_AT, SOURCE, row
from tests.inventory.store import md5, parsed

URI = "s3://reports/landing/daily/2026-11-20T01-00Z/manifest.json"
ENTRY = {"key": "landing/daily/data/1.csv.gz", "size": 7, "MD5checksum": "11111111111111111111111111111111"}
GOOD: dict[str, Any] = {
    "sourceBucket": "landing",
    "destinationBucket": "arn:aws:s3:::reports",
    "version": "2016-11-30",
    "creationTimestamp": "1795136400000",
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag, ReplicationStatus",
    "files": [ENTRY],
}


def body(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_manifest_is_read() -> None:
    """Every value of a manifest arrives, the destination as a bucket name and the time in UTC."""
    assert parsed(body(), URI) == Manifest(
        uri=URI,
        source_bucket="landing",
        destination_bucket="reports",
        created_at=datetime(2026, 11, 20, 1, 0, tzinfo=UTC),
        file_format="CSV",
        fields=("bucket", "key", "size", "last_modified_date", "e_tag", "replication_status"),
        files=(ManifestFile("landing/daily/data/1.csv.gz", 7, "1" * 32),),
    )


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
@pytest.mark.parametrize("style", ["UTF8", "STRING"])
def test_every_spelling_of_a_schema_gives_the_same_names(file_format: Any, style: Any) -> None:
    """CSV, ORC and both spellings of Parquet come to the same column names, in the same order."""
    report = write_report(
        [row("k")],
        file_format=file_format,
        source_bucket=SOURCE,
        destination_bucket="reports",
        created_at=CREATED_AT,
        fields=ALL_FIELDS,
        parquet_schema_style=style,
    )
    assert parsed(report.objects[report.manifest_key]).fields == row("k")._fields


def test_the_documented_parquet_schema_is_read() -> None:
    """The schema that the user guide prints, line breaks included, is read."""
    schema = (
        "message s3.inventory {\n  required binary bucket (UTF8);\n  required binary key (UTF8);\n"
        "  optional int64 size;\n  optional int64 last_modified_date (TIMESTAMP_MILLIS);\n"
        "  optional binary replication_status (UTF8);\n}"
    )
    assert parsed(body(fileFormat="Parquet", fileSchema=schema)).fields == (
        "bucket",
        "key",
        "size",
        "last_modified_date",
        "replication_status",
    )


def test_the_checksum_may_end_with_a_line_break_and_be_upper_case() -> None:
    """The checksum is compared as a number written in hex."""
    assert Manifest.parse(body(), uri=URI, checksum=f"{md5(body()).upper()}\n".encode()).source_bucket == "landing"


@pytest.mark.parametrize("checksum", [b"", b"\xff\xfe", "0" * 32, md5(body())[:-1]])
def test_a_manifest_that_does_not_match_its_checksum_is_refused(checksum: bytes | str) -> None:
    """Another checksum means another manifest: nothing of it is read."""
    with pytest.raises(InventoryManifestInvalid, match=r"manifest\.checksum says") as raised:
        Manifest.parse(body(), uri=URI, checksum=checksum)
    assert raised.value.uri == URI
    assert raised.value.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"sourceBucket": None},
        {"sourceBucket": "a/b"},
        {"destinationBucket": "arn:aws:s3:::"},
        {"destinationBucket": 7},
        {"destinationBucket": "arn:aws:s3:eu-west-1:123456789012:bucket:reports"},
        {"destinationBucket": "arn:aws:sns:::reports"},
        {"creationTimestamp": "yesterday"},
        {"creationTimestamp": 1795136400000},
        {"creationTimestamp": "9" * 30},
        {"creationTimestamp": "1_795_136_400_000"},
        {"creationTimestamp": " 1795136400000"},
        {"creationTimestamp": "-1795136400000"},
        {"creationTimestamp": "\u0661\u0667"},
        {"fileFormat": "Avro"},
        {"fileSchema": ""},
        {"fileSchema": "Bucket, Size, ReplicationStatus"},
        {"fileSchema": "Bucket, Key, Key, ReplicationStatus"},
        {"fileSchema": "Bucket, Key, , ReplicationStatus"},
        {"fileSchema": "Bucket, Key, VersionId, ReplicationStatus"},
        {"fileSchema": "struct<bucket:string,key:string>"},
        {"fileSchema": "Bucket, Key, ReplicationStatus" + ", More" * 20_000},
        {"files": None},
        {"files": {}},
        {"files": ["key"]},
        {"files": [{**ENTRY, "key": ""}]},
        {"files": [{**ENTRY, "size": "7"}]},
        {"files": [{**ENTRY, "size": -1}]},
        {"files": [{**ENTRY, "size": True}]},
        {"files": [{**ENTRY, "MD5checksum": "0" * 31}]},
        {"files": [{**ENTRY, "MD5checksum": None}]},
        {"files": [{"key": "a", "size": 1}]},
    ],
)
def test_a_value_that_s3_would_not_write_is_refused(changes: dict[str, Any]) -> None:
    """Each wrong value is an error that names the manifest and what to do."""
    with pytest.raises(InventoryManifestInvalid) as raised:
        parsed(body(**changes), URI)
    assert URI in str(raised.value)
    assert raised.value.remedy


@pytest.mark.parametrize("name", [name for name in GOOD if name != "version"])
def test_a_missing_value_is_refused(name: str) -> None:
    """A manifest without a value that is needed is refused, and the value named."""
    with pytest.raises(InventoryManifestInvalid, match=f"has no {name}"):
        parsed(json.dumps({key: value for key, value in GOOD.items() if key != name}).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'"text"'])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    """Bytes with a right checksum that are no JSON object are refused, the cause kept."""
    with pytest.raises(InventoryManifestInvalid) as raised:
        parsed(content)
    assert content not in (b"", b"{", b"\xff") or isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "again",
    [
        ENTRY,
        {**ENTRY, "size": 8},
        {**ENTRY, "MD5checksum": "2" * 32},
        {**ENTRY, "size": 8, "MD5checksum": "2" * 32},
    ],
)
@pytest.mark.parametrize("between", [0, 3])
def test_a_file_that_is_listed_twice_is_refused(again: dict[str, Any], between: int) -> None:
    """Rows of a file that is listed twice would count twice: the manifest is refused, and the file named."""
    others = [{**ENTRY, "key": f"landing/daily/data/other-{number}.csv.gz"} for number in range(between)]
    with pytest.raises(InventoryManifestInvalid, match=r"lists landing/daily/data/1\.csv\.gz twice") as raised:
        parsed(body(files=[ENTRY, *others, again]), URI)
    assert raised.value.uri == URI


def test_a_long_key_that_is_listed_twice_is_named_whole() -> None:
    """The end of a key tells it from others."""
    key = f"{'p' * 1000}/1.csv.gz"
    with pytest.raises(InventoryManifestInvalid, match=key):
        parsed(body(files=[{**ENTRY, "key": key}] * 2))


def test_an_escape_of_json_makes_no_other_key() -> None:
    """Keys are compared as they are, not as JSON spells them; S3 knows no other equality."""
    twice = body(files=[ENTRY, ENTRY]).replace(b"1.csv.gz", b"\\u0031.csv.gz", 1)
    with pytest.raises(InventoryManifestInvalid, match="twice"):
        parsed(twice)
    other = body(files=[ENTRY, {**ENTRY, "key": "landing/daily/data%2F1.csv.gz"}])
    assert len(parsed(other).files) == 2


def test_files_of_equal_content_are_two_files() -> None:
    """Files without rows are equal, and S3 may well write two."""
    assert len(parsed(body(files=[ENTRY, {**ENTRY, "key": "landing/daily/data/2.csv.gz"}])).files) == 2


@pytest.mark.parametrize("name", ["files", "sourceBucket", "fileSchema"])
def test_a_value_that_is_there_twice_is_refused(name: str) -> None:
    """JSON leaves open which of two values of one name counts."""
    twice = body()[:-1] + f', "{name}": {json.dumps(GOOD[name])}}}'.encode()
    with pytest.raises(InventoryManifestInvalid, match=f"{name} twice"):
        parsed(twice)


def test_a_report_without_replication_status_says_how_to_get_it() -> None:
    """The error names the field, both ways to add it, and that only the next report has it."""
    with pytest.raises(ReplicationStatusMissing) as raised:
        parsed(body(fileSchema="Bucket, Key, Size"), URI)
    text = str(raised.value)
    for part in (
        URI,
        "ReplicationStatus",
        "OptionalFields",
        "PutBucketInventoryConfiguration",
        "next report",
        "landing",
    ):
        assert part in text


def test_one_of_very_many_values_that_is_there_twice_is_found_at_once() -> None:
    """A manifest may have millions of values; the last of them is found as fast as the first."""
    members = [f'"a{number}": 0' for number in range(100_000)]
    with pytest.raises(InventoryManifestInvalid, match="it says z twice"):
        parsed(f'{{{", ".join(members)}, "z": 1, "z": 2}}'.encode())


@pytest.mark.parametrize("separator", ["/", ":"])
def test_data_files_may_be_behind_an_access_point(separator: str) -> None:
    """Its ARN is a bucket to S3; what is after the last colon is not one."""
    point = f"arn:aws:s3:eu-west-1:123456789012:accesspoint{separator}audit"
    assert parsed(body(destinationBucket=point)).destination_bucket == point


def test_an_error_does_not_spell_out_millions_of_values() -> None:
    """What is not an object, and very long, is shown in part."""
    with pytest.raises(InventoryManifestInvalid, match="manifest has the value") as raised:
        parsed(f"[{'[],' * 1_000_000}0]".encode(), URI)
    assert len(str(raised.value)) < 500
