"""A report that was copied: its data files are found beside its manifest."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.errors import (
    BucketNotFound,
    CrrError,
    InventoryError,
    InventoryFileInvalid,
    InventoryNotFound,
    LookupFailed,
)
from airflow_provider_crr.inventory.manifest import Manifest
from tests.inventory.engines.test_bad_files import report
from tests.inventory.store import Store, parsed
from tests.inventory.summaries import summarize_local

PLACES = {
    "another prefix": ("reports", "central/audit/landing/daily/"),
    "another bucket": ("central", "landing/daily/"),
    "another bucket and prefix": ("central", "audit/2026/landing/daily/"),
    "another folder of the bucket": ("central", "landing/copies/"),
}


def copied(store: Store, place: str, into: str = "data/") -> Manifest:
    """Return the manifest of a report at another place; nothing is left where it says."""
    written = report()
    store.hold(written)
    bucket, folder = PLACES[place]
    objects: dict[str, bytes | str] = {}
    for key, content in written.objects.items():
        name = key.removeprefix(written.folder)
        objects[folder + (name if name.startswith("2026") else into + name.rpartition("/")[2])] = content
    store.objects = objects
    uri = f"s3://{bucket}/{folder}2026-11-20T01-00Z/manifest.json"
    return parsed(written.objects[written.manifest_key], uri)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("into", ["data/", "2026-11-20T01-00Z/", "2026-11-20T01-00Z/data/"])
def test_data_files_are_found_beside_the_manifest(store: Store, place: str, into: str) -> None:
    """Whatever the bucket and the prefix it was copied to, a report is read; where the first was, the others are."""
    assert summarize_local(store.s3, copied(store, place, into)).volume.objects == 6
    assert len(store.gets) <= 3 + 2 * 4


def test_keys_may_be_kept_in_another_bucket(store: Store) -> None:
    """A bucket that was copied whole has the data files under their own keys."""
    written = report(prefix="inventories")
    store.hold(written)
    manifest = parsed(written.objects[written.manifest_key], "s3://central/x/y/2026-11-20T01-00Z/manifest.json")
    assert summarize_local(store.s3, manifest).volume.objects == 6


@pytest.mark.parametrize(
    ("there", "error"),
    [
        ({}, InventoryNotFound),
        ({"reports": "NoSuchBucket"}, InventoryNotFound),
        ({"reports": "AccessDenied"}, InventoryError),
        ({"reports": "NoSuchBucket", "central": "AccessDenied"}, InventoryError),
        ({"central": b"another file"}, InventoryFileInvalid),
        ({"reports": "SlowDown"}, LookupFailed),
    ],
    ids=str,
)
def test_the_places_that_were_tried_are_named(
    store: Store, monkeypatch: pytest.MonkeyPatch, there: dict[str, Any], error: type[CrrError]
) -> None:
    """Where a data file is nowhere, each place is named with what is there; no bucket alone that nobody named."""
    manifest = copied(store, "another bucket and prefix")
    name = manifest.files[0].key.rpartition("/")[2]
    beside = f"audit/2026/landing/daily/data/{name}"
    del store.objects[beside]
    if "reports" in there:
        store.objects[manifest.files[0].key] = there["reports"]
    if "central" in there:
        store.objects[beside] = there["central"]
    with pytest.raises(error) as raised:
        summarize_local(store.s3, manifest)
    assert type(raised.value) is error
    assert not isinstance(raised.value, BucketNotFound)
    for place in (f"s3://reports/{manifest.files[0].key}", f"s3://central/{beside}"):
        assert place in str(raised.value)
    assert raised.value.remedy
    assert ("Copy the folder" in raised.value.remedy) is not issubclass(error, InventoryFileInvalid | LookupFailed)
    assert raised.value.__cause__ is not None


def test_another_file_of_that_name_is_passed_over(store: Store) -> None:
    """What is where the manifest says and is another file since, is not the report's: the MD5 tells."""
    manifest = copied(store, "another prefix")
    for file in manifest.files:
        store.objects[file.key] = bytes(file.size)
    assert summarize_local(store.s3, manifest).volume.objects == 6


def test_a_report_in_its_own_place_is_looked_for_there_only(store: Store) -> None:
    """A data file that is gone from where S3 put it costs one request, and is named alone."""
    manifest = store.hold(report())
    del store.objects[manifest.files[0].key]
    with pytest.raises(InventoryNotFound) as raised:
        summarize_local(store.s3, manifest)
    assert raised.value.uri == manifest.file_uri(manifest.files[0])
    assert store.gets.count(manifest.files[0].key) == 1
