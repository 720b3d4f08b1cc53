"""What CONTRIBUTING.md tells to touch is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Where a path of CONTRIBUTING.md may begin.
BEGINNINGS = (
    "",
    "airflow_provider_crr",
    "airflow_provider_crr/inventory/engines",
    "airflow_provider_crr/cli",
    "requirements",
)


def test_files_that_are_named_exist() -> None:
    """Every file and folder of CONTRIBUTING.md exists, but for those that a contributor is to make."""
    named = set(
        re.findall(r"`([\w./-]+(?:/|\.(?:py|rst|md|toml|sh|js|yml|txt)))`", (ROOT / "CONTRIBUTING.md").read_text())
    )
    made = {name for name in named if "NAME" in name} | {"dist/", "release.yml"}
    missing = [name for name in named - made if not any((ROOT / begins / name).exists() for begins in BEGINNINGS)]
    assert sorted(missing) == []
