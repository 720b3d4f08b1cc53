"""Right pages, in the ways of several stores."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.s3.listing_page import OBJECTS, VERSIONS, Page, Request
from airflow_provider_crr.s3.listing_xml import NotAPage

ROWS = (
    "<Contents><Key>w/1</Key><ETag>&quot;e&quot;</ETag><LastModified>2026-10-05T20:00:00.000Z</LastModified>"
    "<Owner><ID>x</ID></Owner><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumAlgorithm>SHA1</ChecksumAlgorithm>"
    "</Contents><Contents><Key>w/2</Key></Contents>"
)
#: How stores write an answer; the rows come in the place of the braces.
RIGHT = {
    "API reference": (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>w/</Prefix>'
        "<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{}</ListBucketResult>"
    ),
    "MinIO": (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>w/</Prefix>'
        "<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{}"
        "<EncodingType>url</EncodingType></ListBucketResult>"
    ),
    "without a namespace": "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
    "with a prefix for its namespace": (
        '<s3:ListBucketResult xmlns:s3="urn:s3"><s3:IsTruncated>false</s3:IsTruncated>{}</s3:ListBucketResult>'
    ),
    "with empty elements": (
        "<ListBucketResult><Name>b</Name><Prefix>w%2F</Prefix><Marker/><Delimiter/><StartAfter></StartAfter>"
        "<ContinuationToken/><NextContinuationToken/><EncodingType>url</EncodingType><KeyCount>2</KeyCount>"
        "<IsTruncated>false</IsTruncated>{}</ListBucketResult>"
    ),
    "on several lines": (
        "<ListBucketResult>\r\n  <Prefix>w/</Prefix>\r\n  <IsTruncated>false</IsTruncated>\r\n  {}\r\n"
        "</ListBucketResult>\r\n"
    ),
    "with what nobody knows": (
        "<ListBucketResult><IsTruncated>false</IsTruncated><Next/><x>1</x><x>2</x>{}</ListBucketResult>"
    ),
}
ASKED = Request(OBJECTS, "b", "w/")


def read(body: str, asked: Request = ASKED, **headers: str) -> Page:
    return asked.read(200, headers, body.encode())


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("headers", [{}, {"age": "0"}, {"warning": '214 - "Transformed"'}])
def test_right_page_is_taken(name: str, headers: dict[str, Any]) -> None:
    """A page that a store writes in another way than S3 is a page all the same."""
    page = read(RIGHT[name].format(ROWS), **headers)
    found = [(row.key, row.etag, row.last_modified and row.last_modified.isoformat()) for row in page.rows]
    assert found == [("w/1", "e", "2026-10-05T20:00:00+00:00"), ("w/2", "", None)]
    assert page.go_on == {}


def test_pages_of_minio_lead_on() -> None:
    """MinIO's markers carry notes of its own, and its delete markers stand among the versions; recorded."""
    asked = Request(VERSIONS, "b", "w/", go_on={"KeyMarker": "w/a[minio_cache:v2,return:]", "VersionIdMarker": "6c7a"})
    page = read(
        '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>w/</Prefix>'
        "<KeyMarker>w/a%5Bminio_cache%3Av2%2Creturn%3A%5D</KeyMarker>"
        "<NextKeyMarker>w/b%01%5Bminio_cache%3Av2%2Creturn%3A%5D</NextKeyMarker>"
        "<NextVersionIdMarker>2d55</NextVersionIdMarker><VersionIdMarker>6c7a</VersionIdMarker><MaxKeys>2</MaxKeys>"
        "<IsTruncated>true</IsTruncated><DeleteMarker><Key>w/b</Key><ETag></ETag><VersionId>bc10</VersionId>"
        "</DeleteMarker><Version><Key>w/b%01</Key><VersionId>2d55</VersionId></Version><EncodingType>url</EncodingType>"
        "</ListVersionsResult>",
        asked,
    )
    assert [(row.key, row.version_id) for row in page.rows] == [("w/b\x01", "2d55")]
    assert page.go_on == {"KeyMarker": "w/b\x01[minio_cache:v2,return:]", "VersionIdMarker": "2d55"}


@pytest.mark.parametrize(
    "bucket", ["arn:aws:s3:eu-west-1:111122223333:accesspoint/ap", "ap-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias"]
)
def test_access_point_may_be_called_as_its_bucket(bucket: str) -> None:
    """What is listed through an access point may name the bucket behind it."""
    assert len(read(RIGHT["API reference"].format(ROWS), Request(OBJECTS, bucket, "w/")).rows) == 2
    with pytest.raises(NotAPage, match="of the bucket 'b'"):
        read(RIGHT["API reference"].format(ROWS), Request(OBJECTS, "a", "w/"))


def test_time_of_another_form_is_read() -> None:
    """Times that other stores write are read as botocore reads them."""
    row = "<Contents><Key>w/1</Key><LastModified>Mon, 05 Oct 2026 20:00:00 GMT</LastModified></Contents>"
    (found,) = read(RIGHT["without a namespace"].format(row)).rows
    assert found.last_modified is not None
    assert found.last_modified.isoformat() == "2026-10-05T20:00:00+00:00"


def test_key_that_is_not_encoded_is_taken_as_it_is() -> None:
    """A store that does not say that it encodes does not: "+" and "%" are in the key."""
    (found,) = read(RIGHT["without a namespace"].format("<Contents><Key>w/a+b%20c</Key></Contents>")).rows
    assert found.key == "w/a+b%20c"
