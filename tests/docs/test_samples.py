"""What the pages show to be copied works."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_string
from importlib.metadata import version
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

import airflow_provider_crr
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.provider_info import get_provider_info
from airflow_provider_crr.replication.events import FAILED
from airflow_provider_crr.tasks import metrics
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, versioned_bucket
from local_aws.inventory.report import deliver, write_report
from local_aws.inventory.scan import scan
from tests.docs.pages import DOCS, Sample, samples, words
from tests.testing.test_pytest_plugin import plugin_arguments

#: Whether Airflow hands the exception to the callbacks of a task that failed.
hands_exceptions = has_deadlines = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 1)
JSON = samples("json")
#: Tests, which are run, and DAG files.
TESTS = [sample for sample in samples("python") if ":caption: test_" in sample.options]
PYTHON = [sample for sample in samples("python") if sample not in TESTS]


def named(found: list[Sample]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", found, ids=[sample.name for sample in found])


@named(PYTHON)
def test_python_sample_builds_a_dag(load_dags: Callable[[str], dict[str, Any]], sample: Sample) -> None:
    """Airflow reads a sample as a DAG file, and finds one DAG that has tasks."""
    if "DeadlineAlert" in sample.text and not has_deadlines:
        pytest.skip("DAGs have deadlines from Airflow 3.1 on, as the page says")
    (dag,) = load_dags(sample.text).values()
    assert dag.tasks


@pytest.mark.usefixtures("load_dags")  # makes the database
def test_tests_of_dags_pass(airflow_home: Path, tmp_path: Path) -> None:
    """The tests that the pages show pass, beside the DAG files that the pages show, in the environment of the page."""
    files = [sample for sample in samples("python") if ":caption: " in sample.options]
    for sample in files:
        path = tmp_path / sample.options.partition(":caption: ")[2].strip()
        path.parent.mkdir(exist_ok=True)
        path.write_text(sample.text)
    (told,) = (sample.text for sample in samples("sh") if sample.name.startswith("testing"))
    exported = dict(re.findall(r"export (\w+)=(\S+)", told))
    assert "AIRFLOW_HOME" in exported
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin_arguments(), "."],
        cwd=tmp_path,
        env={
            **os.environ,
            **{name: value.replace("$PWD", str(tmp_path)) for name, value in exported.items()},
            "AIRFLOW_HOME": str(airflow_home),  # has a database
            "PYTHONPATH": str(Path(airflow_provider_crr.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{''.join(sample.text for sample in TESTS).count('def test_')} passed" in ran.stdout


def validate(service: str, shape: str, value: Any) -> None:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel
    from botocore.validate import validate_parameters

    validate_parameters(value, ServiceModel(Loader().load_service_model(service, "service-2")).shape_for(shape))


def test_every_option_is_on_the_page() -> None:
    """What can be configured is on its page, with its default."""
    for name, option in get_provider_info()["config"]["crr"]["options"].items():
        assert f"{name} - {option['default']}".strip() in words("configuration")


@named(JSON)
def test_json_sample_is_what_its_caption_says(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own models take the configurations, Airflow takes the connection, and policies have statements."""
    value = json.loads(sample.text)
    caption = sample.options.partition(":caption: ")[2].strip()
    shape = caption.partition(",")[0]
    if caption.startswith("AIRFLOW_CONN_"):
        monkeypatch.setenv(caption, sample.text)
        found = S3ReplicationHook(aws_conn_id=caption.removeprefix("AIRFLOW_CONN_").lower()).conn_config
        given = {name: getattr(found, name) for name in ("region_name", "role_arn", "assume_role_kwargs")}
        assert given == value["extra"]
    elif shape.endswith("Configuration"):
        validate("s3", shape, value)
        assert FAILED in json.dumps(value) or "ReplicationStatus" in value["OptionalFields"]
    else:
        about = "Principal" if "trust policy" in caption else "Resource"
        assert all({"Effect", "Action", about} <= set(statement) for statement in value["Statement"])


@pytest.mark.parametrize("sample", samples("console"), ids=lambda sample: sample.name)
def test_command_is_one_that_airflow_takes(sample: Sample) -> None:
    """Each command of a sample is one whose arguments Airflow's parser takes."""
    from airflow.cli.cli_config import DefaultHelpParser
    from airflow.cli.cli_parser import _add_command

    from airflow_provider_crr.cli.definition import get_crr_commands

    parser = DefaultHelpParser(prog="airflow")
    commands = parser.add_subparsers(dest="subcommand")
    for command in get_crr_commands():
        _add_command(commands, command)
    typed = re.findall(r"airflow (crr [^|<>&\n]+)", "".join(re.findall(r"^\$ .*\n", sample.text, re.MULTILINE)))
    assert typed
    for arguments in typed:
        assert callable(parser.parse_args(shlex.split(arguments)).func)


def test_every_example_is_on_the_page() -> None:
    """The index of examples names each file of the folder; the page to which it leads shows the file whole."""
    index = (DOCS / "examples.rst").read_text()
    pages = {path: path.read_text() for path in sorted(DOCS.glob("*.rst"))}
    for path in sorted((DOCS.parent / "example_dags").glob("*.py")):
        label = re.search(rf":ref:`{path.stem} <([\w-]+)>`", index)
        assert label, path.name
        page = next(text for text in pages.values() if f".. _{label[1]}:\n" in text)
        assert f".. literalinclude:: ../example_dags/{path.name}\n" in page


def test_every_metric_is_on_the_page() -> None:
    """What a task sends is named, and nothing else is."""
    sent = set(re.findall(r'"((?:gate|inventory|repair)\.\w+)"', inspect.getsource(metrics)))
    assert set(re.findall(r"\bcrr\.(\w+\.\w+)", words("observe"))) == sent


@pytest.fixture
def bad_report(aws_conn: LocalAws, denied_pair: ReplicatedPair) -> str:
    """Deliver a report with one FAILED object; return its folder."""
    denied_pair.source_client.put_object(Bucket=denied_pair.source, Key="<b>a", Body=b"x")
    destination = f"{denied_pair.source}-inventory"
    versioned_bucket(denied_pair.source_client, destination)
    report = write_report(
        scan(denied_pair.source_client, denied_pair.source),
        file_format="CSV",
        source_bucket=denied_pair.source,
        destination_bucket=destination,
        created_at=datetime.now(UTC) - timedelta(hours=3),
    )
    deliver(denied_pair.source_client, report)
    return report.folder_uri


def run(load_dags: Any, dag_id: str, replaced: dict[str, str]) -> dict[str, str]:
    (text,) = (sample.text for sample in PYTHON if f'DAG("{dag_id}"' in sample.text)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    found = load_dags(text)[dag_id].test(logical_date=datetime.now(UTC))
    return {instance.task_id: str(instance.state) for instance in found.get_task_instances()}


FOLDER = "s3://my-inventory-bucket/my-landing-bucket/daily/"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A mail server behind the connection smtp_default; what it was sent."""
    received: list[str] = []

    class Session(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"250 fine\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        extra = {"disable_ssl": True, "disable_tls": True}
        conn = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.server_address[1], "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(conn))
        yield received
        server.shutdown()


def test_mail_names_what_is_wrong_and_where_the_report_is(
    load_dags: Callable[[str], dict[str, Any]], bad_report: str, mailbox: list[str], tmp_path: Path
) -> None:
    """The notifier of the sample sends the error, escaped, and the places that its summary names."""
    states = run(
        load_dags,
        "inventory_check_by_mail",
        {FOLDER: bad_report, "s3://my-reports-bucket/replication": f"file://{tmp_path}"},
    )
    assert states == {"summary": "failed"}
    mail = message_from_string(mailbox[0])
    said = "1 FAILED, limit 0" if hands_exceptions else "the report has 1 FAILED"
    assert mail["Subject"] == f"inventory_check_by_mail.summary failed: {said}"
    (payload,) = (part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() == "text/html")
    assert isinstance(payload, bytes)
    html = payload.decode()
    assert said in html
    assert f"Report: file://{tmp_path}" in html
    assert "-failed.csv" in html


def test_ticket_is_written_of_a_report_over_its_limit(
    load_dags: Callable[[str], dict[str, Any]], bad_report: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The task behind a failed summary runs, and reads the summary that was pushed before."""
    assert run(load_dags, "inventory_check_with_ticket", {FOLDER: bad_report}) == {
        "summary": "failed",
        "ticket": "success",
    }
    assert "1 FAILED in s3://" in capfd.readouterr().out
