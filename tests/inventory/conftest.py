"""A bucket with reports in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.inventory.store import Store


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """One bucket for all tests; each puts its own report there."""
    with Store() as running:
        yield running
