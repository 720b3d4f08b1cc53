"""
The local AWS: MiniStack, with a thin layer of ours around it.

MiniStack copies objects by their replication rules and reports COMPLETED, FAILED and REPLICA. This package adds what it
does not have: the time in between (PENDING), the delivery of S3 Inventory reports, and the jobs of S3 Batch
Operations. Tests and the demo share it. It is not part of the distribution.
"""

from __future__ import annotations

from local_aws.process import LocalAwsError
from local_aws.server import LocalAws

__all__ = ["LocalAws", "LocalAwsError"]
