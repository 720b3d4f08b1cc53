"""A real Airflow with tasks to look at, and a real browser to look with."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from demo.airflow import Airflow
from local_aws import LocalAws
from tests.support.browser import CHROMIUM, DRIVER, NO_BROWSER, headless
from tests.ui.tab import Tab

DAGS = Path(__file__).parent / "dags"
has_tabs = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 1)


@pytest.fixture(scope="session")
def airflow(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Airflow's processes, once for these tests; none where there is nothing to look at or to look with."""
    if not has_tabs:
        pytest.skip("Airflow 3.0 has no tabs of plugins")
    if not (CHROMIUM and DRIVER):
        pytest.skip(NO_BROWSER)
    home = tmp_path_factory.mktemp("airflow-ui") / "home"
    with Airflow(home, aws.airflow_connection_uri_json(), dags=DAGS, policy="") as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium with an empty profile."""
    with headless(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def tab(airflow: Airflow, browser: Any) -> Iterator[Tab]:
    """The tab in a browser that has nothing to complain of afterwards."""
    browser.get_log("browser")
    found = Tab(browser, airflow)
    yield found
    found.leave()
    said = [line["message"] for line in browser.get_log("browser")]
    # What a policy refused, and what a script threw; a 404 is how Airflow says that there is no XCom yet.
    assert [
        line for line in said if "Content Security Policy" in line or "Uncaught" in line or "TrustedHTML" in line
    ] == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the browser and Airflow's processes said below a test that failed."""
    report = yield
    if report.failed:
        if driver := item.funcargs.get("browser"):
            report.sections.append(("the browser", "\n".join(line["message"] for line in driver.get_log("browser"))))
        if running := item.funcargs.get("airflow"):
            report.sections += [(f"Airflow's {name}", tail) for name, tail in running.tails().items()]
    return report
