"""What gates of one process share: who shares with whom, how long, and what becomes of an edited connection."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from weakref import ref

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.sharing import refused
from airflow_provider_crr.hooks.sharing import shared_hook as shared_hooks
from airflow_provider_crr.hooks.sharing.shared_hook import SharedHook, shared_hook
from airflow_provider_crr.replication.source import run
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.objects import S3Object
from tests.support import tls
from tests.support.credential_sources import Connect, Sts
from tests.support.polling import until as polled
from tests.support.s3_server import S3Server, stored
from tests.support.stopwatch import Stopwatch


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(refused, "clock", clock)
    return clock


@pytest.fixture
def s3(s3: S3Server) -> S3Server:
    """The scripted S3, whose objects are replicated."""
    s3.default = lambda bucket, key, version: stored("COMPLETED")
    return s3


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The clients that are made."""
    clients: list[Any] = []
    make = S3ReplicationHook.get_client_type

    def noted(self: S3ReplicationHook, *args: Any, **kwargs: Any) -> Any:
        clients.append(make(self, *args, **kwargs))
        return clients[-1]

    monkeypatch.setattr(S3ReplicationHook, "get_client_type", noted)
    return clients


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The readings of Airflow connections."""
    ids: list[str] = []
    read = S3ReplicationHook.get_connection

    def noted(conn_id: str) -> Any:
        ids.append(conn_id)
        return read(conn_id)

    monkeypatch.setattr(S3ReplicationHook, "get_connection", staticmethod(noted))
    return ids


def at_once(count: int, do: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(do, range(count)))


def asked(hook: SharedHook, *keys: str) -> set[str]:
    """Ask for objects of the bucket ``b``, and return their states."""

    def steps() -> Any:
        states = set()
        for each in hook.get_replication_statuses([S3Object("b", key) for key in keys], stop=Deadline(60)):
            if isinstance(each, ObjectReplication):
                states.add(each.state.value)
            else:
                yield each
        return states

    found: set[str] = run(steps())
    return found


def ports(s3: S3Server) -> set[int]:
    return {request.port for request in list(s3.requests)}


def test_gates_that_begin_at_once_share_one_client(s3: S3Server, made: list[Any], reads: list[str]) -> None:
    """Fifty hooks that are made at once have one client, and read their connection once."""
    hooks = at_once(
        50, lambda number: shared_hook({"aws_conn_id": "aws_default", "max_requests_per_second": number + 1})
    )
    assert {id(hook.get_conn()) for hook in hooks} == {id(made[0])}
    assert (len(made), reads) == (1, ["aws_default"])
    assert set().union(*at_once(10, lambda number: asked(hooks[number], "a", "b", "c"))) == {"COMPLETED"}
    assert len([thread for thread in threading.enumerate() if thread.name == "s3-asker"]) == 1


def test_who_shares_with_whom(s3: S3Server, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal arguments and equal contents share; another Region, owner or connection, or an edited one, does not."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", s3.airflow_connection_json())
    first = shared_hook({"aws_conn_id": "aws_default"})
    others = [
        shared_hook({"aws_conn_id": "aws_default", "region_name": "eu-west-2"}),
        shared_hook({"aws_conn_id": "aws_default", "expected_bucket_owner": "111122223333"}),
        shared_hook({"aws_conn_id": "other"}),
    ]
    clock.now += shared_hooks.RECHECK_FIRST
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.airflow_connection_json().replace("AKID", "AKIE"))
    edited = shared_hook({"aws_conn_id": "aws_default"})
    clients = {id(hook.get_conn()) for hook in (first, *others, edited)}
    assert len(clients) == 5
    assert first.has_moved()
    assert not edited.has_moved()
    assert not any(hook.has_moved() for hook in others)
    clock.now += shared_hooks.RECHECK_FIRST
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.airflow_connection_json())
    assert shared_hook({"aws_conn_id": "aws_default"}).get_conn() is first.get_conn()
    assert not first.has_moved()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_second_poll_opens_no_connection(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked a second time, by the same gate or another, goes over the connections that are open."""
    with S3Server(tls=tls.authority(tmp_path) if scheme == "https" else None) as s3:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.airflow_connection_json())
        s3.default = lambda bucket, key, version: stored("PENDING")
        verify = str(tmp_path / "cert.pem") if scheme == "https" else None
        hook = shared_hook({"aws_conn_id": "aws_default", "verify": verify})
        for _ in range(3):  # until the endpoint is known
            assert asked(hook, "a", "b", "c") == {"PENDING"}
            polled(lambda: s3.under_way == 0, "all is answered", 60)
        before = ports(s3)
        Event().wait(1.0)  # longer than any connection rests
        for other in (hook, shared_hook({"aws_conn_id": "aws_default", "verify": verify})):
            assert asked(other, "a", "b", "c") == {"PENDING"}
        assert ports(s3) == before
        assert s3.faults() == []


def test_edited_connection_is_noticed_within_a_minute(
    s3: S3Server, clock: Clock, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred gates read the connection once a minute, together, and all notice that it was edited."""
    hooks = [shared_hook({"aws_conn_id": "aws_default"}) for _ in range(100)]
    del reads[:]
    edited = json.loads(s3.airflow_connection_json())
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**edited, "extra": {"region_name": "eu-west-2"}}))
    assert not any(hook.may_have_moved or hook.has_moved() for hook in hooks)
    assert reads == []
    clock.now += shared_hooks.RECHECK
    assert all(hook.may_have_moved for hook in hooks)
    moved = at_once(100, lambda number: hooks[number].has_moved())
    assert reads == ["aws_default"]
    assert any(moved)
    assert all(hook.has_moved() for hook in hooks)  # those that did not wait for the one that read
    assert reads == ["aws_default"]
    assert not shared_hook({"aws_conn_id": "aws_default"}).has_moved()


@pytest.mark.parametrize("broken", [None, "{not json"])
def test_connection_that_is_gone_for_a_while_has_not_moved(
    s3: S3Server, clock: Clock, broken: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is deleted to be made anew, or that cannot be read, sends no gate elsewhere meanwhile."""
    hook = shared_hook({"aws_conn_id": "aws_default"})
    if broken is None:
        monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    else:
        monkeypatch.setattr(S3ReplicationHook, "get_connection", staticmethod(lambda conn_id: 1 / 0))
    for _ in range(3):
        clock.now += shared_hooks.RECHECK
        assert not hook.has_moved()


def test_replaced_credentials_file_is_noticed(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are rotated in the shared credentials file, and a changed AWS_* variable, are noticed as well."""
    credentials = tmp_path / "credentials"

    def rotate(key: str) -> None:
        credentials.with_suffix(".new").write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=s\n")
        credentials.with_suffix(".new").replace(credentials)
        clock.now += shared_hooks.RECHECK

    def key_of(hook: SharedHook) -> str:
        return str(hook.get_conn()._get_credentials().access_key)

    rotate("AKIDONE")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    arguments = {"aws_conn_id": None, "region_name": "eu-west-1"}
    first = shared_hook(arguments)
    clock.now += shared_hooks.RECHECK
    assert (key_of(first), first.has_moved()) == ("AKIDONE", False)
    rotate("AKIDTWO")
    assert first.has_moved()
    second = shared_hook(arguments)
    assert (key_of(second), second.has_moved()) == ("AKIDTWO", False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    clock.now += shared_hooks.RECHECK
    assert second.has_moved()
    assert shared_hook(arguments).whereabouts()["endpoint_url"] == "http://127.0.0.1:1"


def test_secrets_are_kept_as_digests(s3: S3Server) -> None:
    """What is remembered to notice a change has neither key nor secret in it."""
    hook = shared_hook({"aws_conn_id": "aws_default"})
    key, secret = next(iter(s3.secrets.items()))
    registry = shared_hooks._REGISTRY
    kept = repr([[*registry._connections], hook._way.content, [vars(each) for each in registry._connections.values()]])
    assert key not in kept
    assert secret not in kept


def test_refusal_is_asked_for_once_in_ten_seconds(s3: S3Server, connect: Connect, clock: Clock) -> None:
    """A hundred gates whose role cannot be assumed ask STS once; ten seconds later they are given credentials."""
    source = connect(Sts)
    source.refuse("throttled")

    def refusal(_: int) -> str:
        with pytest.raises(LookupFailed) as caught:
            shared_hook({"aws_conn_id": "aws_default"})
        assert caught.value.passing
        return str(caught.value)

    (said,) = set(at_once(100, refusal))
    assert "STS answered Throttling" in said
    assert len(source.server.requests) == 1
    clock.now += refused.REFUSED_FOR
    source.refuse("")
    hooks = at_once(100, lambda _: shared_hook({"aws_conn_id": "aws_default"}))
    assert asked(hooks[0], "a", "b") == {"COMPLETED"}
    assert not shared_hooks._REGISTRY._refused


def test_refusal_ends_with_the_edit(s3: S3Server, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was refused, and one that cannot be read, is used as soon as it was mended and read again."""
    right = s3.airflow_connection_json()
    wrong = json.dumps({"conn_type": "aws", "extra": {"profile_name": "nosuch"}})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", wrong)
    with pytest.raises(LookupFailed, match="nosuch"):
        shared_hook({"aws_conn_id": "aws_default"})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", right)
    clock.now += shared_hooks.RECHECK_FIRST
    assert asked(shared_hook({"aws_conn_id": "aws_default"}), "a", "b") == {"COMPLETED"}
    clock.now += shared_hooks.RECHECK_FIRST
    with monkeypatch.context() as broken:
        broken.setattr(S3ReplicationHook, "get_connection", staticmethod(lambda conn_id: 1 / 0))
        for _ in range(2):
            with pytest.raises(LookupFailed):
                shared_hook({"aws_conn_id": "aws_default"})
    clock.now += shared_hooks.RECHECK_FIRST
    assert asked(shared_hook({"aws_conn_id": "aws_default"}), "a", "b") == {"COMPLETED"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", wrong)  # and what was refused is still refused
    clock.now += shared_hooks.RECHECK_FIRST
    with pytest.raises(LookupFailed, match="nosuch"):
        shared_hook({"aws_conn_id": "aws_default"})


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "AssumeRole"),
        CredentialRetrievalError(provider="custom-process", error_msg="no"),
        OSError(111, "refused"),
        LookupFailed("no", passing=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_thread_raises_an_error_of_its_own(error: Exception, clock: Clock) -> None:
    """What is raised again in many threads is equal, but never the same: a traceback belongs to one thread."""
    remembered = refused.Refused()
    remembered.note(error)

    def raised(_: int) -> Exception:
        with pytest.raises(type(error)) as caught:
            remembered.check()
        return caught.value

    found = at_once(10, raised)
    assert len({id(each) for each in [error, *found]}) == 11
    assert {str(each) for each in found} == {str(error)}
    assert all({**vars(each)} == {**vars(error)} for each in found)


FROZEN = """
import gc, weakref
from airflow_provider_crr.hooks.sharing.frozen import freeze

class Circle: pass

circle = Circle()
circle.itself, gone = circle, weakref.ref(circle)
gc.disable()
del circle
freeze()
assert gone() is None
assert gc.get_freeze_count()
"""


def test_garbage_is_not_frozen() -> None:
    """What is garbage when the first client is made is released, rather than kept for good."""
    ran = subprocess.run([sys.executable, "-c", FROZEN], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


def test_renewal_that_is_refused_is_not_tried_by_each(clock: Clock) -> None:
    """Credentials whose renewal was refused are renewed again only some seconds later."""
    from botocore.credentials import RefreshableCredentials

    tries: list[str] = []

    def renew() -> dict[str, str]:
        tries.append("try")
        if len(tries) == 1:
            raise OSError("throttled")
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": "new", "secret_key": "s", "token": "t", "expiry_time": later}

    expired = datetime.now(UTC) - timedelta(seconds=1)
    credentials = RefreshableCredentials("old", "s", "t", expired, renew, "test")
    refused.renew_patiently(credentials)
    for _ in range(100):
        with pytest.raises(OSError, match="throttled"):
            credentials.get_frozen_credentials()
    assert len(tries) == 1
    clock.now += refused.REFUSED_FOR
    assert credentials.get_frozen_credentials().access_key == "new"


def test_wait_for_another_gate_that_makes_the_client_ends_in_time(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another gate is making the client, and does not end, a gate waits no longer than its own time."""
    opened, began = Event(), Event()
    make = S3ReplicationHook.get_client_type

    def slow(self: S3ReplicationHook, *args: Any, **kwargs: Any) -> Any:
        began.set()
        opened.wait(60)
        return make(self, *args, **kwargs)

    monkeypatch.setattr(S3ReplicationHook, "get_client_type", slow)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(shared_hook, {"aws_conn_id": "aws_default"})
        assert began.wait(60)
        watch = Stopwatch()
        with pytest.raises(LookupFailed, match="which another gate makes"), until(Deadline(0.5)):
            shared_hook({"aws_conn_id": "aws_default"})
        assert watch.seconds() < 2
        opened.set()
        assert asked(first.result(), "a", "b") == {"COMPLETED"}


def test_what_nobody_needs_is_released(s3: S3Server) -> None:
    """Once no gate holds it and nothing was asked for a while, client, thread and connections are gone."""
    hook = shared_hook({"aws_conn_id": "aws_default"})
    hook._way.asker._idle = 0.5
    assert asked(hook, "a", "b", "c") == {"COMPLETED"}
    way, client = ref(hook._way), ref(hook.get_conn())
    del hook
    assert way() is not None  # the next gate finds it
    polled(lambda: gc.collect() + 1 and way() is None, "it is released", 60)
    polled(lambda: gc.collect() + 1 and client() is None, "its client is released", 60)
    assert not shared_hooks._REGISTRY._connections
    assert not [thread for thread in threading.enumerate() if thread.name == "s3-asker"]
    polled(lambda: s3.connections == 0, "connections are closed", 60)


FORKED = """
import os, sys, threading
from airflow_provider_crr.hooks.sharing import shared_hook as shared
from tests.hooks.test_shared import asked

hook = shared.shared_hook({"aws_conn_id": "aws_default"})
assert asked(hook, "a", "b", "c") == {"COMPLETED"}
child = os.fork()
if not child:
    names = [thread.name for thread in threading.enumerate()]
    again = shared.shared_hook({"aws_conn_id": "aws_default"})
    new = again.get_conn() is not hook.get_conn()
    found = asked(again, "a", "b", "c")
    os._exit(0 if (names, new, found) == (["MainThread"], True, {"COMPLETED"}) else 3)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert asked(hook, "a", "b", "c") == {"COMPLETED"}
sys.exit(code)
"""


def test_fork_begins_anew(s3: S3Server) -> None:
    """A forked process makes a client and a thread of its own; that of its parent goes on."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
    )
    assert ran.returncode == 0, ran.stderr
    assert s3.faults() == []
