"""What importing the sensors and operators adds to importing amazon's S3KeySensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median

from benchmarks.measure import ROOT, table

_CODE = """
import json, sys, time
began = time.perf_counter()
import airflow.providers.amazon.aws.sensors.s3
theirs = time.perf_counter()
before = set(sys.modules)
import airflow_provider_crr.sensors.replication, airflow_provider_crr.sensors.inventory
import airflow_provider_crr.operators.deletion, airflow_provider_crr.operators.inventory
ended = time.perf_counter()
heavy = sorted({"duckdb", "pyarrow", "awscrt"} & (set(sys.modules) - before))
print(json.dumps([theirs - began, ended - theirs, heavy]))
"""


def report(*, full: bool, say: Callable[[str], None]) -> str:
    """Return the table of this benchmark."""
    found = []
    # As where it is installed: what is compiled already is not compiled at each start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", _CODE], cwd=ROOT, env=environment, capture_output=True, check=True)
    for _ in range(11 if full else 5):
        done = subprocess.run(
            [sys.executable, "-c", _CODE], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
        say(f"S3KeySensor {found[-1][0]:.3f} s, ours beside it {found[-1][1]:.3f} s")
    rows = [
        ["S3KeySensor", f"{1e3 * median(theirs for theirs, _, _ in found):,.0f}"],
        ["our sensors and operators, after it", f"{1e3 * median(added for _, added, _ in found):,.0f}"],
    ]
    loaded = found[0][2]
    return (
        f"{table(['import', 'ms'], rows)}\n\nOf duckdb, pyarrow and awscrt, ours loads: {', '.join(loaded) or 'none'}."
    )
