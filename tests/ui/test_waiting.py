"""The Replication tab of tasks that wait, or whose wait has ended: what they pushed, or what their log says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import versioned_bucket
from local_aws.inventory.report import deliver, write_report
from local_aws.inventory.row import USUAL_FIELDS, Row
from tests.support.polling import until
from tests.ui.reports import HOSTILE
from tests.ui.tab import Tab
from tests.ui.waits import FOLDER, PROGRESS, job, moment, report, stuck, timed_out, waiting

FAILED = {"uri": f"{FOLDER}part-1", "status": "FAILED", "reason": "S3 does not retry a failed replication."}

#: Builds a page by one of our modules, outside of Airflow, and returns its text.
BUILD = """
    const [file, name, ...given] = arguments;
    return import(`./${file}.js`).then(module => {
        const found = document.createElement('div');
        found.append(...module[name](...given).flat(Infinity).filter(Boolean));
        document.getElementById('page').replaceChildren(found);
        return found.innerText;
    });
"""


def begun(airflow: Airflow, found: dict[str, Any], *, lines: list[str] | None = None, ends: str = "") -> str:
    """Start a task that pushes these values, and return its run once it waits, or has ended so."""
    run = airflow.trigger("waiting", found=found, lines=lines or [], ends=ends)
    until(lambda: airflow.task_states("waiting", run).get("gate") == (ends or "deferred"), ends or "the wait")
    return run


@pytest.fixture(scope="session")
def live(airflow: Airflow) -> str:
    """A run whose gate waits, and says how far it is."""
    return begun(airflow, {PROGRESS: waiting()})


def push(tab: Tab, run: str, value: Any) -> None:
    """Let a waiting task have pushed a newer value."""
    path = f"/api/v2/dags/waiting/dagRuns/{run.replace('+', '%2B')}/taskInstances/gate/xcomEntries/{PROGRESS}"
    sent = """return fetch(arguments[0], {method: 'PATCH', headers: {'content-type': 'application/json'},
        body: JSON.stringify({value: arguments[1]})}).then(answer => answer.status)"""
    assert tab.ask(sent, path, value) == 200


def test_waiting_gate_shows_how_far_it_is_and_goes_on_by_itself(tab: Tab, live: str) -> None:
    """A gate that waits shows counts, objects, its question and when it will be done; and what is newer, by itself."""
    tab.open("waiting", live, "gate")
    assert tab.headline == "Waiting for S3"
    assert "12 of 4,013 objects are not replicated: 12 PENDING" in tab.text
    assert "Probably done in " in tab.text
    shown = tab.tiles()
    assert (shown["Replicated"], shown["Still waiting for"]) == ("4,001", "12")
    assert list(shown) == ["Replicated", "Still waiting for", "Oldest PENDING", "Waited", "Asks again", "Gives up"]
    bar = "return document.querySelector('.bar').getAttribute('aria-label')"
    assert tab.ask(bar) == "Objects: COMPLETED 99.70 %, PENDING 0.29 %"
    picture = tab.ask("return document.querySelector('.wait svg').getAttribute('aria-label')")
    assert picture == "Replicated over 2h3m: from 628 of 2,680 to 4,000 of 4,013"
    assert [uri.partition("?")[0] for uri in tab.texts(".step-pending code")] == [
        f"{FOLDER}part-{number:05}.parquet" for number in range(4000, 4010)
    ]
    assert "and 2 more, which the task did not name" in tab.text
    for fact in (
        "to-dublin of orders-landing → orders-landing-replica", "aws_landing", "MISSING fails the gate (on_missing)",
        "PENDING for more than 4h fails the gate (max_pending_age)", "5,012 HEAD requests",
        "3m14s (median), 11m42s for 95 %", "by the triggerer on triggerer-0",
    ):  # fmt: skip
        assert fact in tab.text
    oldest = tab.tiles()["Oldest PENDING"]
    until(lambda: tab.tiles()["Oldest PENDING"] != oldest, "the age to grow")
    tab.ask("window.same = true")
    newer = waiting(total=4013, done=4012, statuses={"COMPLETED": 4012, "PENDING": 1})
    push(tab, live, newer)
    until(lambda: "1 of 4,013 objects is not replicated: 1 PENDING" in tab.text, "the tab to show the newer value")
    assert tab.ask("return window.same")


def test_tab_that_nobody_sees_asks_nothing(tab: Tab, live: str) -> None:
    """While the page is hidden it sends no request; when it is seen again it asks at once."""
    tab.open_alone("waiting", live, "gate")
    counting = "window.asked = 0; window.real = fetch; window.fetch = (...a) => (window.asked += 1, window.real(...a))"
    hide = """Object.defineProperty(document, 'hidden', {configurable: true, get: () => arguments[0]});
        document.dispatchEvent(new Event('visibilitychange'))"""
    tab.ask(counting)
    until(lambda: tab.ask("return window.asked") >= 3, "the page to look again")
    tab.ask(hide.replace("arguments[0]", "true"))
    before = tab.ask("return window.asked")
    later = "return new Promise(done => setTimeout(() => done(window.asked), 7000))"
    assert tab.ask(later) - before <= 3  # a look that was under way
    quiet = tab.ask("return window.asked")
    tab.ask(hide.replace("arguments[0]", "false"))
    until(lambda: tab.ask("return window.asked") > quiet, "the page to ask when it is seen")


NOT_ASKED = partial(waiting, total=0, done=0, statuses={}, waiting=[], message="")
BARE = partial(waiting, targets=None, rules=None, policy={}, history=[], deadline=None)
ENDS: list[tuple[Callable[[], dict[str, Any]], str, str, str, list[str]]] = [
    (
        stuck, "deferred", "watch", "Waiting for S3",
        ["Nothing has moved since", "PENDING for 2h3m", "airflow crr explain --conn-id aws_landing 's3://orders-landing/"],
    ),
    (
        lambda: stuck(connection="a'; rm -rf /"), "deferred", "watch", "Waiting for S3",
        ["crr explain --conn-id 'a'\\''; rm -rf /' 's3://"],
    ),
    (lambda: stuck(unmoved_since=moment(-300)), "deferred", "moving", "Waiting for S3", ["Nothing has moved since"]),
    (waiting, "deferred", "moving", "Waiting for S3", ["Probably done in"]),
    (lambda: waiting(expected_done_at=moment(-60)), "deferred", "moving", "Waiting for S3", ["It was expected"]),
    (lambda: waiting(expected_done_at=None), "running", "moving", "Waiting for S3", ["12 PENDING"]),
    (lambda: waiting(unasked="STS refused"), "deferred", "watch", "could not be asked at the last look", ["refused"]),
    (timed_out, "failed", "bad", "Time was up at", ["12 of 4,013", "Clear the task to wait again"]),
    (timed_out, "skipped", "bad", "and the task was skipped", ["12 of 4,013"]),
    (lambda: timed_out(unasked="STS refused"), "failed", "bad", "Time was up at", ["be asked: STS refused"]),
    (
        lambda: waiting(state="failed", statuses={"FAILED": 1}, total=1, done=0, waiting=[FAILED]),
        "failed", "bad", "The gate stayed shut", ["The object is not replicated: 1 FAILED", "S3 does not retry"],
    ),
    (
        lambda: waiting(state="failed", statuses={"REPLICA": 2}, total=2, done=0, waiting=[]),
        "failed", "bad", "The gate stayed shut", ["None of 2 objects is replicated: 2 REPLICA"],
    ),
    (
        lambda: waiting(statuses={"NONE": 5, "PENDING": 2}, total=7, done=5, policy={"on_none": "done"}),
        "running", "moving", "Waiting for S3", ["2 of 7 objects are not replicated: 2 PENDING", "NONE counts as repl"],
    ),
    (
        lambda: waiting(state="done", done=4013, statuses={"COMPLETED": 4013}, waiting=[]),
        "success", "good", "The gate opened", ["All 4,013 objects are replicated"],
    ),
    (lambda: waiting(state="error", unasked="no connection"), "failed", "bad", "S3 could not be asked", ["no conn"]),
    (waiting, "failed", "bad", "The task failed while it waited", ["its log says why it ended"]),
    (NOT_ASKED, "running", "moving", "Waiting for S3", ["S3 has not answered yet"]),
    (job, "deferred", "moving", "S3 Batch Replication is running", ["1,203 of 3,000", "3 FAILED, 1,200 not done"]),
    (job, "deferred", "moving", "S3 Batch Replication is running", ["00e123a4-c0d8-41f4-a0eb-b46f9ba5b07c"]),
    (report, "deferred", "moving", "Waiting for an inventory report", ["newer than", "s3://reports/orders-landing/"]),
    (lambda: waiting(kind="something new"), "deferred", "moving", "Waiting", ["12 PENDING"]),
    (BARE, "running", "moving", "Waiting for S3", ["rules could not be read", "the defaults: FAILED and NONE fail"]),
    (BARE, "running", "moving", "Waiting for S3", ["none: it never gives up"]),
    (lambda: waiting(rules=[]), "running", "moving", "Waiting for S3", ["no replication rule for these objects"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "state", "level", "headline", "said"), ENDS)
def test_wait_says_how_it_stands(
    tab: Tab,
    live: str,
    value: Callable[[], dict[str, Any]],
    state: str,
    level: str,
    headline: str,
    said: list[str],
) -> None:
    """Each way in which a wait can stand has words of its own, and looks like what it is."""
    tab.open_alone("waiting", live, "gate")
    text = tab.ask(BUILD, "progress", "progressPage", value(), {"state": state, "end_date": None})
    assert headline in tab.headline
    assert [part for part in said if part not in text] == []
    assert tab.ask("return document.querySelector('.banner').className") == f"banner level-{level}"


@pytest.mark.parametrize(
    ("value", "state", "seconds", "stands"),
    [
        (lambda: waiting(deadline=moment(-10)), "failed", -8, "timeout"),
        (lambda: waiting(deadline=moment(600)), "failed", -8, "ended"),
        (lambda: waiting(deadline=None), "failed", -8, "ended"),
        (lambda: waiting(), "success", -8, "ended"),  # a person has marked it so, while the gate was shut
        (lambda: waiting(state="done"), "success", -8, "done"),
        (lambda: waiting(state="done"), "failed", -8, "ended"),
        (lambda: waiting(), "deferred", None, "waiting"),
        (lambda: timed_out(), "failed", -8, "timeout"),
    ],
)
def test_value_that_is_older_than_the_end_of_its_task_is_no_verdict(
    tab: Tab, live: str, value: Callable[[], dict[str, Any]], state: str, seconds: float | None, stands: str
) -> None:
    """What ended at the deadline was a timeout; of any other end a value that is older says nothing."""
    tab.open_alone("waiting", live, "gate")
    ask = "const [v, i] = arguments; return import('./progress.js').then(p => p.standing(v, i))"
    ended = None if seconds is None else moment(seconds)
    assert tab.ask(ask, value(), {"state": state, "end_date": ended}) == stands


def test_gate_that_returned_something_also_shows_its_question(tab: Tab, airflow: Airflow) -> None:
    """A gate that timed out with counts looks like a timeout, and still says what it was for."""
    counts = {
        "total": 4013, "statuses": {"COMPLETED": 4001, "PENDING": 12}, "oldest_pending_seconds": 7380.0,
        "head_requests": 5012, "waited_seconds": 7500.0, "sample": timed_out()["waiting"],
    }  # fmt: skip
    run = begun(airflow, {"return_value": counts, PROGRESS: timed_out()}, ends="failed")
    tab.open("waiting", run, "gate")
    assert tab.headline == "Time was up"
    assert tab.tiles()["Replication took"] == "3m14s"
    assert "to-dublin of orders-landing → orders-landing-replica" in tab.text
    assert tab.ask("return document.querySelector('.banner').className") == "banner level-bad"


def test_wait_without_a_value_is_shown_by_its_log(tab: Tab, airflow: Airflow) -> None:
    """Where a task has pushed nothing, the lines that it wrote about its wait are shown, and no others."""
    lines = [f"waiting for {n} of 4,013 in s3://stuck/orders/*: {HOSTILE}" for n in range(20, 10, -1)]
    run = begun(airflow, {}, lines=["something else", *lines, "and again something else"])
    tab.open("waiting", run, "gate")
    until(lambda: tab.headline == "Waiting for S3", "the log to be read")
    assert "\n".join(tab.texts(".log pre")).splitlines() == lines
    assert "something else" not in tab.text
    assert tab.ask("return document.images.length") == 0


def test_task_of_somebody_else_shows_nothing(tab: Tab, airflow: Airflow) -> None:
    """A task that waits for something else, and has said nothing of ours, is not called a gate."""
    run = begun(airflow, {"return_value": 7, PROGRESS: "half"}, lines=["still waiting for the bus"])
    tab.open("waiting", run, "gate")
    assert tab.headline == "Nothing about replication here yet"


@pytest.mark.parametrize(
    "classpath", ["airflow_provider_crr.triggers.replication.S3ReplicationTrigger", "other.Trigger"]
)
def test_trigger_of_ours_waits_for_s3_also_where_nothing_can_be_read(tab: Tab, live: str, classpath: str) -> None:
    """Without a value, and without permission to read the log, the trigger tells that the task waits for S3."""
    fake = """const real = window.fetch; window.fetch = async (url, ...rest) => {
        if (/logs/.test(url)) return new Response('no', {status: 403});
        if (/xcomEntries/.test(url)) return new Response('no', {status: 404});
        const found = await (await real(url, ...rest)).json();
        return Response.json({...found, trigger: {classpath: CLASSPATH}});
    }"""
    source = {"source": fake.replace("CLASSPATH", json.dumps(classpath))}
    script = tab.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    try:
        tab.open_alone("waiting", live, "gate")
        expected = "Waiting for S3" if "crr" in classpath else "Nothing about replication here yet"
        assert tab.headline == expected
    finally:
        tab.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_old_value_of_a_wait_comes_with_the_newest_lines_of_the_log(tab: Tab, airflow: Airflow) -> None:
    """Before Airflow 3.3.2 a triggerer pushes nothing: what its log says stands beside the value of the worker."""
    old = waiting(at=moment(-3600), next_look=moment(-3540))
    run = begun(airflow, {PROGRESS: old}, lines=["waiting for 3 of 4,013 in s3://orders-landing/*: 3 PENDING"])
    tab.open("waiting", run, "gate")
    until(lambda: tab.texts(".log pre"), "the log to be read")
    assert tab.texts(".log pre") == ["waiting for 3 of 4,013 in s3://orders-landing/*: 3 PENDING"]
    assert tab.headline == "Waiting for S3"


def test_report_without_statuses_says_so(tab: Tab, airflow: Airflow, aws: LocalAws) -> None:
    """A summary of a report that lacks ReplicationStatus has no value: the tab says what is wrong, and the remedy."""
    client = aws.client(region="eu-west-1")
    for bucket in ("without", "withoutreports"):
        versioned_bucket(client, bucket)
    now = datetime.now(UTC) - timedelta(hours=1)
    row = Row("without", "k", "v", size=1, last_modified_date=now, storage_class="STANDARD", replication_status=None)
    found = write_report(
        [row], file_format="CSV", source_bucket="without", destination_bucket="withoutreports", created_at=now,
        fields=[field for field in USUAL_FIELDS if field != "ReplicationStatus"],
    )  # fmt: skip
    deliver(client, found)
    run = airflow.trigger("archive_check", manifest=found.manifest_uri, reports="withoutreports")
    until(lambda: airflow.run_state("archive_check", run) in ("success", "failed"), "the run to end")
    tab.open("archive_check", run, "summary")
    until(lambda: tab.headline == "The task failed", "the log to be read")
    assert "the report has no ReplicationStatus column" in tab.text
    assert "Add the optional field ReplicationStatus to the inventory configuration" in tab.text


def test_only_whole_progress_is_recognised(tab: Tab, live: str) -> None:
    """A progress value is shown only if every part of it has its shape; parts that are not known may be missing."""
    tab.open_alone("waiting", live, "gate")

    def recognised(values: list[Any]) -> list[bool]:
        return list(
            tab.ask("const [v] = arguments; return import('./shape.js').then(s => v.map(s.isProgress))", values)
        )

    least = {"schema": 1, "kind": "gate", "state": "waiting", "at": moment(), "total": 0, "done": 0, "statuses": {}}
    nulls = {name: None for name in waiting() if name not in least}
    assert all(recognised([waiting(), stuck(), timed_out(), job(), report(), least, least | nulls]))
    wrong = [least | {name: {"html": ["<b>"]}} for name in waiting() if name not in ("targets", "policy")]
    missing = [{name: value for name, value in least.items() if name != left_out} for left_out in least]
    spoiled = [
        waiting(schema=2), waiting(history=[[1, 2]]), waiting(waiting=[{"uri": 1, "status": "PENDING"}]),
        waiting(statuses={"PENDING": "1"}), waiting(total=-1), waiting(policy=[]), waiting(targets=7),
    ]  # fmt: skip
    assert not any(recognised([*wrong, *missing, *spoiled, None, "text", 7, [], {}, [waiting()]]))
    newer = "const [v] = arguments; return import('./shape.js').then(s => v.map(s.isNewerProgress))"
    assert tab.ask(newer, [waiting(schema=2), waiting(), {"schema": 2}]) == [True, False, False]


def test_nothing_that_a_value_says_is_markup(tab: Tab, live: str) -> None:
    """Whatever text of a progress value is markup is shown as text."""
    tab.open_alone("waiting", live, "gate")
    text = {
        name: HOSTILE for name, value in waiting().items() if isinstance(value, str) and name not in ("at", "state")
    }
    hostile = waiting(
        **(text | {"statuses": {HOSTILE: 12}, "policy": {HOSTILE: HOSTILE, "on_failed": HOSTILE}, "unasked": HOSTILE}),
        rules=[{"bucket": HOSTILE, "rule": HOSTILE, "destination": HOSTILE}],
        targets={"objects": 1, "patterns": 0, "sample": [HOSTILE]},
        waiting=[{"uri": HOSTILE, "status": HOSTILE, "reason": HOSTILE}],
    )
    for kind in ("gate", HOSTILE):
        said = tab.ask(BUILD, "progress", "progressPage", hostile | {"kind": kind}, {"state": "deferred"})
        assert HOSTILE in said
        assert tab.ask("return document.images.length + document.querySelectorAll('[onerror]').length") == 0
        assert tab.ask("return [window.hacked, parent.hacked]") == [None, None]


def test_mapped_gates_have_a_row_each_worst_first(tab: Tab, airflow: Airflow) -> None:
    """Of a mapped task all instances are shown, worst first, also where it was opened without one; each has a link."""
    values = [{PROGRESS: waiting()}, {PROGRESS: stuck()}, {PROGRESS: timed_out()}]
    run = airflow.trigger("many", found=values, ends=["", "", "failed"])
    until(lambda: airflow.mapped_states("many", run, "gate") == ["deferred", "deferred", "failed"], "the instances")
    tab.open("many", run, "gate", 0)
    assert tab.headline == "Waiting for S3"
    tab.driver.find_element("link text", "All instances of this task, worst first").click()
    until(lambda: tab.headline == "3 instances of this task", "all instances")
    assert "1 failed, 2 waiting" in tab.text
    rows = "return [...document.querySelectorAll('.waits tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    assert [row[:2] for row in tab.ask(rows)] == [["2", "failed: time was up"], ["1", "deferred"], ["0", "deferred"]]
    tab.open_alone("many", run, "gate")
    assert tab.headline == "3 instances of this task"
    tab.open("many", run, "gate", 0)
    tab.driver.find_element("link text", "All instances of this task, worst first").click()
    until(lambda: tab.texts(".waits tbody a"), "the rows")
    tab.driver.find_elements("css selector", ".waits tbody a")[1].click()
    tab.leave()
    until(lambda: tab.driver.current_url.endswith("/tasks/gate/mapped/1/plugin/s3-replication"), "Airflow to follow")
    tab.enter()
    assert "Nothing has moved since" in tab.text
