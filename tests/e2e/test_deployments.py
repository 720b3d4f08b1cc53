"""Two Airflows: what a gate in region A's starts in region B's. The DAGs are examples, as they are."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.airflow import Airflow
from local_aws import LocalAws
from local_aws.buckets import ReplicatedPair
from tests.support.example_runs import DagOutcome, run_example
from tests.support.http_server import Asked, HttpServer, Said
from tests.support.polling import until

YESTERDAY = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"


@pytest.fixture
def region_a(airflow_home: Path, aws_conn: LocalAws) -> Callable[..., DagOutcome]:
    """Run an example in an Airflow of its own, which has nothing in common with the processes of ``airflow``."""
    from airflow.utils.db import initdb

    initdb()
    return partial(run_example, airflow_home / "dags")


class Road:
    """
    What lies between the two Airflows, and loses what it is told to.

    :param url: address of region B's Airflow.
    :param lost: how each POST of an asset event ends, in order: ``"unsent"`` if it does not arrive, ``"unanswered"`` if
        only the answer is lost; then all goes through.
    """

    def __init__(self, url: str, *lost: str) -> None:
        self._url = url
        self._lost = list(lost)
        self.posted: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> Said:
        posts = (asked.method, asked.target) == ("POST", "/api/v2/assets/events")
        fate = self._lost.pop(0) if posts and self._lost else ""
        if posts:
            self.posted.append(json.loads(asked.body))
        if fate == "unsent":
            return Said(cut=True)
        headers = {name: asked.headers[name] for name in ("authorization", "content-type") if name in asked.headers}
        request = urllib.request.Request(self._url + asked.target, asked.body or None, headers, method=asked.method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                said = Said(answer.status, answer.read().decode(), {"Content-Type": "application/json"})
        except urllib.error.HTTPError as error:
            with error:
                said = Said(error.code, error.read().decode(), {"Content-Type": "application/json"})
        return Said(cut=True) if fate == "unanswered" else said


@pytest.fixture
def partition(example_buckets: ReplicatedPair) -> None:
    """Yesterday's partition, replicated."""
    for name in ("part-0", "part-1", "_SUCCESS"):
        key = f"orders/dt={YESTERDAY}/{name}"
        example_buckets.source_client.put_object(Bucket=example_buckets.source, Key=key, Body=b"x")


def connection(url: str, password: str) -> str:
    return json.dumps({"conn_type": "http", "host": url, "login": "region-a", "password": password})


def announced(airflow: Airflow) -> list[dict[str, Any]]:
    """Return what has come from outside about the replica."""
    events = airflow.asset_events("s3://my-landing-bucket-replica/orders/")
    return [event for event in events if event.get("from_rest_api")]


def test_region_b_hears_of_it_once_whatever_is_lost_on_the_way(
    airflow: Airflow, partition: None, region_a: Callable[..., DagOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A user who may do no more than that records the event, which starts the DAG of region B; a retry records none if
    the one before has done so, and its answer was lost.
    """
    before = set(airflow.runs("load_replica"))
    known = len(announced(airflow))
    road = Road(airflow.url, "unsent", "unanswered")
    with HttpServer(road) as server:
        monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_REGION_B", connection(server.url, airflow.passwords["region-a"]))
        run = region_a("announce_to_region_b", bucket="my-landing-bucket")
    assert run.states == {"gate": "success", "announce": "success"}
    assert len(road.posted) == 2
    (extra,) = announced(airflow)[known:]
    assert extra == {
        "total": 3,
        "statuses": {"COMPLETED": 3},
        "targets": [f"s3://my-landing-bucket/orders/dt={YESTERDAY}/*"],
        "announced_by": run.returned["announce"],
        "from_rest_api": True,
    }

    def new_runs() -> list[str]:
        return [
            name for name, state in airflow.runs("load_replica").items() if name not in before if state == "success"
        ]

    (loaded,) = until(new_runs, "the DAG of region B to run")
    assert airflow.returned("load_replica", loaded, "load") == [
        f"3 objects in s3://my-landing-bucket-replica/orders/dt={YESTERDAY}/*"
    ]
