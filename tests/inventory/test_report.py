"""Finding and reading manifests in a bucket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr.errors import (
    BucketNotFound,
    CredentialsNotFound,
    CrrError,
    InvalidArgument,
    InventoryError,
    InventoryManifestInvalid,
    InventoryNotFound,
    LookupFailed,
)
from airflow_provider_crr.inventory.report import complete_manifest_uris, newest_manifest_uri, read_manifest
from local_aws import LocalAws
from local_aws.inventory import Report, deliver, write_report
from tests.inventory.rows import CREATED_AT, SOURCE, row
from tests.inventory.store import Store
from tests.support.pages import spoil
from tests.support.s3_server import Listed, S3Server


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    """A client of the local AWS."""
    return aws.client()


@pytest.fixture
def destination(s3: Any) -> str:
    """A bucket of one's own."""
    name = f"reports-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


def report(destination: str, *, days: int = 0) -> Report:
    return write_report(
        [row("k")],
        file_format="CSV",
        source_bucket=SOURCE,
        destination_bucket=destination,
        created_at=CREATED_AT + timedelta(days=days),
        prefix="inventories",
    )


def test_the_newest_complete_report_is_found(s3: Any, destination: str) -> None:
    """Of three reports the newest one whose checksum is there is taken, whatever else is in the folder."""
    for days in (0, 1):
        deliver(s3, report(destination, days=days))
    deliver(s3, report(destination, days=2), upto="manifest.checksum")
    folder = report(destination).folder
    for junk in ("9999/manifest.checksum", "9999/manifest.json", "2026-13-40T01-00Z/manifest.json", "z.txt"):
        s3.put_object(Bucket=destination, Key=f"{folder}{junk}", Body=b"")
    found = newest_manifest_uri(s3, f"s3://{destination}/{folder}")
    assert found == report(destination, days=1).manifest_uri
    assert read_manifest(s3, found).created_at == CREATED_AT + timedelta(days=1)


def test_report_that_is_delivered_meanwhile_is_the_newest(aws: LocalAws, destination: str) -> None:
    """A newer report that is complete by the time an older one is found to be, is the newest."""
    s3, writer = aws.client(), aws.client()
    deliver(writer, report(destination, days=0))
    deliver(writer, report(destination, days=1), upto="manifest.checksum")
    looked: list[int] = []

    def complete_the_newer(**_: Any) -> None:
        looked.append(1)
        if len(looked) == 3:  # of the folder, of the newer report, of the older one
            deliver(writer, report(destination, days=1))

    s3.meta.events.register("before-call.s3.ListObjectsV2", complete_the_newer)
    assert newest_manifest_uri(s3, report(destination).folder_uri) == report(destination, days=1).manifest_uri


def test_only_a_report_that_is_newer_is_found(s3: Any, destination: str) -> None:
    """A report begun at that very moment, or before, is not newer."""
    delivered = report(destination)
    deliver(s3, delivered)
    uri = delivered.folder_uri
    assert newest_manifest_uri(s3, uri, newer_than=CREATED_AT - timedelta(minutes=1)) == delivered.manifest_uri
    assert newest_manifest_uri(s3, uri, newer_than=CREATED_AT) is None


def test_without_a_report_there_is_none(s3: Any, destination: str) -> None:
    """An empty folder has no newest report."""
    assert newest_manifest_uri(s3, f"s3://{destination}/landing/daily/") is None


def test_complete_reports_are_found_in_the_order_of_their_begin(s3: Any, destination: str) -> None:
    """Of the newest reports, those that are complete are returned, the oldest first."""
    reports = [report(destination, days=days) for days in range(4)]
    for each in (reports[3], reports[0], reports[1]):
        deliver(s3, each)
    deliver(s3, reports[2], upto="manifest.checksum")
    uri = reports[0].folder_uri
    complete = [reports[day].manifest_uri for day in (0, 1, 3)]
    assert complete_manifest_uris(s3, uri, at_most=10) == complete
    assert complete_manifest_uris(s3, uri, at_most=3) == complete[1:]


def test_what_is_known_to_be_complete_is_not_asked_for(aws: LocalAws, s3: Any, destination: str) -> None:
    """A known report costs no request; the folder and each report that is not known cost one."""
    reports = [report(destination, days=days) for days in range(3)]
    for each in reports:
        deliver(s3, each)
    known = [each.manifest_uri for each in reports[:2]]
    before = aws.requests(destination)["GET"]
    found = complete_manifest_uris(s3, reports[0].folder_uri, at_most=10, known=known)
    assert found == [each.manifest_uri for each in reports]
    assert aws.requests(destination)["GET"] - before == 2


@pytest.fixture
def paged() -> Iterator[S3Server]:
    """Three complete reports in a bucket whose listings have one row a page."""
    with S3Server() as server:
        server.page_size = 1
        keys = [each.manifest_key for each in (report("reports", days=days) for days in range(3))]
        server.listings["reports"] = dict.fromkeys(keys, Listed()) | {
            key.replace("manifest.json", "manifest.checksum"): Listed() for key in keys
        }
        yield server


def test_manifest_and_checksum_may_stand_on_two_pages(paged: S3Server) -> None:
    """A report is complete wherever S3 ends the pages of its folder."""
    client, uri = paged.client(), report("reports").folder_uri
    assert newest_manifest_uri(client, uri) == report("reports", days=2).manifest_uri
    assert len(complete_manifest_uris(client, uri, at_most=32)) == 3


@pytest.mark.parametrize(("kind", "page"), [("empty", 2), ("FIN amid a header", 2), ("empty", 1), ("206", 1)])
def test_report_of_which_a_page_was_lost_is_not_incomplete(paged: S3Server, kind: str, page: int) -> None:
    """Where the newest report's own files cannot be listed, neither an older one nor none is the newest."""
    newest = report("reports", days=2)
    spoil(paged, kind, page, prefix=newest.manifest_key.removesuffix("json"))
    client = paged.client(retries={"total_max_attempts": 1})
    with pytest.raises(LookupFailed, match="could not list") as raised:
        newest_manifest_uri(client, newest.folder_uri)
    assert raised.value.uri == newest.manifest_uri
    assert raised.value.passing
    with pytest.raises(LookupFailed, match="could not list"):
        complete_manifest_uris(client, newest.folder_uri, at_most=32)


def test_a_time_without_zone_is_refused(s3: Any) -> None:
    """Nobody can say whether a report is newer than a time without a zone."""
    with pytest.raises(InvalidArgument, match="time zone"):
        newest_manifest_uri(s3, "s3://reports/landing/daily/", newer_than=datetime(2026, 11, 20))


def test_a_bucket_that_does_not_exist_is_named(s3: Any) -> None:
    """Listing and reading a bucket that does not exist raise BucketNotFound with the URI."""
    uri = "s3://no-such-bucket-of-ours/landing/daily/"
    with pytest.raises(BucketNotFound, match="no-such-bucket-of-ours"):
        newest_manifest_uri(s3, uri)
    with pytest.raises(BucketNotFound, match="no-such-bucket-of-ours"):
        read_manifest(s3, f"{uri}2026-11-20T01-00Z/manifest.json")


def test_a_report_under_way_is_not_read(s3: Any, destination: str) -> None:
    """A manifest without its checksum is not there yet."""
    delivered = report(destination)
    deliver(s3, delivered, upto="manifest.checksum")
    with pytest.raises(InventoryNotFound, match=r"manifest\.checksum"):
        read_manifest(s3, delivered.manifest_uri)


def test_a_manifest_that_was_changed_is_refused(s3: Any, destination: str) -> None:
    """A manifest that does not match the checksum beside it is refused."""
    delivered = report(destination)
    deliver(s3, delivered)
    body = delivered.objects[delivered.manifest_key].replace(b"landing", b"another")
    s3.put_object(Bucket=destination, Key=delivered.manifest_key, Body=body)
    with pytest.raises(InventoryManifestInvalid, match="MD5"):
        read_manifest(s3, delivered.manifest_uri)


def test_a_manifest_beyond_all_bounds_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that would fill the memory is refused before it does."""
    monkeypatch.setattr("airflow_provider_crr.inventory.report.MAX_MANIFEST_BYTES", 100)
    manifest = store.hold(report("reports"))
    with pytest.raises(InventoryManifestInvalid, match="more than 100 bytes"):
        read_manifest(store.s3, manifest.uri)


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("AccessDenied", InventoryError, "kms:Decrypt"),
        ("InvalidObjectState", InventoryError, "Restore"),
        ("NoSuchKey", InventoryNotFound, "Wait"),
        ("SlowDown", LookupFailed, "SlowDown"),
    ],
)
def test_what_s3_refuses_is_told(store: Store, code: str, error: type[CrrError], text: str) -> None:
    """Each refusal of S3 is an error of its own that names the object and the remedy, and keeps its cause."""
    manifest = store.hold(report("reports"))
    store.objects[manifest.uri.split("/", 3)[3]] = code
    with pytest.raises(error, match=text) as raised:
        read_manifest(store.s3, manifest.uri)
    assert raised.value.uri == manifest.uri
    assert raised.value.remedy
    assert raised.value.__cause__ is not None


def test_without_credentials_that_is_said(store: Store) -> None:
    """A client without credentials raises CredentialsNotFound."""
    manifest = store.hold(report("reports"))
    client = store.client(access_key=None)
    with pytest.raises(CredentialsNotFound, match="connection"):
        read_manifest(client, manifest.uri)
    client.close()
