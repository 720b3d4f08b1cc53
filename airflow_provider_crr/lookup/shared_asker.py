"""
One asker for all lookups of a connection: one thread, one set of connections that stay open, one pace for each bucket.

The thread starts with the first question, and ends when there was none for some minutes. A forked process starts
with nothing of it.
"""

from __future__ import annotations

import atexit
import os
import time
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any
from weakref import WeakSet, ref

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup.asker import Asker
from airflow_provider_crr.lookup.boto3_asker import S3Client
from airflow_provider_crr.lookup.dispatcher import Dispatcher
from airflow_provider_crr.lookup.inquiry import Inquiry
from airflow_provider_crr.lookup.shared_lookup import SharedLookup
from airflow_provider_crr.s3.fork_lock import ForkLock

#: Seconds without a question after which thread and connections are released.
IDLE = 300.0
#: Seconds that the end of a process waits for all threads to release their connections.
_FAREWELL = 2.0
_BEGINNING = ForkLock()


class SharedAsker:
    """
    Asks for many lookups at once.

    :param client: boto3 S3 client.
    :param idle: seconds without a question after which thread and connections are released.
    :param keeps: what stays alive as long as the thread runs, such as the hook of the client.
    """

    def __init__(self, client: S3Client, *, idle: float = IDLE, keeps: ref[Any] | None = None) -> None:
        self._client = client
        self._idle = idle
        self._keeps = keeps
        self._begin()
        _open.add(self)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._asker: Asker | None = None
        self._changed: SimpleQueue[Inquiry | None] = SimpleQueue()
        self._closed = False

    def lookup(self, max_requests_per_second: float | None) -> SharedLookup:
        """
        Return a lookup that asks through this asker.

        :param max_requests_per_second: requests that it may send each second, all its calls together; None for as many
            as possible. A bucket is asked at most as fast as the largest such limit of those who ask for it now.
        :raises InvalidArgument: if ``max_requests_per_second`` is not above zero.
        """
        return SharedLookup(self, self._client, max_requests_per_second)

    def tell(self, inquiry: Inquiry | None) -> None:
        """
        Have the thread look at an inquiry that was changed; called in any other thread.

        :param inquiry: the inquiry; None for none.
        :raises LookupFailed: if the asker is closed.
        """
        if self._process != os.getpid():
            with _BEGINNING:
                if self._process != os.getpid():
                    self._begin()
        if inquiry is None or inquiry.is_over:
            # Without the lock: the garbage collector may end a lookup at any moment, in the thread that holds the lock.
            self._changed.put(inquiry)
        else:
            self._put(inquiry)
        asker = self._asker
        if asker is not None:
            asker.wake()

    def _put(self, inquiry: Inquiry) -> None:
        with self._lock:
            if self._closed:
                raise LookupFailed("this process ends", remedy="Ask again in another one", passing=True)
            self._changed.put(inquiry)
            if self._thread is None:
                kept = self._keeps and self._keeps()
                self._thread = Thread(target=self._run, args=(kept,), name="s3-asker", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Release thread and connections; a lookup that is under way gets no more answers."""
        _close([self])

    def end(self) -> Thread | None:
        """Have the thread end, and return it; None if there is none."""
        if self._process != os.getpid():  # the thread is that of the process that forked this one
            return None
        with self._lock:
            thread, self._closed = self._thread, True
        if thread is not None:
            self.tell(None)
        return thread

    def _run(self, kept: Any) -> None:
        dispatcher = Dispatcher(self._client, self._changed)
        try:
            while not self._is_to_end(dispatcher):
                dispatcher.go_on()
                self._asker = dispatcher.asker
        finally:
            with self._lock:
                if self._thread is current_thread():
                    self._thread = self._asker = None
            dispatcher.close()
        del kept

    def _is_to_end(self, dispatcher: Dispatcher) -> bool:
        with self._lock:
            ends = self._closed or (dispatcher.idle_for() > self._idle and self._changed.empty())
            if ends:  # a question that comes now needs another thread
                self._thread = self._asker = None
        return ends


_open: WeakSet[SharedAsker] = WeakSet()


@atexit.register
def _close_all() -> None:
    """End the threads before the interpreter ends, because the runtime would call it back."""
    _close(list(_open))


def _close(these: list[SharedAsker]) -> None:
    """End all their threads, and wait for them together: the end of a process takes no longer where some hang."""
    threads = [thread for each in these if (thread := each.end())]
    deadline = time.monotonic() + _FAREWELL
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
