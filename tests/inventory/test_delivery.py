"""What is told of a delivered report, and which were told already."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.inventory.delivery import NEWEST, Announced, both, report_event

FOLDER = "s3://reports/inventories/landing/daily/"
BEGUN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


def manifest(day: int) -> str:
    return f"{FOLDER}{BEGUN + timedelta(days=day):%Y-%m-%dT%H-%MZ}/manifest.json"


def test_report_is_told_by_where_it_is() -> None:
    """The event of a report names it, its bucket and when S3 began it, without a look into it."""
    assert report_event(manifest(0)) == {
        "manifest": manifest(0),
        "inventory": FOLDER,
        "source_bucket": "landing",
        "config_id": "daily",
        "begun_at": "2026-11-20T01:00:00Z",
    }


@pytest.mark.parametrize("uri", [f"{FOLDER}data/manifest.json", f"{FOLDER}2026-11-20T01-00Z/", "s3://b/manifest.json"])
def test_what_is_no_report_is_not_told(uri: str) -> None:
    """A manifest that is not in the folder of a report is refused."""
    with pytest.raises(InvalidArgument):
        report_event(uri)


def test_what_was_there_before_the_first_look_is_no_news() -> None:
    """Without a time, what is complete at the first look is old, and what is delivered later is news."""
    announced = Announced.before_first_look([manifest(0), manifest(2)], None)
    assert announced.news([manifest(0), manifest(2)]) == []
    assert announced.news([manifest(0), manifest(1), manifest(2), manifest(3)]) == [manifest(1), manifest(3)]


def test_only_what_is_newer_than_asked_for_is_news() -> None:
    """With a time, what was begun after it is news, complete at the first look or not; what was begun then is not."""
    announced = Announced.before_first_look([manifest(0), manifest(1), manifest(2)], BEGUN + timedelta(days=1))
    assert announced.news([manifest(0), manifest(1), manifest(2)]) == [manifest(2)]


def test_report_is_news_once() -> None:
    """What was announced is no news, in whatever order reports were begun."""
    announced = Announced().plus(manifest(5)).plus(manifest(3))
    assert announced.news([manifest(day) for day in range(3, 7)]) == [manifest(4), manifest(6)]


def test_memory_is_bounded_and_forgets_nothing_into_being_news() -> None:
    """Of very many reports the newest are kept one by one, and none of the others is ever news again."""
    announced = Announced()
    for day in range(3 * NEWEST):
        announced = announced.plus(manifest(day))
    assert len(announced.reports) == NEWEST
    assert announced.news([manifest(day) for day in range(3 * NEWEST + 1)]) == [manifest(3 * NEWEST)]
    assert len(json.dumps(announced.to_dict(FOLDER))) < 2000


def test_memory_of_two_is_what_either_remembers() -> None:
    """What one or the other has announced is announced."""
    one, other = Announced().plus(manifest(4)), Announced(until=BEGUN + timedelta(days=1)).plus(manifest(5))
    assert both(one, other).news([manifest(day) for day in range(7)]) == [manifest(2), manifest(3), manifest(6)]


def test_memory_survives_its_stored_form() -> None:
    """What was stored as JSON is read as the same memory."""
    for announced in (Announced(), Announced(until=BEGUN).plus(manifest(3), manifest(1))):
        assert Announced.from_dict(json.loads(json.dumps(announced.to_dict(FOLDER)))) == announced


@pytest.mark.parametrize(
    "stored",
    [None, [], "x", {}, {"until": None}, {"until": 3, "reports": []}, {"until": None, "reports": ["2026-11-20"]}],
)
def test_memory_that_cannot_be_read_is_refused(stored: object) -> None:
    """Somebody else's value is an error that says how to get rid of it, not an empty memory."""
    with pytest.raises(InvalidArgument, match="Delete it"):
        Announced.from_dict(stored)
