"""The notifier that makes a title and a text of a verdict, and hands both to the notifiers that people have."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.tasks.compat import conf
from airflow_provider_crr.tasks.notice import Notice, Subject, notice
from airflow_provider_crr.text.legible import told

if TYPE_CHECKING:
    from airflow.sdk import Context

#: What a notifier is given as, where Airflow stores it: by its path and its arguments.
_STORED = {"path", "kwargs"}


class ReplicationNotifier(BaseNotifier):
    """
    Tell people in ten lines why a gate stays shut, what was not deleted, or which limit a report exceeds.

    It is for ``on_failure_callback`` of tasks and DAGs, and for deadline alerts. Templates of the notifiers that it
    calls have two more variables: ``crr_title``, a line for a subject, and ``crr_text``, at most ten lines: DAG, task
    and run, how many objects are in which state, the first of them with the reason, what to do next, and where the log
    is. Of another failure they name what was raised. Both may quote keys of objects: escape them in HTML.

    It raises nothing. What a notifier raises is logged, and the others are called all the same.

    :param notifiers: notifiers, or one: whatever ``on_failure_callback`` takes. Where Airflow stores them, as in the
        ``kwargs`` of a deadline's callback, mappings of ``path``, such as
        ``"airflow.providers.slack.notifications.slack.SlackNotifier"``, and ``kwargs``. Without any, the text is
        logged.
    :param context: given by Airflow where it does not call the notifier with it.
    :raises InvalidArgument: for a notifier that is neither.
    """

    def __init__(
        self,
        context: Any = None,
        *,
        notifiers: Callable[..., Any] | Mapping[str, Any] | Sequence[Callable[..., Any] | Mapping[str, Any]] = (),
    ) -> None:
        super().__init__()  # in Airflow 3.0 without a context
        self.context: Any = context or {}
        self.notifiers = [notifiers] if callable(notifiers) or isinstance(notifiers, Mapping) else [*notifiers]
        for each in self.notifiers:
            if not callable(each) and not (isinstance(each, Mapping) and "path" in each and set(each) <= _STORED):
                raise InvalidArgument(
                    f"{each!r} is not a notifier", remedy="Give one that Airflow calls, or a mapping of path and kwargs"
                )

    def notify(self, context: Context) -> None:
        """Tell all, one after the other."""
        for own_context, notifier in self._each(context):
            try:
                notifier(own_context)
            except Exception:
                self._log_failure(notifier)

    async def async_notify(self, context: Context) -> None:
        """Tell all, in a triggerer; in a thread those that cannot do so themselves."""
        from asgiref.sync import sync_to_async

        for own_context, notifier in self._each(context):
            try:
                if _is_async(notifier):
                    notifier.context = own_context
                    await notifier
                else:
                    await sync_to_async(notifier, thread_sensitive=False)(own_context)
            except Exception:
                self._log_failure(notifier)

    def _each(self, context: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield each notifier and a context, both of its own: it renders itself, and adds to its context."""
        said = self._notice(context)
        if not self.notifiers:
            self.log.error("%s", said.text)
        for each in self.notifiers:
            try:
                notifier = _made(each)
            except Exception:
                self._log_failure(each)
            else:
                yield {**context, "crr_title": said.title, "crr_text": said.text}, notifier

    def _log_failure(self, notifier: Any) -> None:
        self.log.exception("cannot notify by %s", told(notifier))

    def _notice(self, context: Any) -> Notice:
        error, subject = None, Subject("a task")
        try:
            error = _error(context)
            subject = _subject(context)
            return notice(subject, error, _value(context, error))
        except Exception:  # what is told at least must not depend on what else could be
            self.log.exception("cannot read what %s left", subject.name)
            return notice(subject, error)


def _made(each: Any) -> Any:
    if isinstance(each, Mapping):
        module, _, name = str(each["path"]).rpartition(".")
        return getattr(import_module(module), name)(**each.get("kwargs", {}))
    return copy.copy(each)


def _is_async(notifier: Any) -> bool:
    own = getattr(type(notifier), "async_notify", None)
    return own is not None and own is not getattr(BaseNotifier, "async_notify", None)


def _error(context: Any) -> BaseException | None:
    error = context.get("exception")
    if error is None or isinstance(error, BaseException):
        return error
    return Exception(str(error))


def _subject(context: Any) -> Subject:
    ti, dag_run = context.get("ti"), context.get("dag_run")
    dag_id = _of(ti, "dag_id") or _of(dag_run, "dag_id") or _of(context.get("dag"), "dag_id")
    run_id = _of(ti, "run_id") or _of(dag_run, "run_id") or _of(dag_run, "dag_run_id") or context.get("run_id")
    happened, tried, name = "failed", "", str(dag_id or "a DAG")
    if ti is not None:
        map_index, number = _of(ti, "map_index"), _of(ti, "try_number")
        name += f".{_of(ti, 'task_id')}" + (f"[{map_index}]" if isinstance(map_index, int) and map_index >= 0 else "")
        tried = f", try {number}" if number else ""
    elif deadline := context.get("deadline"):
        happened = f"missed its deadline of {_of(deadline, 'deadline_time')}"
    run = f"{run_id}{tried}" if run_id else ""
    return Subject(name, happened, run, str(_of(ti, "log_url") or _url(dag_id, run_id, ti)))


def _url(dag_id: Any, run_id: Any, ti: Any) -> str:
    """Return where the log is, or the run; in some releases a task instance does not say, as under ``dag.test()``."""
    if not (dag_id and run_id):
        return ""
    base = conf.get("api", "base_url", fallback=None) or "http://localhost:8080"  # as Airflow has it
    run = f"{base.rstrip('/')}/dags/{quote(str(dag_id))}/runs/{quote(str(run_id))}"
    return f"{run}/tasks/{quote(str(_of(ti, 'task_id')))}" if ti is not None else run


def _of(what: Any, name: str) -> Any:
    return what.get(name) if isinstance(what, Mapping) else getattr(what, name, None)


def _value(context: Any, error: BaseException | None) -> Any:
    """Return what the task left: its error has it, too, but not that of a timeout."""
    summary = getattr(error, "summary", None)
    if summary:
        return summary
    ti = context.get("ti")
    pull = getattr(ti, "xcom_pull", None)
    if pull is None:
        return None
    return pull(task_ids=ti.task_id, key="return_value", map_indexes=_of(ti, "map_index"))
