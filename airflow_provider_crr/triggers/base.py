"""What the triggers of tasks share: they poll, in a few threads for all, until it is decided or the time is up."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import suppress
from math import inf
from threading import Event
from typing import Any, ClassVar, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_crr.errors import CrrError, LookupFailed, from_dict
from airflow_provider_crr.hooks.sharing import shared_hook
from airflow_provider_crr.hooks.sharing.content import connection_key
from airflow_provider_crr.hooks.sharing.lazy_hook import LazyHook
from airflow_provider_crr.replication.source import Steps
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.tasks import endings, metrics, onlookers
from airflow_provider_crr.tasks.intervals import Intervals, of_trigger
from airflow_provider_crr.tasks.last_words import could_not_ask, with_evidence
from airflow_provider_crr.tasks.progress_pushes import PUSHES
from airflow_provider_crr.tasks.threads import beside, in_thread, in_turns
from airflow_provider_crr.text import humanize

T = TypeVar("T")


def without_defaults(values: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the values that are stored: not those that a later release added and that have their default.

    So a triggerer of an earlier release, which does not know them, can read kwargs that do without them.

    :param values: the values, by name.
    :param added: names that later releases added, with their defaults.
    """
    return {name: value for name, value in values.items() if name not in added or value != added[name]}


class PollingTrigger(BaseTrigger):
    """
    Poll until it is decided or the time is up, then send one event of :mod:`airflow_provider_crr.tasks.endings`.

    The kwargs are stored in Airflow's database while the task waits. So they are plain JSON, bounded in size, and a
    promise: a later release reads what an earlier one stored. A restarted triggerer begins with them again.

    :param hook: keyword arguments of the provider's hook.
    :param poke_interval: seconds between the end of a poll and the next; up to a twentieth less or more, so that tasks
        that began together do not all poll in the same second.
    :param started_at: when the task first asked, seconds since the epoch.
    :param deadline: when it gives up, seconds since the epoch.
    :param not_before: no event is sent before this moment, seconds since the epoch.
    :param next_poke: when the first poll is due, seconds since the epoch; 0 for at once. It may come a little later,
        because many triggers begin when a triggerer does.
    :param exponential_backoff: double the interval from poll to poll, as Airflow's sensors do.
    :param max_wait: longest interval in seconds that this leads to, but for the twentieth; None for no bound.
    :param silent_fail: log every error that keeps S3 from being asked, and go on, even if it does not pass by itself.
    :param shows_progress: whether the XCom ``crr_progress`` is kept up to date, where Airflow's triggerer can do so.
    :param form: ``FORM`` of the release that stored the kwargs; 0 if that release did not store it.
    :param question: the kwargs of the subclass, which say what to poll.
    """

    #: Increased when stored kwargs change their meaning: a subclass reads them by the ``form`` that came with them.
    FORM: ClassVar[int] = 0
    #: Kwargs that later releases added, with their defaults.
    ADDED: ClassVar[Mapping[str, Any]] = {"form": 0, "next_poke": 0, "shows_progress": True}

    def __init__(
        self,
        *,
        hook: dict[str, Any],
        poke_interval: float,
        started_at: float,
        deadline: float,
        not_before: float = 0,
        next_poke: float = 0,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        silent_fail: bool = False,
        shows_progress: bool = True,
        form: int = 0,
        **question: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.hook = hook
        self.poke_interval = poke_interval
        self.started_at = started_at
        self.deadline = deadline
        self.not_before = not_before
        self.next_poke = next_poke
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.silent_fail = silent_fail
        self.shows_progress = shows_progress
        self.question = question
        self._way = LazyHook(hook)
        self._patience = endings.MAKING

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the kwargs that are stored."""
        kwargs = {
            "form": self.FORM,
            "hook": self.hook,
            "poke_interval": self.poke_interval,
            "started_at": self.started_at,
            "deadline": self.deadline,
            "not_before": self.not_before,
            "next_poke": self.next_poke,
            "exponential_backoff": self.exponential_backoff,
            "max_wait": self.max_wait,
            "silent_fail": self.silent_fail,
            "shows_progress": self.shows_progress,
            **self.question,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", without_defaults(kwargs, self.ADDED)

    @abstractmethod
    def poller(self) -> endings.Poller:
        """Return what to poll, by the hook of :attr:`_way`; called in one of the threads that poll."""

    def polling_key(self) -> Hashable:
        """Return what is equal for triggers that share threads: those of one connection, unless they list buckets."""
        return connection_key(self.hook)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Send how the wait ended."""
        try:
            ended = await self._wait()
        except Exception:  # which queues the task again as soon as an event would
            await self._hold()
            raise
        finally:
            PUSHES.drop(self.task_instance)
        await PUSHES.settle(self.task_instance)
        await self._hold()
        yield TriggerEvent(ended)  # type: ignore[no-untyped-call]

    async def _hold(self) -> None:
        await asyncio.sleep(max(0.0, self.not_before - time.time()))

    async def _current(self, poller: endings.Poller | None, key: Hashable) -> endings.Poller:
        """Return the poller, or a new one if the connection was edited: what was said elsewhere does not count."""
        if poller is not None:
            if not self._way.may_have_moved or not await self._briefly(self._way.has_moved, key):
                return poller
            self.log.info("the connection was edited; the wait starts again with what it says now")
        before, self._way = self._way, LazyHook(self.hook)
        try:
            least, self._patience = self._patience, endings.LEAST
            return await self._briefly(self.poller, key, max(least, self.deadline - time.time()))
        except BaseException:
            self._way = before  # so that it is seen again that it has moved
            raise

    async def _briefly(self, function: Callable[[], T], key: Hashable, seconds: float = inf) -> T:
        """Return what a function returns that reads the connection, or makes a client: it is not waited for long."""
        stop = Deadline(most := min(seconds, endings.LATE))
        try:
            return await in_thread(function, key=key, stop=stop)
        except CrrError as error:
            if stop.left():
                raise
            raise LookupFailed(
                f"the connection was not ready within {most:.2g} s",
                remedy="Look at where its credentials come from, and at the secrets backend",
                passing=True,
            ) from error

    async def _poll(self, poller: endings.Poller, key: Hashable, stop: Deadline) -> dict[str, Any] | None:
        """Poll once; return the event that it leads to, unless the connection was edited meanwhile."""
        steps: Callable[[Event], Steps[bool]] | None = getattr(poller, "steps", None)
        if steps is None:
            decided = await in_thread(lambda: self._told(poller, poller.poll(stop)), key=key, stop=stop)
        else:
            rechecks = asyncio.ensure_future(self._recheck(key))
            try:
                decided = await in_turns(self._polled(poller, steps(stop)), key=key, stop=stop)
            finally:
                rechecks.cancel()
        if decided and self._way.may_have_moved:
            await self._briefly(self._way.check, key)
        return decided

    def _polled(self, poller: endings.Poller, steps: Steps[bool]) -> Steps[dict[str, Any] | None]:
        return self._told(poller, (yield from self._way.unless_moved(steps)))

    async def _recheck(self, key: Hashable) -> None:
        """Look again and again whether the connection was edited, so that a long poll ends when it was."""
        while True:
            await beside(shared_hook.RECHECK)
            if self._way.may_have_moved:
                with suppress(Exception):  # the poll may go on; what it decides is checked at its end
                    await self._briefly(self._way.has_moved, key)

    def _told(self, poller: endings.Poller, decided: bool) -> dict[str, Any] | None:
        metrics.polled(self.task_instance, poller.value())
        return endings.after(poller, decided=decided)

    def _stop(self, least: float) -> Deadline:
        return Deadline(max(least, self.deadline - time.time()))

    async def _wait(self) -> dict[str, Any]:
        poller: endings.Poller | None = None
        intervals, looking = of_trigger(self), onlookers.of_trigger(self)
        await asyncio.sleep(self._until_first_poll(intervals))
        key, ends = self.polling_key(), self.deadline + endings.GRACE
        least = endings.LEAST if self.deadline > time.time() else endings.LATE
        self._patience = max(least, endings.MAKING)
        while True:
            unasked: CrrError | None = None
            # A poll ends before Airflow's own timeout, which has no evidence to show.
            stop = self._stop(endings.LATE)
            try:
                poller = await self._current(poller, key)
                stop = self._stop(least)
                decided = await self._poll(poller, key, stop)
            except CrrError as error:
                late = not stop.left()
                if not late and not endings.goes_on(error, silent_fail=self.silent_fail):
                    return looking.end(await could_not_ask(error, self._way, key, ends), poller, error)
                unasked = from_dict(error.to_dict())  # which holds nothing of what raised it
                self.log.warning("cannot ask S3, going on: %s", error)
                endings.tell_cost(poller, self.log)
                decided = endings.after(poller, decided=False, unasked=error)
            else:
                looking.tell(poller, decided=bool(decided))
            left = self.deadline - time.time()
            if not decided and (left <= 0 or not stop.left()):  # the clock may have been set back
                decided = endings.timed_out(poller, humanize.age(self.deadline - self.started_at), unasked)
            if decided:
                decided = await with_evidence(poller, decided, key, self.log, ends)
                return looking.end(decided, poller, unasked)
            wait = min(intervals.next(time.time() - self.started_at), left)
            looking.show(poller, next_in=wait, unasked=unasked)
            await asyncio.sleep(wait)

    def _until_first_poll(self, intervals: Intervals) -> float:
        """Return the seconds until it is due; none if the task was stored by a release whose triggers poll at once."""
        now = time.time()
        # Not later than an interval from now: the worker's clock may be ahead of this one.
        longest = intervals.first(max(0.0, now - self.started_at))
        due = max(min(self.next_poke - now, longest), intervals.begin()) if self.next_poke else 0.0
        return max(0.0, min(due, self.deadline - now))
