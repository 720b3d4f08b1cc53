"""The section [crr] of Airflow's configuration: what it says, what it leaves out, and what cannot be read."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.provider_info import get_provider_info
from airflow_provider_crr.s3.prices import Prices
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks import settings
from airflow_provider_crr.tasks.compat import conf
from airflow_provider_crr.tasks.connection import hook_arguments

LIMIT, PRICES, TAB = (f"AIRFLOW__CRR__{name}" for name in ("MAX_REQUESTS_PER_SECOND", "PRICES", "SHOW_TAB"))
TASKS = pytest.mark.parametrize("kind", [S3ReplicationSensor, S3DeleteReplicatedObjectsOperator])


def limit_of(task: Any) -> Any:
    return hook_arguments(task)["max_requests_per_second"]


@TASKS
def test_limit_is_that_of_the_task_else_of_the_configuration(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not given is 1,000 or what is configured when the task runs; None is no limit, whatever is configured."""
    tasks = [
        kind(task_id="t", bucket_key="s3://b/k", **given)
        for given in ({}, {"max_requests_per_second": 7}, {"max_requests_per_second": None})
    ]
    assert [limit_of(task) for task in tasks] == [1000, 7, None]
    monkeypatch.setenv(LIMIT, "250.5")
    assert [limit_of(task) for task in tasks] == [250.5, 7, None]
    monkeypatch.setenv(LIMIT, "inf")
    assert [limit_of(task) for task in tasks] == [None, 7, None]


def test_trigger_is_handed_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored for a triggerer is what the worker's configuration said."""
    monkeypatch.setenv(LIMIT, "250")
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        sensor = S3ReplicationSensor(task_id="t", bucket_key="s3://b/k", deferrable=True)
    assert hook_arguments(sensor, for_trigger=True)["max_requests_per_second"] == 250


@TASKS
@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "None"])
def test_limit_that_cannot_be_read_breaks_no_dag(kind: Any, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG is parsed whatever is configured; the task that needs the limit says what is wrong, and where."""
    monkeypatch.setenv(LIMIT, value)
    task = kind(task_id="t", bucket_key="s3://b/k", **({"deferrable": True} if kind is S3ReplicationSensor else {}))
    with pytest.raises(InvalidArgument, match=rf"\[crr\] max_requests_per_second of .* is '{value}'.*{LIMIT}"):
        limit_of(task)


@pytest.mark.parametrize("given", ["some", True, 0, -1.0])
def test_argument_that_is_no_limit_is_refused(given: Any) -> None:
    """What a DAG's author writes is checked when the DAG is parsed."""
    with pytest.raises(InvalidArgument, match="'configured' for what Airflow's configuration says"):
        S3ReplicationSensor(task_id="t", bucket_key="s3://b/k", max_requests_per_second=given)


def test_prices_are_those_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price that is configured takes the place of the one of us-east-1, and the message says whose it is."""
    assert settings.prices() == Prices()
    monkeypatch.setenv(PRICES, '{"head": 0.00044}')
    assert settings.prices().of_heads(10_000_000) == "about $4.40 by [crr] prices"
    monkeypatch.setenv(PRICES, '{"head": 0}')
    assert settings.prices().of_heads(10_000_000) == "less than $0.01 by [crr] prices"


@pytest.mark.parametrize(
    "value",
    ["0.0004", "cheap", "[]", "{}", '{"put": 1}', '{"head": "1"}', '{"head": -1}', '{"head": true}', '{"head": NaN}'],
)
def test_prices_that_cannot_be_read_are_logged(
    value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No gate fails for what only its log shows: the error names section, option and remedy."""
    monkeypatch.setenv(PRICES, value)
    with caplog.at_level(logging.ERROR):
        assert settings.prices() == Prices()
    assert "[crr] prices of Airflow's configuration" in caplog.text
    assert PRICES in caplog.text


SCRIPT = """
from airflow_provider_crr.plugins.replication_tab import ReplicationTabPlugin as Plugin
print(len(Plugin.fastapi_apps), len(Plugin.external_views))
"""


@pytest.mark.parametrize(("value", "shown"), [("True", "1 2"), ("False", "0 0"), ("f", "0 0"), ("maybe", "1 2")])
def test_tab_is_there_unless_it_is_switched_off(value: str, shown: str) -> None:
    """Airflow loads a plugin with its files and two pages, or with nothing; a word that is no answer is logged."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**os.environ, TAB: value}, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == shown
    assert ("[crr] show_tab of Airflow's configuration" in run.stderr + run.stdout) is (value == "maybe")


def test_airflow_knows_the_section() -> None:
    """Airflow has each option with its default, a description and a type; the defaults are those that are used."""
    from airflow.configuration import conf as of_core
    from airflow.providers_manager import ProvidersManager

    ProvidersManager().initialize_providers_configuration()
    options = get_provider_info()["config"]["crr"]["options"]
    assert {name: of_core.get("crr", name) for name in options} == {
        name: each["default"] for name, each in options.items()
    }
    assert float(options["max_requests_per_second"]["default"]) == settings.MAX_REQUESTS_PER_SECOND
    assert (settings.max_requests_per_second(), settings.prices(), settings.shows_tab()) == (1000, Prices(), True)
    assert conf.get("crr", "no_such_option", fallback="none") == "none"
    for each in options.values():
        assert each["description"]
        assert each["version_added"]
        assert each["example"]
        assert "{" not in each["default"]
    assert settings._prices(options["prices"]["example"]) != Prices()
    assert json.loads(options["prices"]["example"])
