"""How long replication takes: what a gate measures of objects that it saw PENDING and later COMPLETED."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_crr.replication import lag
from airflow_provider_crr.replication.lag import MAX_LAGS
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.objects import S3Object

START = datetime(2026, 11, 27, 9, tzinfo=UTC)


class Lags(lag.Lags):
    """Lags by a clock that :func:`sweep` sets."""

    def __init__(self) -> None:
        self.now = START
        super().__init__(lambda: self.now)


def answer(key: str, state: str, *, written: float = 0, etag: str = "e", date: str | None = None) -> ObjectReplication:
    """Return an answer about an object that was written some seconds after START."""
    return ObjectReplication(
        S3Object("b", key),
        ObjectState(state),
        etag=etag,
        last_modified=START + timedelta(seconds=written),
        date=date,
    )


def sweep(lags: Lags, at: float, *answers: ObjectReplication, ended: bool = True, all_wait: bool = True) -> None:
    """Let a sweep at so many seconds after START have some answers."""
    lags.now = START + timedelta(seconds=at)
    lags.begin(lags.now)
    for each in answers:
        lags.note(each)
    if ended:
        lags.end(all_wait=all_wait)


def handed_over(lags: Lags) -> Lags:
    """Return what the next process makes of the JSON that this one leaves."""
    other = Lags()
    other.recall(json.loads(json.dumps(lags.to_stored())))
    return other


def test_lag_of_one_object_is_exact() -> None:
    """One object that was PENDING at 60 s and COMPLETED at 90 s has a lag of 90 s, at most 30 s too long."""
    lags = Lags()
    sweep(lags, 60, answer("k", "PENDING"))
    assert lags.summary() is None
    sweep(lags, 90, answer("k", "COMPLETED"))
    assert lags.summary() == {"median": 90.0, "p95": 90.0, "max": 90.0, "objects": 1, "error": 30.0}


def test_lag_is_told_by_the_clock_of_s3() -> None:
    """Where the answer has a Date, a worker whose clock is an hour ahead measures the same."""
    lags = Lags()
    sweep(lags, 3660, answer("k", "PENDING"))
    sweep(lags, 3690, answer("k", "COMPLETED", date="Fri, 27 Nov 2026 09:01:30 GMT"))
    assert lags.summary() == {"median": 90.0, "p95": 90.0, "max": 90.0, "objects": 1, "error": 30.0}


def test_object_that_was_never_seen_pending_does_not_count() -> None:
    """COMPLETED at first sight, or after another state, says nothing of how long it took."""
    lags = Lags()
    sweep(lags, 10, answer("a", "COMPLETED"), answer("b", "FAILED"), answer("c", "NONE"))
    sweep(lags, 20, answer("b", "COMPLETED"), answer("c", "COMPLETED"), answer("d", "COMPLETED"))
    assert lags.summary() is None


@pytest.mark.parametrize(("seen", "objects"), [(False, 0), (True, 1)])
def test_overwritten_object_counts_if_the_new_one_was_seen_pending(seen: bool, objects: int) -> None:
    """What was PENDING was another object than what is COMPLETED now, unless that was PENDING, too."""
    lags = Lags()
    sweep(lags, 10, answer("k", "PENDING"))
    new = {"written": 15, "etag": "new"}
    if seen:
        sweep(lags, 20, answer("k", "PENDING", **new))  # type: ignore[arg-type]
    sweep(lags, 30, answer("k", "COMPLETED", **new))  # type: ignore[arg-type]
    found = lags.summary()
    assert (found["objects"] if found else 0) == objects
    assert found is None or (found["max"], found["error"]) == (15.0, 10.0)


def test_object_that_is_asked_twice_in_one_sweep_counts_once() -> None:
    """A young object is asked for again a second later: that is no second object, in any process."""
    for lags in (Lags(), Lags()):
        sweep(lags, 10, answer("k", "PENDING"))
        sweep(lags, 20, answer("k", "COMPLETED"), answer("k", "COMPLETED"))
        assert (lags.summary() or {})["objects"] == 1
    many = Lags()
    sweep(many, 10, *(answer(f"k{number}", "PENDING") for number in range(1000)))
    other = handed_over(many)
    sweep(other, 20, answer("k7", "COMPLETED"), answer("k7", "COMPLETED"))
    assert (other.summary() or {})["objects"] == 1


def test_sweep_that_was_cut_off_forgets_nothing() -> None:
    """What it did not ask for was PENDING at the sweep before, and the error says since when that is not known."""
    lags = Lags()
    sweep(lags, 10, answer("a", "PENDING"), answer("b", "PENDING"), answer("c", "PENDING"))
    sweep(lags, 20, answer("a", "COMPLETED"), answer("b", "PENDING"), ended=False)
    sweep(lags, 30, answer("b", "COMPLETED"), answer("c", "COMPLETED"))
    assert lags.summary() == {"median": 30.0, "p95": 30.0, "max": 30.0, "objects": 3, "error": 20.0}


def test_clock_that_is_behind_gives_no_lag_below_zero() -> None:
    """An object that seems to be written after its answer has a lag of 0."""
    lags = Lags()
    sweep(lags, 10, answer("k", "PENDING", written=100))
    sweep(lags, 20, answer("k", "COMPLETED", written=100))
    assert (lags.summary() or {})["max"] == 0.0


def test_hundred_thousand_objects_take_little_memory() -> None:
    """100,000 PENDING objects take 8 bytes each; number and maximum count all, the median is that of 1,000 of them."""
    lags = Lags()
    answers = {state: [answer(f"k{n}", state) for n in range(100_000)] for state in ("PENDING", "COMPLETED")}
    sweep(lags, 0, *answers["PENDING"])
    held = sys.getsizeof(lags._found) + sys.getsizeof(lags._pending) + sys.getsizeof(lags._counted)
    assert held < 1_200_000
    for quarter in (1, 2, 3, 4):
        done, left = (quarter - 1) * 25_000, quarter * 25_000
        sweep(lags, quarter * 10, *answers["COMPLETED"][done:left], *answers["PENDING"][left:])
    found = lags.summary()
    assert found is not None
    assert len(lags._lags) == MAX_LAGS
    assert 20 <= found.pop("median") <= 30
    assert found == {"p95": 40.0, "max": 40.0, "objects": 100_000, "error": 10.0}


def test_next_process_goes_on() -> None:
    """What the worker saw PENDING, the triggerer sees COMPLETED; what was measured before is not lost."""
    first = Lags()
    sweep(first, 10, answer("a", "PENDING"), answer("b", "PENDING"), answer("c", "MISSING"))
    second = handed_over(first)
    sweep(second, 40, answer("a", "COMPLETED"), answer("b", "PENDING"), answer("c", "COMPLETED"), all_wait=False)
    assert second.summary() == {"median": 40.0, "p95": 40.0, "max": 40.0, "objects": 1, "error": 30.0}
    third = handed_over(second)
    assert third.summary() == second.summary()
    sweep(third, 50, answer("b", "COMPLETED"))
    assert third.summary() == {"median": 45.0, "p95": 50.0, "max": 50.0, "objects": 2, "error": 30.0}


@pytest.mark.parametrize(("all_wait", "objects"), [(True, 2), (False, 0)])
def test_very_many_are_handed_over_as_all_of_them(all_wait: bool, objects: int) -> None:
    """Of a thousand PENDING objects only "all" is told, if it is true; what is written later is not among them."""
    first = Lags()
    sweep(first, 10, *(answer(f"k{number}", "PENDING") for number in range(1000)), all_wait=all_wait)
    stored = first.to_stored()
    assert len(json.dumps(stored)) < 100
    second = handed_over(first)
    sweep(second, 20, answer("k1", "COMPLETED"), answer("k2", "COMPLETED"), answer("new", "COMPLETED", written=11))
    assert (second.summary() or {"objects": 0})["objects"] == objects


def test_what_is_stored_is_bounded() -> None:
    """200 objects that are PENDING and thousands of lags take some 3,500 characters, and keep their median."""
    lags = Lags()
    keys = [f"k{number}" for number in range(3000)]
    sweep(lags, 1, *(answer(key, "PENDING") for key in keys))
    sweep(
        lags, 1_000_000, *(answer(key, "COMPLETED") for key in keys), *(answer(f"x{n}", "PENDING") for n in range(200))
    )
    assert len(json.dumps(lags.to_stored())) < 4500
    assert handed_over(lags).summary() == lags.summary()


@pytest.mark.parametrize("stored", [{"seen_at": "never"}, {"objects": 1}, {"objects": 1, "lags": ["x"]}])
def test_what_cannot_be_read_raises(stored: dict[str, Any]) -> None:
    """Whoever recalls it goes on without."""
    with pytest.raises((ValueError, KeyError)):
        Lags().recall(stored)
