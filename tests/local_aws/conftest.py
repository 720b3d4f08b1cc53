"""S3 Batch Operations of the local AWS, for tests that ask it themselves."""

from __future__ import annotations

import pytest

from local_aws import LocalAws
from tests.support.batch_jobs import Jobs


@pytest.fixture
def jobs(aws: LocalAws) -> Jobs:
    """Jobs with a bucket of reports of their own."""
    return Jobs(aws)
