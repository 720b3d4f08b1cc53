"""HEAD through boto3: for one object, and for many where the AWS Common Runtime cannot do what the client asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, local
from typing import Any, TypeAlias

from airflow_provider_crr.lookup.asker import Answer, Caller, NotAsked
from airflow_provider_crr.lookup.client_pairing import pairing_of
from airflow_provider_crr.lookup.head_answers import NOT_OF_S3, from_whole_head
from airflow_provider_crr.lookup.held_connections import holding, on_a_fresh_connection
from airflow_provider_crr.lookup.http_answers import reading_begins, refusal, was_read_whole, whole_head
from airflow_provider_crr.lookup.pace import Pace
from airflow_provider_crr.lookup.shares import Waiting, a_little
from airflow_provider_crr.lookup.store_headers import sending_begins, were_sent
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState, without_answer
from airflow_provider_crr.s3.client_errors import is_of_others, raise_not_asked
from airflow_provider_crr.s3.error_origin import is_of_parsing
from airflow_provider_crr.s3.guard import Guard, current
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import store_of

#: A boto3 S3 client, whose methods botocore makes at run time.
S3Client: TypeAlias = Any

#: Requests that one lookup may have under way, if the client's connection pool is as large.
MAX_THREADS = 32
#: Seconds that an abandoned lookup waits for its requests to end before it leaves them to themselves.
FAREWELL = 1.0
#: botocore's events around each attempt to send a HEAD.
_BEFORE_ATTEMPT = "before-send.s3.HeadObject"
_AFTER_ATTEMPT = "response-received.s3.HeadObject"
#: The asker whose request a thread is sending, the bucket that it is about, for whom, and whether one was sent before.
_thread = local()


def head(client: S3Client, obj: S3Object, turns: AbstractContextManager[Any] | None = None) -> ObjectReplication:
    """
    Ask for one object; once more on a fresh connection if the answer may belong to another question.

    An answer that is not the first on its connection is held until the connection has shown that nothing follows.

    :param client: a boto3 S3 client.
    :param obj: what to ask for.
    :param turns: entered while a request is under way, but not while an answer is held; None if this is the only one.
    :raises CredentialsNotFound: if the client has no credentials.
    :raises InvalidArgument: if boto3 cannot make a request of it, such as for a malformed bucket name.
    :raises LookupFailed: if somebody other than S3 refused, such as STS or a proxy, or no connection can ever work.
    """
    pairing_of(client)
    with holding(single=turns is None) as held:
        try:
            with turns or nullcontext():
                answer = _ask(client, obj)
        finally:
            settled = held.settle()
    if settled or not answer.http_status:
        return answer
    with turns or nullcontext(), on_a_fresh_connection():
        return _ask(client, obj)


def _ask(client: S3Client, obj: S3Object) -> ObjectReplication:
    """
    Ask once; once more if the store tells the status of its objects only when it is asked with headers of its own.

    An answer that seems to have no status is also asked for once more if our own response class did not read it, such
    as where a double of boto3 gave it. An answer that was cut off could look like that.
    """
    pairing = pairing_of(client)
    answer = _head(client, obj)
    if store_of(answer.server).asked_with and not were_sent():
        pairing.at_minio = True
        answer = _head(client, obj)
    seems_cut = answer.state is ObjectState.NONE or answer.detail == NOT_OF_S3
    return _head(client, obj) if seems_cut and not was_read_whole() else answer


def _head(client: S3Client, obj: S3Object) -> ObjectReplication:
    import botocore.exceptions as boto

    version = {"VersionId": obj.version_id} if obj.version_id else {}
    reading_begins()
    sending_begins()
    try:
        response = client.head_object(Bucket=obj.bucket, Key=obj.key, **version)
    except Exception as error:
        if is_of_others(error, "HeadObject"):
            raise_not_asked(error, str(obj), "look up")
        if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
            return without_answer(obj, f"no answer: {refusal(error) or error}")
        if not isinstance(error, boto.ClientError):
            # botocore reads numbers and dates of headers that say nothing of replication, and fails on odd ones.
            head = whole_head() if is_of_parsing(error) else None
            if head is None:
                return without_answer(obj, f"unreadable answer: {type(error).__name__}: {error}")
            return _meaning(obj, *head)
        response = error.response
    metadata = response["ResponseMetadata"]
    return _meaning(obj, metadata["HTTPStatusCode"], metadata["HTTPHeaders"])


def _meaning(obj: S3Object, http_status: int, headers: Mapping[str, str]) -> ObjectReplication:
    # http.client keeps the space behind a value, which is no part of it (RFC 9110, section 5.5).
    return from_whole_head(obj, http_status, {name: value.rstrip(" \t") for name, value in headers.items()})


class BotoAsker:
    """
    Asks through boto3, with a thread for each request under way.

    :param client: a boto3 S3 client.
    :param pace: says when each attempt may leave, those of boto3's own retries included.
    :param put: what is done with each answer; None if :meth:`answer` is to return it.
    :param leaves_some: whether no bucket may take all threads, because the questions of others may come.
    """

    def __init__(
        self,
        client: S3Client,
        pace: Pace,
        put: Callable[[Answer], None] | None = None,
        *,
        leaves_some: bool = False,
    ) -> None:
        pairing_of(client)
        # With more requests at once than the pool has connections, most would open a new one. There are twice as many
        # threads, because some hold an answer until its connection has shown that nothing follows, while others ask.
        at_once = max(1, min(MAX_THREADS, client.meta.config.max_pool_connections))
        self.limit = 2 * at_once
        self.little = a_little(at_once)
        self._turns = Semaphore(at_once)
        self._waiting = Waiting(at_once) if leaves_some else None
        self._client = client
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._put: Callable[[Answer], None] = put or self._answers.put
        self._under_way: set[Future[None]] = set()
        self._pool = ThreadPoolExecutor(self.limit, thread_name_prefix="s3-head")
        self._pace = pace
        self._closed = Event()
        self._guard = Guard(self._closed, current())
        for event, handler in ((_BEFORE_ATTEMPT, _wait_for_turn), (_AFTER_ATTEMPT, _take_note)):
            # Once for each client, and for good: botocore looks for handlers in other threads, without a lock.
            client.meta.events.register(event, handler, unique_id=f"crr-{event}")

    def wait_for_turn(self) -> None:
        """Wait until an attempt of this thread may leave."""
        caller: Caller | None = _thread.caller
        is_again, _thread.is_again = _thread.is_again, True
        if self._closed.wait(self._pace.claim(_thread.bucket)) or (caller is not None and caller.is_over):
            raise InterruptedError("the lookup was given up")
        if is_again and caller is not None:
            caller.sends_again()

    def take_note(self, http_status: int) -> None:
        """Take note of what an attempt of this thread was answered."""
        self._pace.answered(_thread.bucket, http_status)

    def ask(self, obj: S3Object, caller: Caller | None = None) -> None:
        """Send one HEAD."""
        if self._waiting is None:
            self._begin(obj, caller)
        else:
            self._waiting.add(obj.bucket, lambda: self._begin(obj, caller))

    def has_room(self, bucket: str) -> bool:
        """Return whether no question about a bucket waits for a thread."""
        return self._waiting is None or self._waiting.is_empty(bucket)

    def _begin(self, obj: S3Object, caller: Caller | None) -> None:
        if self._closed.is_set():
            return
        future = self._pool.submit(self._head, obj, caller)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)

    def _head(self, obj: S3Object, caller: Caller | None) -> None:
        _thread.asker, _thread.bucket, _thread.caller, _thread.is_again = self, obj.bucket, caller, False
        try:
            with self._guard.held():
                answer = head(self._client, obj, self._turns)
            self._put(answer)
        except BaseException as error:
            self._put(NotAsked(obj, error))
        if self._waiting is not None:
            self._waiting.ended(obj.bucket)

    def answer(self, timeout: float) -> Answer | None:
        """Return one answer, or None if none came within ``timeout`` seconds, or before :meth:`wake`."""
        try:
            return self._answers.get(timeout=timeout) if timeout else self._answers.get_nowait()
        except Empty:
            return None

    def wake(self) -> None:
        """Have the thread that waits for an answer wait no longer."""
        self._answers.put(None)

    def close(self) -> None:
        """Drop what was not sent yet, and close the connections of what was."""
        self._closed.set()
        try:
            self._guard.hang_up()
            self._pool.shutdown(wait=False, cancel_futures=True)
            if not wait(list(self._under_way), timeout=FAREWELL).not_done:
                self._pool.shutdown(wait=True)
        finally:  # also when a signal ends the wait
            self._guard.close()


def _asker() -> BotoAsker | None:
    """Return the asker whose request this thread sends; None for a request of somebody else."""
    return getattr(_thread, "asker", None)


def _wait_for_turn(**_: Any) -> None:
    if asker := _asker():
        asker.wait_for_turn()


def _take_note(response_dict: dict[str, Any] | None, **_: Any) -> None:
    if response_dict and (asker := _asker()):
        asker.take_note(response_dict["status_code"])
