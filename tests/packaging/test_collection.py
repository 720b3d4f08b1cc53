"""Tests have the same names whenever they are collected, or the workers of pytest-xdist refuse to run any."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_names_of_tests_do_not_change_with_the_time_or_the_process() -> None:
    """Two processes, begun in other seconds and with other hashes, collect the same tests in the same order."""
    collected = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTEST_ADDOPTS": ""}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        collected.append([line for line in done.stdout.splitlines() if "::" in line])
    first, second = collected
    assert first == second
    assert len(first) > 1000
