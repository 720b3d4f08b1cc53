"""Gates over patterns beside a writer who writes between two requests, by Airflow's task runner in its three modes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.task_state import has_task_state_store
from tests.airflow.conftest import TaskRun
from tests.support.s3_server import LAST_MODIFIED, Listed, Request, S3Server, stored

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
SOON: dict[str, Any] = {"poke_interval": 0.05, "timeout": 60, "wildcard_match": True}
NEW = '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'
KEEPS = has_task_state_store()


@pytest.fixture
def s3(s3: S3Server) -> S3Server:
    """The scripted S3, whose objects are replicated."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    return s3


def lists(s3: S3Server) -> int:
    """Return how many LISTs there were."""
    return sum(not request.key and "list-type" in request.query for request in list(s3.requests))


def heads(s3: S3Server) -> dict[str, int]:
    """Return how many HEADs each key got."""
    return dict(Counter(request.key for request in s3.heads()))


def before_list(s3: S3Server, number: int, act: Callable[[], None]) -> None:
    """Let somebody act between a LIST and the one before it, counted from 1."""

    def hook(request: Request) -> None:
        if lists(s3) == number:
            act()

    s3.before_listing = hook


def write(s3: S3Server, *keys: str) -> Callable[[], None]:
    return lambda: s3.listings["b"].update({key: Listed() for key in keys})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("patterns", "page_size"),
    [
        (["s3://b/w/*", "s3://b/w/_SUCCESS"], 1000),
        (["s3://b/w/part-*", "s3://b/w/_SUC*"], 1000),
        (["s3://b/w/*"], 2),  # whose marker, w/z_SUCCESS, is on the next page
    ],
    ids=["marker last", "parts and marker", "marker on a later page"],
)
def test_part_that_was_written_amid_a_listing_is_waited_for(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: str, patterns: list[str], page_size: int
) -> None:
    """A part, and then the marker, that are written between two LISTs of one sweep keep the gate shut while PENDING."""
    marker = "w/_SUCCESS" if page_size == 1000 else "w/z_SUCCESS"
    s3.page_size = page_size
    s3.listings["b"] = {"w/part-1": Listed(), "w/part-2": Listed(), **({} if page_size == 1000 else {"w/q": Listed()})}
    s3.answers["b", "w/part-0"] = [stored("PENDING"), stored("PENDING"), stored("COMPLETED")]
    before_list(s3, 2, write(s3, "w/part-0", marker))
    run = run_task(S3ReplicationSensor, bucket_key=patterns, **SOON, **MODES[mode])
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": len(s3.listings["b"])})
    assert len(s3.heads(key="w/part-0")) == 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("patterns", [["s3://b/w/*"], ["s3://b/w/*", "s3://b/w/_SUCCESS"]])
def test_snapshot_costs_a_listing_and_no_head(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: str, patterns: list[str]
) -> None:
    """Where nothing is written, a gate over patterns lists each of them twice, and asks for each object once."""
    s3.listings["b"] = {key: Listed() for key in ("w/_SUCCESS", "w/1", "w/2", "w/3")}
    run = run_task(S3ReplicationSensor, bucket_key=patterns, **SOON, **MODES[mode])
    assert (run.state, run.xcom["total"], run.xcom["head_requests"]) == ("success", 4, 4)
    assert lists(s3) == 2 * len(patterns)
    assert set(heads(s3).values()) == {1}
    assert len(run.xcom["sample"]) == 4


def gone(s3: S3Server) -> None:
    del s3.listings["b"]["w/2"]


def overwritten(s3: S3Server) -> None:
    s3.listings["b"]["w/2"] = Listed(etag=NEW)
    s3.answers["b", "w/2"] = [stored(status, headers={"ETag": NEW}) for status in ("PENDING", "COMPLETED")]


def renamed(s3: S3Server) -> None:
    gone(s3)
    write(s3, "w/0")()
    s3.answers["b", "w/0"] = [stored("PENDING"), stored("COMPLETED")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (gone, {"w/1": 1, "w/2": 1}),
        (overwritten, {"w/1": 1, "w/2": 3}),
        (renamed, {"w/0": 2, "w/1": 1, "w/2": 1}),
    ],
)
def test_change_before_the_second_listing_is_seen(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: str, change: Callable[[S3Server], None], asked: dict[str, int]
) -> None:
    """What is gone, overwritten or renamed when the second listing begins is no part of what the gate opens on."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    before_list(s3, 2, lambda: change(s3))
    run = run_task(S3ReplicationSensor, bucket_key="s3://b/w/*", **SOON, **MODES[mode])
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": len(s3.listings["b"])})
    if KEEPS or mode != "reschedule":
        assert heads(s3) == asked
    assert lists(s3) >= 3


def test_writer_without_an_end_holds_no_poll(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """A writer whose every object is replicated at once, and who goes on, makes the gate wait, poll after poll."""
    s3.listings["b"] = {"w/1": Listed()}
    s3.before_listing = lambda request: write(s3, f"w/{len(s3.requests)}")()
    run = run_task(S3ReplicationSensor, bucket_key="s3://b/w/*", **{**SOON, "timeout": 0.3}, **MODES["poke"])
    assert type(run.error).__name__ == "AirflowSensorTimeout"
    assert "what the patterns match still changes" in str(run.error)


@pytest.mark.parametrize("mode", MODES)
def test_same_bytes_written_again_within_the_second_are_waited_for(
    run_task: Callable[..., TaskRun], s3: S3Server, mode: str
) -> None:
    """An object that was written in the second of its answer is asked again in a later one: it may be another then."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    s3.answers["b", "w/1"] = [
        stored("COMPLETED", headers={"Date": LAST_MODIFIED}),
        *[stored("PENDING")] * 2,  # written again, in that same second
        stored("COMPLETED"),
    ]
    run = run_task(S3ReplicationSensor, bucket_key="s3://b/w/*", **SOON, **MODES[mode])
    assert (run.state, run.xcom["statuses"]) == ("success", {"COMPLETED": 2})
    assert heads(s3) == {"w/1": 4, "w/2": 1 if mode != "reschedule" or KEEPS else 2}


def test_young_object_costs_a_head_and_a_second(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """An object that was written in the second of its answer does not make the gate wait for its next poke."""
    s3.listings["b"] = {"w/1": Listed(), "w/2": Listed()}
    s3.answers["b", "w/1"] = [stored("COMPLETED", headers={"Date": LAST_MODIFIED}), stored("COMPLETED")]
    run = run_task(S3ReplicationSensor, bucket_key="s3://b/w/*", **{**SOON, "poke_interval": 600}, **MODES["poke"])
    assert (run.state, run.xcom["waited_seconds"] < 600) == ("success", True)
    assert (heads(s3), lists(s3)) == ({"w/1": 2, "w/2": 1}, 2)


REPLICAS = ["s3://b/w/_SUCCESS", "s3://b/w/*"]


def test_pattern_over_replicas_fails_and_says_what_to_do(run_task: Callable[..., TaskRun], s3: S3Server) -> None:
    """What a pattern matches in a bucket of replicas fails the gate in the three modes, naming three ways out."""
    s3.listings["b"] = {"w/_SUCCESS": Listed(), "w/1": Listed()}
    s3.default = lambda bucket, key, version: stored("REPLICA")
    runs = [run_task(S3ReplicationSensor, bucket_key=REPLICAS, **SOON, **mode) for mode in MODES.values()]
    assert {type(run.error).__name__ for run in runs} == {"ReplicationFailed"}
    assert len({tuple(sorted(str(run.error).splitlines())) for run in runs}) == 1
    assert [run.xcom["deciding"] for run in runs] == [{"REPLICA": 2}] * 3
    for words in ("in no order", "Ask the source bucket", "name the objects", "on_replica='done'"):
        assert words in str(runs[0].error)


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ({"bucket_key": REPLICAS, "wildcard_match": True, "on_replica": "done"}, "success"),
        ({"bucket_key": REPLICAS, "wildcard_match": True, "on_replica": "fail"}, "failed"),
        ({"bucket_key": "s3://b/w/1"}, "success"),
        ({"bucket_key": "s3://b/w/1", "version_id": "v"}, "success"),
        ({"bucket_key": ["s3://b/w/1", "s3://b/w/_SUCCESS"]}, "success"),
        ({"bucket_key": "s3://b/w/1", "on_replica": "fail"}, "failed"),
    ],
)
def test_replica_is_done_where_it_is_named_or_where_the_author_says_so(
    run_task: Callable[..., TaskRun], s3: S3Server, arguments: dict[str, Any], state: str
) -> None:
    """Replicas that are named open the gate, and those of a pattern with on_replica="done", in the three modes."""
    s3.listings["b"] = {"w/_SUCCESS": Listed(), "w/1": Listed()}
    s3.default = lambda bucket, key, version: stored(
        "REPLICA", headers={"x-amz-version-id": version} if version else {}
    )
    for mode in MODES.values():
        run = run_task(S3ReplicationSensor, **{**SOON, "wildcard_match": False, **arguments}, **mode)
        assert (run.state, set(run.xcom["statuses"])) == (state, {"REPLICA"})
