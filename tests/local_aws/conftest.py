"""S3 Batch Operations of the local AWS, for tests that ask it themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_aws import LocalAws
from local_aws.batch.orders import BatchOrders
from tests.support.batch_jobs import Jobs


@pytest.fixture
def jobs(aws: LocalAws) -> Jobs:
    """Jobs with a bucket of reports of their own."""
    return Jobs(aws)


@pytest.fixture
def orders(aws: LocalAws) -> Iterator[BatchOrders]:
    """Orders that are forgotten after the test."""
    yield aws.batch
    aws.batch.reset()
