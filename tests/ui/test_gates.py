"""The page of all gates that wait now."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from demo.airflow import Airflow
from tests.support.polling import until
from tests.ui.tab import Tab
from tests.ui.test_waiting import begun
from tests.ui.waits import FOLDER, PROGRESS, job, moment, stuck, waiting

ROWS = "return [...document.querySelectorAll('.waits tbody tr')].map(r => [...r.cells].map(c => c.innerText))"


@pytest.fixture(scope="module")
def fleet(airflow: Airflow) -> dict[str, str]:
    """Runs of gates that wait, the oldest being the last one that was started; and of others, which are no gates."""
    return {
        "young": begun(airflow, {PROGRESS: waiting(started_at=moment(-60))}),
        "old": begun(airflow, {PROGRESS: stuck(started_at=moment(-90_000), deadline=moment(1200))}),
        "job": begun(airflow, {PROGRESS: job(started_at=moment(-30))}),
        "stranger": begun(airflow, {"other": 7}),
        "ended": begun(airflow, {PROGRESS: waiting()}, ends="failed"),
    }


def listed(tab: Tab, fleet: dict[str, str]) -> list[str]:
    """Return which of the runs have a row, in their order."""
    names = {run: name for name, run in fleet.items()}
    runs = [row[0].splitlines()[-1].rpartition(", ")[2] for row in tab.ask(ROWS)]
    return [names[run] for run in runs if run in names]


def search(tab: Tab, words: str) -> None:
    """Type into the field above the rows, as a person does."""
    field = tab.driver.find_element("css selector", "#words")
    field.clear()
    field.send_keys(words)


def test_all_that_waits_is_listed_oldest_first(tab: Tab, airflow: Airflow, fleet: dict[str, str]) -> None:
    """Airflow's menu leads to the page; it lists what waits and what it waits for, and nothing that does not."""
    tab.leave()
    tab.driver.get(f"{airflow.url}/dags")
    until(lambda: tab.driver.find_elements("xpath", "//*[text()='Browse']"), "Airflow's menu")[0].click()
    until(lambda: tab.driver.find_elements("xpath", "//*[text()='Gates waiting now']"), "the page's name")[0].click()
    tab.enter("Gates waiting now")
    until(lambda: listed(tab, fleet) == ["old", "young", "job"], "the rows in their order")
    (row,) = [row for row in tab.ask(ROWS) if fleet["old"] in row[0]]
    assert row[0].startswith("waiting / gate")
    assert row[1] == f"{FOLDER}* and 1 more"
    assert row[2] == "4,001 of 4,013, 99.70 %"
    assert row[3] == "2h3m"
    assert row[4].startswith("1d1h\nsince ")
    assert row[5].startswith("in 1")
    assert tab.tiles()["Give up within an hour"] != "0"
    (job_row,) = [row for row in tab.ask(ROWS) if fleet["job"] in row[0]]
    assert "Batch Replication job" in job_row[0]
    assert "gates are waiting" in tab.headline
    assert tab.ask("return document.getElementById('announcement').textContent") == tab.headline
    links = tab.driver.find_elements("css selector", ".waits a")
    (link,) = [link for link in links if quote(fleet["old"], safe="") in link.get_attribute("href")]
    link.click()
    tab.leave()
    until(lambda: "/plugin/s3-replication" in tab.driver.current_url and "/dags/" in tab.driver.current_url, "Airflow")
    tab.enter()
    assert "Nothing has moved since" in tab.text


def test_words_choose_rows(tab: Tab, fleet: dict[str, str]) -> None:
    """Every word that is typed must be in a row's DAG, task, run, bucket or keys; capitals do not matter."""
    tab.open_gates()
    until(lambda: "old" in listed(tab, fleet), "the rows")
    search(tab, "ORDERS-landing " + fleet["old"])
    until(lambda: listed(tab, fleet) == ["old"], "the one row")
    search(tab, "manifest.csv")
    until(lambda: listed(tab, fleet) == ["job"], "the job's row")
    search(tab, "no such thing")
    until(lambda: "No waiting gate has all these words" in tab.text, "no row")
    search(tab, "")
    until(lambda: {"old", "young", "job"} <= set(listed(tab, fleet)), "all rows again")


def test_page_reaches_from_a_narrow_window_and_by_name(tab: Tab, fleet: dict[str, str]) -> None:
    """On 360 pixels only the table scrolls; the field, the table and every bar have a name."""
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        tab.open_gates_alone()
        until(lambda: tab.ask("return document.querySelectorAll('.waits .bar').length"), "the rows")
        assert tab.ask("return document.documentElement.scrollWidth") <= 360
        nodes = tab.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    finally:
        tab.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    named = [
        (n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"] and "role" in n
    ]
    assert ("searchbox", "Show only") in named
    for role in ("image", "table", "region", "columnheader", "link"):
        assert [name for found, name in named if found == role], role
        assert all(name for found, name in named if found == role), role


@pytest.mark.parametrize(
    ("status", "list_of", "headline"),
    [
        (403, "taskInstances", "You may not see this"),
        (403, "xcomEntries", "You may not see this"),
        (401, "taskInstances", "You are not signed in"),
    ],
)
def test_what_airflow_refuses_is_said(tab: Tab, status: int, list_of: str, headline: str) -> None:
    """Who may not read task instances or XComs is told which permission is needed."""
    fake = f"""const real = window.fetch; window.fetch = (url, ...rest) =>
        new URL(url).pathname.endsWith('/{list_of}') ? Promise.resolve(new Response('no', {{status: {status}}}))
        : real(url, ...rest)"""
    script = tab.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": fake})
    try:
        tab.open_gates_alone()
        assert tab.headline == headline
        assert status == 401 or "permission to read the task instances and XComs of DAGs" in tab.text
    finally:
        tab.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


#: An Airflow with many task instances that wait, every `every`-th of them a gate; `sorted` as Airflow 3.3 does it.
FAKE = """
    const [many, every, sorted, finished, value] = arguments;
    window.log = [];
    let [now, most] = [0, 0];
    const at = n => new Date(Date.UTC(2026, 10, 27) + n * 1000).toISOString();
    const instances = Array.from({length: many}, (_, n) => ({
        dag_id: `dag${n % 7}`, dag_run_id: `run${n}`, task_id: 'gate', map_index: -1,
        state: 'deferred', try_number: 1, start_date: at(n), run_after: at(n), rendered_fields: {},
    }));
    const entry = ({dag_id, dag_run_id: run_id}, timestamp) =>
        ({dag_id, run_id, task_id: 'gate', map_index: -1, timestamp});
    const live = instances.filter((_, n) => n % every === 0).map((one, n) => entry(one, at(many + 60 + n)));
    const dead = Array.from({length: finished}, (_, n) => ({...entry(instances[0], at(-60 - n)), run_id: `old${n}`}));
    const entries = sorted ? [...live.toReversed(), ...dead] : [...dead, ...live];
    window.fetch = async url => {
        const {pathname, searchParams} = new URL(url);
        window.log.push(pathname.replace(/.*\\//, ''));
        now += 1; most = Math.max(most, now);
        await new Promise(done => setTimeout(done, 1));
        now -= 1;
        if (pathname.endsWith('/version')) return Response.json({version: sorted ? '3.3.2' : '3.1.0'});
        if (pathname.endsWith('/crr_progress')) return Response.json({value});
        const [name, all] = pathname.endsWith('/xcomEntries')
            ? ['xcom_entries', entries] : ['task_instances', instances];
        const offset = Number(searchParams.get('offset'));
        return Response.json({[name]: all.slice(offset, offset + 100), total_entries: all.length});
    };
    return import('./fleet.js').then(async ({Fleet}) => {
        const fleet = new Fleet();
        const {waits, cut} = await fleet.look();
        await fleet.read(waits.slice(0, 100));
        const first = window.log.length;
        await fleet.look();
        await fleet.read(waits.slice(0, 100));
        const lists = window.log.slice(0, first).filter(name => name !== 'crr_progress').length;
        return {waits: waits.length, cut, most, lists, values: first - lists, again: window.log.length - first};
    });
"""


def ask_fake(tab: Tab, many: int, every: int, finished: int, *, in_order: bool) -> dict[str, Any]:
    tab.open_empty()
    return dict(tab.ask(FAKE, many, every, in_order, finished, waiting()))


def test_a_thousand_gates_take_few_requests(tab: Tab) -> None:
    """A thousand gates: ten requests for tasks, ten for who has a value, a hundred values; later the lists alone."""
    found = ask_fake(tab, 1000, 1, 50_000, in_order=True)
    assert found.pop("cut") == {"instances": 0, "pushers": False}
    assert found == {"waits": 1000, "most": 6, "lists": 21, "values": 100, "again": 20}


def test_gates_are_found_among_others_and_before_airflow_sorted_xcoms(tab: Tab) -> None:
    """Few gates among many tasks, and XComs in an order of their own: all are found, as far as there are pages."""
    found = ask_fake(tab, 500, 50, 700, in_order=False)
    assert (found["waits"], found["cut"], found["lists"]) == (10, {"instances": 0, "pushers": False}, 5 + 8 + 1)
    # Sorted, what is older than the oldest task that is no gate need not be looked at.
    found = ask_fake(tab, 500, 50, 700, in_order=True)
    assert (found["waits"], found["lists"]) == (10, 5 + 1 + 1)


def test_lists_that_are_too_long_are_said_to_be_cut(tab: Tab) -> None:
    """More than 2,000 tasks, or 3,000 values that are no task's: what was looked at is a part, and that is said."""
    assert ask_fake(tab, 2500, 1, 0, in_order=True)["cut"] == {"instances": 500, "pushers": False}
    assert ask_fake(tab, 300, 3, 5000, in_order=False)["cut"] == {"instances": 0, "pushers": True}


ENDING = """
    const [value] = arguments;
    const at = new Date().toISOString();
    const one = {dag_id: 'd', dag_run_id: 'r', run_id: 'r', task_id: 'gate', map_index: -1, state: 'deferred',
        try_number: 1, start_date: at, run_after: at, timestamp: at};
    let all = [one];
    window.fetch = async url => {
        const {pathname} = new URL(url);
        if (pathname.endsWith('/version')) return Response.json({version: '3.3.2'});
        if (pathname.endsWith('/crr_progress')) return Response.json({value});
        const name = pathname.endsWith('/xcomEntries') ? 'xcom_entries' : 'task_instances';
        return Response.json({[name]: all, total_entries: all.length});
    };
    return import('./fleet.js').then(async ({Fleet}) => {
        const fleet = new Fleet();
        const {waits: [wait]} = await fleet.look();
        await fleet.read([wait]);
        const before = Boolean(fleet.valueOf(wait));
        all = [];
        await fleet.look();
        return [before, Boolean(fleet.valueOf(wait))];
    });
"""


def test_what_has_ended_is_forgotten(tab: Tab) -> None:
    """A page that is open for weeks, as on a wall, keeps the values of what waits now, and of nothing else."""
    tab.open_empty()
    assert tab.ask(ENDING, waiting()) == [True, False]


def test_nothing_that_waits_is_said(tab: Tab) -> None:
    """Where no gate waits, the page says so, and has no field to search."""
    fake = """const real = window.fetch; window.fetch = async (url, ...rest) =>
        new URL(url).pathname.endsWith('/taskInstances')
        ? Response.json({task_instances: [], total_entries: 0}) : real(url, ...rest)"""
    script = tab.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": fake})
    try:
        tab.open_gates()
        assert tab.headline == "No gate is waiting"
        assert not tab.driver.find_element("css selector", "#words").is_displayed()
    finally:
        tab.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
