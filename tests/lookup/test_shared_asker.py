"""Many lookups through one asker: whose answer is whose, whose turn it is, and what ends with what."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakSet, ref

import pytest
from botocore.exceptions import ParamValidationError

from airflow_provider_crr.errors import InvalidArgument, LookupFailed
from airflow_provider_crr.lookup import choice, shared_asker
from airflow_provider_crr.lookup.dispatcher import Dispatcher
from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.shared_asker import SharedAsker
from airflow_provider_crr.lookup.shared_lookup import WINDOW
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.s3.objects import S3Object
from tests.lookup.conftest import BOTO3
from tests.support.polling import until
from tests.support.s3_server import Answer, S3Server, stored
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.usefixtures("crt")


@pytest.fixture(params=["crt", "boto3"])
def shared(request: pytest.FixtureRequest, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedAsker]:
    """A shared asker that asks in either way."""
    if request.param == "boto3":
        monkeypatch.setattr(choice, "why_not_crt", lambda client: BOTO3)
    asker = SharedAsker(server.client(retries={"total_max_attempts": 1}))
    yield asker
    asker.close()


@pytest.fixture
def fast(server: S3Server) -> Iterator[SharedAsker]:
    """A shared asker through the runtime."""
    asker = SharedAsker(server.client(retries={"total_max_attempts": 1}))
    yield asker
    asker.close()


def objects(count: int, bucket: str = "b", prefix: str = "k") -> list[S3Object]:
    return [S3Object(bucket, f"{prefix}{number}") for number in range(count)]


def answers(lookup: Any, asked: Iterable[S3Object], seconds: float = 60) -> list[ObjectReplication]:
    """Ask and wait for whatever is to be waited for; return the answers."""
    found: list[ObjectReplication] = []
    for each in lookup(asked, stop=Deadline(seconds)):
        if isinstance(each, ObjectReplication):
            found.append(each)
        else:
            assert each.wait(seconds), "it never came"
    return found


def test_each_question_has_one_answer(server: S3Server, shared: SharedAsker) -> None:
    """More objects than a window holds are all answered, each once, and each HEAD is sent once."""
    asked = objects(2 * WINDOW + 7)
    found = answers(shared.lookup(None), iter(asked))
    assert Counter(each.object for each in found) == Counter(asked)
    assert len(server.heads()) == len(asked)
    assert server.faults() == []


def test_nobody_gets_an_answer_to_a_question_of_another(server: S3Server, shared: SharedAsker) -> None:
    """Lookups that ask for the same objects at the same time each send HEADs of their own, begun after they asked."""
    sent: Counter[str] = Counter()

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        sent[key] += 1
        return stored("COMPLETED")

    server.default = answer
    asked = objects(40)  # the very same values, too
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: answers(shared.lookup(None), asked), range(6)))
    assert all(Counter(each.object for each in one) == Counter(asked) for one in found)
    assert set(sent.values()) == {6}


def test_a_lookup_of_three_is_answered_beside_one_without_end(server: S3Server, fast: SharedAsker) -> None:
    """While a lookup asks for very many objects of one bucket, one of three has its answers within two seconds."""
    stop = threading.Event()
    began = threading.Event()

    def endless() -> None:
        number = 0

        def names() -> Iterator[S3Object]:
            nonlocal number
            while True:
                number += 1
                yield S3Object("b", f"endless{number}")

        for each in fast.lookup(300)(names(), stop=stop):
            if isinstance(each, ObjectReplication):
                began.set()
            else:
                while not each.wait(0.1) and not stop.is_set():
                    pass

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(endless)
        assert began.wait(60)
        watch = Stopwatch()
        assert len(answers(fast.lookup(1000), objects(3))) == 3
        assert watch.seconds() < 2
        stop.set()
        with pytest.raises(LookupFailed, match="was stopped"):
            running.result()


@pytest.mark.parametrize("elsewhere", ["b2", "b"])
def test_a_bucket_without_answers_holds_up_itself_alone(server: S3Server, fast: SharedAsker, elsewhere: str) -> None:
    """Beside a lookup whose server says nothing, one of another bucket, or of another gate, goes on."""
    silent = threading.Event()

    def answer(bucket: str, key: str, version: str | None) -> Answer:
        return stored("COMPLETED", gate=silent if key.startswith("silent") else None)

    server.default = answer
    stop = threading.Event()
    hanging = fast.lookup(None)(objects(600 if elsewhere == "b2" else 40, prefix="silent"), stop=stop)
    try:
        next(hanging)
        deadline = time.monotonic() + 60
        while len(server.heads()) < 4:
            assert time.monotonic() < deadline, len(server.heads())
            time.sleep(0.01)
        watch = Stopwatch()
        assert len(answers(fast.lookup(None), objects(30, bucket=elsewhere))) == 30
        assert watch.seconds() < 5
    finally:
        stop.set()
        silent.set()
        with pytest.raises(LookupFailed):
            list(hanging)


def test_one_bucket_keeps_the_largest_limit_of_those_who_ask(server: S3Server, fast: SharedAsker) -> None:
    """Five lookups of one bucket together are no faster than the fastest of them may be; each keeps its own limit."""
    with ThreadPoolExecutor(5) as pool:
        began = time.monotonic()
        slow = pool.submit(answers, fast.lookup(20), objects(20, prefix="slow"))
        quick = [pool.submit(answers, fast.lookup(200), objects(100, prefix=f"q{n}-")) for n in range(4)]
        assert all(len(each.result()) == 100 for each in quick)
        assert time.monotonic() - began >= 400 / 200 - 0.1
        slow.result()
        assert time.monotonic() - began >= 19 / 20 - 0.1


def test_throttling_slows_down_all(server: S3Server, fast: SharedAsker) -> None:
    """What one lookup learns of S3's limit holds for the next one of the same bucket."""
    throttled = [True]
    server.default = lambda bucket, key, version: Answer(503) if throttled[0] else stored("COMPLETED")
    assert {each.state for each in answers(fast.lookup(200), objects(60))} == {ObjectState.UNKNOWN}
    throttled[0] = False
    began = time.monotonic()
    answers(fast.lookup(200), objects(120, prefix="l"))
    # Three tenths slower, less what a slow machine lets the rate grow and catch up meanwhile.
    assert time.monotonic() - began > 120 / 200 * 1.07


def test_what_cannot_be_asked_ends_only_its_own_lookup(server: S3Server, shared: SharedAsker) -> None:
    """An object that boto3 makes no request of is an error of its lookup; another one, meanwhile, is answered."""

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Bucket"] == "bad":
            raise ParamValidationError(report="a bad bucket")

    shared._client.meta.events.register("provide-client-params.s3.HeadObject", refuse)
    with ThreadPoolExecutor(2) as pool:
        good = pool.submit(answers, shared.lookup(None), objects(200))
        bad = pool.submit(answers, shared.lookup(None), [S3Object("bad", "k"), *objects(5)])
        with pytest.raises(InvalidArgument):
            bad.result()
        assert len(good.result()) == 200


def test_a_stopped_lookup_gives_what_came(server: S3Server, shared: SharedAsker) -> None:
    """What was answered before the stop is given, then the error says how much was awaited."""
    silent = threading.Event()
    server.default = lambda bucket, key, version: stored("COMPLETED", gate=silent if key == "k0" else None)
    stop = threading.Event()
    found = shared.lookup(None)(objects(10), stop=stop)
    later = next(found)
    assert isinstance(later, Inquiry)
    until(lambda: len(later._answers) == 9, "nine answers", seconds=60)  # which wake nobody before the last one
    stop.set()
    came = []

    def take() -> None:
        for each in found:
            came.append(each)

    with pytest.raises(LookupFailed, match="9 answers had come, 1 were missing"):
        take()
    silent.set()
    assert len(came) == 9


def test_connections_stay_open_from_one_lookup_to_the_next(server: S3Server, fast: SharedAsker) -> None:
    """A second lookup of the same objects, and one of another lookup, opens no connection."""
    lookup = fast.lookup(None)
    answers(lookup, objects(20))
    ports = {request.port for request in server.heads()}
    time.sleep(0.6)  # the probation of a new endpoint's connections
    answers(lookup, objects(10))
    answers(fast.lookup(None), objects(10))
    assert {request.port for request in server.heads()} == ports


def test_thread_and_connections_are_released_when_idle(
    server: S3Server, settles: Callable[[Callable[[], object]], None]
) -> None:
    """After its idle time the thread ends and the sockets are closed; the next lookup begins anew."""

    class Hook:
        pass

    hook = Hook()
    kept = ref(hook)
    shared = SharedAsker(server.client(), idle=0.2, keeps=kept)
    answers(shared.lookup(None), objects(5))
    del hook
    gc.collect()
    settles(lambda: not [each for each in threading.enumerate() if each.name == "s3-asker"])
    settles(lambda: not server.connections)
    gc.collect()
    assert kept() is None
    assert len(answers(shared.lookup(None), objects(5))) == 5
    shared.close()


def test_the_end_of_a_process_waits_for_all_threads_together(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six askers that do not end hold up the end of a process no longer than one does."""
    began, ended = threading.Semaphore(0), threading.Event()

    class Stuck(Dispatcher):
        def go_on(self) -> None:
            began.release()
            ended.wait(60)

    monkeypatch.setattr(shared_asker, "Dispatcher", Stuck)
    monkeypatch.setattr(shared_asker, "_open", WeakSet())
    asked = [SharedAsker(server.client()) for _ in range(6)]
    lookups = [each.lookup(None)(objects(1)) for each in asked]
    for lookup in lookups:
        next(lookup)
        assert began.acquire(timeout=60)
    watch = Stopwatch()
    try:
        shared_asker._close_all()
        assert watch.seconds() < 2 * shared_asker._FAREWELL
    finally:
        ended.set()


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from running before the test says so."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_lookup_may_be_ended_by_the_garbage_collector_at_any_moment(server: S3Server, fast: SharedAsker) -> None:
    """A lookup that nothing refers to any more ends also where its thread is about to tell the asker something."""
    lookup: list[Any] = [fast.lookup(100)(objects(500))]
    next(lookup[0])
    lookup.append(lookup)  # only the garbage collector ends it
    gone = ref(lookup[0])
    del lookup

    def collect() -> None:
        with fast._lock:
            gc.collect()

    collecting = threading.Thread(target=collect, daemon=True)
    collecting.start()
    collecting.join(30)
    assert not collecting.is_alive()
    assert gone() is None
    assert len(answers(fast.lookup(None), objects(5, prefix="o"))) == 5


def test_an_abandoned_lookup_leaves_nothing(server: S3Server, fast: SharedAsker) -> None:
    """A lookup that is closed amid its answers asks for nothing more, and the others go on."""
    found = fast.lookup(100)(objects(500), stop=None)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(answers(fast.lookup(None), objects(5, prefix="o"))) == 5
    sent = len(server.heads())
    time.sleep(0.3)
    assert len(server.heads()) == sent


def test_a_fault_of_the_asker_is_an_error_of_each_lookup(
    server: S3Server, fast: SharedAsker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the asking itself breaks, those who wait get an error that passes, and the next lookup is answered."""
    from airflow_provider_crr.lookup.crt.asker import CrtAsker

    broken = [True]
    real = CrtAsker.answer

    def answer(self: CrtAsker, timeout: float) -> Any:
        if broken[0]:
            broken[0] = False
            raise RuntimeError("broken")
        return real(self, timeout)

    monkeypatch.setattr(CrtAsker, "answer", answer)
    with pytest.raises(LookupFailed, match="broken") as caught:
        answers(fast.lookup(None), objects(5))
    assert caught.value.passing
    assert caught.value.not_sent == 0  # what the asker had in hand may have left
    assert len(answers(fast.lookup(None), objects(5))) == 5


def test_a_forked_process_begins_anew(server: S3Server, fast: SharedAsker) -> None:
    """A child asks through the same value with a thread of its own, and the parent goes on."""
    answers(fast.lookup(None), objects(5))
    child = os.fork()
    if not child:
        try:
            os._exit(0 if len(answers(fast.lookup(None), objects(5))) == 5 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert len(answers(fast.lookup(None), objects(5))) == 5


def test_a_lookup_must_have_a_limit_above_zero(fast: SharedAsker) -> None:
    """A limit of zero would never ask."""
    with pytest.raises(InvalidArgument, match="max_requests_per_second"):
        fast.lookup(0)
