"""An inventory folder that is one level off is told from one that waits for its first report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from airflow_provider_crr.errors import InvalidArgument, InventoryNotFound
from airflow_provider_crr.inventory.location import InventoryLocation
from airflow_provider_crr.inventory.report import (
    complete_manifest_uris,
    manifest_uri_of,
    newest_manifest_uri,
    read_manifest,
)
from local_aws.inventory import write_report
from tests.inventory.rows import CREATED_AT, SOURCE, row
from tests.support.s3_server import Answer, Listed, S3Server

RIGHT = "s3://reports/inventories/landing/daily/"


@pytest.fixture
def server() -> Iterator[S3Server]:
    """Two complete reports of one configuration, below a prefix of two segments."""
    with S3Server() as running:
        keys: dict[str, Listed] = {}
        for days in (0, 1):
            written = write_report(
                [row("k")],
                file_format="CSV",
                source_bucket=SOURCE,
                destination_bucket="reports",
                created_at=CREATED_AT + timedelta(days=days),
                prefix="inventories",
            )
            keys |= dict.fromkeys(written.objects, Listed())
        running.listings["reports"] = keys
        yield running


@pytest.mark.parametrize(
    "wrong",
    [
        "s3://reports/inventories/landing/",
        "s3://reports/inventories/landing",
        "s3://reports/inventories/landing/daily/hive/",
        "s3://reports/inventories/landing/daily/data",
        "s3://reports/inventories/landing/daily/hive/dt=2026-11-20-01-00/",
        "s3://reports/inventories/landing/daily/hive/dt=2026-11-20-01-00/symlink.txt",
        "s3://reports/inventories/landing/daily/data/6e9a.csv.gz",
        "s3://reports/inventories/landing/daily/2026-11-20/",
        "s3://reports/inventories/landing/daily/dt=2026-11-20-01-00/",
        "s3://reports/inventories/landing/daily/manifest.checksum",
        "s3://reports/inventories/landing/daily/ ",
        "s3://reports/inventories/landing/daily/2026-11-20T01-00Z/data/6e9a.csv.gz",
        "s3://reports/inventories//landing/daily//",
        "s3://reports//inventories/landing/daily/",
        "s3://reports/inventories/landing/daily/2026-11-20T01-00Z/",
        "s3://reports/inventories/landing/daily/2026-11-20T01-00Z/manifest.checksum",
    ],
)
def test_the_right_folder_is_named(server: S3Server, wrong: str) -> None:
    """Whoever names a folder above or below the reports is told which one it is, rather than to wait."""
    client = server.client()
    for look in (newest_manifest_uri, manifest_uri_of, lambda *args: complete_manifest_uris(*args, at_most=32)):
        with pytest.raises(InvalidArgument, match=f" {RIGHT}") as raised:
            look(client, wrong)
        assert "two days" not in str(raised.value)
    assert newest_manifest_uri(client, RIGHT) == f"{RIGHT}2026-11-21T01-00Z/manifest.json"


def test_a_folder_of_the_source_bucket_alone_is_near_by(server: S3Server) -> None:
    """Without a prefix, the folder above the reports is one segment: no location, and the right one is still named."""
    folder = f"{SOURCE}/daily/2026-11-20T01-00Z"
    server.listings["reports"] = dict.fromkeys([f"{folder}/manifest.json", f"{folder}/manifest.checksum"], Listed())
    for wrong in ("s3://reports/landing/", "s3://reports/landing"):
        with pytest.raises(InvalidArgument, match=" s3://reports/landing/daily/"):
            manifest_uri_of(server.client(), wrong)
    with pytest.raises(InvalidArgument, match="s3://reports/nothing/configuration-id/"):
        manifest_uri_of(server.client(), "s3://reports/nothing/")


def test_a_report_under_way_is_near_by_too(server: S3Server) -> None:
    """The folder of a report is there before the report is complete, and tells as much."""
    server.listings["reports"] = {f"inventories/{SOURCE}/daily/2026-11-20T01-00Z/manifest.json": Listed()}
    with pytest.raises(InvalidArgument, match=RIGHT):
        newest_manifest_uri(server.client(), "s3://reports/inventories/landing/")
    assert newest_manifest_uri(server.client(), RIGHT) is None


@pytest.mark.parametrize(
    "uri",
    [
        "s3://reports/inventories/landing/weekly/",
        "s3://reports/inventories/another/daily/",
        "s3://reports/elsewhere/landing/daily/",
        "s3://reports/landing/data/",
    ],
)
def test_a_folder_may_wait_for_its_first_report(server: S3Server, uri: str) -> None:
    """Without reports near by there are none yet, in a few requests, whatever else is in the bucket."""
    client = server.client()
    assert newest_manifest_uri(client, uri) is None
    with pytest.raises(InventoryNotFound, match="two days"):
        manifest_uri_of(client, uri)
    assert len(server.requests) <= 6


def test_a_configuration_may_be_called_data(server: S3Server) -> None:
    """Where there are reports, the name of the folder says nothing."""
    folder = f"inventories/{SOURCE}/data/2026-11-20T01-00Z"
    server.listings["reports"] |= dict.fromkeys([f"{folder}/manifest.json", f"{folder}/manifest.checksum"], Listed())
    found = newest_manifest_uri(server.client(), "s3://reports/inventories/landing/data/")
    assert found == f"s3://reports/{folder}/manifest.json"


def test_what_may_not_be_listed_is_not_judged(server: S3Server) -> None:
    """A policy may allow to list the named folder only: then there is no report, and nothing else is known."""
    wrong = "inventories/landing/daily/hive/"

    def refuse_others(request: object, page: str) -> tuple[Answer, str]:
        asked = request.query.get("prefix")  # type: ignore[attr-defined]
        denied = "<Error><Code>AccessDenied</Code><Message>scripted</Message></Error>"
        return (Answer(), page) if asked == wrong else (Answer(403, code="AccessDenied"), denied)

    server.on_list = refuse_others
    assert newest_manifest_uri(server.client(), f"s3://reports/{wrong}") is None


def test_a_prefix_may_look_like_the_time_of_a_report() -> None:
    """Only the last folder, or the one above a file, is taken for a report."""
    uri = "s3://central/x/y/2026-11-20T01-00Z/landing/daily/"
    assert str(InventoryLocation.parse(uri)) == uri


def test_two_levels_up_there_may_be_several_buckets(server: S3Server) -> None:
    """A prefix with reports on several buckets, some of which have none any more, is not waited in."""
    for source in ("another", "more", SOURCE):
        folder = f"central/x/{source}/daily"
        server.listings["reports"] |= {f"{folder}/hive/dt=2025-01-01-01-00/symlink.txt": Listed()}
    server.listings["reports"] |= {f"central/x/{SOURCE}/weekly/2026-11-20T01-00Z/manifest.json": Listed()}
    with pytest.raises(InvalidArgument, match=f" s3://reports/central/x/{SOURCE}/weekly/"):
        newest_manifest_uri(server.client(), "s3://reports/central/x/")
    assert len(server.requests) <= 13


def test_of_very_many_folders_a_few_are_looked_into(server: S3Server) -> None:
    """However many folders there are without a report, a look is a dozen requests at most."""
    names = [f"central/x/{number}/{config}/file" for number in range(50) for config in range(50)]
    server.listings["reports"] = dict.fromkeys(names, Listed())
    assert newest_manifest_uri(server.client(), "s3://reports/central/x/") is None
    assert len(server.requests) <= 13


@pytest.mark.parametrize("wrong", ["", "data/", "hive/dt=2026-11-20-01-00/", "2026-11-20/"])
def test_a_manifest_is_looked_for_in_its_report(server: S3Server, wrong: str) -> None:
    """Who leaves out the folder of the report, or names another, is told where the reports are, rather than to wait."""
    with pytest.raises(InvalidArgument, match=RIGHT) as raised:
        read_manifest(server.client(), f"{RIGHT}{wrong}manifest.json")
    assert "Wait" not in str(raised.value)


@pytest.mark.parametrize("uri", [f"{RIGHT}2026-11-22T01-00Z/manifest.json", "s3://reports/copies/x/manifest.json"])
def test_a_manifest_may_be_waited_for(server: S3Server, uri: str) -> None:
    """A report that is not delivered yet is not there; nor is a copy."""
    with pytest.raises(InventoryNotFound, match="Wait until S3 has delivered"):
        read_manifest(server.client(), uri)
