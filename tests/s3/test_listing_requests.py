"""Listings are whole or an error: of objects, of common prefixes and of versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.s3.listing_requests import list_object_versions, list_objects
from tests.support.pages import cases, spoil
from tests.support.s3_server import Answer, Listed, Request, S3Server

URI = "s3://b/w/*"
#: Errors, which are judged with all others.
ERRORS = frozenset({"an error", "500 and a web page", "503 and a web page"})
#: What XML cannot hold, what it changes, and what URLs change.
KEYS = [
    *(f"w/{chr(code)}x" for code in range(1, 0x20)),
    *("w/\ufffe", "w/\uffff", "w/\U0001f600", "w/é", "w/\x7f"),
    *("w/+", "w/ ", "w/  x ", "w/%", "w/%2B", "w/%20", "w/&amp;<>\"'", "w/a?b#c", "w//", "w/./x", "w/\\"),
]  # fmt: skip

Collect = Callable[..., list[str]]


def objects(client: Any, prefix: str = "w/") -> list[str]:
    return [row.key for page in list_objects(client, "b", prefix, uri=URI) for row in page.rows]


def folders(client: Any, prefix: str = "w/") -> list[str]:
    pages = list_objects(client, "b", prefix, uri=URI, delimiter="/")
    return [folder for page in pages for folder in page.folders]


def versions(client: Any, prefix: str = "w/") -> list[str]:
    pages = list_object_versions(client, "b", prefix, uri=URI)
    return [f"{row.key}?{row.version_id}" for page in pages for row in page.rows]


LISTINGS: dict[str, Collect] = {"objects": objects, "folders": folders, "versions": versions}


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def server(running: S3Server) -> S3Server:
    """Three keys, folders and versions beside what begins otherwise, on two pages."""
    running.reset()
    running.page_size = 2
    hold(running, ["a", "w/1", "w/2", "w/3", "x"])
    return running


@pytest.fixture(scope="module")
def clients(running: S3Server) -> dict[int, Any]:
    """Clients that ask once, and twice: to make one takes longer than a test."""
    return {
        attempts: running.client(retries={"total_max_attempts": attempts, "mode": "standard"}) for attempts in (1, 2)
    }


@pytest.fixture
def client(clients: dict[int, Any]) -> Any:
    return clients[1]


def hold(server: S3Server, keys: list[str]) -> None:
    server.listings["b"] = dict.fromkeys(keys, Listed())
    server.versions["b"] = [(key, "v1") for key in keys]


def make_folders(server: S3Server) -> None:
    hold(server, [f"{key}/{name}" for key in ("a", "w/1", "w/2", "w/3", "x") for name in ("k", "l")])


def whole(listing: str) -> list[str]:
    end = {"objects": "", "folders": "/", "versions": "?v1"}[listing]
    return [f"w/{number}{end}" for number in (1, 2, 3)]


@pytest.fixture(params=LISTINGS)
def listing(request: pytest.FixtureRequest, server: S3Server) -> str:
    """One of what is listed; the server has it on two pages."""
    if request.param == "folders":
        make_folders(server)
    return str(request.param)


def test_whole_listing_is_whole(server: S3Server, listing: str, client: Any) -> None:
    """What stands on several pages is listed, in order, and what begins otherwise is not."""
    assert LISTINGS[listing](client) == whole(listing)
    assert [request.query.get("encoding-type") for request in server.requests] == ["url", "url"]
    assert server.faults() == []


@pytest.mark.parametrize(("listing", "kind", "page"), [(each, *case) for each in LISTINGS for case in cases(each)])
def test_what_is_no_page_ends_no_listing(server: S3Server, listing: str, kind: str, page: int, client: Any) -> None:
    """Whatever comes in the place of a page, the listing is not over: it could not be asked for, which passes."""
    if listing == "folders":
        make_folders(server)
    spoil(server, kind, page)
    if kind in ERRORS:
        with pytest.raises(ClientError, match="An error occurred"):
            LISTINGS[listing](client)
        return
    with pytest.raises(LookupFailed, match="could not list: ") as raised:
        LISTINGS[listing](client)
    assert raised.value.uri == URI
    assert raised.value.remedy
    assert raised.value.passing
    assert isinstance(raised.value.__cause__, ClientError)


#: Of each way in which a page is refused, one.
AGAIN = [
    "FIN amid a header",
    "FIN at the end of the headers",
    "half a body",
    "XHTML",
    "206",
    "500 and text",
    "an error",
]
AGAIN += ["empty", "IsTruncated missing", "true at the end"]


@pytest.mark.parametrize(("kind", "page"), [case for case in cases("objects") if case[0] in AGAIN])
def test_page_is_asked_for_again(server: S3Server, kind: str, page: int, clients: dict[int, Any]) -> None:
    """Botocore's own retries apply: what stood in the place of a page once costs one more request."""
    script = spoil(server, kind, page, times=1)
    assert objects(clients[2]) == whole("objects")
    assert (script.spoilt, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_every_retry_mode_asks_again(server: S3Server, listing: str, mode: str) -> None:
    """Botocore's three modes of retries treat what is no page alike."""
    spoil(server, "FIN amid a header", 2, times=1)
    assert LISTINGS[listing](server.client(retries={"max_attempts": 2, "mode": mode})) == whole(listing)


def answering(server: S3Server, *pages: str) -> None:
    """Answer one page after the other; the last one for ever."""
    left = list(pages)
    server.on_list = lambda request, page: (Answer(), left.pop(0) if len(left) > 1 else left[0])


def page_of(keys: list[str], token: str = "") -> str:
    rows = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return f"<ListBucketResult><IsTruncated>{str(bool(token)).lower()}</IsTruncated>{more}{rows}</ListBucketResult>"


@pytest.mark.parametrize(
    "pages",
    [
        [page_of(["w/1"], "t"), page_of(["w/2"], "t")],
        [page_of(["w/1"], "t"), page_of([], "t")],
        [page_of([], "t"), page_of([], "u"), page_of([], "v"), page_of([], "t")],
        [page_of(["w/1"], "t"), page_of([], "u"), page_of([], "t")],
        [page_of(["w/1", "w/2"], "t"), page_of(["w/1", "w/2"])],
        [page_of(["w/1", "w/2"], "t"), page_of(["w/2", "w/3"])],
        [page_of(["w/5", "w/6"], "t"), page_of(["w/1", "w/2"])],
        [page_of(["w/5"], "t"), page_of([], "u"), page_of(["w/2"])],
        [page_of(["w/1"], "t"), page_of(["w/2"], "u"), page_of(["w/1"], "v")],
    ],
)
def test_pages_only_go_on(server: S3Server, pages: list[str], client: Any) -> None:
    """A page that leads back to one that was, or shows keys that were passed, is no page of this listing."""
    answering(server, *pages)
    with pytest.raises(LookupFailed, match="could not list") as raised:
        objects(client)
    assert raised.value.passing


def test_versions_only_go_on(server: S3Server, client: Any) -> None:
    """Versions of one key may fill pages; markers that lead back to a version that was are refused."""
    server.versions["b"] = [("w/1", f"v{number}") for number in range(7)] + [("w/2", "marker"), ("w/2", "v0")]
    expected = [*(f"w/1?v{number}" for number in range(7)), "w/2?v0"]
    assert versions(client) == expected

    def back(request: Request, page: str) -> tuple[Answer, str]:
        return Answer(), page.replace("<NextVersionIdMarker>v5<", "<NextVersionIdMarker>v1<")

    server.on_list = back
    with pytest.raises(LookupFailed, match="named before"):
        versions(client)


def test_marker_without_a_version_is_refused(server: S3Server, client: Any) -> None:
    """After a key alone, S3 goes on with the next key: what versions the key has left would be dropped."""
    server.versions["b"] = [("w/1", f"v{number}") for number in range(5)]
    server.on_list = lambda request, page: (
        Answer(),
        re.sub(r"<NextVersionIdMarker>.*</NextVersionIdMarker>", "", page),
    )
    with pytest.raises(LookupFailed, match="does not name the next page"):
        versions(client)


@pytest.mark.parametrize("collect", [objects, folders, versions])
def test_keys_come_back_as_they_are(server: S3Server, collect: Collect, client: Any) -> None:
    """Keys that XML cannot hold, and those that URLs change, are listed as they are, on several pages."""
    keys = [f"{key}/k" for key in KEYS] if collect is folders else KEYS
    hold(server, keys)
    end = {objects: "", folders: "/", versions: "?v1"}[collect]
    # A folder ends with the first "/".
    names = {key[: key.index("/", 2) + 1] if collect is folders else key + end for key in keys}
    assert set(collect(client)) == names
    assert all(request.query["encoding-type"] == "url" for request in server.requests)


@pytest.mark.parametrize("collect", [objects, versions])
@pytest.mark.parametrize("prefix", KEYS)
def test_prefixes_are_recognized(server: S3Server, collect: Collect, prefix: str, client: Any) -> None:
    """A page of a prefix that is encoded is of that prefix."""
    hold(server, [prefix, f"{prefix}1", f"{prefix}2"])
    end = "?v1" if collect is versions else ""
    assert collect(client, prefix) == [f"{prefix}{rest}{end}" for rest in ("", "1", "2")]


def test_empty_pages_may_go_on(server: S3Server, client: Any) -> None:
    """A page may have no rows and lead on, as S3's does among many deleted versions."""
    answering(server, page_of([], "t"), page_of([], "u"), page_of(["w/1"], "v"), page_of(["w/2"]))
    assert objects(client) == ["w/1", "w/2"]


def test_what_s3_refuses_is_raised_as_botocore_raises_it(server: S3Server, client: Any) -> None:
    """S3's own refusals keep their code for whoever judges them."""
    server.missing_buckets.add("b")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        objects(client)


def test_answer_that_no_server_gave_is_none(server: S3Server, client: Any) -> None:
    """A double that answers in the place of HTTP shows no page, and so nothing that could be whole."""
    from botocore.stub import Stubber

    with Stubber(client) as stub:
        stub.add_response("list_objects_v2", {"IsTruncated": False})
        with pytest.raises(LookupFailed, match="could not list"):
            objects(client)


def test_what_others_list_through_the_client_stays_theirs(server: S3Server, client: Any) -> None:
    """A client that listed for us answers its owner's own calls as before, pages that are none included."""
    assert objects(client) == whole("objects")
    found = client.list_objects_v2(Bucket="b", Prefix="w/")
    assert [each["Key"] for each in found["Contents"]] == ["w/1", "w/2"]
    spoil(server, "empty", 1)
    assert "Contents" not in client.list_objects_v2(Bucket="b", Prefix="w/")


def test_one_client_lists_in_many_threads(server: S3Server) -> None:
    """Threads that begin with the same new client at once each get their own whole listing."""
    client = server.client()
    prefixes = [f"w/{number}/" for number in range(16)]
    hold(server, [f"{prefix}{key}" for prefix in prefixes for key in "abcde"])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda prefix: objects(client, prefix), prefixes))
    assert found == [[f"{prefix}{key}" for key in "abcde"] for prefix in prefixes]
    handlers = [name for name in client.meta.events._emitter._unique_id_handlers if "airflow_provider_crr" in str(name)]
    assert len(handlers) == 2
