"""A scripted S3 and the hook that asks it, once for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_crr.hooks.replication import S3ReplicationHook
from tests.support.s3_server import S3Server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server


@pytest.fixture(scope="module")
def hook(server: S3Server) -> S3ReplicationHook:
    """The hook of all tests of a file: its client takes a while to make, and knows nothing of a gate."""
    return S3ReplicationHook()
