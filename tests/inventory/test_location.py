"""Names of folders and files of reports."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.location import InventoryLocation, is_manifest_uri, report_folder, report_time


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("s3://dest/landing/daily/", "landing/daily/"),
        ("s3://dest/landing/daily", "landing/daily/"),
        ("s3://dest/a/b/landing/daily/", "a/b/landing/daily/"),
    ],
)
def test_a_location_is_read(uri: str, prefix: str) -> None:
    """Bucket, prefix, source bucket and configuration id of a folder are told apart."""
    location = InventoryLocation.parse(uri)
    assert (location.bucket, location.prefix) == ("dest", prefix)
    assert (location.source_bucket, location.config_id) == ("landing", "daily")
    assert str(location) == f"s3://dest/{prefix}"


@pytest.mark.parametrize(
    "uri",
    ["", "dest/landing/daily/", "s3://dest", "s3://dest/", "s3:///landing/daily/", "s3://dest/daily/", "s3://dest//daily/",
     "s3://dest/landing/daily/2026-11-20T01-00Z/"],
)  # fmt: skip
def test_what_is_no_location_is_refused(uri: str) -> None:
    """A folder that names no source bucket and configuration is refused, with the right form."""
    with pytest.raises(InvalidArgument, match="Write s3://"):
        InventoryLocation.parse(uri)


@pytest.mark.parametrize(
    ("folder", "begun"),
    [
        ("landing/daily/2026-11-20T01-00Z/", datetime(2026, 11, 20, 1, 0, tzinfo=UTC)),
        ("2016-11-06T21-32Z", datetime(2016, 11, 6, 21, 32, tzinfo=UTC)),
        ("landing/daily/data/", None),
        ("landing/daily/hive/", None),
        ("landing/daily/2026-11-20T01-00Z-copy/", None),
        ("landing/daily/2026-02-31T01-00Z/", None),
        ("landing/daily/dt=2026-11-20-01-00/", None),
        ("", None),
    ],
)
def test_only_date_folders_are_reports(folder: str, begun: datetime | None) -> None:
    """The name of a report's folder is when its listing began; other folders are no reports."""
    assert report_time(folder) == begun


def test_a_manifest_knows_its_folder() -> None:
    """The folder of a report is where its manifest is; other URIs have none."""
    assert report_folder("s3://dest/landing/daily/2026-11-20T01-00Z/manifest.json") == (
        "s3://dest/landing/daily/2026-11-20T01-00Z/"
    )
    assert not is_manifest_uri("s3://dest/landing/daily/")
    assert not is_manifest_uri("dest/manifest.json")
    with pytest.raises(InvalidArgument, match=r"manifest\.json"):
        report_folder("s3://dest/landing/daily/")
