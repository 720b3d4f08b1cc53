"""Repairs at the local AWS: a bucket whose replication fails, and tasks that repair it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from airflow_provider_crr.tasks.compat import TaskDeferred
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, versioned_bucket
from local_aws.server import ACCOUNT_ID
from tests.support.task_context import TaskContext

ROLE = "arn:aws:iam::111111111111:role/batch"


class Store(dict[str, Any]):
    """Airflow's task state store, as tasks see it."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


class _Run(TaskContext):
    """
    The context of one task of one DAG run, whose tries come one after the other.

    :param state: whether Airflow keeps the state of tasks, as it does from 3.3 on.
    """

    def __init__(self, *, state: bool = True) -> None:
        super().__init__()
        self.dag_id, self.task_id, self.run_id, self.map_index = "dag", "repair", f"run-{uuid.uuid4().hex[:8]}", -1
        self.try_number, self.max_tries = 1, 3
        if state:
            self["task_state_store"] = Store()

    def cleared(self) -> Any:
        """Be what it is after a user has cleared the task."""
        self.max_tries += 1
        return self


#: Any: ``execute`` is typed for Airflow's own context, which no class may extend.
Run: Any = _Run


class Broken:
    """
    A bucket whose objects are FAILED, because the destination refuses.

    :param aws: the local AWS.
    :param pair: the two buckets, of which the second refuses.
    """

    def __init__(self, aws: LocalAws, pair: ReplicatedPair) -> None:
        self.aws = aws
        self.pair = pair
        self.s3 = pair.source_client
        self.bucket = pair.source
        self.reports = f"reports-{uuid.uuid4().hex[:12]}"
        versioned_bucket(self.s3, self.reports)

    def put(self, *keys: str) -> list[str]:
        """Write objects, and return their URIs, with versions."""
        written = [self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")["VersionId"] for key in keys]
        return [f"s3://{self.bucket}/{key}?versionId={version}" for key, version in zip(keys, written, strict=True)]

    def status(self, key: str) -> str | None:
        """Return what S3 says of an object."""
        answer: str | None = self.s3.head_object(Bucket=self.bucket, Key=key).get("ReplicationStatus")
        return answer

    def manifest(self, content: str, key: str = "m.csv") -> str:
        """Write a manifest, and return its URI."""
        self.s3.put_object(Bucket=self.reports, Key=key, Body=content.encode())
        return f"s3://{self.reports}/{key}"

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs whose tasks are about this bucket, or whose reports go to its bucket of reports."""
        control = self.aws.client("s3control")
        found = []
        for job in self.aws.batch.jobs():
            if (job["account_id"], job["region"]) != (ACCOUNT_ID, self.aws.region):
                continue  # of another test; nobody else is told of it
            described = control.describe_job(AccountId=job["account_id"], JobId=job["id"])["Job"]
            if described["Report"].get("Bucket", "").endswith(self.reports):
                found.append(described)
        return found

    def operator(self, **arguments: Any) -> S3BatchReplicationOperator:
        """Return a task that repairs; it asks often."""
        return S3BatchReplicationOperator(
            **{
                "task_id": "repair",
                "role_arn": ROLE,
                "completion_report_uri": f"s3://{self.reports}/repair/",
                "poll_interval": 0.05,
                **arguments,
            }
        )


def run(task: S3BatchReplicationOperator, context: Any) -> Any:
    """Run a task as a worker does, and its trigger, if it defers, as a triggerer does."""
    try:
        return task.execute(context)
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        kind: Any = type(deferred.trigger)
        assert path.endswith(f".{kind.__name__}")

    async def wait() -> dict[str, Any]:
        event: dict[str, Any] = (await anext(kind(**kwargs).run())).payload
        return event

    return task.execute_complete(context, asyncio.run(wait()))
