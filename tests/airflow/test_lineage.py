"""What OpenLineage is told: the events that its listener wrote to a file while Airflow ran the tasks."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.replication.deletion.batches import Deletion
from airflow_provider_crr.replication.rules import ReplicationRule
from airflow_provider_crr.replication.targets import Targets
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.lineage import MAX_PLACES, Flow, Place, deletion_flow, gate_flow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, replicated_pair
from local_aws.inventory import Report, deliver, scan, write_report
from tests.support.dag_process import run_dag

TASKS = """
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

soon = {"poke_interval": 0.2, "timeout": 60}
GATE = {"bucket_key": ["orders/1", "orders/2"], "bucket_name": @pair, "deferrable": False, **soon}
DEFERRED = {"bucket_key": "s3://@other/orders/dt=*/x", "wildcard_match": True, "deferrable": True, **soon}
keys = task(lambda: ["s3://@pair/orders/1", "s3://@pair/orders/2"], task_id="keys")()
S3ReplicationSensor(task_id="named", outlets=[Asset("s3://@replica/orders/")], **GATE)
S3ReplicationSensor(task_id="pattern", **DEFERRED)
S3ReplicationSensor(task_id="from_upstream", bucket_key=keys, deferrable=False, **soon)
S3ReplicationSensor(task_id="shut", bucket_key="s3://@denied/a/lost.csv", deferrable=True, **soon)
S3InventorySensor(task_id="report", inventory="@inventory", deferrable=True, **soon)
written = {"report_uri": "s3://@reports/r.html", "failed_manifest_uri": "s3://@reports/failed.csv"}
S3InventorySummaryOperator(task_id="summary", inventory="@inventory", **written)
S3InventorySummaryOperator(task_id="limited", inventory="@manifest", max_failed=0, report_uri="/@file")
S3DeleteReplicatedObjectsOperator(task_id="delete", bucket_key=["gone/1", "gone/2"], bucket_name=@pair)
S3DeleteReplicatedObjectsOperator(task_id="dry", bucket_key="kept/1", bucket_name=@pair, dry_run=True)
matching = {"bucket_key": "s3://@pair/old/*", "wildcard_match": True}
S3DeleteReplicatedObjectsOperator(task_id="delete_matching", **matching)
S3DeleteReplicatedObjectsOperator(task_id="refused", bucket_key=["s3://@denied/a/lost.csv"])
"""


@dataclass(frozen=True)
class Told:
    """The state of each task, the events of each in their order, the names in them, and GETs to two buckets."""

    states: dict[str, str]
    events: dict[str, list[dict[str, Any]]]
    names: dict[str, str]
    gets: dict[str, int]

    def last(self, task_id: str) -> tuple[str, list[str], list[str]]:
        """Return type, inputs and outputs of a task's last event."""
        event = self.events[task_id][-1]
        return event["eventType"], uris(event["inputs"]), uris(event["outputs"])


def uris(datasets: list[dict[str, Any]]) -> list[str]:
    return [f"{found['namespace']} {found['name']}" for found in datasets]


def land(pair: ReplicatedPair, *keys: str) -> None:
    for key in keys:
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")


def report_on(pair: ReplicatedPair, bucket: str) -> Report:
    """Deliver a report on the source bucket, to a bucket of its own."""
    pair.source_client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    rows = scan(pair.source_client, pair.source)
    begun = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
    report = write_report(
        rows, file_format="CSV", source_bucket=pair.source, destination_bucket=bucket, created_at=begun
    )
    deliver(pair.source_client, report)
    return report


@pytest.fixture(scope="module")
def told(database: None, airflow_home: Path, aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All tasks, run once with OpenLineage's own listener."""
    name = f"lineage-{uuid.uuid4().hex[:8]}"
    pair = replicated_pair(aws, name, f"{name}-replica")
    other = replicated_pair(aws, f"{name}-other", f"{name}-other-replica")
    denied = replicated_pair(aws, f"{name}-denied", f"{name}-denied-replica", denied=True)
    land(pair, "orders/1", "orders/2", "gone/1", "gone/2", "kept/1", "old/1", "old/2")
    land(other, "orders/dt=1/x", "orders/dt=2/x")
    land(denied, "a/lost.csv")
    report = report_on(denied, f"{name}-reports")
    folder = tmp_path_factory.mktemp("lineage")
    names = {
        "@pair": pair.source,
        "@replica": pair.destination,
        "@other": other.source,
        "@denied": denied.source,
        "@inventory": report.folder_uri,
        "@manifest": report.manifest_uri,
        "@reports": report.destination_bucket,
        "/@file": str(folder / "report.json"),
    }
    tasks = TASKS.replace("=@pair", f"={pair.source!r}").replace(": @pair", f": {pair.source!r}")
    for placeholder, value in names.items():
        tasks = tasks.replace(placeholder, value)
    transport = {"type": "file", "log_file_path": str(folder / "events"), "append": True}
    aws.reset_counts()
    states = run_dag(
        airflow_home / "dags",
        name.replace("-", "_"),
        tasks,
        {
            "AIRFLOW_CONN_AWS_DEFAULT": aws.airflow_connection_uri_json(),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "60",
        },
    )
    gets = {placeholder: aws.requests(names[placeholder])["GET"] for placeholder in ("@pair", "@other")}
    events: dict[str, list[dict[str, Any]]] = {}
    for line in (folder / "events").read_text().splitlines():
        event = json.loads(line)
        events.setdefault(event["job"]["name"].rpartition(".")[2], []).append(event)
    return Told(states, events, names, gets)


def test_open_gate_tells_its_objects_and_their_replicas(told: Told) -> None:
    """An open gate has read the objects that it named, and written the same keys in the bucket that the rules name."""
    source, replica = (f"s3://{told.names[name]}" for name in ("@pair", "@replica"))
    inputs = [f"{source} orders/1", f"{source} orders/2"]
    outputs = [f"{replica} orders/1", f"{replica} orders/2"]
    assert told.last("named") == ("COMPLETE", inputs, outputs)
    started = told.events["named"][0]
    assert (started["eventType"], uris(started["inputs"]), started["outputs"]) == ("START", inputs, [])


def test_deferred_gate_tells_the_folder_of_its_pattern(told: Told) -> None:
    """A gate that waited in the triggerer tells the same when it resumes; a pattern is its folder."""
    bucket = f"s3://{told.names['@other']}"
    assert told.last("pattern") == ("COMPLETE", [f"{bucket} orders/"], [f"{bucket}-replica orders/"])


def test_objects_from_upstream_are_told(told: Told) -> None:
    """Keys that an upstream task returned are told like others."""
    source = f"s3://{told.names['@pair']}"
    assert told.last("from_upstream")[1] == [f"{source} orders/1", f"{source} orders/2"]


def test_rules_are_read_once_for_outlets_and_lineage(told: Told) -> None:
    """Each gate reads the rules once, be it for OpenLineage alone or for its outlets, too."""
    listed = {"@pair": 4, "@other": 2}  # the versions of three keys and a pattern; a pattern's keys, twice
    gates = {"@pair": 2, "@other": 1}
    deletes = {"@pair": 3, "@other": 0}  # which read them at any store that does not call itself S3
    assert told.gets == {bucket: listed[bucket] + gates[bucket] + deletes[bucket] for bucket in gates}


def test_gate_that_stays_shut_tells_no_replica(told: Told) -> None:
    """A gate that failed tells its objects, and no output."""
    assert told.last("shut") == ("FAIL", [f"s3://{told.names['@denied']} a/lost.csv"], [])


def test_delivered_report_comes_from_the_bucket_that_it_lists(told: Told) -> None:
    """The inventory sensor tells the listed bucket, and the manifest that was delivered."""
    manifest = told.names["@manifest"].replace(f"{told.names['@reports']}/", f"{told.names['@reports']} ", 1)
    assert told.last("report") == ("COMPLETE", [f"s3://{told.names['@denied']} /"], [manifest])


def test_summary_tells_manifest_and_what_it_wrote(told: Told) -> None:
    """A summary has read manifest and listed bucket, and written report and Batch manifest."""
    listed, reports = f"s3://{told.names['@denied']} /", f"s3://{told.names['@reports']}"
    manifest = told.names["@manifest"].replace(f"{told.names['@reports']}/", f"{told.names['@reports']} ", 1)
    assert told.last("summary") == ("COMPLETE", [manifest, listed], [f"{reports} r.html", f"{reports} failed.csv"])
    assert told.last("limited") == ("FAIL", [manifest, listed], [f"file {told.names['/@file']}"])


def dropped(event: dict[str, Any]) -> dict[str, Any]:
    return {
        found["name"]: found.get("facets", {}).get("lifecycleStateChange", {}).get("lifecycleStateChange")
        for found in event["inputs"]
    }


def test_only_what_is_gone_for_good_is_told_as_dropped(told: Told) -> None:
    """Objects whose every version was deleted are told as dropped; a dry run's, a folder and what was refused not."""
    assert dropped(told.events["delete"][-1]) == {"gone/1": "DROP", "gone/2": "DROP"}
    assert dropped(told.events["delete"][0]) == {"gone/1": None, "gone/2": None}
    assert dropped(told.events["dry"][-1]) == {"kept/1": None}
    assert dropped(told.events["delete_matching"][-1]) == {"old/": None}
    assert (told.states["refused"], dropped(told.events["refused"][-1])) == ("failed", {"a/lost.csv": None})


def test_key_that_is_written_during_the_delete_is_not_told_as_dropped(
    aws_conn: LocalAws, pair: ReplicatedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that somebody wrote again while its versions were deleted is there, and not told as dropped."""
    conf = type(sys)("conf")
    conf.is_disabled = lambda: False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.conf", conf)
    run = Deletion.run

    def run_beside_a_writer(*arguments: Any) -> None:
        run(*arguments)
        if written:
            land(pair, *written)

    monkeypatch.setattr(Deletion, "run", run_beside_a_writer)
    for written in ([], ["gone/1"]):
        land(pair, "gone/1", "gone/2")
        names: dict[str, Any] = {"bucket_key": ["gone/1", "gone/2"], "bucket_name": pair.source}
        task = S3DeleteReplicatedObjectsOperator(task_id="t", **names)
        assert task.execute({"ti": None})["deleted"] == 2
        assert task._learnt is not None
        assert [place.dropped for place in task._learnt.inputs] == [not written] * 2


class Rules:
    """The rules of any bucket."""

    def __init__(self, *rules: ReplicationRule) -> None:
        self._rules = rules

    def get_replication_rules(self, bucket_name: str) -> Any:
        if not self._rules:
            raise LookupFailed("S3 answered AccessDenied")
        return self._rules


COMPLETED = {"statuses": {"COMPLETED": 2}}


def test_replica_is_told_where_a_rule_covers_its_key() -> None:
    """Each key has its replica in the buckets of the rules that cover it, and in no other."""
    rules = Rules(ReplicationRule("a", True, "a/", destination_bucket="A"), ReplicationRule("b", True, "b/"))
    flow = gate_flow(Targets.parse(["s3://landing/a/1", "s3://landing/b/1"]), COMPLETED, rules)
    assert flow.outputs == (Place("s3://A", "a/1"),)


def test_bucket_of_the_same_name_on_another_server_is_no_output() -> None:
    """Where a rule names another server's bucket, which has the name of this one, no place is both input and output."""
    arn = "arn:minio:replication::88aaaa79-1d3c-4db6-8ed3-95c8cf118553:landing"
    rule = ReplicationRule.from_api({"ID": "r", "Status": "Enabled", "Prefix": "", "Destination": {"Bucket": arn}})
    flow = gate_flow(Targets.parse("s3://landing/a/1"), COMPLETED, Rules(rule))
    assert flow == Flow((Place("s3://landing", "a/1"),))


@pytest.mark.parametrize(
    ("summary", "rules"),
    [
        (COMPLETED, Rules()),
        ({"statuses": {"COMPLETED": 1, "NONE": 1}}, Rules(ReplicationRule("a", True, destination_bucket="A"))),
        (None, Rules(ReplicationRule("a", True, destination_bucket="A"))),
    ],
)
def test_no_replica_is_told_that_is_not_sure(summary: Any, rules: Rules) -> None:
    """If the rules may not be read, not all is COMPLETED, or the gate is not open, there is no output."""
    flow = gate_flow(Targets.parse("s3://landing/a/1"), summary, rules)
    assert flow == Flow((Place("s3://landing", "a/1"),))


@pytest.mark.parametrize(
    ("keys", "places"),
    [
        ([f"s3://b/orders/dt={day}/{number}" for day in range(3) for number in range(99)], 3),
        ([f"s3://b/orders/dt={day}/{number}" for day in range(99) for number in range(2)], 1),
        ([f"s3://b/{number}" for number in range(99)], 1),
        ([f"s3://b{number}/x" for number in range(99)], MAX_PLACES),
        ([f"s3://b/{'d/' * 300}{number}" for number in range(99)], 1),
    ],
)
def test_very_many_objects_are_told_as_their_folders(keys: list[str], places: int) -> None:
    """More objects than an event names are told as the deepest folders that are few enough, also if deleted."""
    flow = deletion_flow(Targets.parse(keys), all_gone=True)
    assert len(flow.inputs) == places
    assert all(place.name.endswith("/") and not place.dropped for place in flow.inputs)


@pytest.mark.parametrize("task_class", [S3ReplicationSensor, S3DeleteReplicatedObjectsOperator])
def test_keys_that_only_airflow_knows_are_not_asked_for(task_class: Callable[..., Any]) -> None:
    """What a mapped upstream task returned is not fetched by the process that OpenLineage forks."""

    class Lazy:
        def __iter__(self) -> Any:
            raise AssertionError("fetched")

    task = task_class(task_id="t", bucket_key="s3://b/k")
    assert task._flow() == Flow((Place("s3://b", "k"),))
    task.bucket_key = Lazy()
    assert task._flow() == Flow()


def test_nothing_is_learnt_where_nobody_listens_and_no_error_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task finds nothing out unless OpenLineage listens; if it cannot, that does not fail the task."""

    def broken() -> Flow:
        asked.append(1)
        raise RuntimeError("no lineage today")

    asked: list[int] = []
    sensor = S3ReplicationSensor(task_id="t", bucket_key="s3://b/k")
    name = "airflow.providers.openlineage.conf"
    monkeypatch.delitem(sys.modules, name, raising=False)
    sensor._learn(broken)
    assert asked == []
    for disabled in (True, False):
        conf = type(sys)("conf")
        conf.is_disabled = lambda disabled=disabled: disabled  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, conf)
        sensor._learn(broken)
        assert len(asked) == (not disabled)
    assert sensor._learnt is None


PARSE = """
import importlib.abc, sys
from datetime import datetime

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "openlineage":
            raise ModuleNotFoundError(name)

if sys.argv[1] == "missing":
    sys.meta_path.insert(0, Missing())
from airflow.sdk import DAG
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor

with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
    S3ReplicationSensor(task_id="gate", bucket_key="s3://b/k")
    S3InventorySensor(task_id="report", inventory="s3://b/source/daily/")
    S3InventorySummaryOperator(task_id="summary", inventory="s3://b/source/daily/")
    S3DeleteReplicatedObjectsOperator(task_id="delete", bucket_key="s3://b/k")
print("LOADED", *(name for name in sys.modules if "openlineage" in name))
"""


@pytest.mark.parametrize("openlineage", ["installed", "missing"])
def test_parsing_a_dag_imports_nothing_of_openlineage(openlineage: str) -> None:
    """A DAG is parsed without OpenLineage, be it installed or not."""
    run = subprocess.run([sys.executable, "-c", PARSE, openlineage], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("LOADED"))
    # Airflow's provider manager reads what each provider says of itself.
    of_airflow = {"airflow.providers.openlineage", "airflow.providers.openlineage.get_provider_info"}
    assert set(line.split()[1:]) <= of_airflow
