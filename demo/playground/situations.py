"""What goes wrong: the buckets and objects behind each DAG of the playground, and what to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local_aws import LocalAws
from local_aws.buckets import OTHER_ACCOUNT_ID, replicated_pair, replication_rule, versioned_bucket
from local_aws.inventory.report import deliver, write_report
from local_aws.inventory.row import USUAL_FIELDS
from local_aws.inventory.scan import scan

#: Id of each DAG's run.
RUN = "now"
DAY = "dt=2026-11-24"
#: How many objects the gate that moves waits for: one a second is replicated.
MOVING = 600


@dataclass(frozen=True)
class Situation:
    """
    One thing that goes wrong.

    :param dag_id: the DAG that shows it.
    :param task_id: the task to look at.
    :param ends: the state in which that task stays.
    :param title: what is wrong.
    :param look: what to look at, and what is to be seen there.
    :param prepare: makes the buckets; the DAG is run after it.
    """

    dag_id: str
    task_id: str
    ends: str
    title: str
    look: str
    prepare: Callable[[LocalAws], None]


def put(client: Any, bucket: str, keys: Iterable[str]) -> None:
    """Write small objects, eight at a time."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=b"x" * 512), keys))


def parts(number: int, folder: str) -> list[str]:
    return [f"{folder}/{DAY}/part-{each:04}.parquet" for each in range(number)]


def _stuck(aws: LocalAws) -> None:
    pair = replicated_pair(aws, "landing", "landing-replica", [replication_rule("landing-replica", "orders/")])
    aws.hold("landing", f"orders/{DAY}/part-039")
    aws.date_back(2 * 3600 + 180)
    put(pair.source_client, "landing", parts(400, "orders"))
    aws.date_back(0)


def _failed(aws: LocalAws) -> None:
    pair = replicated_pair(aws, "exports", "exports-replica", denied=True)
    put(pair.source_client, "exports", parts(7, "invoices"))


def _no_status(aws: LocalAws) -> None:
    pair = replicated_pair(aws, "events", "events-replica", [replication_rule("events-replica", "clicks/")])
    put(pair.source_client, "events", parts(5, "click"))


def _forbidden(aws: LocalAws) -> None:
    pair = replicated_pair(aws, "payroll", "payroll-replica")
    put(pair.source_client, "payroll", ["salaries/2026-10.parquet", "salaries/2026-11.parquet"])


def _missing_column(aws: LocalAws) -> None:
    pair = replicated_pair(aws, "archive", "archive-replica")
    put(pair.source_client, "archive", parts(20, "sales"))
    versioned_bucket(pair.source_client, "inventory")
    report = write_report(
        scan(pair.source_client, "archive"),
        file_format="CSV",
        source_bucket="archive",
        destination_bucket="inventory",
        created_at=datetime.now(UTC) - timedelta(hours=3),
        fields=[name for name in USUAL_FIELDS if name != "ReplicationStatus"],
    )
    deliver(pair.source_client, report)


def _moving(aws: LocalAws) -> None:
    pair = replicated_pair(aws, "uploads", "uploads-replica")
    aws.hold("uploads")
    put(pair.source_client, "uploads", parts(MOVING, "photos"))


def many(aws: LocalAws, gates: int) -> None:
    """Make the bucket of many gates, whose objects stay PENDING."""
    pair = replicated_pair(aws, "tables", "tables-replica")
    aws.hold("tables")
    put(pair.source_client, "tables", [f"table-{number:04}/_SUCCESS" for number in range(gates)])


def reader(aws: LocalAws) -> dict[str, Any]:
    """Return the connection ``aws_reader``: of an account that no bucket lets in."""
    return {**aws.airflow_connection(), "login": OTHER_ACCOUNT_ID}


SITUATIONS = (
    Situation(
        "stuck",
        "gate",
        "deferred",
        "10 of 400 objects stay PENDING",
        "The log names the objects that are waited for, and when the gate gives up. The tab shows the same, live.",
        _stuck,
    ),
    Situation(
        "failed",
        "gate",
        "failed",
        "7 objects are FAILED: the destination refuses the replication role",
        "The gate failed at once, without a retry. The end of the log says why, and how to repair it.",
        _failed,
    ),
    Situation(
        "no_status",
        "gate",
        "failed",
        "5 objects have no status (NONE): the rule covers clicks/, the writer wrote to click/",
        "The log quotes the rule that does not match.",
        _no_status,
    ),
    Situation(
        "forbidden",
        "gate",
        "failed",
        "S3 answers 403 to the connection aws_reader",
        "The log says who was refused what.",
        _forbidden,
    ),
    Situation(
        "missing_column",
        "summary",
        "failed",
        "The inventory report has no column ReplicationStatus",
        "The log says what to change in the inventory configuration.",
        _missing_column,
    ),
    Situation(
        "moving",
        "gate",
        "deferred",
        f"{MOVING} objects, of which one a second is replicated",
        "The tab moves, and says when it will probably be done. Then load runs.",
        _moving,
    ),
)
