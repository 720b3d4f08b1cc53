"""No gate over patterns opens on what was never whole, whatever a writer does between any two requests."""

from __future__ import annotations

import pytest

from tests.replication.histories import history

PATTERNS = [
    ["w/*"],
    ["w/*", "w/_SUCCESS"],
    ["w/part-*", "w/_SUC*"],
    ["w/_SUCCESS", "w/*"],
    ["w/p*", "w/*-1", "w/*"],
]


@pytest.mark.parametrize("pins", [False, True], ids=["any version", "pinned versions"])
@pytest.mark.parametrize("patterns", PATTERNS, ids=" ".join)
def test_gate_over_patterns_opens_on_what_was_whole(patterns: list[str], pins: bool) -> None:
    """
    Of random histories, the same in each run, none opens unless all that the patterns match was COMPLETED at a moment
    since its last listing began; and once the writer has ended and all is COMPLETED, the gate opens at the next poll.
    """
    found = [history(seed, patterns, pins=pins) for seed in range(1000)]
    assert [seed for seed, each in enumerate(found) if not each.whole] == []
    assert [seed for seed, each in enumerate(found) if each.polls > 1] == []
    assert sum(each.opened for each in found) > 100
