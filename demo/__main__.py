"""``python -m demo``: four acts. The exit code is 0 only if each ended as expected."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from demo.airflow import Airflow, DemoFailed
from local_aws import LocalAws, LocalAwsError
from local_aws.buckets import (
    enable_versioning,
    replicated_pair,
    replication_rule,
    suspend_versioning,
    versioned_bucket,
)
from local_aws.inventory.report import deliver, write_report
from local_aws.inventory.scan import scan
from local_aws.server import ACCOUNT_ID

BUILD = Path(__file__).resolve().parent.parent / "build" / "demo"
#: States of a task that are worth a line.
SHOWN = {
    "running": "runs on a worker",
    "deferred": "waits in the triggerer; its worker is free",
    "success": "SUCCESS",
    "failed": "FAILED",
    "upstream_failed": "does not run",
}
#: Longest time that an act may take, in seconds.
PATIENCE = 240.0


def main() -> int:
    """Run the acts; return the exit code."""
    signal.signal(signal.SIGTERM, _end)
    began = time.monotonic()
    say("Everything here runs on this machine: a local AWS, and a real Airflow that runs DAGs of example_dags/.")
    try:
        with LocalAws() as aws:
            say(f"Local AWS    {aws.endpoint_url}")
            say("Airflow      starting its API server, scheduler and triggerer (half a minute) ...")
            with Airflow(BUILD / "airflow", aws.airflow_connection_uri_json()) as airflow:
                say(f"Airflow      {airflow.url} until the demo ends   logs: {airflow.logs}")
                for act in (gate_opens, gate_fails, inventory_is_checked, what_failed_is_repaired):
                    act(aws, airflow)
    except (DemoFailed, LocalAwsError, OSError) as error:
        say(f"\nThe demo failed: {error}\nLogs: {BUILD / 'airflow' / 'logs'}")
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return 130
    say(f"\nAll four acts ended as they should, in {time.monotonic() - began:.0f} s.")
    return 0


def gate_opens(aws: LocalAws, airflow: Airflow) -> None:
    """Act 1: PENDING keeps the gate shut, COMPLETED opens it."""
    say("\n== Act 1. Objects land; the gate waits until they are replicated, then the next task runs.")
    say("   DAG gate_objects_from_upstream: land >> gate >> publish;  bucket landing, eu-west-1 -> us-east-1")
    replicated_pair(aws, "landing", "landing-replica")
    aws.hold("landing")

    def finish_replication(shown: list[str]) -> None:
        if len(shown) == 3:
            say("   (S3)       finishes the replication")
            aws.release("landing")

    run = Run(airflow, "gate_objects_from_upstream", bucket="landing")
    run.follow("gate", finish_replication)
    run.expect(land="success", gate="success", publish="success")
    expect(run.returned("gate")["statuses"] == {"COMPLETED": 3}, "the gate saw three COMPLETED objects")
    say(f"   publish said: {run.returned('publish')}")


def gate_fails(aws: LocalAws, airflow: Airflow) -> None:
    """Act 2: FAILED fails the gate at once."""
    say("\n== Act 2. The destination refuses: the gate fails at once, and says what to do. Nothing runs behind it.")
    say("   DAG gate_objects_from_upstream again;  bucket refused, whose destination denies the replication role")
    replicated_pair(aws, "refused", "refused-replica", denied=True)
    run = Run(airflow, "gate_objects_from_upstream", bucket="refused")
    run.follow("gate")
    run.expect(land="success", gate="failed", publish="upstream_failed")
    sample = run.returned("gate")["sample"]
    expect([named["status"] for named in sample] == ["FAILED"] * 3, "the gate names three FAILED objects")
    expect("S3 does not retry" in sample[0]["reason"], "the gate names the remedy")
    say("   From the gate's XCom:")
    for named in sample:
        say(f"   | {named['uri'].partition('?')[0]} {named['status']}")
    say(f"   | {sample[0]['reason']}")


def inventory_is_checked(aws: LocalAws, airflow: Airflow) -> None:
    """Act 3: wait for a report, summarize it, and compare it with its limits."""
    say("\n== Act 3. A daily check of a whole bucket, from its S3 Inventory report: no request for each object.")
    say("   DAG inventory_check: report >> summary;  bucket archive, which had a bad day")
    source = replicated_pair(
        aws, "archive", "archive-replica", [replication_rule("archive-replica", "sales/")], denied=True
    )
    versioned_bucket(source.source_client, "inventory")

    def put(prefix: str, count: int, size: int) -> None:
        for number in range(count):
            source.source_client.put_object(Bucket="archive", Key=f"{prefix}part-{number:03}", Body=bytes(size))

    put("sales/2026-11-19/", 12, 4096)
    source.allow()
    put("sales/2026-11-18/", 40, 4096)
    put("sales/2026-11-20/", 20, 4096)
    put("tmp/", 5, 512)
    aws.hold("archive", "sales/2026-11-20/")

    reports = BUILD / "reports"
    run = Run(airflow, "inventory_check", inventory="s3://inventory/archive/daily/", reports=str(reports))

    def react(shown: list[str]) -> None:
        if len(shown) == 1:
            deliver_report(source.source_client, "archive")

    run.follow("report", react)
    run.expect(report="success", summary="failed")
    say("\n".join(f"   | {line}".rstrip() for line in run.messages("summary")[0].strip().splitlines()))
    summary = run.returned("summary")
    expect(summary["statuses"]["FAILED"]["objects"] == 12, "the report counts 12 FAILED objects")
    written = Path(summary["report_uri"])
    expect(written.is_file(), f"the HTML report is at {written}")
    say("   The check failed, because its limit of FAILED objects is 0. Before that it wrote:")
    say(f"   {written}   the report, to open in a browser")
    say(f"   {summary['failed_manifest_uri']}   what S3 Batch Replication can repair")


def what_failed_is_repaired(aws: LocalAws, airflow: Airflow) -> None:
    """Act 4: from FAILED to COMPLETED, inside one DAG."""
    say("\n== Act 4. The destination breaks, and somebody mends it: one DAG finds, counts and repairs what FAILED.")
    say("   DAG repair_failed: land >> gate >> report >> count >> mended >> repair >> gate_again >> publish;")
    say("   bucket orders, whose destination has its versioning suspended")
    pair = replicated_pair(aws, "orders", "orders-replica")
    versioned_bucket(pair.source_client, "repairs")
    suspend_versioning(pair.destination_client, "orders-replica")
    run = Run(
        airflow,
        "repair_failed",
        bucket="orders",
        destination="orders-replica",
        inventory="s3://inventory/orders/daily/",
        reports="s3://repairs",
        role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/batch",
    )

    def react(task_id: str, state: str) -> None:
        if (task_id, state) == ("report", "deferred"):
            # A report is named by its minute: that of the minute in which the run began is not newer than the run.
            deliver_report(pair.source_client, "orders", datetime.now(UTC) + timedelta(minutes=1))
        elif (task_id, state) == ("mended", "running"):
            enable_versioning(pair.destination_client, "orders-replica")
            say("   (you)      enable versioning at the destination")

    run.follow("repair", on_state=react)
    repaired = dict.fromkeys(("land", "report", "count", "mended", "repair", "gate_again", "publish"), "success")
    run.expect(gate="failed", **repaired)
    result = run.returned("repair")
    expect((result["status"], result["succeeded"]) == ("Complete", 3), "the job replicated three objects")
    expect(result["verified"] == {"COMPLETED": 3}, "S3 says COMPLETED of all three afterwards")
    expect(run.returned("gate_again")["statuses"] == {"COMPLETED": 3}, "the second gate saw three COMPLETED objects")
    say(f"   FAILED {run.returned('gate')['statuses']['FAILED']}, repaired {result['succeeded']}, then COMPLETED 3;")
    say(f"   what S3 wrote about the job: {result['completion_report']}")


def deliver_report(s3_client: Any, bucket: str, created_at: datetime | None = None) -> None:
    """Be S3, which delivers an inventory report of the bucket as it is."""
    report = write_report(
        scan(s3_client, bucket),
        file_format="CSV",
        source_bucket=bucket,
        destination_bucket="inventory",
        created_at=created_at or datetime.now(UTC),
    )
    deliver(s3_client, report)
    say("   (S3)       delivers the report")


class Run:
    """
    One DAG run, followed to its end.

    :param airflow: where it runs.
    :param dag_id: which DAG.
    :param params: its params.
    """

    def __init__(self, airflow: Airflow, dag_id: str, **params: Any) -> None:
        self._airflow = airflow
        self._dag_id = dag_id
        self._run_id = airflow.trigger(dag_id, **params)
        self._states: dict[str, str] = {}

    def follow(
        self,
        task_id: str,
        react: Callable[[list[str]], None] = lambda shown: None,
        on_state: Callable[[str, str], None] = lambda task_id, state: None,
    ) -> None:
        """
        Print what happens until the run has ended.

        :param task_id: the task whose own messages are printed.
        :param react: called after each of them, with all that were printed.
        :param on_state: called with each task and its new state.
        """
        shown: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while True:
            state = self._airflow.run_state(self._dag_id, self._run_id)
            self._say_new_states(on_state)
            for message in self._airflow.messages(self._dag_id, self._run_id, task_id)[len(shown) :]:
                say(f"   {task_id:11}{message}")
                shown.append(message)
                react(shown)
            if state in ("success", "failed"):
                return
            if time.monotonic() > deadline:
                raise DemoFailed(f"{self._dag_id} is still {state} after {PATIENCE:.0f} seconds: {self._states}")
            time.sleep(0.3)

    def _say_new_states(self, on_state: Callable[[str, str], None]) -> None:
        before, self._states = self._states, self._airflow.task_states(self._dag_id, self._run_id)
        for task_id, state in self._states.items():
            if before.get(task_id) == state:
                continue
            if state in SHOWN:
                say(f"   {task_id:11}{SHOWN[state]}")
            on_state(task_id, state)

    def expect(self, **states: str) -> None:
        """Fail the demo unless the tasks ended in these states."""
        expect(self._states == states, f"the tasks end as {states}, not as {self._states}")

    def returned(self, task_id: str) -> Any:
        """Return what a task pushed to XCom."""
        return self._airflow.returned(self._dag_id, self._run_id, task_id)

    def messages(self, task_id: str) -> list[str]:
        """Return what the provider logged in a task."""
        return self._airflow.messages(self._dag_id, self._run_id, task_id)


def say(line: str) -> None:
    print(line, flush=True)


def expect(fact: bool, expected: str) -> None:
    if not fact:
        raise DemoFailed(f"it was expected that {expected}")


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
