"""Templated arguments, rendered by Airflow's task runner as text and to native objects, in three modes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, S3Server, stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
WAIT = {"poke_interval": 0.1, "timeout": 0.3}
NOTHING = "{{ none }}"
UPSTREAM = """
    @task
    def upstream(): return {value}
    made = upstream()
"""


def upstream(value: object) -> str:
    return UPSTREAM.format(value=repr(value)).strip()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 whose every object is replicated: whatever is asked, the gate opens."""
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        server.default = lambda bucket, key, version: stored(
            "COMPLETED", headers={"x-amz-version-id": version or "current"}
        )
        yield server


def refused(run: Any, name: str, s3: S3Server) -> None:
    assert run.state == "failed"
    assert isinstance(run.error, InvalidArgument), run.error
    assert name in run.error.message
    assert run.error.remedy
    assert s3.requests == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("native", [False, True])
def test_version_that_a_template_does_not_find_is_not_the_current_one(
    run_task: Callable[..., TaskRun], s3: S3Server, native: bool, mode: str
) -> None:
    """version_id="{{ none }}" fails, in every mode, however it is rendered: the current version was not asked for."""
    arguments = {"bucket_key": "s3://b/k", "version_id": NOTHING, **WAIT, **MODES[mode]}
    refused(run_task(S3ReplicationSensor, native=native, **arguments), "version_id rendered to", s3)


@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("bucket_key", True),
        ("bucket_key", False),
        ("bucket_name", True),
        ("aws_conn_id", False),
        ("expected_bucket_owner", True),
        ("expected_bucket_owner", False),
    ],
)
def test_argument_that_renders_to_nothing_is_refused(
    run_task: Callable[..., TaskRun], s3: S3Server, native: bool, name: str
) -> None:
    """What renders to nothing fails, naming the argument, where nothing could open the gate on another object."""
    arguments: dict[str, Any] = {"bucket_key": "k" if name == "bucket_name" else "s3://b/k", name: NOTHING}
    run = run_task(S3ReplicationSensor, native=native, mode="poke", deferrable=False, **WAIT, **arguments)
    refused(run, f"{name} rendered to", s3)


@pytest.mark.parametrize(
    ("name", "native"), [("verify", False), ("inventory", True), ("report_uri", True), ("failed_manifest_uri", False)]
)
def test_every_other_argument_that_renders_to_nothing_is_refused(
    run_task: Callable[..., TaskRun], s3: S3Server, native: bool, name: str
) -> None:
    """So is every argument of the inventory operator for which nothing has no meaning."""
    arguments = {"inventory": "s3://dest/landing/daily/", name: NOTHING}
    refused(run_task(S3InventorySummaryOperator, native=native, **arguments), f"{name} rendered to", s3)


def test_what_the_author_wrote_as_none_is_not_given(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """None in the DAG file means "not given" for every argument that may be left out."""
    arguments = dict.fromkeys(["bucket_name", "version_id", "region_name", "verify", "expected_bucket_owner"])
    run = run_task(S3ReplicationSensor, bucket_key={"bucket": "b", "key": "k", "version_id": None}, **arguments)
    assert (run.state, run.error) == ("success", None)
    assert [request.version_id for request in s3.heads()] == [None]


@pytest.mark.parametrize("mode", MODES)
def test_version_that_upstream_did_not_get_is_not_the_current_one(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: str
) -> None:
    """An upstream task that returns None as the version, as boto3 does for an unversioned bucket, opens no gate."""
    more = {**WAIT, **MODES[mode]}
    run = run_task(S3ReplicationSensor, before=upstream(None), written="version_id=made", bucket_key="s3://b/k", **more)
    refused(run, "version_id rendered to None", s3)
    unversioned = {"bucket": "b", "key": "k", "version_id": None}
    run = run_task(S3ReplicationSensor, before=upstream([unversioned]), written="bucket_key=made", **more)
    refused(run, "version_id None", s3)


def test_mapping_of_templates_without_a_version_is_refused(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A mapping whose version a template fills asks for no version that the template does not find."""
    named = {"bucket": "b", "key": "{{ ds_nodash }}", "version_id": NOTHING}
    for native in (False, True):
        run = run_task(S3ReplicationSensor, native=native, bucket_key=named, deferrable=False, **WAIT)
        refused(run, "version_id", s3)


def test_expanded_none_is_given_by_data(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """None that another task returned for a mapped task is refused; None that the DAG's author wrote is not given."""
    common = {"bucket_key": "s3://b/k", "deferrable": False, **WAIT}
    run = run_task(S3ReplicationSensor, before=upstream([None]), expanded="version_id=made", **common)
    refused(run, "version_id rendered to None", s3)
    run = run_task(S3ReplicationSensor, expanded="version_id=[None]", bucket_name=None, **common)
    assert run.state == "success"


def test_expanded_number_is_a_key(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A whole number that another task returned for a mapped task is the text of its digits."""
    more = {"bucket_name": "b", "deferrable": False, **WAIT}
    run = run_task(S3ReplicationSensor, before=upstream([20261124]), expanded="bucket_key=made", **more)
    assert (run.state, [request.key for request in s3.heads()]) == ("success", ["20261124"])


@pytest.mark.parametrize("mode", MODES)
def test_numbers_of_native_rendering_are_their_text(run_task: Callable[..., TaskRun], s3: S3Server, mode: str) -> None:
    """Native rendering makes numbers of an owner, a bucket, a key and a version; S3 is asked for their text."""
    arguments = {"bucket_key": "{{ '20261124' }}", "bucket_name": "{{ '123456' }}", "version_id": "{{ '77' }}"}
    owner = {"expected_bucket_owner": "{{ '111122223333' }}"}
    run = run_task(S3ReplicationSensor, native=True, **arguments, **owner, **{**MODES[mode], "poke_interval": 0.1})
    assert (run.state, run.error) == ("success", None)
    (head,) = s3.heads()
    assert (head.bucket, head.key, head.version_id) == ("123456", "20261124", "77")
    assert head.headers["x-amz-expected-bucket-owner"] == "111122223333"


@pytest.mark.parametrize("text", ["1e5", "1_000", "None"])
def test_text_that_is_no_template_stays_what_it_is(run_task: Callable[..., TaskRun], s3: S3Server, text: str) -> None:
    """What the author wrote without a template is asked for as it stands, whatever native rendering makes of it."""
    run = run_task(S3ReplicationSensor, native=True, bucket_key=[text], bucket_name="b", deferrable=False, **WAIT)
    if text == "None":
        refused(run, "bucket_key", s3)
    else:
        assert (run.state, [request.key for request in s3.heads()]) == ("success", [text])


@pytest.mark.parametrize("template", ["{{ '1e5' }}", "{{ '1_000' }}", "{{ true }}", "{{ data_interval_start }}"])
def test_key_whose_text_is_in_doubt_is_refused(run_task: Callable[..., TaskRun], s3: S3Server, template: str) -> None:
    """A key that native rendering made another value of is refused: its text could be another object's key."""
    run = run_task(S3ReplicationSensor, native=True, bucket_key=template, bucket_name="b", deferrable=False, **WAIT)
    refused(run, "bucket_key rendered to", s3)


@pytest.mark.parametrize(
    ("written", "native", "mode"),
    [
        *(("'{{ prev_data_interval_end_success }}'", native, mode) for native in (False, True) for mode in MODES),
        ("\"{{ '' }}\"", False, "poke"),
        ("'{{ none }}'", True, "poke"),
        ("made", False, "reschedule"),
        ("made", True, "deferrable"),
        ("'{{ ds_nodash }}'", False, "poke"),
        ("'{{ ds_nodash }}'", True, "poke"),
    ],
)
def test_first_run_has_no_moment_before_it(
    run_task: Callable[..., TaskRun], monkeypatch: pytest.MonkeyPatch, mode: str, written: str, native: bool
) -> None:
    """newer_than that renders to nothing, as on a DAG's first run, means any report, in every mode."""
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        run = run_task(
            S3InventorySensor,
            native=native,
            inventory="s3://dest/landing/daily/",
            before=upstream(None),
            written=f"newer_than={written}",
            **WAIT,
            **MODES[mode],
        )
        assert run.error is None or "no complete inventory report" in str(run.error)
        assert [request.query.get("prefix") for request in server.requests][:1] == ["landing/daily/"]
        assert ("begun after" in str(run.error)) == ("ds_nodash" in written)


@pytest.mark.parametrize("native", [False, True])
def test_region_that_renders_to_nothing_is_the_connections(
    run_task: Callable[..., TaskRun], s3: S3Server, native: bool
) -> None:
    """region_name that renders to nothing means the connection's Region, and is not sent on as text."""
    run = run_task(S3ReplicationSensor, native=native, bucket_key="s3://b/k", region_name=NOTHING, deferrable=False)
    assert (run.state, [request.region for request in s3.heads()]) == ("success", ["eu-west-1"])


@pytest.mark.parametrize("native", [False, True])
def test_verify_may_be_rendered(run_task: Callable[..., TaskRun], s3: S3Server, native: bool) -> None:
    """What renders to the text of False is False for verify, and not the path of a file."""
    run = run_task(S3ReplicationSensor, native=native, bucket_key="s3://b/k", verify="{{ false }}", deferrable=True)
    assert (run.state, run.error) == ("success", None)


def test_delete_operator_refuses_a_version_that_is_not_there(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """Nothing is looked up and nothing deleted if the version to delete renders to nothing."""
    for native in (False, True):
        run = run_task(S3DeleteReplicatedObjectsOperator, native=native, bucket_key="s3://b/k", version_id=NOTHING)
        refused(run, "version_id rendered to", s3)


def test_text_of_a_json_list_is_no_key(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """The JSON of a list is refused as the text of a list, also with null, true and false in it."""
    for made in ([None, "a"], ["a", True], [{"key": "a", "version_id": None}]):
        text = "{{ '" + json.dumps(made) + "' }}"
        run = run_task(S3ReplicationSensor, bucket_key=text, bucket_name="b", **WAIT)
        refused(run, "text of a list", s3)


@pytest.mark.parametrize("never_fail", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_refusal_skips_where_a_poke_would(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: str, never_fail: bool
) -> None:
    """never_fail skips the task that was given nothing, in every mode alike."""
    arguments = {"bucket_key": "s3://b/k", "version_id": NOTHING, "never_fail": never_fail, **WAIT, **MODES[mode]}
    assert run_task(S3ReplicationSensor, **arguments).state == ("skipped" if never_fail else "failed")


def test_s3a_with_a_bucket_name_is_refused_rather_than_waited_for(
    run_task: Callable[..., TaskRun], s3: S3Server
) -> None:
    """Hadoop's URI of a key is an S3 URI: beside bucket_name it is refused, alone it is asked for."""
    s3.default = lambda bucket, key, version: stored("COMPLETED") if (bucket, key) == ("landing", "a") else Answer(404)
    arguments = {"bucket_key": "{{ 's3a://landing/a' }}", "deferrable": False, **WAIT}
    refused(run_task(S3ReplicationSensor, bucket_name="landing", **arguments), "full S3 URI", s3)
    assert run_task(S3ReplicationSensor, **arguments).state == "success"
