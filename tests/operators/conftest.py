"""What tests of operators share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_aws import LocalAws
from local_aws.batch.orders import BatchOrders
from local_aws.buckets import ReplicatedPair
from tests.support.repairs import Broken


@pytest.fixture
def orders(aws: LocalAws) -> Iterator[BatchOrders]:
    """Orders that are forgotten after the test."""
    yield aws.batch
    aws.batch.reset()


@pytest.fixture
def broken(aws_conn: LocalAws, denied_pair: ReplicatedPair, orders: BatchOrders) -> Broken:
    """A bucket whose objects are FAILED, because the destination refuses."""
    return Broken(aws_conn, denied_pair)
