"""What did not answer the very request about an object is no answer about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_crr.errors import CredentialsNotFound, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.replication import lookup
from tests.lookup.conftest import BOTO3
from tests.support.credential_sources import REFUSALS, Source
from tests.support.s3_server import S3Server

ONE, MANY = ["s3://b/k"], ["s3://b/k", "s3://b/l"]
WAYS = {"one": ONE, "many by crt": MANY, "many by boto3": MANY}


@pytest.fixture
def connect(server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """Start a source of credentials, and let aws_default lead to it."""
    opened: list[Source] = []

    def start(kind: type[Source]) -> Source:
        opened.append(kind(server, monkeypatch, tmp_path))
        return opened[0].__enter__()

    yield start
    for source in opened:
        source.__exit__()


@pytest.fixture(params=WAYS)
def objects(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What to ask for: one object, or many by either client."""
    if "boto3" in request.param:
        monkeypatch.setattr(lookup, "why_not_crt", lambda client: BOTO3)
    return WAYS[request.param]


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize(("kind", "refusal", "passing"), REFUSALS)
def test_refusal_when_credentials_are_renewed(
    connect, server: S3Server, objects: list[str], kind: type[Source], refusal: str, passing: bool
) -> None:
    """Whoever refuses to renew credentials is named, with the connection; S3 is not asked, and nothing is concluded."""
    source = connect(kind)
    hook = S3ReplicationHook()
    assert {found.state for found in hook.get_replication_statuses(objects)} == {"COMPLETED"}
    source.refuse(refusal)
    source.age(hook.get_conn())
    asked = len(server.requests)
    hook = hook_of_the_same_client(hook)
    with pytest.raises(LookupFailed) as raised:
        list(hook.get_replication_statuses(objects))
    assert source.who in str(raised.value)
    assert "the connection 'aws_default'" in str(raised.value)
    assert raised.value.remedy
    assert raised.value.__cause__ is not None
    assert raised.value.passing is passing
    assert len(server.requests) == asked
    source.refuse("")
    assert {found.state for found in hook.get_replication_statuses(objects)} == {"COMPLETED"}


def hook_of_the_same_client(hook: S3ReplicationHook) -> S3ReplicationHook:
    """Return a hook with the client of another, whose sweeps keep no signature of a second ago."""
    other = S3ReplicationHook()
    other.__dict__["conn"] = hook.get_conn()
    return other


@pytest.mark.parametrize(("kind", "refusal", "passing"), REFUSALS)
def test_refusal_when_credentials_are_first_asked_for(
    connect, server: S3Server, kind: type[Source], refusal: str, passing: bool
) -> None:
    """Whoever refuses the first credentials is named; once it gives some, the same hook goes on."""
    source = connect(kind)
    source.refuse(refusal)
    hook = S3ReplicationHook()
    for objects in (ONE, MANY):
        with pytest.raises(LookupFailed) as raised:
            list(hook.get_replication_statuses(objects))
        assert "the connection 'aws_default'" in str(raised.value)
        if source.who.endswith("(IMDS)"):  # botocore cannot tell one that is silent from none at all
            assert isinstance(raised.value, CredentialsNotFound)
            assert not raised.value.passing
        else:
            assert source.who in str(raised.value)
            assert raised.value.passing is passing
    assert server.requests == []
    source.refuse("")
    assert {found.state for found in hook.get_replication_statuses(MANY)} == {"COMPLETED"}
