"""One object's answer is never given to another: question and answer are held together on every connection."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup import pairing
from airflow_provider_crr.lookup.boto3_asker import head
from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.lookup.client_pairing import pairing_of
from airflow_provider_crr.lookup.crt import session
from airflow_provider_crr.lookup.pairing import Exchange, RecentIds
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import ETAG, TWICE, Answer, S3Server, stored
from tests.support.tls import authority
from tests.support.tunnel import tunnelling

pytestmark = pytest.mark.usefixtures("crt")

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
FOREIGN = (
    b"HTTP/1.1 200 OK\r\nETag: " + ETAG.encode() + b"\r\nContent-Length: 4\r\nx-amz-request-id: OF-ANOTHER\r\n"
    b"Last-Modified: Mon, 05 Oct 2026 20:00:00 GMT\r\nx-amz-replication-status: COMPLETED\r\n\r\n"
)


def mixed(number: int) -> list[S3Object]:
    """Return keys of which every other one is PENDING."""
    return [S3Object("b", f"{'pc'[n % 2]}{n}") for n in range(2 * number)]


def asked(server: S3Server, every: int, **odd: object) -> Counter[str]:
    """Return the states of 300 PENDING objects among COMPLETED ones, where each n-th answer is odd."""
    turn = count()

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        more = odd if next(turn) % every == 0 else {}
        return stored("PENDING" if key.startswith("p") else "COMPLETED", **more)

    server.default = answer
    found = list(choose_lookup(server.client())(mixed(300)))
    assert server.faults() == []
    assert {each.state for each in found if each.object.key.startswith("c")} == {"COMPLETED"}
    return Counter(each.state.value for each in found if each.object.key.startswith("p"))


@pytest.fixture(params=[True])
def trusted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use connections again as soon as their rest ends, as where nothing followed the answers for long."""
    if request.param:
        monkeypatch.setattr(pairing, "PROBATION", 0.0)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("distinct_ids", [True, False])
@pytest.mark.parametrize("delay", [0.0, 0.005])
def test_interim_answers_are_skipped(server: S3Server, way: str, delay: float, distinct_ids: bool) -> None:
    """A 103 before a fifth of the answers, in one segment with them or before, changes no answer."""
    server.distinct_ids = distinct_ids
    assert asked(server, 5, interim=EARLY, interim_delay=delay) == {"PENDING": 300}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("distinct_ids", [True, False])
@pytest.mark.parametrize("surplus", [FOREIGN, TWICE, b"<html>not found</html>"], ids=["body", "twice", "page"])
@pytest.mark.parametrize(
    ("every", "delay", "trusted"),
    [(1, 0.0, True), (5, 0.0, True), (1, 0.005, False), (5, 0.002, False)],
    indirect=["trusted"],
)
def test_what_follows_an_answer_answers_no_other_question(
    server: S3Server, way: str, surplus: bytes, every: int, delay: float, distinct_ids: bool
) -> None:
    """A body after a HEAD that looks like an answer, or an answer sent twice, is never taken for another's."""
    server.distinct_ids = distinct_ids
    assert asked(server, every, surplus=surplus, surplus_delay=delay) == {"PENDING": 300}


def late(server: S3Server, every: int) -> None:
    """Let what is too much, and whatever is answered on a connection after it, come later than any rest lasts."""
    turn = count()
    server.default = lambda bucket, key, version: stored(
        "PENDING",
        surplus=FOREIGN if next(turn) % every == 0 else b"",
        surplus_delay=0.1,
        delay=0.0 if key in ("k0", "k1") else 0.3,
    )


@pytest.mark.parametrize("every", [1, 3])
def test_who_sends_too_much_is_found_out_before_a_connection_is_used_twice(
    server: S3Server, way: str, every: int
) -> None:
    """What follows an answer later than its connection rests answers no other question either."""
    late(server, every)
    found = choose_lookup(server.client())(S3Object("b", f"k{n}") for n in range(200))
    assert Counter(each.state.value for each in found) == {"PENDING": 200}


def test_so_is_who_is_asked_one_question_after_the_other(server: S3Server) -> None:
    """The same holds for single objects over one connection."""
    late(server, 1)
    client = server.client(max_pool_connections=1)
    assert [head_one(client, S3Object("b", f"k{n % 5}")).state.value for n in range(10)] == ["PENDING"] * 10


def test_who_sends_no_more_than_the_answers_is_soon_known(server: S3Server, way: str) -> None:
    """Where nothing follows the answers, a thousand objects need few connections."""
    server.default = lambda bucket, key, version: stored("COMPLETED", delay=0.05)
    client = server.client()
    for _ in range(2):
        server.requests.clear()
        assert len(list(choose_lookup(client)(mixed(500)))) == 1000
    assert len({request.port for request in server.heads()}) < 400


@pytest.mark.usefixtures("trusted")
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize(("delay", "trusted"), [(0.0, True), (0.005, False)], indirect=["trusted"])
def test_the_same_holds_over_tls(tmp_path: Path, way: str, delay: float) -> None:
    """Bytes that TLS has unpacked already are seen too."""
    with S3Server(tls=authority(tmp_path)) as server:
        turn = count()
        server.default = lambda bucket, key, version: stored(
            "PENDING", surplus=FOREIGN if next(turn) % 5 == 0 else b"", surplus_delay=delay
        )
        found = choose_lookup(server.client(verify=False))(S3Object("b", f"k{n}") for n in range(100))
        assert Counter(each.state.value for each in found) == {"PENDING": 100}


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.03])
@pytest.mark.parametrize("surplus", [FOREIGN, TWICE], ids=["body", "twice"])
def test_single_objects_too(server: S3Server, surplus: bytes, delay: float) -> None:
    """Objects that are asked for one after the other get their own answers."""
    server.default = lambda bucket, key, version: stored(
        "PENDING" if key.startswith("p") else "COMPLETED", surplus=surplus, surplus_delay=delay
    )
    client = server.client()
    found = [head_one(client, obj) for obj in mixed(20)]
    assert {each.state.value for each in found if each.object.key.startswith("p")} == {"PENDING"}


def test_who_answers_twice_once_gets_one_question_a_connection(server: S3Server, way: str) -> None:
    """After the first surplus no connection to that endpoint is used twice, in this lookup and the next."""
    server.default = lambda bucket, key, version: stored("COMPLETED", surplus=TWICE)
    client = server.client()
    for _ in range(2):
        list(choose_lookup(client)(mixed(50)))
    server.requests.clear()
    server.default = lambda bucket, key, version: stored("COMPLETED")
    list(choose_lookup(client)(mixed(50)))
    assert len(server.heads()) == 100
    assert len({request.port for request in server.heads()}) >= (50 if way == "crt" else 100)


@pytest.mark.usefixtures("trusted")
def test_one_client_of_many_threads(server: S3Server) -> None:
    """Threads that share a client get their own answers."""
    server.default = lambda bucket, key, version: stored(
        "COMPLETED", headers={"x-amz-meta-key": key, "ETag": f'"{key}"'}
    )
    client = server.client()
    wrong: list[str] = []

    def work(name: int) -> None:
        wrong.extend(key for n in range(40) if head(client, S3Object("b", key := f"{name}-{n}")).etag != key)

    workers = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_shares_no_connection_with_its_parent(server: S3Server) -> None:
    """Parent and child ask through one client at the same time, and each gets its own answers."""
    server.default = lambda bucket, key, version: stored("COMPLETED", headers={"ETag": f'"{key}"'})
    client = server.client()
    head(client, S3Object("b", "first"))

    def mistaken(name: str) -> int:
        return sum(head(client, S3Object("b", f"{name}{n}")).etag != f"{name}{n}" for n in range(150))

    child = os.fork()
    if child == 0:
        os._exit(min(mistaken("child"), 99))
    found = mistaken("parent")
    assert (found, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) == (0, 0)
    assert len(server.heads()) == 301


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("distinct_ids", [True, False])
def test_an_answer_whose_id_was_seen_is_asked_for_again(server: S3Server, distinct_ids: bool) -> None:
    """A request id that comes twice on a used connection, where ids differ, costs one more question, on a fresh one."""
    server.distinct_ids = distinct_ids
    again = {"headers": {"x-amz-request-id": "0A49CE4060975001"}} if distinct_ids else {}
    server.answers["b", "again"] = [stored("COMPLETED", **again), stored("PENDING")]
    client = server.client(max_pool_connections=1)
    found = []
    for key in ("one", "two", "again"):
        found.append(head_one(client, S3Object("b", key)).state.value)
        time.sleep(0.1)  # the connection has rested, so that no new one is opened in its place
    assert found == ["COMPLETED", "COMPLETED", "PENDING" if distinct_ids else "COMPLETED"]
    assert len(server.heads()) == 3 + distinct_ids


@pytest.mark.parametrize("distinct", [False, True])
def test_ids_identify_only_where_they_do(distinct: bool) -> None:
    """Constant ids mean nothing; where they differ, one that comes twice is doubted, unless a first answer has it."""
    exchange = Exchange()
    assert not exchange.repeats("a", is_first=True)
    assert not exchange.repeats("b" if distinct else "a", is_first=False)
    assert exchange.repeats("a", is_first=False) is distinct
    assert not exchange.repeats("a", is_first=True)
    assert not exchange.repeats("a", is_first=False)
    assert not exchange.repeats(None, is_first=False)


def test_ids_are_remembered_within_bounds() -> None:
    """Millions of answers of many endpoints take the memory of some thousands, and the latest ids are known."""
    recent = RecentIds()
    one, other = Exchange(recent), Exchange(recent)
    for n in range(20_000):
        assert not (one, other)[n % 2].repeats(str(n), is_first=False)
    assert one.repeats("19000", is_first=False)
    assert not one.repeats("19001", is_first=False), "the ids of another endpoint are not its own"
    assert len(recent._ids) + len(recent._older_ids) < 5000


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_closes_a_used_connection_is_asked_for_again(server: S3Server, way: str) -> None:
    """Where a connection's end hides whether something followed, its last answer counts only if it is the first."""
    turn = count()
    whole = FOREIGN.replace(b"COMPLETED", b"PENDING")

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        return Answer(raw=whole) if next(turn) % 3 == 2 else stored("PENDING")

    server.default = answer
    found = list(choose_lookup(server.client())(mixed(100)))
    assert Counter(each.state.value for each in found) == {"PENDING": 200}


@pytest.fixture
def proxy() -> Iterator[str]:
    with tunnelling() as running:
        yield running


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("every", [1, 5])
def test_the_same_holds_behind_a_proxy(tmp_path: Path, proxy: str, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy boto3 is used, and asks again through a tunnel of its own."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with S3Server(tls=authority(tmp_path)) as server:
        turn = count()
        server.default = lambda bucket, key, version: stored(
            "PENDING", surplus=FOREIGN if next(turn) % every == 0 else b"", surplus_delay=0.003, interim=EARLY
        )
        client = server.client(verify=False, proxies={"https": proxy})
        found = choose_lookup(client)(S3Object("b", f"k{n}") for n in range(100))
        assert Counter(each.state.value for each in found) == {"PENDING": 100}
        client.close()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_client_behind_a_proxy_closes_its_connections(
    tmp_path: Path, proxy: str, monkeypatch: pytest.MonkeyPatch, settles: Callable[[Callable[[], object]], None]
) -> None:
    """A closed client leaves no connection through the proxy open, though an error still refers to one."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with S3Server(tls=authority(tmp_path)) as server:
        server.default = lambda bucket, key, version: stored("PENDING", delay=0.05)
        client = server.client(verify=False, proxies={"https": proxy})
        pairing_of(client)
        head_one(client, S3Object("b", "k"))
        kept = list(client._endpoint.http_session._proxy_managers[proxy].pools._container.values())
        assert server.connections == 1
        client.close()
        settles(lambda: server.connections == 0)
        assert len(kept) == 1


@pytest.mark.parametrize("name", ["_pool_classes_by_scheme", "_manager", "_proxy_managers"])
def test_a_botocore_that_keeps_its_connections_elsewhere_is_refused(server: S3Server, way: str, name: str) -> None:
    """Where answers could not be told apart nothing is asked, and the error says so."""
    client = server.client()
    delattr(client._endpoint.http_session, name)
    for ask in (lambda: head_one(client, S3Object("b", "k")), lambda: list(choose_lookup(client)(mixed(2)))):
        with pytest.raises(LookupFailed, match="keeps its connections elsewhere"):
            ask()
    assert server.requests == []
    assert not session._forks.open  # a runtime that nobody closes keeps every later fork from using one


def test_connections_of_before_go_on(server: S3Server) -> None:
    """A client that was used already is made to pair, and what others read through it goes on."""
    server.contents["b", "file"] = "x" * 100_000
    client = server.client()
    body = client.get_object(Bucket="b", Key="file")["Body"]
    assert body.read(10) == b"x" * 10
    assert head_one(client, S3Object("b", "k")).state == "COMPLETED"
    assert len(body.read()) == 99_990


@pytest.mark.usefixtures("trusted")
def test_single_questions_are_held_to_their_answers_too(server: S3Server) -> None:
    """One after the other, by head_one, over one connection: what follows an answer late answers no other question."""
    turn = count()

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        odd = {"surplus": FOREIGN, "surplus_delay": 0.03} if next(turn) % 3 == 0 else {}
        return stored("PENDING", delay=0.1, **odd)

    server.default, server.distinct_ids = answer, True
    client = server.client(max_pool_connections=1)
    assert {head_one(client, S3Object("b", f"k{n}")).state.value for n in range(15)} == {"PENDING"}


def test_client_that_many_threads_begin_to_use_at_once_is_ours_once(server: S3Server) -> None:
    """Threads that ask through a new client at the same time all get their answers."""
    for _ in range(10):
        client = server.client()
        found: list[str] = []
        begin = threading.Barrier(8)

        def ask(client: object = client, found: list[str] = found, begin: threading.Barrier = begin) -> None:
            begin.wait()
            found.append(head_one(client, S3Object("b", "k")).state.value)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["COMPLETED"] * 8
