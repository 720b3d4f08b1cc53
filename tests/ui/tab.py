"""Our pages in a browser, as a person uses them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_crr.plugins.replication_tab import PATH
from demo.airflow import Airflow
from tests.support.polling import until

TAB = "plugin/s3-replication"
GATES = "plugin/s3-replication-gates"


class Tab:
    """The tab as a person uses it; what is found is text, as it is seen."""

    def __init__(self, driver: Any, airflow: Airflow) -> None:
        self.driver = driver
        self._airflow = airflow

    def ask(self, script: str, *arguments: Any) -> Any:
        """Return what a script says of the page; a promise is waited for."""
        return self.driver.execute_script(script, *arguments)

    def open(self, dag: str, run: str, task: str, index: int | None = None) -> None:
        """Go to the task instance in Airflow's interface, and into its tab."""
        self.leave()
        mapped = "" if index is None else f"/mapped/{index}"
        self.driver.get(f"{self._airflow.url}/dags/{dag}/runs/{quote(run, safe='')}/tasks/{task}{mapped}/{TAB}")
        self.enter()

    def open_gates(self) -> None:
        """Go to the page of all gates that wait, in Airflow's interface."""
        self.leave()
        self.driver.get(f"{self._airflow.url}/{GATES}")
        self.enter("Gates waiting now")

    def open_gates_alone(self) -> None:
        """Open that page without Airflow around it."""
        self.leave()
        self.driver.get(f"{self._airflow.url}/{PATH}/gates.html")
        self._loaded()

    def open_empty(self) -> None:
        """Open the tab's page without a task: it asks Airflow nothing."""
        self.leave()
        self.driver.get(f"{self._airflow.url}/{PATH}/")
        self._loaded()

    def open_alone(self, dag: str, run: str, task: str) -> None:
        """Open the tab's page without Airflow around it."""
        self.leave()
        query = urlencode({"dag_id": dag, "run_id": run, "task_id": task, "map_index": "{MAP_INDEX}"})
        self.driver.get(f"{self._airflow.url}/{PATH}/?{query}")
        self._loaded()

    def leave(self) -> None:
        self.driver.switch_to.default_content()

    def enter(self, title: str = "Replication") -> None:
        """Go into the frame of the page, and wait until it shows something."""
        (frame,) = until(lambda: self.driver.find_elements("css selector", f"iframe[title='{title}']"), title)
        self.driver.switch_to.frame(frame)
        self._loaded()

    def _loaded(self) -> None:
        until(lambda: self.ask("return document.getElementById('page')?.getAttribute('aria-busy') == 'false'"), "page")

    @property
    def headline(self) -> str:
        return str(self.ask("return document.querySelector('h1')?.textContent ?? ''"))

    @property
    def text(self) -> str:
        return str(self.ask("return document.body.innerText"))

    def texts(self, selector: str) -> list[str]:
        return list(self.ask("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector))

    def links(self, dag: str, run: str, task: str, index: int = -1) -> dict[str, str]:
        """Return the task instance's buttons, as Airflow's interface asks for them."""
        path = f"dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}/links?map_index={index}"
        script = "return fetch(arguments[0]).then(answer => answer.json())"
        return dict(self.ask(script, f"{self._airflow.url}/api/v2/{path}")["extra_links"])

    def tiles(self) -> dict[str, str]:
        return dict(line.split("\n")[:2] for line in self.texts(".tile"))
