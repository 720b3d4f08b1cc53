"""The example DAG ``repair_failed``, from outside: S3, which delivers a report, and the person who mends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from local_aws.buckets import ReplicatedPair, enable_versioning, suspend_versioning, versioned_bucket
from local_aws.inventory.report import deliver, write_report
from local_aws.inventory.scan import scan
from local_aws.server import ACCOUNT_ID

#: What ends as success if something failed and was repaired; the first gate alone fails.
REPAIRED = ("land", "report", "count", "mended", "repair", "gate_again", "publish")


class RepairLoop:
    """
    A pair of buckets whose destination is broken, with two objects that failed before.

    :param pair: the buckets.
    """

    def __init__(self, pair: ReplicatedPair) -> None:
        self.pair = pair
        self.inventory, self.reports = f"{pair.source}-inventory", f"{pair.source}-reports"
        for bucket in (self.inventory, self.reports):
            versioned_bucket(pair.source_client, bucket)
        suspend_versioning(pair.destination_client, pair.destination)
        for key in ("earlier/1", "earlier/2"):
            pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")

    @property
    def params(self) -> dict[str, Any]:
        """Params of the DAG."""
        return {
            "bucket": self.pair.source,
            "destination": self.pair.destination,
            "inventory": f"s3://{self.inventory}/{self.pair.source}/daily/",
            "reports": f"s3://{self.reports}/repair",
            "role_arn": f"arn:aws:iam::{ACCOUNT_ID}:role/batch",
        }

    def deliver(self) -> None:
        """Deliver a report of the bucket as it is, newer than any run of the DAG."""
        report = write_report(
            scan(self.pair.source_client, self.pair.source),
            file_format="CSV",
            source_bucket=self.pair.source,
            destination_bucket=self.inventory,
            created_at=datetime.now(UTC) + timedelta(minutes=1),
        )
        deliver(self.pair.source_client, report)

    def is_counted(self) -> bool:
        """Tell whether the manifest of what failed is written."""
        return bool(self.pair.source_client.list_objects_v2(Bucket=self.reports)["KeyCount"])

    def mend(self) -> None:
        """Enable versioning at the destination again."""
        enable_versioning(self.pair.destination_client, self.pair.destination)

    def check(self, returned: dict[str, Any]) -> None:
        """See that the DAG told the whole story, and that the replicas are there; by task, what each returned."""
        assert returned["gate"]["statuses"] == {"FAILED": 3}
        assert returned["count"]["statuses"]["FAILED"]["objects"] == 5
        repaired = returned["repair"]
        assert (repaired["status"], repaired["total"], repaired["succeeded"]) == ("Complete", 5, 5)
        assert repaired["verified"] == {"COMPLETED": 5}
        assert repaired["completion_report"].startswith(f"s3://{self.reports}/repair/job-{repaired['job_id']}/")
        assert returned["gate_again"]["statuses"] == {"COMPLETED": 3}
        replicas = self.pair.destination_client.list_objects_v2(Bucket=self.pair.destination)["Contents"]
        assert len(replicas) == 5
