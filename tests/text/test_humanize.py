"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_crr.text.humanize import age, count, share, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (42, "42s"),
        (180, "3m"),
        (192, "3m12s"),
        (3600 * 5 + 59, "5h"),
        (86400 * 2 + 3600 * 4 + 59, "2d4h"),
        (86400 * 99 + 3600, "99d1h"),
        (86400 * 412 + 3600, "412d"),
        (86400 * 4_000, "4,000d"),
    ],
)
def test_an_age_has_its_two_largest_units(seconds: float, words: str) -> None:
    """An age is told in at most two units, in days alone from a hundred days on."""
    assert age(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (int(12.3 * 1024**3), "12.3 GiB"),
        (5 * 1024**5, "5.0 PiB"),
        (5_000 * 1024**6, "5,000.0 EiB"),
    ],
)
def test_a_size_is_in_the_largest_fitting_unit(number: int, words: str) -> None:
    """A size never reads 1,024.0 of a unit that has a larger one above it."""
    assert size(number) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 0, "n/a"),
        (0, 7, "0 %"),
        (7, 7, "100 %"),
        (1, 10**9, "< 0.01 %"),
        (10**9 - 1, 10**9, "> 99.99 %"),
        (9_999, 10_000, "99.99 %"),
        (1, 10_000, "0.01 %"),
        (992, 1000, "99.20 %"),
        (1, 3, "33.3 %"),
        (1, 100, "1.0 %"),
    ],
)
def test_a_share_is_in_percent(part: int, whole: int, words: str) -> None:
    """A share has more digits near nothing and near everything, where they matter."""
    assert share(part, whole) == words


@given(st.integers(1, 10**15), st.data())
def test_all_is_only_said_of_all(whole: int, data: st.DataObject) -> None:
    """``100 %`` means every single one and ``0 %`` not one."""
    part = data.draw(st.integers(0, whole))
    assert (share(part, whole) == "100 %") == (part == whole)
    assert (share(part, whole) == "0 %") == (part == 0)
    assert share(part, whole) not in ("0.0 %", "0.00 %", "100.0 %", "100.00 %")


def test_a_number_has_its_thousands_apart() -> None:
    """Thousands are separated by commas."""
    assert count(1234567) == "1,234,567"
