"""The double of S3 under DAGs, hooks and commands, as somebody uses it who tests a DAG."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from airflow_provider_crr.cli.definition import get_crr_commands
from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.sharing.shared_hook import shared_hook
from airflow_provider_crr.lookup.crt import asker as crt_asker
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.operators.rules import S3ReplicationRulesCheckOperator
from airflow_provider_crr.replication.source import run as go_through
from airflow_provider_crr.replication.status import ObjectState
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.testing import fake_s3, standing_in
from tests.support.stopwatch import Stopwatch
from tests.testing.conftest import Ended

MODES = pytest.mark.parametrize(
    "mode", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=lambda mode: str(*mode.values())
)
URI = "s3://b/k"


@MODES
def test_gate_waits_and_opens_without_taking_the_time(run: Callable[..., Ended], mode: Any) -> None:
    """A gate looks as often as the script says, in every mode, and its minutes between two looks pass at once."""
    watch = Stopwatch()
    with fake_s3({URI: ["MISSING", "PENDING", "PENDING", "COMPLETED"]}) as s3:
        found = run(S3ReplicationSensor, bucket_key=URI, poke_interval=300, **mode)
    assert found.states == {"task": "success", "after": "success"}
    assert found.returned["task"]["statuses"] == {"COMPLETED": 1}
    assert s3.looks(URI) == 4
    assert watch.seconds() < 60


@MODES
def test_events_of_triggers_are_not_held_back(
    run: Callable[..., Ended], mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Airflow's heartbeats have their usual interval a test takes no longer."""
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "600")
    watch = Stopwatch()
    with fake_s3({URI: ["PENDING", "FAILED"]}) as s3:
        found = run(S3ReplicationSensor, bucket_key=URI, poke_interval=300, **mode)
    assert found.states == {"task": "failed", "after": "upstream_failed"}
    assert s3.looks(URI) == 2
    assert watch.seconds() < 60


@MODES
def test_timeout_comes_as_soon_as_the_time_passes(run: Callable[..., Ended], mode: Any) -> None:
    """A gate over what stays PENDING looks every five minutes of its hour, then times out."""
    watch = Stopwatch()
    with fake_s3({URI: "PENDING"}) as s3:
        found = run(S3ReplicationSensor, bucket_key=URI, poke_interval=300, timeout=3600, **mode)
    assert found.states == {"task": "failed", "after": "upstream_failed"}
    assert 11 <= s3.looks(URI) <= 15
    assert watch.seconds() < 60


def test_patient_double_takes_the_time(run: Callable[..., Ended]) -> None:
    """With ``patient=True`` the sensor sleeps for its interval."""
    watch = Stopwatch()
    with fake_s3({URI: ["PENDING", "COMPLETED"]}, patient=True):
        found = run(S3ReplicationSensor, bucket_key=URI, poke_interval=1.5)
    assert found.states["task"] == "success"
    assert watch.elapsed() >= 1.5


@pytest.mark.parametrize("state", ObjectState)
def test_every_state_is_read_from_the_answer(state: ObjectState) -> None:
    """Each state of the script is what the hook makes of the double's answer, asked once and among many."""
    uris = [f"{URI}{number}" for number in range(5)]
    with fake_s3({uri: [state] for uri in uris}) as s3:
        hook = S3ReplicationHook()
        assert hook.get_replication_status(uris[0]).state is state
        assert {answer.state for answer in hook.get_replication_statuses(uris)} == {state}
        assert [s3.looks(uri) for uri in uris] == [2, 1, 1, 1, 1]


@MODES
def test_pattern_sees_what_appears(run: Callable[..., Ended], mode: Any) -> None:
    """A pattern over several pages matches what is there, and what the listings show later."""
    objects: dict[str, str | list[str]] = {f"s3://b/day/{number:04}": "COMPLETED" for number in range(1100)}
    objects |= {"s3://b/day/late": ["MISSING", "PENDING", "COMPLETED"], "s3://b/other": "FAILED"}
    with fake_s3(objects) as s3:
        found = run(
            S3ReplicationSensor, bucket_key="s3://b/day/*", wildcard_match=True, max_requests_per_second=None, **mode
        )
    assert found.states["task"] == "success"
    assert found.returned["task"]["statuses"] == {"COMPLETED": 1101}
    assert (s3.looks("s3://b/day/late"), s3.looks("s3://b/other")) == (2, 0)


def test_folders_are_listed_as_common_prefixes() -> None:
    """A listing with a delimiter folds keys, page by page, as S3 does."""
    with fake_s3(
        {f"s3://b/{folder}/{number}": "COMPLETED" for folder in "abc" for number in range(3)} | {"s3://b/top": "NONE"}
    ):
        client = boto3.client("s3")
        pages = [client.list_objects_v2(Bucket="b", Delimiter="/", MaxKeys=2)]
        while pages[-1]["IsTruncated"]:
            token = pages[-1]["NextContinuationToken"]
            pages.append(client.list_objects_v2(Bucket="b", Delimiter="/", MaxKeys=2, ContinuationToken=token))
    assert [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])] == ["a/", "b/", "c/"]
    assert [each["Key"] for page in pages for each in page.get("Contents", [])] == ["top"]


def test_versions_have_states_of_their_own() -> None:
    """A version is asked for by its id; without one, the last that was named answers."""
    with fake_s3({f"{URI}?versionId=v1": "FAILED", f"{URI}?versionId=v2": ["PENDING", "COMPLETED"]}):
        hook = S3ReplicationHook()
        assert hook.get_replication_status(URI, version_id="v1").state is ObjectState.FAILED
        assert hook.get_replication_status(URI).version_id == "v2"
        assert hook.get_replication_status(URI, version_id="v2").state is ObjectState.COMPLETED
        assert hook.get_replication_status(URI, version_id="v3").state is ObjectState.MISSING
        listed = list(hook.list_versions(S3Object("b", "k"), exact=True))
    assert [obj.version_id for obj in listed] == ["v2", "v1"]


def test_age_counts_from_when_the_objects_were_written(run: Callable[..., Ended]) -> None:
    """What is PENDING for longer than the gate's limit fails it."""
    with fake_s3({URI: "PENDING"}, last_modified=datetime.now(UTC) - timedelta(hours=2)):
        assert run(S3ReplicationSensor, bucket_key=URI, max_pending_age=3600).states["task"] == "failed"


def test_delete_operator_deletes_what_is_completed_and_the_test_knows(run: Callable[..., Ended]) -> None:
    """Versions that are COMPLETED are gone and noted, and what is refused stays."""
    with fake_s3({f"{URI}?versionId=v1": "COMPLETED", f"{URI}?versionId=v2": "COMPLETED", "s3://b/l": "PENDING"}) as s3:
        arguments = {"bucket_key": "s3://b/*", "wildcard_match": True}
        dry = run(S3DeleteReplicatedObjectsOperator, **arguments, dry_run=True)
        assert (dry.returned["task"]["deleted"], s3.deleted) == (2, [])
        found = run(S3DeleteReplicatedObjectsOperator, **arguments, on_refused="report")
        assert found.returned["task"]["refused_statuses"] == {"PENDING": 1}
        assert sorted(s3.deleted) == [f"{URI}?versionId=v1", f"{URI}?versionId=v2"]
        hook = S3ReplicationHook()
        assert hook.get_replication_status(URI).state is ObjectState.MISSING
        assert hook.get_replication_status("s3://b/l").state is ObjectState.PENDING


def test_delete_on_a_condition_and_without_a_version_are_those_of_s3() -> None:
    """Another ETag refuses a delete; without a version a delete marker is put on the key."""
    with fake_s3({URI: "COMPLETED", "s3://b/<&>": "COMPLETED"}) as s3:
        client = boto3.client("s3")
        wrong = {"Key": "k", "ETag": '"other"'}
        refused = client.delete_objects(
            Bucket="b", Delete={"Objects": [wrong, {"Key": "gone", "ETag": '"e"'}, {"Key": "<&>"}]}
        )
        assert [each["Code"] for each in refused["Errors"]] == ["PreconditionFailed", "NoSuchKey"]
        with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
            client.delete_object(Bucket="b", Key="k", IfMatch='"other"')
        client.delete_object(Bucket="b", Key="k")
        client.delete_object(Bucket="b", Key="new")
        assert s3.deleted == ["s3://b/<&>", URI, "s3://b/new"]
        assert S3ReplicationHook().get_replication_status(URI).state is ObjectState.DELETED
        version = client.list_object_versions(Bucket="b", Prefix="k")["DeleteMarkers"][0]["VersionId"]
        assert S3ReplicationHook().get_replication_status(URI, version_id=version).http_status == 405


def test_what_a_dag_writes_is_there() -> None:
    """What is written can be read, listed and asked about; it has the state of the script, else none."""
    with fake_s3({URI: "COMPLETED"}) as s3:
        hook = S3ReplicationHook()
        hook.load_string("one", key="k", bucket_name="b", replace=True)
        hook.load_bytes(b"two", key="k", bucket_name="reports")
        assert (hook.read_key("k", "b"), hook.read_key("k", "reports")) == ("one", "two")
        assert boto3.client("s3").get_object(Bucket="b", Key="k", Range="bytes=1-")["Body"].read() == b"ne"
        assert hook.list_keys("reports") == ["k"]
        assert hook.get_replication_status(URI).state is ObjectState.COMPLETED
        assert hook.get_replication_status("s3://reports/k").state is ObjectState.NONE
    assert s3.written == {URI: b"one", "s3://reports/k": b"two"}


def test_rules_are_those_that_were_given() -> None:
    """A bucket has no rules, those that boto3 would be given, or one that replicates everything."""
    tagged = {
        "ID": "tagged",
        "Priority": 2,
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "a&b/", "Tags": [{"Key": "x", "Value": "1"}, {"Key": "y", "Value": "2"}]}},
        "Destination": {"Bucket": "arn:aws:s3:::replica"},
        "DeleteMarkerReplication": {"Status": "Disabled"},
    }
    with fake_s3({URI: "NONE"}, rules={"all": "copy", "some": [tagged]}):
        hook, client = S3ReplicationHook(), boto3.client("s3")
        assert hook.get_replication_rules("b") == ()
        (rule,) = hook.get_replication_rules("all")
        assert rule.destination_bucket == "copy"
        assert client.get_bucket_replication(Bucket="some")["ReplicationConfiguration"]["Rules"] == [tagged]
        assert client.get_bucket_versioning(Bucket="some")["Status"] == "Enabled"
        assert client.get_bucket_location(Bucket="some")["LocationConstraint"] is None


def test_rules_of_a_bucket_can_be_checked(run: Callable[..., Ended]) -> None:
    """A check of rules finds the destination of a rule that was given, and nothing wrong; without rules, it fails."""
    with fake_s3({URI: "PENDING"}, rules={"b": "copy"}):
        found = run(S3ReplicationRulesCheckOperator, bucket_name="b", keys=["k"])
    assert found.states["task"] == "success"
    assert [each["what"] for each in found.returned["task"]["unseen"]] == [
        "the role arn:aws:iam::123456789012:role/replication"
    ]
    with fake_s3({URI: "PENDING"}):
        assert run(S3ReplicationRulesCheckOperator, bucket_name="b", keys=["k"]).states["task"] == "failed"


def test_bucket_that_was_not_named_is_not_there(run: Callable[..., Ended]) -> None:
    """A gate over a bucket that the test does not know fails at once, rather than waiting for what never comes."""
    with fake_s3({URI: "COMPLETED"}):
        assert run(S3ReplicationSensor, bucket_key="s3://mistyped/k", deferrable=True).states["task"] == "failed"


CONNECTIONS: dict[str, Any] = {
    "undefined": None,
    "role": {"extra": {"role_arn": "arn:aws:iam::123456789012:role/r", "region_name": "eu-west-1"}},
    "profile": {"extra": {"profile_name": "nobody", "endpoint_url": "https://minio.example"}},
    "saml": {"extra": {"assume_role_method": "assume_role_with_saml", "role_arn": "arn:aws:iam::123456789012:role/r"}},
    "keys": {"login": "AKIDEXAMPLE", "password": "secret"},
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_no_connection_leads_out_of_the_process(name: str, run: Callable[..., Ended], monkeypatch: Any) -> None:
    """Whatever the connection names (and it need not be defined), the double answers, and nobody is asked for keys."""
    if CONNECTIONS[name]:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "aws", **CONNECTIONS[name]}))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with fake_s3({URI: ["PENDING", "COMPLETED"]}) as s3:
        assert run(S3ReplicationSensor, bucket_key=URI, aws_conn_id=name, deferrable=True).states["task"] == "success"
    assert s3.looks(URI) == 2
    assert os.environ["AWS_PROFILE"] == "nobody"


def test_what_is_not_answered_is_refused() -> None:
    """Other services, clients from before and requests that are not played are refused, and say so."""
    before = boto3.Session("a", "b", region_name="eu-west-1").client("s3")
    with fake_s3({URI: "COMPLETED"}):
        with pytest.raises(LookupFailed, match="would leave the process"):
            boto3.client("sqs").list_queues()
        with pytest.raises(LookupFailed, match="would leave the process"):
            before.head_object(Bucket="b", Key="k")
        with pytest.raises(LookupFailed, match="does not answer ListBuckets"):
            boto3.client("s3").list_buckets()
        within = boto3.client("s3")
    with pytest.raises(LookupFailed, match="which has ended"):
        within.head_object(Bucket="b", Key="k")


def test_hook_from_before_does_not_lead_out_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that chose the AWS Common Runtime before the double began asks nobody while it lasts."""
    monkeypatch.setenv("AIRFLOW_CONN_BEFORE", json.dumps({"conn_type": "aws", "login": "a", "password": "b"}))
    hook = S3ReplicationHook(aws_conn_id="before", region_name="eu-west-1")
    _ = hook._lookup
    uris = [URI, f"{URI}2"]
    with monkeypatch.context() as patch:
        patch.setattr(crt_asker, "Runtime", lambda client: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            next(hook.get_replication_statuses(uris))
    with fake_s3({URI: "COMPLETED"}), pytest.raises(LookupFailed, match="would leave the process"):
        next(hook.get_replication_statuses(uris))


def test_asynchronous_clients_are_refused_by_name() -> None:
    """Aiobotocore takes other answers than boto3: its requests end with an error that says so, not with a riddle."""
    request = type("AioAWSPreparedRequest", (), {"__module__": "aiobotocore.awsrequest"})()
    with fake_s3({URI: "COMPLETED"}), pytest.raises(LookupFailed, match="does not answer aiobotocore"):
        standing_in._answer(request, "before-send.s3.HeadObject")


def test_gates_share_nothing_across_the_ends_of_a_double() -> None:
    """What gates share begins anew with each double: none is answered by what an earlier one made."""

    def look(expected: ObjectState) -> Any:
        hook = shared_hook({"aws_conn_id": "shared"})
        (answer,) = go_through(_gathered(hook), None)
        assert answer.state is expected
        return hook.get_conn()

    def _gathered(hook: Any) -> Any:
        found = []
        for each in hook.get_replication_statuses([S3Object("b", "k")]):
            if hasattr(each, "state"):
                found.append(each)
            else:
                yield each
        return found

    with fake_s3({URI: "FAILED"}):
        first = look(ObjectState.FAILED)
        with fake_s3({URI: "COMPLETED"}):
            assert look(ObjectState.COMPLETED) is not first
        assert look(ObjectState.FAILED) is not first
    with fake_s3({URI: "PENDING"}):
        assert look(ObjectState.PENDING) is not first


def test_boto3_is_left_as_it_was() -> None:
    """After a double, boto3's own session, its handlers and the environment are those of before."""
    from botocore import handlers
    from botocore.httpsession import URLLib3Session

    before = handlers.BUILTIN_HANDLERS, URLLib3Session.send, boto3.DEFAULT_SESSION, dict(os.environ)
    with fake_s3({URI: "PENDING"}):
        boto3.client("s3")
    with pytest.raises(ZeroDivisionError), fake_s3({URI: "PENDING"}):
        _ = 1 / 0
    assert (handlers.BUILTIN_HANDLERS, URLLib3Session.send, boto3.DEFAULT_SESSION, dict(os.environ)) == before


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({URI: "DONE"}, "has an unknown state"),
        ({URI: []}, "no state is given"),
        ({"k": "PENDING"}, "needs a bucket"),
        ({1: "PENDING"}, "does not name an S3 object"),
    ],
)
def test_scripts_that_mean_nothing_are_refused(objects: Any, message: str) -> None:
    """A state that is none, and an object that is none, are refused before anything is asked."""
    with pytest.raises(InvalidArgument, match=message), fake_s3(objects):
        pass


def test_command_line_asks_the_double(capfd: pytest.CaptureFixture[str]) -> None:
    """The commands, called in the process of the test, are answered, too."""
    from airflow.cli import cli_config, cli_parser

    parser: argparse.ArgumentParser = cli_config.DefaultHelpParser(prog="airflow")
    commands = parser.add_subparsers(dest="subcommand")
    for command in get_crr_commands():
        cli_parser._add_command(commands, command)
    arguments = parser.parse_args(["crr", "status", URI])
    with fake_s3({URI: "PENDING"}), pytest.raises(SystemExit):
        arguments.func(arguments)
    assert "PENDING" in capfd.readouterr().out
