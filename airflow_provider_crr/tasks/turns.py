"""What is done in turns: steps, of which a polling thread takes one at a time."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from concurrent.futures import Future
from contextvars import copy_context
from enum import Enum
from threading import Event
from typing import Any

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.replication.source import Later, Steps
from airflow_provider_crr.s3.deadline import until
from airflow_provider_crr.text.legible import told

log = logging.getLogger(__name__)


class State(Enum):
    """Where some turns are."""

    QUEUED = "the next step waits for a thread"
    RUNNING = "a thread takes a step"
    WAITING = "what the last step yielded has not come"
    ENDED = "there is no further step"


class Turns:
    """
    Steps, and what becomes of them.

    All but :meth:`step` and :meth:`close`, which run in one polling thread, is for :mod:`.polling_threads` alone.

    :param steps: the steps. Each runs in the context in which the turns were made, and waits for AWS only until
        ``stop``.
    :param key: which connection they use.
    :param stop: set to end them early.
    """

    def __init__(self, steps: Steps[Any], key: Hashable, stop: Event) -> None:
        self.key = key
        self.stop = stop
        #: What the steps return, or the error that one of them raised.
        self.result: Future[Any] = Future()
        self.state = State.QUEUED
        #: Whether nobody wants the result any more.
        self.dropped = False
        #: What is waited for, while it is; and the thread that takes a step, while one does.
        self.later: Later | None = None
        self.thread: Any = None
        self._steps: Steps[Any] | None = steps
        self._context = copy_context()  # its logger knows whose they are

    def step(self) -> Later | None:
        """Take one step; return what is to be waited for before the next, None if there is none."""
        steps = self._steps
        if steps is None or self.dropped or self.result.cancelled():
            self.close()
            return None
        try:
            return self._context.run(self._next, steps)
        except StopIteration as ended:
            self._end(ended.value, None)
        except Exception as error:
            self._end(None, error)
        except BaseException as error:  # a step that would end this process, or its loop, ends only its own wait
            said = LookupFailed(f"a poll was ended by {type(error).__name__}: {told(error)}")
            said.__cause__ = error
            self._end(None, said)
        return None

    def close(self) -> None:
        """Give up what is left of the steps."""
        steps = self._steps
        if steps is not None:
            try:
                self._context.run(self._close, steps)
            except BaseException:
                log.debug("what was given up could not be ended", exc_info=True)
            self._end(None, LookupFailed("a poll was given up"))

    def _next(self, steps: Steps[Any]) -> Later:
        with until(self.stop):
            return next(steps)

    def _close(self, steps: Steps[Any]) -> None:
        with until(self.stop):
            steps.close()

    def _end(self, value: Any, error: Exception | None) -> None:
        self._steps = None
        if not self.result.set_running_or_notify_cancel():
            return
        if error is None:
            self.result.set_result(value)
        else:
            self.result.set_exception(error)
