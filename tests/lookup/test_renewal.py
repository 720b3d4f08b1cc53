"""Credentials that are renewed while they are good: nobody waits for their source."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup import choice, renewal
from airflow_provider_crr.lookup.shared_asker import SharedAsker
from airflow_provider_crr.s3.objects import S3Object
from tests.lookup.conftest import BOTO3
from tests.lookup.test_shared_asker import answers, objects
from tests.support.s3_server import S3Server
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.usefixtures("crt")


class Source:
    """A source of credentials, which answers when the test says so."""

    def __init__(self, server: S3Server) -> None:
        server.secrets["AKIDNEW"] = "new secret"
        self.key, self.secret = next(iter(server.secrets.items()))
        self.answers = threading.Event()
        self.asked = 0
        self.error: Exception | None = None

    def renew(self) -> dict[str, Any]:
        self.asked += 1
        self.answers.wait(60)
        if self.error:
            raise self.error
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": "AKIDNEW", "secret_key": "new secret", "token": None, "expiry_time": later}

    def valid_for(self, minutes: float) -> Any:
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        token: Any = None
        return RefreshableCredentials(self.key, self.secret, token, until, self.renew, "test")


@pytest.fixture
def source(server: S3Server) -> Iterator[Source]:
    one = Source(server)
    yield one
    one.answers.set()


@pytest.fixture(params=["crt", "boto3"])
def client(request: pytest.FixtureRequest, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that is asked through in either way."""
    if request.param == "boto3":
        monkeypatch.setattr(choice, "why_not_crt", lambda client: BOTO3)
    return server.client(retries={"total_max_attempts": 1})


def keys(server: S3Server) -> set[str]:
    """Return the access keys that HEADs were signed with, and forget these."""
    found = {request.headers["authorization"].partition("Credential=")[2].split("/")[0] for request in server.heads()}
    server.requests.clear()
    return found


def test_nobody_waits_for_a_source_that_hangs_while_the_credentials_are_good(
    server: S3Server, source: Source, client: Any
) -> None:
    """Objects are asked for with the old ones, in many buckets; once the new ones came, they are used."""
    client._request_signer._credentials = credentials = source.valid_for(minutes=12)
    shared = SharedAsker(client)
    try:
        watch = Stopwatch()
        for bucket in range(5):
            assert len(answers(shared.lookup(None), objects(10, bucket=f"b{bucket}"))) == 10
        assert watch.seconds() < 10
        assert keys(server) == {source.key}
        assert source.asked == 1
        renewed = credentials._refresh_using._under_way.renewed
        source.answers.set()
        renewed.result(60)
        threading.Event().wait(1.2)  # as long as the runtime signs with the same ones
        answers(shared.lookup(None), objects(10))
        assert keys(server) == {"AKIDNEW"}
        assert source.asked == 1
        assert server.faults() == []
    finally:
        shared.close()


def test_a_source_that_refuses_while_the_credentials_are_good_is_asked_again(
    server: S3Server, source: Source, client: Any, settles: Callable[[Callable[[], object]], None]
) -> None:
    """An early renewal that fails is no error of a lookup."""
    client._request_signer._credentials = credentials = source.valid_for(minutes=12)
    source.error = OSError("refused")
    source.answers.set()
    lookup = choice.choose_lookup(client)
    assert len(list(lookup(objects(10)))) == 10
    settles(lambda: credentials.get_frozen_credentials() and source.asked > 1)
    assert len(list(lookup(objects(10)))) == 10
    assert keys(server) == {source.key}


def test_credentials_that_must_be_renewed_are_waited_for_in_bounds(
    server: S3Server, source: Source, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they expire soon nothing is sent with the old ones, and what comes late is used for the next lookup."""
    monkeypatch.setattr(renewal, "_MOST", 0.5)
    client._request_signer._credentials = credentials = source.valid_for(minutes=5)
    lookup = choice.choose_lookup(client)
    watch = Stopwatch()
    with pytest.raises(LookupFailed, match=r"not renewed within 0\.5 s") as caught:
        list(lookup(objects(20)))
    assert caught.value.passing
    assert watch.seconds() < 10
    assert keys(server) == set()
    renewed = credentials._refresh_using._under_way.renewed
    source.answers.set()
    renewed.result(60)
    assert len(list(lookup(objects(20)))) == 20
    assert keys(server) == {"AKIDNEW"}
    assert source.asked == 1


def test_a_forked_process_renews_by_itself(
    server: S3Server, source: Source, settles: Callable[[Callable[[], object]], None]
) -> None:
    """A child does not wait for a thread of its parent."""
    client = server.client()
    client._request_signer._credentials = credentials = source.valid_for(minutes=12)
    assert choice.head_one(client, S3Object("b", "k")).http_status == 200
    assert source.asked == 1
    child = os.fork()
    if not child:
        try:
            source.answers.set()
            settles(lambda: credentials.get_frozen_credentials().access_key == "AKIDNEW")
            os._exit(0)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
