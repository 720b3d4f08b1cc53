"""What waits for AWS ends with its time, or once it is stopped: in requests, retries, connections and credentials."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from airflow_provider_crr.errors import CrrError, LookupFailed
from airflow_provider_crr.hooks.batch_operations import S3BatchOperationsHook
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.lookup import choice
from airflow_provider_crr.lookup.client_pairing import pairing_of
from airflow_provider_crr.replication.deletion.requests import DeleteRequests, DeleteResult
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.s3.listing import list_matching, list_versions
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.uninterruptible import waited
from tests.support.http_server import HttpServer, Said
from tests.support.polling import until as polled
from tests.support.s3_server import Answer, S3Server, stored
from tests.support.stopwatch import Stopwatch
from tests.support.stuck import DRIP, DRIPPING_BODY, StuckServer

#: Seconds that a wait may last here, and by which it may be overrun.
TIME, LATE = 0.5, 2.0
ONE = [S3Object("b", "k")]
MANY = [S3Object("b", f"k{number}") for number in range(20)]

STUCK: dict[str, Callable[[], tuple[StuckServer, str]]] = {
    "silent": lambda: (StuckServer(), "http"),
    "one byte at a time": lambda: (StuckServer(DRIP), "http"),
    "no handshake": lambda: (StuckServer(), "https"),
    "handshake, one byte at a time": lambda: (StuckServer(b"\x16\x03\x03\x40\x00" * 1000), "https"),
    "no connection": lambda: (StuckServer(accepts=False), "http"),
}


@pytest.fixture(scope="module", autouse=True)
def _boto3_is_loaded() -> None:
    """Load what a first question loads, which takes longer than a wait does here."""
    with S3Server() as server:
        server.default = lambda bucket, key, version: stored("COMPLETED")
        for objects in (ONE, MANY):
            list(choice.choose_lookup(server.client())(objects))


def by_boto3(client: Any, stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(choice, "why_not_crt", lambda client: "this test asks for boto3")
    return list(choice.choose_lookup(client)(MANY, stop=stop))


def under_guard(function: Callable[[Any], object], client: Any, stop: threading.Event, _: object) -> object:
    pairing_of(client)  # as the hook does before anything is asked through it
    with until(stop):
        return function(client)


QUESTIONS: dict[str, Callable[..., object]] = {
    "one": lambda client, stop, _: list(choice.choose_lookup(client)(ONE, stop=stop)),
    "many, boto3": by_boto3,
    "many, runtime": lambda client, stop, _: list(choice.choose_lookup(client)(MANY, stop=stop)),
    "list": partial(under_guard, lambda client: list(list_matching(client, S3Object("b", "x/*")))),
    "versions": partial(under_guard, lambda client: list(list_versions(client, S3Object("b", "x/*"), exact=False))),
}


@contextmanager
def in_time(least: float = 0.0) -> Iterator[None]:
    """Fail unless what is done takes about the time that it may take."""
    watch = Stopwatch()
    yield
    assert watch.elapsed() >= least
    assert watch.seconds() < TIME + LATE


def no_thread_is_left() -> bool:
    names = ("crr-deadline", "crr-trigger", "s3-head")
    return not any(thread.name.startswith(names) for thread in threading.enumerate())


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("stuck", STUCK)
def test_a_wait_ends_with_its_time(stuck: str, question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever does not answer, and whatever is asked: a wait ends with its time, and leaves no thread."""
    server, scheme = STUCK[stuck]()
    with server:
        client = server.client(scheme)
        with in_time(TIME), pytest.raises(LookupFailed, match="stopped"):
            QUESTIONS[question](client, Deadline(TIME), monkeypatch)
        assert no_thread_is_left()
        assert current() is None


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_wait_ends_once_it_is_stopped(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that another thread sets ends a wait as the deadline does."""
    stop = threading.Event()
    with StuckServer() as server:
        stopping = threading.Timer(TIME, stop.set)
        stopping.start()
        with in_time(), pytest.raises(LookupFailed, match="stopped"):
            QUESTIONS[question](server.client(), stop, monkeypatch)
        stopping.join()
    assert no_thread_is_left()


def test_a_body_that_never_ends_is_not_waited_for() -> None:
    """A listing, rules and a deletion whose answers come a byte at a time end with the time."""
    with StuckServer(DRIPPING_BODY, at_once=90) as server:
        client = server.client()
        pairing_of(client)
        version = S3Object("b", "k", "v")
        for ask in (
            lambda: list(list_matching(client, S3Object("b", "x/*"))),
            lambda: DeleteRequests(client).send([version], {}, DeleteResult()),
        ):
            with in_time(), pytest.raises(LookupFailed, match="stopped"), until(Deadline(TIME)):
                ask()


@pytest.mark.parametrize("question", ["get_replication_rules", "check_bucket"])
def test_what_a_hook_asks_about_a_bucket_ends_in_time(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket's rules, and whether there is one, are not waited for longer than the time."""
    with StuckServer() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        hook = S3ReplicationHook()
        hook.get_conn()
        with (
            in_time(),
            pytest.raises(LookupFailed, match=r"s3://b: .*stopped before .* answered"),
            until(Deadline(TIME)),
        ):
            getattr(hook, question)("b")


def test_the_reason_of_a_refusal_ends_in_time() -> None:
    """The GET that asks why a HEAD was refused ends with the time, too."""
    opened = threading.Event()
    with S3Server() as server:
        server.answers["b", "k"] = [Answer(403, code="AccessDenied"), Answer(403, code="AccessDenied", gate=opened)]
        with in_time(), pytest.raises(LookupFailed, match=r"s3://b/k: .*answered GET"):
            list(choice.choose_lookup(server.client())(ONE, stop=Deadline(TIME)))
        opened.set()


def test_where_a_bucket_is_is_not_waited_for_longer() -> None:
    """A question that was sent elsewhere, where nobody answers, ends with the time."""
    opened = threading.Event()
    with S3Server() as server:
        server.regions["b"] = "us-west-2"
        server.answers["b", "k"] = stored("COMPLETED", gate=opened)
        with in_time(), pytest.raises(LookupFailed, match="stopped"):
            list(choice.choose_lookup(server.client())(ONE, stop=Deadline(TIME)))
        opened.set()


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_botocore_does_not_try_again_after_the_time(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause before another attempt ends with the time, and nothing is sent afterwards."""
    monkeypatch.setattr("random.random", lambda: 1.0)  # the longest pauses
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    with S3Server() as server:
        server.default = lambda bucket, key, version: Answer(503, code="SlowDown")
        client = server.client(retries={"mode": mode, "total_max_attempts": 10})
        with in_time(), pytest.raises(LookupFailed, match="stopped"):
            list(choice.choose_lookup(client)(ONE, stop=Deadline(TIME)))
        sent = len(server.requests)
        time.sleep(0.2)
        assert len(server.requests) == sent


def test_a_question_about_a_job_is_not_asked_again_after_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of other services than S3 end their pauses with the time, too."""
    monkeypatch.setattr("random.random", lambda: 1.0)
    with HttpServer(lambda asked: Said(503)) as server:
        retries = {"retries": {"mode": "legacy", "total_max_attempts": 10}}
        extra = {"endpoint_url": server.url, "region_name": "eu-west-1", "config_kwargs": retries}
        connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        jobs = S3BatchOperationsHook(account_id="111122223333")
        jobs.get_conn()
        with in_time(), pytest.raises(LookupFailed, match="stopped"), until(Deadline(TIME)):
            jobs.describe_job("job-1")


def test_retries_are_botocores_without_a_guard() -> None:
    """Without a time a client tries again as often as it is configured."""
    with S3Server() as server:
        server.answers["b", "k"] = [Answer(503), Answer(503), stored("COMPLETED")]
        (found,) = choice.choose_lookup(server.client())(ONE)
        assert (found.state.value, len(server.heads())) == ("COMPLETED", 3)
        server.answers["b", "k2"] = [Answer(503), Answer(503), stored("COMPLETED")]
        (found,) = choice.choose_lookup(server.client())([S3Object("b", "k2")], stop=Deadline(60))
        assert (found.state.value, len(server.heads("b", "k2"))) == ("COMPLETED", 3)


def test_a_name_that_nobody_resolves_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer is not waited for."""
    resolved = threading.Event()
    known = socket.getaddrinfo

    def slow(host: Any, *args: Any, **kwargs: Any) -> Any:
        resolved.wait(30)
        return known("127.0.0.1", *args, **kwargs)

    with StuckServer() as server:
        client = server.client()
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with in_time(), pytest.raises(LookupFailed, match="stopped before there was a connection to"):
            list(choice.choose_lookup(client)(ONE, stop=Deadline(3 * TIME)))
        resolved.set()


@pytest.mark.parametrize("question", ["one", "many, boto3", "many, runtime", "list"])
def test_credentials_are_not_waited_for_longer(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever should renew the credentials, and does not answer, does not hold a wait."""
    from botocore.credentials import RefreshableCredentials

    given = threading.Event()
    soon = datetime.now(UTC) + timedelta(seconds=1)

    def renew() -> dict[str, str]:
        given.wait(30)
        return {"access_key": "A", "secret_key": "s", "token": "t", "expiry_time": "2099-01-01T00:00:00Z"}

    with S3Server() as server:
        client = server.client()
        old = RefreshableCredentials("AKIDEXAMPLE", "x", "t", soon, renew, "test", lambda: datetime.now(UTC))
        client._request_signer._credentials = old
        with in_time(), pytest.raises(LookupFailed, match="stopped"):
            QUESTIONS[question](client, Deadline(TIME), monkeypatch)
        assert server.requests == []
        given.set()


def test_a_client_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """STS, whose role the connection needs, does not answer: the wait for a client ends with the time."""
    with StuckServer() as server:
        role = {"role_arn": "arn:aws:iam::111122223333:role/r"}
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.endpoint_url())
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json(**role))
        with (
            in_time(),
            pytest.raises(LookupFailed, match="stopped before there were credentials"),
            until(Deadline(TIME)),
        ):
            S3ReplicationHook().get_conn()


def test_rules_that_come_a_byte_at_a_time_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read briefly, rules end after some seconds also where each byte comes in time."""
    monkeypatch.setattr("airflow_provider_crr.hooks.base.BRIEF", 0.25)
    with StuckServer(DRIP) as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_json())
        hook = S3ReplicationHook()
        assert hook._brief_client  # making it may take longer
        with in_time(), pytest.raises(LookupFailed, match="replication rules") as caught:
            hook.get_replication_rules("b", brief=True)
    assert caught.value.passing


def test_a_sweep_that_is_left_ends_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops taking answers, or is interrupted, leaves no thread that a process would wait for."""
    monkeypatch.setattr(choice, "why_not_crt", lambda client: "this test asks for boto3")
    opened = threading.Event()
    with S3Server() as server:
        server.default = lambda bucket, key, version: stored("COMPLETED", gate=opened)
        server.answers["b", "k0"] = stored("COMPLETED")
        answers: Any = choice.choose_lookup(server.client())(MANY)
        next(answers)
        with in_time():
            answers.close()
        polled(no_thread_is_left, "no thread is left", seconds=5)
        opened.set()


def test_other_threads_wait_as_boto3_does() -> None:
    """A client that is used under a guard and without one waits for each as it should."""
    opened = threading.Event()
    found: list[Any] = []
    with S3Server() as server:
        client = server.client()
        server.default = lambda bucket, key, version: stored("COMPLETED", gate=opened)
        other = threading.Thread(target=lambda: found.append(client.head_object(Bucket="b", Key="k")))
        other.start()
        with in_time(), pytest.raises(LookupFailed):
            list(choice.choose_lookup(client)([S3Object("b", "k2")], stop=Deadline(TIME)))
        assert other.is_alive()
        opened.set()
        other.join()
    assert found[0]["ReplicationStatus"] == "COMPLETED"


def test_an_error_keeps_its_kind_in_a_thread_of_its_own() -> None:
    """What is raised while it is waited for in another thread is raised here, and nothing else is changed."""

    def fail() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError), until(Deadline(10)):
        waited(fail, "it failed")
    with until(Deadline(10)):
        assert waited(lambda: 3, "it came") == 3
    assert waited(threading.current_thread, "it came") is threading.current_thread()


def test_what_comes_too_late_is_given_back() -> None:
    """What nobody waits for any longer is handed to whoever can close it."""
    late: list[int] = []
    come = threading.Event()

    def slow() -> int:
        come.wait(10)
        return 7

    with pytest.raises(CrrError, match="stopped before it came"), until(Deadline(0.1)):
        waited(slow, "it came", late.append)
    assert not late
    come.set()
    polled(lambda: late == [7], "it was given back", seconds=5)


def test_a_deadline_is_an_event() -> None:
    """A deadline is set by time or by hand, whichever comes first, and wait() tells which."""
    passed, far = Deadline(0.05), Deadline(60)
    assert not far.is_set()
    assert passed.wait(5)
    assert passed.is_set()
    assert not far.wait(0.01)
    far.set()
    assert far.is_set()
    assert far.wait(5)
    assert far.left() == 0
