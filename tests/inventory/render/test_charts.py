"""The arithmetic of the bars."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.inventory.render.charts import LEAST, stacked, widths
from airflow_provider_crr.inventory.render.findings import parts
from airflow_provider_crr.inventory.summary import Volume


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=9).filter(any))
def test_parts_fill_the_bar_and_every_part_can_be_seen(values: list[int]) -> None:
    """Widths add up to the bar, what exists has at least the least width, and what does not has none."""
    drawn = widths(values)
    assert sum(drawn) == pytest.approx(100)
    assert all((width >= LEAST - 1e-9) if value else (width == 0) for value, width in zip(values, drawn, strict=True))


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=9).filter(any))
def test_a_larger_part_is_never_drawn_narrower(values: list[int]) -> None:
    """Widening tiny parts keeps the order of the parts by size."""
    drawn = [width for _, width in sorted(zip(values, widths(values), strict=True))]
    assert drawn == sorted(drawn) or all(later >= earlier - 1e-9 for earlier, later in pairwise(drawn))


def test_nothing_is_drawn_of_nothing() -> None:
    """A bar of zeros has no parts."""
    assert widths([0, 0]) == [0.0, 0.0]


@given(st.floats(0.01, 100))
def test_a_short_bar_still_shows_each_of_its_parts(scale: float) -> None:
    """However short a bar is beside the others, it is drawn with all its parts."""
    three = parts({"FAILED": Volume(1, 1), "PENDING": Volume(5, 10**9), "NONE": Volume(9, 10**6)})
    assert stacked(three, "bytes", height=12, scale=scale).count("<title>") == 3
