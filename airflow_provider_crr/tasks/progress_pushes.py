"""
When and how the progress of a wait becomes an XCom: seldom, and so that no wait takes longer for it.

A push is a request to Airflow's API server. It takes milliseconds, or as long as a server that does not answer lets it
take. So pushes take a tenth of the time: of a worker's, and of that of the one supervisor through which all triggers of
a triggerer speak. After one that took very long the next one comes a minute later, nevertheless.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from typing import Any, get_args

from airflow_provider_crr.replication.progress import KEY, news

log = logging.getLogger(__name__)

#: Seconds between two pushes of one wait, and those after which it is pushed though nothing has changed.
WORKER, TRIGGERER = (1.0, 60.0), (15.0, 600.0)
#: A push that took a second is followed by nine seconds without one; by sixty seconds at most.
_PAUSE, _LONGEST_PAUSE = 9.0, 60.0
_pause, _clock = time.sleep, time.monotonic
#: Seconds after which a thread that has nothing to push ends.
_IDLE = 30.0
#: Seconds for which the end of a wait is held back for a push of it that is under way.
_LAST_PUSH = 2.0


def _pause_after(seconds: float) -> float:
    """Return how long nothing is pushed after a push that took so many seconds."""
    return min(_PAUSE * seconds, _LONGEST_PAUSE)


class Offers:
    """
    Pushes the values of one wait that are due.

    :param push: pushes one.
    :param apart: see :data:`WORKER`.
    :param clock: returns seconds that pass evenly.
    """

    def __init__(
        self,
        push: Callable[[dict[str, Any]], None],
        apart: tuple[float, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._push = push
        self._least, self._most = apart
        self._clock = clock
        self._news: Mapping[str, Any] | None = None
        self._not_before = self._again_at = float("-inf")

    def offer(self, value: dict[str, Any]) -> None:
        """
        Push a value if it has news, or if it is a while since the last push.

        :param value: the value. One that is not pushed now is not pushed later, either: the next one is newer.
        """
        began, found = self._clock(), news(value)
        if began < self._not_before or (began < self._again_at and found == self._news):
            return
        try:
            self._push(value)
            self._news = found
        except Exception as error:
            log.debug("the progress cannot be pushed: %s", error)
        ended = self._clock()
        self._not_before = ended + max(self._least, _pause_after(ended - began))
        self._again_at = max(self._not_before, ended + self._most)


class Pushes:
    """
    Pushes the values of all triggers of a triggerer, one after the other, in one thread.

    Of each task instance only the newest value waits for its turn. The first push may take long, as Airflow makes much
    ready for it; no pause follows it.

    :param push: pushes one: the task instance, the value.
    """

    def __init__(self, push: Callable[[Any, dict[str, Any]], None]) -> None:
        self._push = push
        #: What is to be pushed, by task instance, the oldest first.
        self._waiting: dict[tuple[Any, ...], tuple[Any, dict[str, Any]]] = {}
        #: The task instance whose value is being pushed.
        self._under_way: tuple[Any, ...] | None = None
        self._changed = Condition()
        self._thread: Thread | None = None
        self._has_pushed = False

    def put(self, ti: Any, value: dict[str, Any]) -> None:
        """
        Have a value pushed soon. This does not wait.

        :param ti: task instance.
        :param value: the value.
        """
        with self._changed:
            self._waiting[_key(ti)] = (ti, value)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="crr-progress", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, ti: Any) -> None:
        """
        Forget the value of a wait that has ended.

        :param ti: task instance; None if it is not known.
        """
        if ti is None:
            return
        with self._changed:
            self._waiting.pop(_key(ti), None)

    async def settle(self, ti: Any) -> None:
        """
        Wait until no value of a wait is being pushed, :data:`_LAST_PUSH` seconds at most.

        Otherwise that value could replace the last one, which the task pushes when it has the trigger's event.

        :param ti: task instance; None if it is not known.
        """
        ends = time.monotonic() + _LAST_PUSH
        while ti is not None and self._under_way == _key(ti) and time.monotonic() < ends:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # another thread pushes

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._changed.wait(_IDLE) and not self._waiting:
                    self._thread = None
                    return
                if not self._waiting:
                    continue
                self._under_way = next(iter(self._waiting))
                ti, value = self._waiting.pop(self._under_way)
            began = _clock()
            try:
                self._push(ti, value)
            except Exception as error:
                log.debug("the progress cannot be pushed: %s", error)
            self._under_way = None
            _pause(_pause_after(_clock() - began) if self._has_pushed else 0.0)
            self._has_pushed = True


def can_push() -> bool:
    """
    Return whether a trigger of this process can set an XCom, as in the triggerer of Airflow 3.3.2 and later.

    An earlier triggerer would not answer the request, for ever.
    """
    runner: Any = sys.modules.get("airflow.jobs.triggerer_job_runner")  # which the triggerer has loaded
    task_runner: Any = sys.modules.get("airflow.sdk.execution_time.task_runner")
    try:
        known = {message.__name__ for message in get_args(get_args(runner.ToTriggerSupervisor)[0])}
        many_at_once = hasattr(runner.TriggerCommsDecoder, "start_reader")
        return (
            many_at_once and "SetXCom" in known and isinstance(task_runner.SUPERVISOR_COMMS, runner.TriggerCommsDecoder)
        )
    except Exception:  # in no triggerer, or of whatever Airflow has made of it
        return False


def _set_xcom(ti: Any, value: dict[str, Any]) -> None:
    from airflow.sdk.execution_time.xcom import XCom

    XCom.set(key=KEY, value=value, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index)


def _key(ti: Any) -> tuple[Any, ...]:
    return (ti.dag_id, ti.run_id, ti.task_id, ti.map_index)


#: Those of this process, if it is a triggerer.
PUSHES = Pushes(_set_xcom)
