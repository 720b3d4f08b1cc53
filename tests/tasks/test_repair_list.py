"""The manifest of objects that somebody names, on a worker whose disk or life ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_crr.errors import DiskFull
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks.repair_list import write
from tests.inventory.engines.test_worker_faults import full_disk

URI = "s3://work/manifest.csv"


def test_full_disk_is_told_as_one() -> None:
    """No room for the manifest: nothing raw is raised, and nothing is written to S3."""
    objects = [S3Object("landing", f"k{number}", "v") for number in range(1000)]
    with full_disk(1000), pytest.raises(DiskFull, match="the disk is full") as raised:
        write(objects, URI, None, None)
    assert raised.value.uri == URI
    assert "TMPDIR" in str(raised.value.remedy)


DIES = """
import os, signal
from airflow_provider_crr.inventory import output
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.tasks.repair_list import write
if {dies}:
    output.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write([S3Object("landing", "k", "v")], "s3://work/manifest.csv", None, None)
"""


def test_what_a_killed_task_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    """After kill -9 the manifest stays on the worker until another task writes one there."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    for dies, left in ((True, 1), (False, 0)):
        command = [sys.executable, "-c", DIES.format(dies=dies)]
        run = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (run.returncode == -signal.SIGKILL) is dies
        assert len(list(tmp_path.iterdir())) == left
