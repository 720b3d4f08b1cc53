"""Keys through a proxy that sends requests on: each arrives as it is, or is refused before anything is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.choice import choose_lookup
from airflow_provider_crr.lookup.own_faults import raise_for_target
from airflow_provider_crr.s3.objects import S3Object
from tests.lookup.test_not_of_s3 import relay
from tests.support.http_server import HttpServer
from tests.support.s3_server import S3Server

DOTS = ["p/../c", "../c", "./c", "p/./c", "p/..", "p/.", "..", ".", "a//../c"]
OTHERS = [
    "p/..c", "c..", ".c", "...", "p/.../c", "%2e%2e/c", "p/%2E%2E/c", "a b", "a+b", "a%b", "//", "a//b", "a/", "é",
    "a?b", "a#b", "a&b=c", "~a", "*", "(a)!", "\\", "a:b@c", "{}|^`<>", "ä/../".replace("/../", "..b"), "[x]",
]  # fmt: skip


@pytest.fixture
def proxy() -> Iterator[HttpServer]:
    with HttpServer(relay) as running:
        yield running


@pytest.fixture(params=["config", "environment"])
def client(request: pytest.FixtureRequest, server: S3Server, proxy: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client whose requests the proxy sends on, by its configuration or by the environment."""
    if request.param == "config":
        return server.client(proxies={"http": proxy.url})
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    return server.client()


@pytest.mark.parametrize("key", DOTS)
def test_a_key_that_would_become_another_is_refused(server: S3Server, proxy: HttpServer, client: Any, key: str) -> None:
    """S3 would be asked about another object: the error names the object and the remedy, and nothing is sent."""
    for objects in ([S3Object("b", key)], [S3Object("b", key, "v"), S3Object("b", key)]):
        with pytest.raises(LookupFailed, match="proxy") as raised:
            list(choose_lookup(client)(objects))
        assert raised.value.uri in list(map(str, objects))
        assert "https" in str(raised.value)
        assert not raised.value.passing
    assert proxy.requests == []
    assert server.requests == []


def test_every_other_key_arrives_as_it_is(server: S3Server, client: Any) -> None:
    """Dots that are no segment, and whatever else is in a key, arrive byte for byte."""
    found = list(choose_lookup(client)(S3Object("b", key) for key in OTHERS))
    assert {each.state.value for each in found} == {"COMPLETED"}
    assert Counter(request.key for request in server.heads()) == Counter(OTHERS)
    assert server.faults() == []


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ("/b/p/../c", False),
        ("http://b.example/p/../c", True),
        ("https://b.example/p/./c?versionId=v", True),
        ("http://b.example/p?prefix=../c", False),
        ("http://b.example/p..", False),
    ],
)
def test_only_a_whole_url_is_read_so(target: str, refused: bool) -> None:
    """A path is sent as it is, and a query too; an https proxy that sends requests on is asked for whole URLs too."""
    if refused:
        with pytest.raises(LookupFailed):
            raise_for_target(target)
    else:
        raise_for_target(target)
