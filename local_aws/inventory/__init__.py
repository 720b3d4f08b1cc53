"""
S3 Inventory as S3 delivers it: data files, symlink, manifest, and last the checksum, which says that all are there.

Formats and paths follow `Locating your inventory list
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>`__ and reports of public buckets
where that page says less.
"""

from __future__ import annotations

from local_aws.inventory.report import Report, deliver, write_report
from local_aws.inventory.row import ALL_FIELDS, USUAL_FIELDS, Row
from local_aws.inventory.scan import scan

__all__ = ["ALL_FIELDS", "USUAL_FIELDS", "Report", "Row", "deliver", "scan", "write_report"]
