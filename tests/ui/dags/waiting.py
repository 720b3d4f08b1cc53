"""Tasks that wait, for the pages that show waiting gates; what they found so far comes with each run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator

from airflow_provider_crr.tasks.compat import AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

BEGUN = datetime(2026, 1, 1)
FOREVER = timedelta(days=1)


class Waits(BaseOperator):
    """
    Pushes values to XCom, says something in its log, and then waits in the triggerer, or ends.

    :param found: XCom key -> value.
    :param lines: what it says in its log.
    :param ends: how it ends: "success", "failed" or "skipped"; "" if it waits; "running" if it waits on the worker.
    :param number: which of several it is.
    """

    template_fields = ("found", "lines", "ends")

    def __init__(self, *, found: Any, lines: Any = (), ends: str = "", number: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = found
        self.lines = lines
        self.ends = ends
        self.number = number

    def execute(self, context: Context) -> None:
        """Push, say, and wait or end."""
        found = self.found[self.number] if isinstance(self.found, list) else self.found
        ends = self.ends[self.number] if isinstance(self.ends, list) else self.ends
        for key, value in found.items():
            context["ti"].xcom_push(key, value)
        for line in self.lines:
            self.log.info(line)
        if ends == "failed":
            raise AirflowFailException("the gate stays shut")
        if ends == "skipped":
            raise AirflowSkipException("the gate stays shut")
        if ends == "running":
            time.sleep(FOREVER.total_seconds())
        if not ends:
            self.defer(trigger=DateTimeTrigger(datetime.now(UTC) + FOREVER), method_name="resume")

    def resume(self, context: Context, event: Any = None) -> None:
        """Nothing: nobody waits as long."""


with DAG(
    "waiting",
    schedule=None,
    start_date=BEGUN,
    render_template_as_native_obj=True,
    params={"found": {}, "lines": [], "ends": ""},
):
    Waits(task_id="gate", found="{{ params.found }}", lines="{{ params.lines }}", ends="{{ params.ends }}")

with DAG(
    "many",
    schedule=None,
    start_date=BEGUN,
    render_template_as_native_obj=True,
    params={"found": [], "ends": ["", "", ""]},
):
    Waits.partial(task_id="gate", found="{{ params.found }}", ends="{{ params.ends }}").expand(number=[0, 1, 2])
