"""The fixtures, in a pytest of somebody else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import airflow_provider_crr

TEST = """
import boto3
import pytest
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.report import newest_manifest_uri

URI = "s3://b/k"


def test_first(fake_s3, fake_inventory):
    s3, report = fake_s3({URI: ["PENDING", "COMPLETED"]}), fake_inventory([("k", "FAILED")])
    hook = S3ReplicationHook(aws_conn_id=None)
    assert [hook.get_replication_status(URI).state for _ in range(3)] == ["PENDING", "COMPLETED", "COMPLETED"]
    assert s3.looks(URI) == 3
    assert newest_manifest_uri(hook.get_conn(), report.folder) == report.manifest
    fake_s3({URI: "FAILED"}, patient=True)
    assert hook.get_replication_status(URI).state == "FAILED"


def test_second(fake_s3):
    fake_s3({"s3://c/k": "NONE"})
    with pytest.raises(Exception, match="NoSuchBucket|Not Found"):
        boto3.client("s3").head_bucket(Bucket="b")
"""
#: The plugin, where the installed project does not have the entry point yet.
PLUGIN = "airflow_provider_crr.testing.pytest_plugin"


def test_project_declares_the_plugin() -> None:
    """Pytest finds the plugin by the entry point that the project declares."""
    root = Path(airflow_provider_crr.__file__).parents[1]
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert [*points.values()] == [PLUGIN]
    assert {"fake_s3", "fake_inventory"} <= vars(import_module(PLUGIN)).keys()


def plugin_arguments() -> list[str]:
    """Return the arguments with which pytest loads the plugin, if it does not do so by itself."""
    found = {point.value for point in entry_points(group="pytest11")}
    return [] if PLUGIN in found else ["-p", PLUGIN]


def test_fixtures_last_until_the_end_of_the_test(tmp_path: Path, airflow_home: Path) -> None:
    """Both fixtures begin when they are called, end with their test, and need nothing but the plugin."""
    (tmp_path / "test_dag.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin_arguments(), str(tmp_path)],
        cwd=Path(airflow_provider_crr.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
