"""Every example DAG loads, is documented, and does what its text says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, replicated_pair, replication_rule, versioned_bucket
from local_aws.inventory.report import deliver, write_report
from local_aws.inventory.scan import scan
from tests.support.example_runs import DagOutcome
from tests.support.polling import until
from tests.support.repair_loop import REPAIRED, RepairLoop


def put(pair: ReplicatedPair, *keys: str) -> None:
    for key in keys:
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")


@contextmanager
def released(aws: LocalAws, bucket: str, *, heads: int) -> Iterator[None]:
    """End the replication of a bucket once so many HEADs were sent to it."""

    def release() -> None:
        deadline = time.monotonic() + 60
        while aws.heads(bucket) < heads and time.monotonic() < deadline:
            time.sleep(0.05)
        aws.release(bucket)

    watcher = threading.Thread(target=release, daemon=True)
    watcher.start()
    yield
    watcher.join(60)


def keys_left(pair: ReplicatedPair) -> list[str]:
    found = pair.source_client.list_object_versions(Bucket=pair.source)
    return sorted(version["Key"] for version in found.get("Versions", ()))


def test_dag_bag_has_no_import_errors(metadata_database: None, examples: Path) -> None:
    """Airflow imports every example; each has a description, its documentation and tags."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.0
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]

    bag = DagBag(str(examples))
    assert bag.import_errors == {}
    assert set(bag.dags) == {path.stem for path in examples.glob("*.py")}
    for dag in bag.dags.values():
        assert dag.description
        assert dag.doc_md
        assert dag.tags


def test_objects_from_upstream_are_gated_until_completed(
    run_example: Callable[..., DagOutcome], aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """The gate waits for the versions that the upstream task returned; then the downstream task runs."""
    aws_conn.hold(pair.source)
    with released(aws_conn, pair.source, heads=4):
        run = run_example("gate_objects_from_upstream", bucket=pair.source)
    assert run.states == {"land": "success", "gate": "success", "publish": "success"}
    assert (run.returned["gate"]["total"], run.returned["gate"]["statuses"]) == (3, {"COMPLETED": 3})
    assert run.returned["gate"]["head_requests"] >= 6
    assert run.returned["publish"] == "3 objects are replicated: {'COMPLETED': 3}"


def test_failed_object_from_upstream_stops_what_is_downstream(
    run_example: Callable[..., DagOutcome], denied_pair: ReplicatedPair
) -> None:
    """A destination that refuses fails the gate, and nothing runs behind it."""
    run = run_example("gate_objects_from_upstream", bucket=denied_pair.source)
    assert run.states == {"land": "success", "gate": "failed", "publish": "upstream_failed"}
    assert run.returned["gate"]["statuses"] == {"FAILED": 3}
    assert "S3 does not retry" in run.returned["gate"]["sample"][0]["reason"]


def test_partition_is_gated_by_marker_and_pattern(run_example: Callable[..., DagOutcome], pair: ReplicatedPair) -> None:
    """The gate counts what is in the day's partition, marker included, and nothing else."""
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    put(
        pair,
        *(f"events/dt={yesterday}/{name}" for name in ("part-0", "part-1", "_SUCCESS")),
        "events/dt=1999-12-31/part-0",
    )
    run = run_example("gate_partition", bucket=pair.source)
    assert run.states == {"gate": "success", "load": "success"}
    assert (run.returned["gate"]["statuses"], run.returned["load"]) == ({"COMPLETED": 3}, 3)


def test_region_b_reads_the_replica_of_what_region_a_says_is_replicated(
    run_example: Callable[..., DagOutcome],
    aws_conn: LocalAws,
    pair: ReplicatedPair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without an Airflow in region A: the gate asks the source bucket there, and what it counted is read here."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_REGION_A", aws_conn.airflow_connection_uri_json())
    here = aws_conn.airflow_connection()
    here["extra"]["region_name"] = "us-east-1"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_REGION_B", json.dumps(here))
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    put(pair, *(f"orders/dt={yesterday}/{name}" for name in ("part-0", "part-1", "_SUCCESS")))
    aws_conn.hold(pair.source, f"orders/dt={yesterday}/part-1")
    with released(aws_conn, pair.source, heads=4):
        run = run_example("gate_from_region_b", bucket=pair.source, replica=pair.destination)
    assert run.states == {"gate": "success", "load": "success"}
    assert (run.returned["gate"]["statuses"], run.returned["load"]) == ({"COMPLETED": 3}, 3)


@pytest.fixture
def inventoried(aws: LocalAws, pair: ReplicatedPair) -> Callable[[str], dict[str, str]]:
    """Deliver a report of what is in the bucket now; return the params of the example."""

    def deliver_report(reports: str) -> dict[str, str]:
        destination = f"{pair.source}-inventory"
        versioned_bucket(pair.source_client, destination)
        report = write_report(
            scan(pair.source_client, pair.source),
            file_format="CSV",
            source_bucket=pair.source,
            destination_bucket=destination,
            created_at=datetime.now(UTC) - timedelta(hours=3),
        )
        deliver(pair.source_client, report)
        return {"inventory": report.folder_uri, "reports": reports}

    return deliver_report


def test_inventory_check_passes_and_writes_report(
    run_example: Callable[..., DagOutcome],
    pair: ReplicatedPair,
    inventoried: Callable[[str], dict[str, str]],
    tmp_path: Path,
) -> None:
    """A bucket whose every object is replicated passes; the report is there, the manifest of failures is not."""
    put(pair, "a/1", "a/2", "b/1")
    run = run_example("inventory_check", **inventoried(str(tmp_path)))
    assert run.states == {"report": "success", "summary": "success"}
    summary = run.returned["summary"]
    assert (summary["objects"], set(summary["statuses"])) == (3, {"COMPLETED"})
    assert [row["prefix"] for row in summary["prefixes"]] == ["a/", "b/"]
    assert summary["report_uri"] == str(next(tmp_path.glob("*.html")))
    assert summary["failed_manifest_uri"] is None


def test_inventory_check_fails_on_failed_object_after_writing(
    run_example: Callable[..., DagOutcome], aws: LocalAws, denied_pair: ReplicatedPair, tmp_path: Path
) -> None:
    """One FAILED version fails the check, and is listed in the manifest for S3 Batch Replication."""
    put(denied_pair, "a/1")
    denied_pair.allow()
    put(denied_pair, "a/2")
    destination = f"{denied_pair.source}-inventory"
    versioned_bucket(denied_pair.source_client, destination)
    report = write_report(
        scan(denied_pair.source_client, denied_pair.source),
        file_format="Parquet",
        source_bucket=denied_pair.source,
        destination_bucket=destination,
        created_at=datetime.now(UTC),
    )
    deliver(denied_pair.source_client, report)
    run = run_example("inventory_check", inventory=report.folder_uri, reports=f"s3://{destination}/checks")
    assert run.states == {"report": "success", "summary": "failed"}
    assert {name: count["objects"] for name, count in run.returned["summary"]["statuses"].items()} == {
        "COMPLETED": 1,
        "FAILED": 1,
    }
    written = run.returned["summary"]["failed_manifest_uri"].removeprefix(f"s3://{destination}/")
    manifest = denied_pair.source_client.get_object(Bucket=destination, Key=written)["Body"].read().decode()
    assert manifest.splitlines()[0].replace('"', "").startswith(f"{denied_pair.source},a/1,")


@pytest.fixture
def half_replicated(aws: LocalAws, pair: ReplicatedPair) -> ReplicatedPair:
    """A bucket whose ``orders/`` has two replicated versions of one key, and an object that no rule covers."""
    name = f"{pair.source}-half"
    half = replicated_pair(aws, name, f"{name}-replica", [replication_rule(f"{name}-replica", "orders/in/")])
    put(half, "orders/in/1", "orders/in/1", "orders/tmp/1")
    return half


def test_delete_safely_is_a_dry_run_by_default(
    run_example: Callable[..., DagOutcome], half_replicated: ReplicatedPair
) -> None:
    """Without a word about dry_run, nothing is deleted, and the check says what could be."""
    run = run_example("delete_safely", bucket=half_replicated.source)
    assert run.states == {"check": "success", "is_meant": "success", "delete": "skipped"}
    check = run.returned["check"]
    assert (check["dry_run"], check["deleted"], check["refused_statuses"]) == (True, 2, {"NONE": 1})
    assert keys_left(half_replicated) == ["orders/in/1", "orders/in/1", "orders/tmp/1"]


def test_delete_safely_deletes_what_is_replicated_and_nothing_else(
    run_example: Callable[..., DagOutcome], half_replicated: ReplicatedPair
) -> None:
    """With dry_run=False the COMPLETED versions go for good, the replicas stay, and so does what is refused."""
    run = run_example("delete_safely", bucket=half_replicated.source, dry_run=False)
    assert run.states == {"check": "success", "is_meant": "success", "delete": "success"}
    deleted = run.returned["delete"]
    assert (deleted["dry_run"], deleted["deleted"], deleted["refused_statuses"]) == (False, 2, {"NONE": 1})
    assert keys_left(half_replicated) == ["orders/tmp/1"]
    replicas = half_replicated.destination_client.list_object_versions(Bucket=half_replicated.destination)
    assert [version["Key"] for version in replicas["Versions"]] == ["orders/in/1", "orders/in/1"]


def test_what_failed_is_repaired(
    run_example: Callable[..., DagOutcome], aws_conn: LocalAws, pair: ReplicatedPair
) -> None:
    """The gate names what FAILED, the report counts it, a job repairs it once it can, and the second gate opens."""
    loop = RepairLoop(pair)

    def deliver_and_mend() -> None:
        until(lambda: aws_conn.heads(pair.source, "orders/") >= 3, "the gate has asked", 60)
        loop.deliver()
        until(loop.is_counted, "the manifest is there", 60)
        loop.mend()

    outside = threading.Thread(target=deliver_and_mend, daemon=True)
    outside.start()
    run = run_example("repair_failed", **loop.params)
    outside.join(60)
    assert run.states == {"gate": "failed", **dict.fromkeys(REPAIRED, "success")}
    assert run.state == "success"
    loop.check(run.returned)


def test_nothing_is_repaired_where_nothing_failed(run_example: Callable[..., DagOutcome], pair: ReplicatedPair) -> None:
    """If the gate opens, the repair is skipped, and what waited for the gate runs."""
    run = run_example("repair_failed", bucket=pair.source, destination=pair.destination)
    skipped = ("report", "count", "mended", "repair", "gate_again")
    assert run.states == {
        **dict.fromkeys(("land", "gate", "publish"), "success"),
        **dict.fromkeys(skipped, "skipped"),
    }


def test_check_rules_lets_the_gate_wait_for_what_is_replicated(
    run_example: Callable[..., DagOutcome], pair: ReplicatedPair
) -> None:
    """Where the rules cover the prefix, the gate runs and opens."""
    put(pair, "orders/1")
    run = run_example("check_rules", bucket=pair.source)
    assert run.states == {"check": "success", "gate": "success"}
    assert run.returned["check"]["checked"]["rules"] == 1


def test_check_rules_fails_before_the_gate_waits(
    run_example: Callable[..., DagOutcome], half_replicated: ReplicatedPair
) -> None:
    """Where no rule covers the prefix, the check says so, and the gate never waits."""
    run = run_example("check_rules", bucket=half_replicated.source, prefix="orders/tmp/")
    assert run.states == {"check": "failed", "gate": "upstream_failed"}
    worst = run.returned["check"]["findings"][0]
    assert (worst["severity"], worst["key"]) == ("error", "orders/tmp/")
