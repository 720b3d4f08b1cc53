"""An Airflow of our own, a local AWS, and nothing of the developer's machine."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

# Before anything imports Airflow, which reads its configuration at import.
_HOME = Path(tempfile.mkdtemp(prefix="crr-airflow-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
# AWS_*: a developer's profile or proxy silently changes what is asserted.
for _name in [name for name in os.environ if name.startswith(("AIRFLOW", "AWS_"))]:
    del os.environ[_name]
os.environ.update(
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(_HOME / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    # Deferred tasks hold their event back for some heartbeats, for the sake of real workers; here there are none.
    AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="0",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
    NO_PROXY="127.0.0.1,localhost",
)
(_HOME / "dags").mkdir()

import pytest  # noqa: E402

from airflow_provider_crr.errors import CrrError  # noqa: E402
from local_aws import LocalAws  # noqa: E402
from local_aws.batch.orders import BatchOrders  # noqa: E402
from local_aws.buckets import ReplicatedPair, replicated_pair  # noqa: E402
from tests.support.causes import is_circular  # noqa: E402
from tests.support.credential_sources import Connect, Source  # noqa: E402
from tests.support.s3_server import S3Server  # noqa: E402
from tests.support.versioned_s3 import VersionedS3  # noqa: E402

#: What takes longest is begun first: where tests run in several processes, these then end at about the same time.
_LONGEST_FIRST = ("packaging", "airflow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the folders by :data:`_LONGEST_FIRST`."""
    rank = {name: number for number, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def _descriptions_of_aws() -> Iterator[None]:
    """Read what botocore knows of AWS's services once: nine tenths of the time that a test's new client takes."""
    import botocore.session
    from botocore.loaders import create_loader

    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda data_path=None: loader)
        yield


@pytest.fixture(autouse=True)
def _own_way_to_s3() -> Iterator[None]:
    """What triggers of one process share is shared within a test, as if each test was a process."""
    yield
    if shared := sys.modules.get("airflow_provider_crr.hooks.sharing.shared_hook"):
        shared._REGISTRY._renew()
    if asker := sys.modules.get("airflow_provider_crr.lookup.shared_asker"):
        asker._close_all()


@pytest.fixture(autouse=True)
def _no_error_is_its_own_cause(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test is about: an error that came of itself is printed without end by structlog and rich."""
    made: WeakSet[CrrError] = WeakSet()
    initialize = CrrError.__init__

    def remember(self: CrrError, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        made.add(self)

    monkeypatch.setattr(CrrError, "__init__", remember)
    yield
    assert not [error for error in list(made) if is_circular(error)]


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Home of the Airflow that this test session uses."""
    return _HOME


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """One local AWS for all tests: each makes its own buckets."""
    with LocalAws() as running:
        yield running


@pytest.fixture
def aws_conn(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The local AWS, as what Airflow's connection aws_default leads to."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws.airflow_connection_uri_json())
    return aws


@pytest.fixture
def pair(aws: LocalAws) -> Iterator[ReplicatedPair]:
    """A bucket of one's own, replicated to another region."""
    name = f"landing-{uuid.uuid4().hex[:12]}"
    yield replicated_pair(aws, name, f"{name}-replica")
    aws.release(name)


@pytest.fixture
def denied_pair(aws: LocalAws) -> Iterator[ReplicatedPair]:
    """A bucket of one's own, replicated to another account that refuses."""
    name = f"landing-{uuid.uuid4().hex[:12]}"
    yield replicated_pair(aws, name, f"{name}-replica", denied=True)
    aws.release(name)


@pytest.fixture
def orders(aws: LocalAws) -> Iterator[BatchOrders]:
    """Orders for S3 Batch Operations of the local AWS, which are forgotten after the test."""
    yield aws.batch
    aws.batch.reset()


@pytest.fixture
def broken(aws_conn: LocalAws, denied_pair: ReplicatedPair, orders: BatchOrders) -> Any:
    """A bucket whose objects are FAILED, because the destination refuses."""
    from tests.support.repairs import Broken

    return Broken(aws_conn, denied_pair)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A scripted S3, as what Airflow's connection aws_default leads to."""
    with S3Server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server
        assert server.faults() == []


@pytest.fixture
def versioned_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[VersionedS3]:
    """A scripted S3 that keeps versions, as what Airflow's connection aws_default leads to."""
    with VersionedS3() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        yield server


@pytest.fixture
def connect(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connect]:
    """Start a source of credentials for the S3 of the test's own, and let aws_default lead to it."""
    opened: list[Source] = []

    def start(kind: type[Source]) -> Source:
        opened.append(kind(s3, monkeypatch, tmp_path))
        return opened[-1].__enter__()

    yield start
    for source in opened:
        source.__exit__()
