"""What the log of a task says when a wait ends badly, by Airflow's own task runner in the three modes."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import airflow_provider_crr
from airflow_provider_crr import errors, failures
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.compat import AirflowFailException
from airflow_provider_crr.text.lines import WIDTH
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import Answer, Listed, S3Server, stored

MODES = pytest.mark.parametrize(
    "mode", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=lambda mode: str(*mode.values())
)
OURS = str(Path(airflow_provider_crr.__file__).parent)
#: What Airflow logs as an ERROR: where its traceback begins, and in 3.0 also that it was asked for a connection.
AIRFLOWS_OWN = ("Task failed with exception", "Connection not found")
BRIEF = {"poke_interval": 0.1, "timeout": 0.4}
ROLE = "arn:aws:iam::111122223333:role/replication"
RULES = f"""<ReplicationConfiguration><Role>{ROLE}</Role>
<Rule><ID>orders</ID><Status>Enabled</Status><Priority>1</Priority>
<Filter><Prefix>orders/</Prefix></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>
<Destination><Bucket>arn:aws:s3:::landing-dr</Bucket></Destination></Rule></ReplicationConfiguration>"""


class Log:
    """What was logged, in order: level and text; and the tracebacks that Airflow logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.tracebacks: list[BaseException] = []

    def __call__(self, logger: Any, method: str, event: Any) -> Any:
        self.lines.append((method, str(event["event"])))
        error = sys.exc_info()[1]
        if event.get("exc_info") and error is not None:
            self.tracebacks.append(error)
        raise structlog.DropEvent

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a task logs by the standard library, as it does in Airflow 3.0."""
        self.lines.append((record.levelname.lower(), record.getMessage()))

    @property
    def errors(self) -> list[str]:
        """Texts of level ERROR, but for those of Airflow itself."""
        return [text for level, text in self.lines if level == "error" and text not in AIRFLOWS_OWN]

    def frames_of_ours(self) -> int:
        """How many calls of this provider the traceback of the failure shows."""
        (error,) = self.tracebacks
        text = "".join(traceback.format_exception(error))
        return text.count(f'File "{OURS}')


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """All that is logged while a task runs."""
    found = Log()
    before = structlog.get_config()["processors"]
    processors = before[:]
    processors[:] = [found]
    kept = list(before)
    before[:] = [found]  # in place: loggers that are bound already have this very list
    of_tasks = logging.getLogger("airflow.task")
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", found.emit)
    of_tasks.addHandler(handler)
    yield found
    of_tasks.removeHandler(handler)
    before[:] = kept


@MODES
def test_failure_is_one_error_before_a_traceback_with_one_call_of_ours(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any]
) -> None:
    """The log has the message as an ERROR of narrow lines, once, and then Airflow's few calls and one of ours."""
    s3.replication["landing"] = RULES
    s3.default = lambda bucket, key, version: stored("FAILED")
    run = run_task(S3ReplicationSensor, bucket_key=[f"s3://landing/orders/{n}" for n in range(7)], **mode)
    assert log.errors == [str(run.error)]
    lines = log.errors[0].splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "the gate stays shut: 7 FAILED; replicated 0 of 7"
    assert f"rule 'orders' (prefix 'orders/') to bucket landing-dr, with the role {ROLE}" in " ".join(
        log.errors[0].split()
    )
    assert lines[-1] == "more: docs/troubleshooting.rst#gate-shut"
    assert log.frames_of_ours() == 1
    assert run.xcom["sample"][0]["rule"].startswith("by rule 'orders'")


@MODES
def test_timeout_is_one_error_before_a_traceback_with_one_call_of_ours(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any]
) -> None:
    """So does a wait whose time is up."""
    s3.default = lambda bucket, key, version: stored("PENDING")
    run = run_task(S3ReplicationSensor, bucket_key="s3://landing/a", **BRIEF, **mode)
    assert log.errors == [str(run.error)]
    assert "the whole timeout" in log.errors[0]
    assert log.frames_of_ours() == 1


@MODES
@pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("answer", ["FAILED", "PENDING"])
def test_a_skip_is_told_as_loudly(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any], option: str, answer: str
) -> None:
    """Where the author skips what fails or times out, the log still has the ERROR: nobody takes it for a success."""
    s3.default = lambda bucket, key, version: stored(answer)
    run = run_task(S3ReplicationSensor, bucket_key="s3://landing/a", **{option: True}, **BRIEF, **mode)
    assert run.state == "skipped"
    (told,) = log.errors
    assert ("the gate stays shut: 1 FAILED" if answer == "FAILED" else "the whole timeout") in told


@MODES
@pytest.mark.parametrize("arguments", [{}, {"never_fail": True}], ids=["fails", "skips"])
def test_what_could_not_be_asked_is_told_with_who_was_refused(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any], arguments: dict[str, Any]
) -> None:
    """A denied listing names the connection, S3's own words, the principal, and the place; also before a skip."""
    words = "User: arn:aws:iam::1:user/u is not authorized to perform: s3:ListBucket because no policy allows it"
    s3.caller = "arn:aws:sts::111122223333:assumed-role/gates/w"
    s3.on_list = lambda request, page: (
        Answer(403),
        f"<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>",
    )
    s3.listings["landing"] = {"a": Listed()}
    run = run_task(S3ReplicationSensor, bucket_key="s3://landing/*", wildcard_match=True, **BRIEF, **mode, **arguments)
    assert run.state == ("skipped" if arguments else "failed")
    assert max(map(len, log.errors[0].splitlines())) <= WIDTH
    told = " ".join(log.errors[0].split())
    assert f"cannot list objects: S3 answered AccessDenied to the connection 'aws_default': {words}" in told
    assert f"asked by the connection 'aws_default', as {s3.caller}, on the worker " in told
    assert "Allow s3:ListBucket" in told


@MODES
def test_forbidden_objects_say_who_was_refused(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any]
) -> None:
    """A 403 of objects is said once for all of a bucket: S3's words, connection, principal, place."""
    s3.caller = "arn:aws:sts::111122223333:assumed-role/gates/w"
    s3.default = lambda bucket, key, version: Answer(403, code="AccessDenied", message="Access Denied")
    run = run_task(S3ReplicationSensor, bucket_key=["s3://landing/a", "s3://landing/b"], **mode)
    assert run.xcom["statuses"] == {"FORBIDDEN": 2}
    text = " ".join(log.errors[0].split())
    assert text.count("S3 answered AccessDenied: Access Denied") == 1
    assert text.count(f"asked by the connection 'aws_default', as {s3.caller}, on the worker ") == 1


def test_triggerer_says_that_it_was_the_triggerer(run_task: Callable[..., TaskRun], s3: S3Server, log: Log) -> None:
    """What is refused only later, when the triggerer asks, says so."""
    s3.answers["landing", "a"] = [stored("PENDING"), Answer(403, code="AccessDenied")]
    run_task(S3ReplicationSensor, bucket_key="s3://landing/a", poke_interval=0.1, timeout=20, deferrable=True)
    assert "asked by the connection 'aws_default', in the triggerer " in " ".join(log.errors[0].split())


@MODES
def test_connection_that_is_not_defined_is_called_so(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped connection asks by whatever boto3 finds; the message of what it is refused says so."""
    key, secret = next(iter(s3.secrets.items()))
    for name, value in {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": s3.endpoint_url,
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3.default = lambda bucket, key, version: Answer(403, code="AccessDenied")
    run_task(S3ReplicationSensor, bucket_key="s3://landing/a", aws_conn_id="aws_defualt", **mode)
    assert "by the connection 'aws_defualt', which is not defined, so by boto3's own credentials" in " ".join(
        log.errors[0].split()
    )
    assert any("is not defined: boto3 looks for credentials by itself" in text for _, text in log.lines)


@MODES
def test_report_without_the_column_is_not_retried(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No retry finds another column: the error ends the task for good, and is still caught by its class in errors."""

    def without(*_: Any) -> Any:
        raise errors.ReplicationStatusMissing("the report has no ReplicationStatus column", uri="s3://i/m.json")

    monkeypatch.setattr("airflow_provider_crr.inventory.report.newest_manifest_uri", lambda *_, **__: "s3://i/m.json")
    monkeypatch.setattr("airflow_provider_crr.inventory.report.read_manifest", without)
    run = run_task(S3InventorySensor, inventory="s3://i/landing/daily/", poke_interval=0.1, timeout=20, **mode)
    assert type(run.error) is failures.ReplicationStatusMissing
    assert issubclass(failures.ReplicationStatusMissing, errors.ReplicationStatusMissing)
    assert issubclass(failures.ReplicationStatusMissing, AirflowFailException)
    assert log.errors == ["s3://i/m.json: the report has no ReplicationStatus column"]


def test_summary_of_a_report_without_the_column_is_not_retried(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the operator that summarizes such a report; its log has the remedy in lines that are seen."""

    def without(*_: Any) -> Any:
        raise errors.ReplicationStatusMissing(
            "the report has no ReplicationStatus column",
            uri="s3://inventory/landing/daily/2026-11-20T01-00Z/manifest.json",
            remedy=f"Add the optional field {'ReplicationStatus ' * 9}to the configuration",
        )

    monkeypatch.setattr("airflow_provider_crr.inventory.report.read_manifest", without)
    run = run_task(S3InventorySummaryOperator, inventory="s3://inventory/landing/daily/2026-11-20T01-00Z/manifest.json")
    assert type(run.error) is failures.ReplicationStatusMissing
    (told,) = log.errors
    subject, message, *remedy = told.splitlines()
    assert subject == "s3://inventory/landing/daily/2026-11-20T01-00Z/manifest.json:"
    assert message == "the report has no ReplicationStatus column"
    assert remedy[0].startswith("  To do: Add the optional field")
    assert max(map(len, told.splitlines())) <= WIDTH
    assert log.frames_of_ours() == 1


def test_error_of_a_task_that_does_not_wait_is_told_with_the_calls_that_led_to_it(
    run_task: Callable[..., TaskRun], s3: S3Server, log: Log
) -> None:
    """Where it was raised may matter; the log says first, as an ERROR, what it is about and what to do."""
    s3.on_list = lambda request, page: (Answer(404, code="NoSuchBucket"), "")
    run = run_task(S3InventorySummaryOperator, inventory="s3://i/landing/daily/")
    assert isinstance(run.error, errors.CrrError)
    (told,) = log.errors
    assert "\n  To do: " in told
    assert log.frames_of_ours() > 1
