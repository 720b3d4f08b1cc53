"""The Replication tab of a repair, with what the task itself says of a job that the local AWS really runs."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from airflow_provider_crr.replication.progress import Wait
from airflow_provider_crr.tasks.compat import TaskDeferred
from local_aws.batch.orders import BatchOrders
from tests.support.polling import until
from tests.support.repairs import Broken, Run
from tests.ui.tab import Tab
from tests.ui.test_waiting import BUILD


def shown(watched: Any, state: str) -> dict[str, Any]:
    """Return what the poller of a task makes for the tab now, as it comes back from Airflow: JSON."""
    now = watched._clock()
    wait = Wait(at=now, deadline=now + timedelta(hours=1), where="triggerer", host="here", state=state)
    value: dict[str, Any] = json.loads(json.dumps(watched.shown(wait)))
    return value


def is_active(watched: Any) -> bool:
    """Poll, and return whether S3 replicates."""
    return not watched.poll() and watched.job.status == "Active"


def test_tab_shows_what_a_real_job_does(tab: Tab, broken: Broken, orders: BatchOrders) -> None:
    """The tab has the job's id and counts, while it runs and once its tasks have failed or succeeded."""
    broken.put("a", "b")
    for mended, state, level, headline, said in (
        (False, "failed", "bad", "The job failed", "None of 2 objects is replicated: 2 FAILED"),
        (True, "done", "good", "The job is done", "All 2 objects are replicated"),
    ):
        orders.hold("Active")
        if mended:
            broken.pair.allow()
        with pytest.raises(TaskDeferred) as deferred:
            broken.operator(source_bucket=broken.bucket, deferrable=True).execute(Run())
        trigger: Any = deferred.value.trigger
        watched = trigger.poller()
        until(partial(is_active, watched), "the job to be Active")
        tab.open_empty()
        text = tab.ask(BUILD, "progress", "progressPage", shown(watched, "waiting"), {"state": "deferred"})
        assert tab.headline == "S3 Batch Replication is running"
        for part in (watched.job_id, "None of 2 objects is replicated: 2 not done", f"s3://{broken.bucket}/"):
            assert part in text
        orders.release("Active")
        until(watched.poll, "the job to end")
        ended = {"state": "success" if mended else "failed", "end_date": None}
        text = tab.ask(BUILD, "progress", "progressPage", shown(watched, state), ended)
        assert tab.headline.startswith(headline)
        assert said in text
        assert watched.job_id in text
        assert tab.ask("return document.querySelector('.banner').className") == f"banner level-{level}"
