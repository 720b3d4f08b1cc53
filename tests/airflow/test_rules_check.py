"""The check of replication rules, run by Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr import errors, failures
from airflow_provider_crr.operators.rules import S3ReplicationRulesCheckOperator
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, suspend_versioning
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, S3Server
from tests.support.task_context import Context

Run = Callable[..., TaskRun]


def test_a_bucket_that_replicates_passes(run_task: Run, aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """Where nothing keeps keys from being replicated, the task succeeds, and returns what it has found."""
    run = run_task(
        S3ReplicationRulesCheckOperator,
        bucket_name="{{ var.value.get('bucket', '" + pair.source + "') }}",
        keys=["raw/1", f"s3://{pair.source}/raw/2"],
        prefixes="",
    )
    assert (run.state, run.error) == ("success", None)
    assert list(run.xcom) == ["bucket", "findings", "severities", "checked", "unseen", "left_out"]
    assert run.xcom["checked"] == {"keys": 2, "prefixes": 1, "rules": 1, "destinations": 1}
    assert run.xcom["severities"]["error"] == 0
    assert any("no replication metrics" in found["what"] for found in run.xcom["findings"])


@pytest.mark.parametrize(("fail_on", "state"), [("error", "failed"), ("warning", "failed"), ("never", "success")])
def test_an_error_fails_the_task_after_xcom(
    run_task: Run, aws_conn: LocalAws, pair: ReplicatedPair, fail_on: str, state: str
) -> None:
    """A destination without versioning fails the task for good, once the findings are pushed, unless it never fails."""
    suspend_versioning(pair.destination_client, pair.destination)
    run = run_task(S3ReplicationRulesCheckOperator, bucket_name=pair.source, keys="raw/1", fail_on=fail_on, retries=3)
    assert run.state == state
    worst = run.xcom["findings"][0]
    assert (worst["severity"], worst["rule"], worst["key"]) == ("error", "all", None)
    assert "(DstBucketUnversioned)" in worst["what"]
    if state == "failed":
        assert isinstance(run.error, failures.ReplicationRulesBroken)
        assert run.error.summary == run.xcom
        first, line, *_ = str(run.error).splitlines()
        assert first.startswith(f"the check of the replication of s3://{pair.source} found 1 error")
        assert line.strip().startswith("error: rule 'all' (prefix '') has the destination")
        assert "Enable the versioning of the destination" in line


def test_a_warning_fails_only_the_strict_task(run_task: Run, aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """Metrics that are off fail a task with fail_on="warning"."""
    run = run_task(S3ReplicationRulesCheckOperator, bucket_name=pair.source, fail_on="warning")
    assert isinstance(run.error, failures.ReplicationRulesBroken)
    assert "error" not in str(run.error).splitlines()[0]


def test_keys_of_an_upstream_task(run_task: Run, aws_conn: LocalAws, pair: ReplicatedPair) -> None:
    """What an upstream task returns is taken as keys, in the forms that a gate takes, and may be nothing at all."""
    objects = [{"bucket": pair.source, "key": f"raw/{at}", "version_id": "v"} for at in range(3)]
    run = run_task(
        S3ReplicationRulesCheckOperator,
        before=f"upstream = task(lambda: {objects!r}, task_id='upstream')()",
        written="keys=upstream, prefixes=task(lambda: [], task_id='none')()",
        bucket_name=pair.source,
    )
    assert (run.state, run.xcom["checked"]["keys"], run.xcom["checked"]["prefixes"]) == ("success", 3, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keys": "{{ none }}"}, "keys rendered to 'None'"),
        ({"prefixes": "{{ none }}"}, "prefixes rendered to 'None'"),
        ({"prefixes": ["raw/", "{{ '' }}"]}, "prefixes rendered to"),
        ({"keys": "{{ ['a', 'b'] }}"}, "keys holds the text of a list"),
        ({"keys": "{{ 's3://other/k' }}"}, "another bucket"),
        ({"bucket_name": "{{ 's3://b' }}"}, "is not the name of a bucket"),
    ],
)
def test_what_templates_may_not_render_to(
    run_task: Run, aws_conn: LocalAws, arguments: dict[str, Any], message: str
) -> None:
    """What renders to nothing, or to what names no key of the bucket, ends the task and never means "all"."""
    run = run_task(S3ReplicationRulesCheckOperator, **{"bucket_name": "landing", **arguments})
    assert isinstance(run.error, errors.InvalidArgument)
    assert message in str(run.error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bucket_name": "s3://landing"}, "bucket_name is"),
        ({"bucket_name": ""}, "bucket_name is"),
        ({"bucket_name": "arn:aws:s3:eu-west-1:111111111111:accesspoint/a"}, "bucket_name is"),
        ({"keys": [""]}, "needs a key"),
        ({"keys": "s3://other/k"}, "another bucket"),
        ({"keys": 7}, "keys is 7"),
        ({"prefixes": [None]}, "prefixes holds None"),
        ({"fail_on": "errors"}, "fail_on is 'errors'"),
        ({"expected_bucket_owner": "1"}, "expected_bucket_owner"),
    ],
)
def test_what_can_never_work_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], message: str) -> None:
    """Arguments that can never work are refused where the DAG's author sees it."""
    with pytest.raises(errors.InvalidArgument, match=message):
        S3ReplicationRulesCheckOperator(task_id="check", **{"bucket_name": "landing", **arguments})


def test_want_of_permission_is_never_fine(s3: S3Server) -> None:
    """Without the rules the task fails by default; with fail_on="never" it says that nothing was seen."""
    s3.replication["b"] = Answer(403, code="AccessDenied")
    context = Context()
    with pytest.raises(failures.ReplicationRulesBroken, match="s3:GetReplicationConfiguration"):
        S3ReplicationRulesCheckOperator(task_id="check", bucket_name="b", keys=["k"]).execute(context)
    found = context.pushed["return_value"]
    assert [each["what"] for each in found["unseen"]] == ["the replication rules of s3://b"]
    never = S3ReplicationRulesCheckOperator(task_id="check", bucket_name="b", keys=["k"], fail_on="never")
    assert never.execute(Context()) == found
    assert json.loads(json.dumps(found)) == found


def test_what_may_pass_is_tried_again(s3: S3Server) -> None:
    """A bucket that is not there is an error of the task, to which retries apply."""
    s3.missing_buckets.add("b")
    with pytest.raises(errors.BucketNotFound):
        S3ReplicationRulesCheckOperator(task_id="check", bucket_name="b").execute(Context())


def test_keys_that_can_be_read_only_once(s3: S3Server) -> None:
    """An iterator of keys is read when the DAG is parsed, and still has all of them when the task runs."""
    s3.replication["b"] = Answer(404, code="ReplicationConfigurationNotFoundError")
    check = S3ReplicationRulesCheckOperator(
        task_id="check", bucket_name="b", keys=map(str, range(3)), prefixes=iter(["p/"]), fail_on="never"
    )
    assert check.execute(Context())["checked"] == {"keys": 3, "prefixes": 1, "rules": 0, "destinations": 0}


def test_lineage_is_the_bucket() -> None:
    """OpenLineage is told which bucket was looked at, and nobody is asked for that."""
    check = S3ReplicationRulesCheckOperator(task_id="check", bucket_name="landing", keys=["k"])
    (place,) = check._flow().inputs
    assert (place.namespace, place.name) == ("s3://landing", "/")
