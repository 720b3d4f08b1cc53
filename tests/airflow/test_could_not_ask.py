"""What keeps a task from asking: what passes is waited out, what lasts ends the task, alike in the three modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from airflow.exceptions import AirflowFailException

from airflow_provider_crr import errors
from airflow_provider_crr.hooks.sharing import refused
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from tests.airflow.conftest import TaskRun
from tests.support.credential_sources import Connect, Container, Process, Source, Sts, WebIdentity
from tests.support.s3_server import Answer, Listed, S3Server, stored

MODES: tuple[dict[str, Any], ...] = (
    {"mode": "poke", "deferrable": False},
    {"mode": "reschedule", "deferrable": False},
    {"deferrable": True},
)
ONE, MANY = "s3://landing/a", ["s3://landing/a", "s3://landing/b"]


@pytest.fixture
def s3(s3: S3Server) -> S3Server:
    """The scripted S3, whose objects are replicated."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    return s3


@pytest.fixture(autouse=True)
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A triggerer remembers a refusal for a shorter time here, and the tests take less."""
    monkeypatch.setattr(refused, "REFUSED_FOR", 0.5)


def waits(run_task: Any, task_class: type = S3ReplicationSensor, **arguments: Any) -> list[Any]:
    """Run a sensor in each mode."""
    settings = {"poke_interval": 0.1, "timeout": 20, **arguments}
    if task_class is S3ReplicationSensor:
        settings.setdefault("bucket_key", ONE)
    return [run_task(task_class, **settings, **mode) for mode in MODES]


@pytest.mark.parametrize(
    ("kind", "refusal"), [(Sts, "denied"), (WebIdentity, "identity"), (Container, "403"), (Process, "exit")]
)
def test_what_lasts_ends_the_task_when_it_begins(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect, kind: type[Source], refusal: str
) -> None:
    """Credentials that are refused for good end the task with an error that names who refused; retries apply."""
    source = connect(kind)
    source.refuse(refusal)
    runs = waits(run_task)
    assert {run.state for run in runs} == {"failed"}
    assert len({str(run.error) for run in runs}) == 1
    for run in runs:
        assert isinstance(run.error, errors.LookupFailed)
        assert not isinstance(run.error, AirflowFailException)
        assert source.who in str(run.error)
        assert "'aws_default'" in str(run.error)
    assert s3.requests == []


@pytest.mark.parametrize("objects", [ONE, MANY], ids=["one", "many"])
@pytest.mark.parametrize(("kind", "refusal"), [(Sts, "denied"), (Container, "403")])
def test_what_lasts_ends_the_task_when_credentials_are_renewed(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect, kind: type[Source], refusal: str, objects: Any
) -> None:
    """A renewal that is refused for good is no verdict about the object: the task ends with the error."""
    source = connect(kind)
    s3.default = lambda bucket, key, version: stored("PENDING")
    runs = []
    for mode in MODES:
        source.script = ["", "", "", refusal]
        arguments = {"bucket_key": objects, "poke_interval": 1.1 if objects is MANY else 0.1, "timeout": 20, **mode}
        runs.append(run_task(S3ReplicationSensor, **arguments))
    assert {type(run.error) for run in runs} <= {errors.LookupFailed, errors.CredentialsNotFound}
    assert all(source.who in str(run.error) for run in runs)


@pytest.mark.parametrize("objects", [ONE, MANY], ids=["one", "many"])
@pytest.mark.parametrize(("kind", "refusal"), [(Sts, "throttled"), (WebIdentity, "provider")])
def test_what_passes_is_waited_out(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect, kind: type[Source], refusal: str, objects: Any
) -> None:
    """Once the first credentials and renewals are given again, the gate goes on, and opens."""
    source = connect(kind)
    script = [refusal, refusal, "", refusal, refusal, ""]
    s3.default = lambda bucket, key, version: stored("COMPLETED" if source.script == [""] else "PENDING")
    for mode in MODES:
        source.script = list(script)
        run = run_task(S3ReplicationSensor, bucket_key=objects, poke_interval=0.1, timeout=60, **mode)
        assert (run.state, run.error, source.script) == ("success", None, [""])
        assert run.xcom["statuses"] == {"COMPLETED": 1 if objects is ONE else 2}


def test_timeout_says_that_it_could_not_ask(run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect) -> None:
    """What passes, and does not within the timeout, is in the timeout's message."""
    connect(Sts).refuse("throttled")
    runs = waits(run_task, timeout=0.4)
    assert {type(run.error).__name__ for run in runs} == {"AirflowSensorTimeout"}
    assert len({str(run.error) for run in runs}) == 1
    assert "At last S3 could not be asked: cannot connect by the connection 'aws_default'" in str(runs[0].error)
    assert "STS answered Throttling to AssumeRole: Rate exceeded" in str(runs[0].error)
    assert s3.requests == []


def test_silent_fail_waits_out_what_lasts(run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect) -> None:
    """With silent_fail a refusal for good is waited out, too, and told by the timeout."""
    connect(Sts).refuse("denied")
    runs = waits(run_task, timeout=0.4, silent_fail=True)
    assert {type(run.error).__name__ for run in runs} == {"AirflowSensorTimeout"}
    assert len({str(run.error) for run in runs}) == 1
    assert "STS answered AccessDenied" in str(runs[0].error)


@pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
def test_what_passes_and_does_not_is_skipped(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect, option: str
) -> None:
    """soft_fail and never_fail make a skip of a timeout that could not ask."""
    connect(Sts).refuse("throttled")
    assert {run.state for run in waits(run_task, timeout=0.3, **cast("Any", {option: True}))} == {"skipped"}


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_a_key_that_s3_refuses_is_no_verdict(run_task: Callable[..., TaskRun], s3: S3Server, code: str) -> None:
    """A wrong key or signature ends the gate with an error that says so, and advises no permission."""
    s3.default = lambda bucket, key, version: Answer(403, code=code)
    for objects in (ONE, MANY):
        for run in waits(run_task, bucket_key=objects):
            assert type(run.error) is errors.LookupFailed
            assert f"S3 refused the {'access key' if 'Key' in code else 'signature'}: {code}" in str(run.error)
            assert "Allow" not in str(run.error)


def test_a_refusal_of_a_moment_is_waited_out(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A 403 whose GET finds all well is asked again, and the gate opens on what S3 says then."""
    for mode in MODES:
        left = [Answer(403), Answer(206)]
        s3.answers["landing", "a"] = lambda left=left: left.pop(0) if left else stored("COMPLETED")  # type: ignore[misc]
        run = run_task(S3ReplicationSensor, bucket_key=ONE, poke_interval=0.1, timeout=20, **mode)
        assert (run.state, run.xcom["statuses"], left) == ("success", {"COMPLETED": 1}, [])


def test_a_list_that_sts_refuses_advises_no_permission_of_s3(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect
) -> None:
    """Where STS refuses to renew for a LIST, the error names STS, and not s3:ListBucket."""
    source = connect(Sts)
    for mode in MODES:
        source.script = ["", "denied"]
        run = run_task(S3ReplicationSensor, bucket_key="s3://landing/*", wildcard_match=True, timeout=5, **mode)
        assert type(run.error) is errors.LookupFailed
        assert "STS answered AccessDenied to AssumeRole" in str(run.error)
        assert "ListBucket" not in str(run.error)


@pytest.mark.parametrize("answer", [Answer(503, code="SlowDown"), Answer(403, raw=b"HTTP/1.1 403 No\r\n\r\nblocked")])
def test_a_list_that_fails_for_a_moment_is_waited_out(
    run_task: Callable[..., TaskRun], s3: S3Server, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    """A LIST that S3 throttles, or that a proxy answers, is sent again at the next poll."""
    from tests.support import s3_server

    s3.listings["landing"] = {"a": Listed()}
    left: list[Answer] = []
    asking = s3_server._Handler._answer
    monkeypatch.setattr(
        s3_server._Handler,
        "_answer",
        lambda self, request: (
            s3_server._error(left.pop(), "") if left and "list-type" in request.query else asking(self, request)
        ),
    )
    for mode in MODES:
        left[:] = [answer] * 2
        run = run_task(
            S3ReplicationSensor,
            bucket_key="s3://landing/*",
            wildcard_match=True,
            poke_interval=0.1,
            timeout=20,
            botocore_config={"retries": {"total_max_attempts": 1}},
            **mode,
        )
        assert (run.state, run.error, left) == ("success", None, [])


def test_waiting_for_a_report_follows_the_same_table(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect
) -> None:
    """The sensor for reports waits out what passes, and ends with what lasts."""
    source = connect(Sts)
    inventory = "s3://reports/landing/daily/"
    source.refuse("throttled")
    for run in waits(run_task, S3InventorySensor, inventory=inventory, timeout=0.4):
        assert type(run.error).__name__ == "AirflowSensorTimeout"
        assert "no complete inventory report" in str(run.error)
        assert "At last S3 could not be asked: cannot connect by the connection 'aws_default'" in str(run.error)
    source.refuse("denied")
    for run in waits(run_task, S3InventorySensor, inventory=inventory):
        assert type(run.error) is errors.LookupFailed
        assert "STS answered AccessDenied" in str(run.error)


@pytest.mark.parametrize("refusal", ["denied", "throttled"])
@pytest.mark.parametrize("script", [[], [""], ["", "", ""]])
def test_a_delete_is_not_refused_but_could_not_ask(
    run_task: Callable[..., TaskRun], s3: S3Server, connect: Connect, refusal: str, script: list[str]
) -> None:
    """The delete operator raises what kept it from asking, and counts no object as refused."""
    source = connect(Sts)
    source.script = [*script, refusal]
    objects = [{"bucket": "landing", "key": key, "version_id": "v1"} for key in "ab"]
    s3.default = lambda bucket, key, version: stored("COMPLETED", headers={"x-amz-version-id": "v1"})
    run = run_task(S3DeleteReplicatedObjectsOperator, bucket_key=objects)
    assert type(run.error) is errors.LookupFailed
    assert f"STS answered {Sts.said[refusal][1]}" in str(run.error)
    assert not run.xcom or not run.xcom["refused"]
    assert {request.method for request in s3.requests} <= {"HEAD"}
