"""Objects that are named for a repair, in all ways in which a DAG may have them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.batch.wanted import wanted
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3.objects import S3Object

A, B = S3Object("landing", "a", "v1"), S3Object("landing", "b")


def gate(*statuses: str, **more: Any) -> dict[str, Any]:
    """Return what a gate returns of objects with these statuses, all of them in its sample."""
    counts = {status: statuses.count(status) for status in statuses}
    sample = [{"uri": f"s3://landing/{n}?versionId=v", "status": status} for n, status in enumerate(statuses)]
    return {"total": len(statuses), "statuses": counts, "sample": sample, **more}


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ("s3://landing/a?versionId=v1", (A,)),
        (["s3://landing/a?versionId=v1", "s3://landing/b"], (A, B)),
        ({"bucket": "landing", "key": "a", "version_id": "v1"}, (A,)),
        ((A, {"bucket": "landing", "key": "b"}, A), (A, B)),
        (iter([A, B]), (A, B)),
        ([], ()),
        ([[A], [[B]]], (A, B)),
    ],
)
def test_objects_are_read_in_any_form(objects: Any, found: tuple[S3Object, ...]) -> None:
    """URIs with versions, mappings, objects and collections of them, each object once and in order."""
    assert wanted(objects) == found


def test_version_in_a_key_is_said_by_a_mapping() -> None:
    """A key that holds "?versionId=" is taken from a mapping as it is."""
    assert wanted({"bucket": "landing", "key": "a?versionId=v1"}) == (S3Object("landing", "a?versionId=v1"),)


def test_of_a_gate_what_a_repair_can_change_is_taken() -> None:
    """FAILED, and what has no status; not what is done or under way."""
    found = wanted(gate("FAILED", "COMPLETED", "NONE", "PENDING"))
    assert [obj.key for obj in found] == ["0", "2"]
    assert wanted(gate("COMPLETED")) == ()
    assert len(wanted([gate("FAILED")])) == 1  # a mapped gate's


def test_gate_that_names_fewer_than_it_counts_is_refused() -> None:
    """A sample is not all: the message names the manifest that has them, or how to get one."""
    cut = gate("FAILED", "FAILED")
    cut["statuses"]["FAILED"] = 3000
    with pytest.raises(InvalidArgument, match=r"3,000 objects.*names 2.*failed_manifest_uri"):
        wanted(cut)
    with pytest.raises(InvalidArgument, match=r"manifest_uri='s3://work/f.csv'"):
        wanted({**cut, "failed_manifest_uri": "s3://work/f.csv"})


def test_summary_of_a_report_is_refused() -> None:
    """An inventory summary has a manifest, not objects."""
    with pytest.raises(InvalidArgument, match=r"manifest_uri='s3://work/f.csv'"):
        wanted({"statuses": {"FAILED": {"objects": 1}}, "failed_manifest_uri": "s3://work/f.csv"})


@pytest.mark.parametrize(
    "objects", [None, 5, [None], {"a": 1}, "['s3://landing/a']", '{"total": 1}', "a", b"a", ["s3://landing"]]
)
def test_what_names_no_object_is_refused(objects: Any) -> None:
    """Also the text that a template makes of a list."""
    with pytest.raises(InvalidArgument):
        wanted(objects)


def test_objects_of_several_buckets_are_refused() -> None:
    """A job repairs one bucket."""
    with pytest.raises(InvalidArgument, match="2 buckets: landing, other"):
        wanted([A, S3Object("other", "a")])


def test_objects_behind_an_access_point_are_refused() -> None:
    """A manifest names buckets: S3 Batch Replication would refuse the rows."""
    point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/mine"
    with pytest.raises(InvalidArgument, match="Name the bucket"):
        wanted([{"bucket": point, "key": "k"}])
