"""A scripted S3, and both ways of asking it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_crr.lookup import choice
from tests.support.s3_server import S3Server, stored

BOTO3 = "this test asks for boto3"


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        running.default = lambda bucket, key, version: stored("COMPLETED")
        yield running


@pytest.fixture(params=["crt", "boto3"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make choose_lookup choose this way of asking, and assert that nothing else could."""
    if request.param == "boto3":
        monkeypatch.setattr(choice, "why_not_crt", lambda client: BOTO3)
    return str(request.param)


@pytest.fixture
def crt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that the AWS Common Runtime can be chosen here."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settles() -> Callable[[Callable[[], object]], None]:
    """Return a check that something becomes true; it may take as long as threads of C need to end."""

    def check(true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline
            os.sched_yield()

    return check


def threads() -> int:
    """Return how many threads this process has, those of C included."""
    return len(list(Path("/proc/self/task").iterdir()))


def sockets() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(descriptor).startswith("socket:")
        except OSError:
            continue
    return found
