"""What a repair costs is told before anything is written, created or confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from airflow_provider_crr.inventory import output
from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from airflow_provider_crr.triggers.batch_replication import S3BatchReplicationTrigger
from tests.support.repairs import Broken, Run, run

COUNTED, UNCOUNTED = "2 objects cost about $0.25", "the price is $0.25 a job and $1.00 a million objects"


class Diary:
    """What was logged and what was asked of S3, in its order; it stands where the logs of task and trigger do."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, *args: Any) -> None:
        self.lines.append(message % args if args else message)

    warning = error = debug = exception = info

    def watch(self, monkeypatch: pytest.MonkeyPatch, of: Any, name: str) -> None:
        """Note each call of a function, before it does anything."""
        done = getattr(of, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            self.lines.append(f"called: {name}")
            return done(*args, **kwargs)

        monkeypatch.setattr(of, name, noted)

    def places(self, *begun: str) -> list[int]:
        """Return where each line stands for the first time, by a part of it."""
        return [next(place for place, line in enumerate(self.lines) if part in line) for part in begun]


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Diary:
    kept = Diary()
    for cls in (S3BatchReplicationOperator, S3BatchReplicationTrigger):
        monkeypatch.setattr(cls, "log", kept)
    kept.watch(monkeypatch, output, "write")
    for name in ("create_job", "confirm_job"):
        kept.watch(monkeypatch, S3BatchOperationsHook, name)
    return kept


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
@pytest.mark.parametrize("what", ["objects", "manifest", "search"])
def test_price_is_told_before_anything_is_created_or_confirmed(
    broken: Broken, diary: Diary, what: str, deferrable: bool
) -> None:
    """A list is counted before anything is written for it; a search is, once S3 has counted, before it is confirmed."""
    uris = broken.put("a", "b")
    broken.pair.allow()
    rows = "".join(f"{broken.bucket},{key},{uri.partition('=')[2]}\n" for key, uri in zip("ab", uris, strict=True))
    given: dict[str, dict[str, Any]] = {
        "objects": {"objects": uris},
        "manifest": {"manifest_uri": broken.manifest(rows)},
        "search": {"source_bucket": broken.bucket},
    }
    assert run(broken.operator(**given[what], deferrable=deferrable), Run())["total"] == 2
    order = {
        "objects": (COUNTED, "called: write", "called: create_job"),
        "manifest": (COUNTED, "called: create_job"),
        "search": (UNCOUNTED, "called: create_job", COUNTED, "called: confirm_job"),
    }[what]
    places = diary.places(*order)
    assert places == sorted(places)
    assert sum("is confirmed now" in line for line in diary.lines) == (what == "search")
    assert any("called: confirm_job" in line for line in diary.lines) == (what == "search")
