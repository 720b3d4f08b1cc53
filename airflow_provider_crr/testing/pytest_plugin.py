"""
The doubles of S3 as pytest fixtures; pytest loads this by the entry point ``pytest11``.

That happens at each start of pytest, so nothing else is imported before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_crr.testing.records import FakeInventory, FakeS3


@pytest.fixture
def fake_s3() -> Iterator[Callable[..., FakeS3]]:
    """Have :func:`airflow_provider_crr.testing.fake_s3` begin when it is called, and end with the test."""
    from airflow_provider_crr import testing

    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(testing.fake_s3(*args, **kwargs))


@pytest.fixture
def fake_inventory() -> Iterator[Callable[..., FakeInventory]]:
    """Have :func:`airflow_provider_crr.testing.fake_inventory` begin when it is called, and end with the test."""
    from airflow_provider_crr import testing

    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(testing.fake_inventory(*args, **kwargs))
