"""The Replication tab in a real Chromium, against a real Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_crr.plugins.replication_tab import PATH
from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import pieces
from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair, versioned_bucket
from local_aws.inventory.report import deliver
from tests.support.polling import until
from tests.ui.reports import HOSTILE, daily_reports
from tests.ui.tab import Tab


@contextmanager
def theme(tab: Tab, system: str, airflow: str) -> Iterator[None]:
    """The system's wish for light or dark, and the choice made in Airflow."""
    features = [{"name": "prefers-color-scheme", "value": system}]
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    tab.leave()
    tab.ask("localStorage.setItem('theme', arguments[0])", airflow)
    try:
        yield
    finally:
        tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        tab.leave()
        tab.ask("localStorage.removeItem('theme')")


def put(pair: ReplicatedPair, *keys: str) -> None:
    for key in keys:
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")


def ended(airflow: Airflow, dag: str, **params: Any) -> str:
    """Run a DAG to its end, and return the id of the run."""
    run = airflow.trigger(dag, **params)
    until(lambda: airflow.run_state(dag, run) in ("success", "failed"), f"run of {dag} to end")
    return run


@pytest.fixture(scope="session")
def failed_gate(airflow: Airflow, aws: LocalAws) -> str:
    """A run whose gate saw FAILED objects, one with a key that is markup."""
    from local_aws.buckets import replicated_pair

    pair = replicated_pair(aws, "refused", "refused-replica", denied=True)
    put(pair, f"day/{HOSTILE}", "day/part-1", "day/part-2")
    return ended(airflow, "landing", bucket="refused", prefix="day/")


@pytest.fixture(scope="session")
def summaries(airflow: Airflow, aws: LocalAws) -> list[str]:
    """Runs over the reports of the last days, oldest first; and before them one of another bucket."""
    client = aws.client(region="eu-west-1")
    for bucket in ("inventory", "reports"):
        versioned_bucket(client, bucket)
    found = []
    for report in (daily_reports("elsewhere", "inventory")[0], *daily_reports("archive", "inventory")[-3:]):
        deliver(client, report)
        found.append(ended(airflow, "archive_check", manifest=report.manifest_uri, reports="reports"))
    return found


def test_waiting_gate_shows_its_result_by_itself(
    tab: Tab, airflow: Airflow, aws: LocalAws, pair: ReplicatedPair
) -> None:
    """The tab is on the task instance; it says that the gate waits, and without a reload that it has opened."""
    aws.hold(pair.source)
    put(pair, "new/1", "new/2")
    run = airflow.trigger("landing", bucket=pair.source, prefix="new/")
    until(lambda: airflow.task_states("landing", run)["gate"] == "deferred", "the gate to be deferred")
    tab.driver.get(f"{airflow.url}/dags/landing/runs/{quote(run, safe='')}/tasks/gate")
    (link,) = until(lambda: tab.driver.find_elements("link text", "Replication"), "the tab's name")
    link.click()
    tab.enter()
    assert tab.headline == "Waiting for S3"
    assert "None of 2 objects is replicated: 2 PENDING" in tab.text
    assert f"s3://{pair.source}/new/* → {pair.destination}" in tab.text
    console = f"https://console.aws.amazon.com/s3/buckets/{pair.source}?region=eu-west-1&prefix=new/"
    until(lambda: tab.links("landing", run, "gate") == {"S3 console": console}, "the link of the deferred gate")
    tab.ask("window.same = true")
    aws.release(pair.source)
    until(lambda: tab.headline == "The gate opened", "the tab to notice that the gate has opened")
    assert tab.ask("return window.same")
    assert tab.links("landing", run, "gate") == {"S3 console": console}
    assert "All 2 objects are replicated" in tab.text
    assert f"all of {pair.source} → {pair.destination}" in tab.text  # the rule
    assert tab.tiles()["Objects"] == "2"
    assert tab.texts(".statuses tbody th") == ["COMPLETED"]
    assert tab.ask("return document.querySelector('.bar').getAttribute('aria-label')") == "Objects: COMPLETED 100 %"
    assert tab.ask("return document.getElementById('announcement').textContent") == "The gate opened"
    # The task behind it has returned text: the tab is there, and says that it has nothing to show.
    until(lambda: airflow.run_state("landing", run) == "success", "the run to end")
    tab.open("landing", run, "behind")
    assert tab.headline == "Nothing about replication here"


def test_failed_gate_names_its_objects_and_runs_none_of_them(tab: Tab, failed_gate: str) -> None:
    """A gate that stayed shut says which objects and why; a key that is markup is text."""
    tab.open("landing", failed_gate, "gate")
    assert tab.headline == "The gate stayed shut"
    assert "None of 3 objects is replicated: 3 FAILED" in tab.text
    assert "S3 does not retry" in tab.text
    follows = "return document.querySelector('.sample').compareDocumentPosition(document.querySelector('.tiles')) & 4"
    assert tab.ask(follows)  # why, before how many
    assert "To be replicated by rule 'all' (prefix '') to bucket refused-replica, with the role arn:" in tab.text
    shown = {uri.partition("?versionId=")[0] for uri in tab.texts(".sample code")}
    assert shown == {f"s3://refused/day/{key}" for key in (HOSTILE, "part-1", "part-2")}
    assert tab.ask("return document.images.length + document.querySelectorAll('[onerror]').length") == 0
    assert tab.ask("return [window.hacked, parent.hacked]") == [None, None]


def test_page_can_neither_make_markup_nor_ask_another_host(tab: Tab, failed_gate: str) -> None:
    """What the policy forbids, the browser refuses: markup from text, code in markup, other hosts."""
    tab.open("landing", failed_gate, "gate")
    assert "TypeError" in tab.ask("try { document.body.innerHTML = '<b>' } catch (e) { return e.name }")
    refused = "return fetch('http://127.0.0.2:9/').then(() => 'sent', e => e.name)"
    assert tab.ask(refused) == "TypeError"
    loaded = tab.ask("return performance.getEntriesByType('resource').map(e => new URL(e.name).origin)")
    assert set(loaded) - {"http://127.0.0.2:9"} == {tab.ask("return location.origin")}
    tab.driver.get_log("browser")  # the refusals of this test


def test_mapped_task_shows_each_instance_by_itself(tab: Tab, airflow: Airflow, denied_pair: ReplicatedPair) -> None:
    """Of a mapped task the tab shows the instance that was chosen."""
    put(denied_pair, "orders/a", "orders/b")
    run = ended(airflow, "mapped", bucket=denied_pair.source)
    for index, key in enumerate("ab"):
        tab.open("mapped", run, "gate", index)
        (uri,) = tab.texts(".sample code")
        assert uri.startswith(f"s3://{denied_pair.source}/orders/{key}?versionId=")
        assert tab.links("mapped", run, "gate", index)["S3 console"].endswith(f"&prefix=orders/{key}")


def test_summary_shows_shares_prefixes_and_what_is_oldest(tab: Tab, summaries: list[str]) -> None:
    """A summary is shown by objects and by bytes, with the worst prefixes first, and what to look at."""
    tab.open("archive_check", summaries[-1], "summary")
    assert tab.headline == "Needs repair"
    assert tab.tiles() == {
        "Object versions": "9,231", "Not replicated": "231", "FAILED": "42", "Oldest PENDING": "7h33m",
    }  # fmt: skip
    assert tab.texts(".statuses tbody tr")[0].split() == [
        "FAILED", "42", "0.45", "%", "3.8", "GiB", "0.45", "%", "S3", "gave", "up", "and", "never", "retries",
    ]  # fmt: skip
    bars = tab.ask("return [...document.querySelectorAll('.bars .bar')].map(e => e.ariaLabel)")
    assert [bar.partition(":")[0] for bar in bars] == ["Objects", "Bytes"]
    worst = tab.texts(".prefixes:first-of-type tbody th")[:4]
    assert worst == ["orders/2026-11/", "clicks/2026-11/", "tmp/scratch/", f"{HOSTILE}/2026/"]
    assert "s3://archive/clicks/2026-11/00151.json.gz?versionId=" in tab.text
    assert "U+202E" in tab.text  # would turn the rest of the name around
    assert "s3://reports/report.html" in tab.text
    assert tab.ask("return parent.hacked") is None


def test_trend_goes_over_the_earlier_runs_of_the_same_bucket(tab: Tab, summaries: list[str]) -> None:
    """The trend has one point for each report up to this run's, and leaves out those of another bucket."""
    tab.open("archive_check", summaries[-1], "summary")
    until(lambda: tab.texts(".chart"), "the trend")
    rows = tab.ask("return [...document.querySelectorAll('.numbers tbody tr')].map(e => e.textContent)")
    assert [row[:16] for row in rows] == ["2026-11-20 01:00", "2026-11-19 01:00", "2026-11-18 01:00"]
    table = "return [...document.querySelectorAll('.numbers tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    tab.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert tab.ask(table)[0] == ["2026-11-20 01:00", "231", "1.0 GiB", "7h33m"]
    labels = tab.ask("return [...document.querySelectorAll('.chart svg')].map(e => e.getAttribute('aria-label'))")
    assert labels[0] == "Not replicated: from 368 to 231, at most 368"
    assert "3 reports, of the last 30 runs. 1 run of another bucket" in tab.text
    # An earlier run knows nothing of what came later.
    tab.open("archive_check", summaries[1], "summary")
    until(lambda: "the trend begins with the next one" in tab.text, "the trend to be empty")


def test_run_with_a_plus_is_found_as_every_airflow_writes_it(tab: Tab, airflow: Airflow, failed_gate: str) -> None:
    """Airflow 3.1 puts the "+" of a run's id into the address as it is, later ones encode it: both name the run."""
    assert "+" in failed_gate
    for run in (failed_gate, quote(failed_gate, safe="")):
        tab.driver.get(f"{airflow.url}/{PATH}/?dag_id=landing&run_id={run}&task_id=gate&map_index={{MAP_INDEX}}")
        tab._loaded()
        assert tab.headline == "The gate stayed shut"


def test_what_is_not_there_is_said(tab: Tab, airflow: Airflow) -> None:
    """No such task instance, and no task instance named: each is said in words."""
    tab.open_alone("landing", "no-such-run", "gate")
    assert tab.headline == "There is no such task instance"
    tab.driver.get(f"{airflow.url}/{PATH}/")
    until(lambda: tab.headline == "No task instance", "the page without parameters")


@pytest.mark.parametrize(
    ("answer", "headline"),
    [
        ("Promise.resolve(new Response('no', {status: 401}))", "You are not signed in"),
        ("Promise.resolve(new Response('no', {status: 403}))", "You may not see this"),
        ("Promise.resolve(new Response('no', {status: 503}))", "Airflow gave no answer that can be read"),
        ("Promise.resolve(new Response('no', {status: 200}))", "Airflow gave no answer that can be read"),
        ("Promise.reject(new TypeError('no'))", "Airflow cannot be reached"),
    ],
)
def test_refusals_are_said_and_can_be_retried(tab: Tab, failed_gate: str, answer: str, headline: str) -> None:
    """What Airflow refuses is said in words, and asked for again on demand; this Airflow refuses nobody anything."""
    source = {"source": f"window.asked = window.fetch; window.fetch = () => {answer}"}
    script = tab.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    try:
        tab.open_alone("landing", failed_gate, "gate")
        assert tab.headline == headline
        tab.ask("window.fetch = window.asked")
        tab.driver.find_element("css selector", "button").click()
        until(lambda: tab.headline == "The gate stayed shut", "the second try")
    finally:
        tab.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.mark.parametrize(("system", "airflow_theme"), [("light", "dark"), ("dark", "light"), ("dark", "system")])
def test_theme_is_that_of_airflow(tab: Tab, failed_gate: str, system: str, airflow_theme: str) -> None:
    """The tab is dark when Airflow is, whatever the system wishes; its ground is Airflow's own."""
    tab.open("landing", failed_gate, "gate")
    with theme(tab, system, airflow_theme):
        tab.driver.refresh()
        tab.enter()
        dark = (system if airflow_theme == "system" else airflow_theme) == "dark"
        until(lambda: tab.ask("return parent.document.documentElement.classList.contains('dark')") is dark, "Airflow")
        ink = "return getComputedStyle(document.body).color"
        until(lambda: (tab.ask(ink) == "rgb(232, 236, 241)") is dark, "the tab to follow")
        assert tab.ask("return getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_keyboard_and_screen_reader_reach_everything(tab: Tab, summaries: list[str]) -> None:
    """Everything that opens does so by keyboard; every picture, table, region and column has a name."""
    from selenium.webdriver import ActionChains, Keys

    tab.open("archive_check", summaries[-1], "summary")
    until(lambda: tab.texts(".chart"), "the trend")
    reached = []
    tab.ask("window.focus()")
    for _ in range(12):
        ActionChains(tab.driver).send_keys(Keys.TAB).perform()
        reached.append(tab.ask("return document.activeElement.tagName"))
        if reached[-1] == "SUMMARY":
            ActionChains(tab.driver).send_keys(Keys.ENTER).perform()
    assert tab.ask("return document.querySelectorAll('details:not([open])').length") == 0, reached
    tree = tab.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {"frameId": _frame(tab)})["nodes"]
    seen: dict[str, list[str]] = {}
    for node in tree:
        if not node["ignored"] and "role" in node:
            seen.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert len(seen["image"]) >= 3 + 2 + 4  # the charts, the large bars, a bar for each prefix
    assert [role for role in ("image", "table", "region", "columnheader") if not all(seen[role])] == []
    assert [name.capitalize() for name in seen["heading"][:3]] == ["Needs repair", "Trend", "By status"]


def _frame(tab: Tab) -> str:
    tree = tab.driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]
    return str(tree["childFrames"][0]["frame"]["id"])


def test_narrow_page_scrolls_its_tables_alone(tab: Tab, summaries: list[str]) -> None:
    """On a screen of 360 pixels nothing but a table is wider than the screen."""
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        tab.open_alone("archive_check", summaries[-1], "summary")
        until(lambda: tab.texts(".chart"), "the trend")
        assert tab.ask("return document.documentElement.scrollWidth") <= 360
    finally:
        tab.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


NUMBERS = [0, 1, 59, 60, 61, 999, 1000, 1023, 1024, 1536, 3599, 3600, 86_399, 86_400, 10**6, 1_048_064, 8_640_000]
NUMBERS += [10**9, 2**40 - 1, 2**50]
PARTS = [(0, 0), (0, 5), (5, 5), (1, 3), (1, 10**6), (999_999, 10**6), (9_899, 10_000), (1, 100), (2**52, 2**52 + 1)]


def test_numbers_and_keys_read_as_in_logs_and_reports(tab: Tab, failed_gate: str) -> None:
    """The page writes counts, sizes, ages, shares and keys as the provider's logs and reports do."""
    keys = [
        "plain/key",
        " lead",
        "two  spaces ",
        "a\u202eb",
        "\x00\x1b[31m",
        "Z" + "\u0301" * 9,
        "日本/\U0001f600",
        "\u2028x\u200b\u200b",
    ]
    tab.open_alone("landing", failed_gate, "gate")
    numbers, shares, shown = tab.ask(
        """return import('./format.js').then(f => [
            arguments[0].map(n => [f.count(n), f.size(n), f.age(n)]), arguments[1].map(p => f.share(...p)),
            arguments[2].map(f.pieces)])""",
        NUMBERS,
        PARTS,
        keys,
    )
    assert numbers == [[humanize.count(n), humanize.size(n), humanize.age(n)] for n in NUMBERS]
    assert shares == [humanize.share(*part) for part in PARTS]
    assert shown == [[list(piece) for piece in pieces(key)] for key in keys]


def test_only_whole_results_are_recognised(tab: Tab, failed_gate: str) -> None:
    """What a task returns is shown only if every part of it has the shape that our tasks give it."""
    from tests.inventory.render.samples import EVERY

    gate = {
        "total": 1, "statuses": {"FAILED": 1}, "oldest_pending_seconds": None, "head_requests": 1,
        "waited_seconds": 1.5, "sample": [{"uri": "s3://b/k", "status": "FAILED"}],
    }  # fmt: skip
    summary = EVERY["typical"]().to_dict()

    def spoiled(whole: dict[str, Any]) -> list[Any]:
        without = [{name: value for name, value in whole.items() if name != left_out} for left_out in whole]
        wrong = [{**whole, name: {"html": "<b>"}} for name in whole if name not in ("statuses",)]
        return [*without, *wrong, {**whole, "statuses": {"FAILED": "1"}}, [whole], None, "text", 7, {}]

    tab.open_alone("landing", failed_gate, "gate")
    # As JSON text: some of the samples' keys are no valid Unicode.
    ask = "return import('./shape.js').then(s => JSON.parse(arguments[1]).map(v => s[arguments[0]](v)))"

    def recognised(predicate: str, values: list[Any]) -> list[bool]:
        return list(tab.ask(ask, predicate, json.dumps(values)))

    assert recognised("isGate", [gate, {**gate, "added": 1}]) == [True, True]
    assert not any(recognised("isGate", [summary, *spoiled(gate)]))
    assert all(recognised("isSummary", [make().to_dict() for make in EVERY.values()]))
    known = ["prefix_depth", "pending_ages", "lifecycle_held"]  # are not shown
    shown = {name: value for name, value in summary.items() if name not in known}
    assert not any(recognised("isSummary", [gate, *spoiled(shown)]))


@pytest.mark.parametrize(
    ("state", "statuses", "deciding", "headline", "sentence"),
    [
        ("failed", {"REPLICA": 1}, {"REPLICA": 1}, "The gate stayed shut", "not replicated: 1 REPLICA"),
        ("failed", {"FAILED": 11, "REPLICA": 5}, {"FAILED": 11, "REPLICA": 5}, "The gate stayed shut", "11 FAILED, 5"),
        ("failed", {"FAILED": 11, "REPLICA": 5}, {"FAILED": 11}, "The gate stayed shut", "11 of 16 objects are not"),
        ("success", {"REPLICA": 1}, None, "The gate opened", "The object is replicated"),
        ("failed", {"COMPLETED": 1}, None, "The task failed", "The object is replicated"),
    ],
)
def test_what_kept_a_gate_shut_is_not_called_replicated(
    tab: Tab,
    failed_gate: str,
    state: str,
    statuses: dict[str, int],
    deciding: dict[str, int] | None,
    headline: str,
    sentence: str,
) -> None:
    """A replica that the gate's settings refuse is not counted as replicated; one that they accept is."""
    worst = next(iter(statuses))
    sample = [{"uri": f"s3://b/{n}", "status": worst, "reason": "why"} for n in range(min(10, statuses[worst]))]
    value = {
        "total": sum(statuses.values()), "statuses": statuses, "deciding": deciding, "sample": sample,
        "oldest_pending_seconds": None, "head_requests": 1, "waited_seconds": 1.5,
    }  # fmt: skip
    if deciding is None:
        del value["deciding"]
    tab.open_alone("landing", failed_gate, "gate")
    said = tab.ask(
        """return import('./gate.js').then(g => {
            const [verdict] = g.gatePage(arguments[0], {state: arguments[1]});
            return [...verdict.querySelectorAll('h1, p')].map(e => e.textContent)})""",
        value,
        state,
    )
    assert said[0] == headline
    assert sentence in said[1]
