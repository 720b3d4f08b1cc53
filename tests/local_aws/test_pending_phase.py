"""The PENDING phase, without a server."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from local_aws.pending import PendingPhase


def answer(status: str | None, age: float = 3600) -> list[tuple[bytes, bytes]]:
    """Return the headers of a HEAD answer about an object of an age."""
    headers = [(b"Last-Modified", formatdate(time.time() - age, usegmt=True).encode())]
    return headers if status is None else [*headers, (b"X-Amz-Replication-Status", status.encode())]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_held_end_is_pending(status: str) -> None:
    """What a replication ended with is withheld while it is held, and nothing else of the answer changes."""
    phase = PendingPhase()
    phase.hold()
    assert phase.shown(answer(status), "bucket", "key") == answer("PENDING")


@pytest.mark.parametrize("status", ["REPLICA", "PENDING", None])
def test_other_answers_stay(status: str | None) -> None:
    """Neither a replica nor an object without a status is ever shown as PENDING."""
    phase = PendingPhase(seconds=1_000_000)
    phase.hold()
    assert phase.shown(answer(status), "bucket", "key") == answer(status)


def test_latest_word_wins() -> None:
    """One key of a held bucket can be released, and held again with its bucket."""
    phase = PendingPhase()
    phase.hold("bucket")
    phase.release("bucket", "a")
    assert [phase.holds("bucket", key) for key in ("a", "a/b", "b")] == [False, False, True]
    assert not phase.holds("other", "b")
    phase.hold("bucket")
    assert phase.holds("bucket", "a")


def test_release_without_arguments_ends_every_hold() -> None:
    """Releasing everything leaves nothing behind."""
    phase = PendingPhase()
    phase.hold("bucket", "a")
    phase.hold("other")
    phase.release()
    assert phase == PendingPhase()


@pytest.mark.parametrize(("age", "status"), [(0, "PENDING"), (57, "PENDING"), (61, "COMPLETED")])
def test_age_ends_the_phase(age: float, status: str) -> None:
    """Without a hold, the age of the object decides."""
    assert PendingPhase(seconds=60).shown(answer("COMPLETED", age), "bucket", "key") == answer(status, age)
