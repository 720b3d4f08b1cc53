"""
A verdict in ten lines, for people who are called at night.

It is made of what is there: the value that the task left in XCom, and its error. Whatever is missing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.legible import shortened, told

#: Most lines of a text, and most of them that name objects.
MAX_LINES, MAX_NAMED = 10, 4
#: Most characters of a title and of a line.
MAX_TITLE, MAX_LINE = 150, 300
_GONE_ON = frozenset({"COMPLETED", "REPLICA"})


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What a notice is about.

    :param name: the DAG and the task, such as ``orders.gate``, or what of them is known.
    :param happened: what happened to it, such as ``failed``.
    :param run: the run, and the try; empty if it is not known.
    :param url: where its log is, or the run; empty if it is not known.
    """

    name: str
    happened: str = "failed"
    run: str = ""
    url: str = ""


class Notice(NamedTuple):
    """
    A title of one line, and a text of at most ten.

    :param title: at most :data:`MAX_TITLE` characters.
    :param text: its lines have at most :data:`MAX_LINE` characters.
    """

    title: str
    text: str


def notice(subject: Subject, error: BaseException | None = None, value: Any = None) -> Notice:
    """
    Return what people are told.

    :param subject: what it is about.
    :param error: what the task raised; None if it is not known.
    :param value: what the task left in XCom; anything else than a mapping is left out.
    """
    found = value if isinstance(value, Mapping) else {}
    why = _counts(found) or _reason(error) or _reported(found)
    title = told(f"{subject.name} {subject.happened}{f': {why}' if why else ''}", MAX_TITLE)
    lines = [title, *([f"Run: {subject.run}"] if subject.run else [])]
    lines += _details(found, error)
    ends = [f"Log: {subject.url}"] if subject.url else []
    return Notice(title, "\n".join([told(line, MAX_LINE) for line in lines][: MAX_LINES - len(ends)] + ends))


def _counts(found: Mapping[str, Any]) -> str:
    """Return what decided, counted; "" if the value does not say."""
    if refused := _numbers(found.get("refused_statuses")):
        return f"{_several(sum(refused.values()), 'object version')} not deleted, {_listed(refused)}"
    if deciding := _numbers(found.get("deciding")):
        return f"not replicated, {_listed(deciding)}"
    waiting = {state: n for state, n in _numbers(found.get("statuses")).items() if state not in _GONE_ON}
    if waiting and "total" in found:
        return f"{_listed(waiting)} of {_several(int(found['total']), 'object')}"
    return ""


def _details(found: Mapping[str, Any], error: BaseException | None) -> Iterator[str]:
    message = str(error or "").splitlines()
    if "sample" in found or "refused_sample" in found:
        yield from _replicated(found)
        yield from _named(found)
    else:  # a report over its limits, or what could not be asked
        yield from message[:MAX_NAMED]
    if (oldest := found.get("oldest_pending_seconds")) is not None:
        yield f"Oldest PENDING: {humanize.age(float(oldest))}"
    for name, what in (("report_uri", "Report"), ("failed_manifest_uri", "FAILED objects, for S3 Batch Operations")):
        if found.get(name):
            yield f"{what}: {found[name]}"
    if remedy := getattr(error, "remedy", None):
        if str(remedy) not in " ".join(message[:MAX_NAMED]):
            yield f"Next: {remedy}"
    elif uri := next((each.get("uri") for each in _sample(found) if each.get("uri")), None):
        yield f"Next: airflow crr explain '{shortened(str(uri), MAX_LINE - 40)}'"


def _replicated(found: Mapping[str, Any]) -> Iterator[str]:
    statuses = _numbers(found.get("statuses"))
    if statuses:
        done = sum(number for state, number in statuses.items() if state in _GONE_ON)
        waited = found.get("waited_seconds")
        after = f", after {humanize.age(float(waited))}" if waited is not None else ""
        yield f"Replicated: {humanize.count(done)} of {humanize.count(sum(statuses.values()))}{after}"


def _named(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the objects that decide first; the sample of a value begins with these."""
    worst = [each for each in _sample(found) if each.get("status") not in _GONE_ON]
    for each in worst[:MAX_NAMED]:
        reason = f": {each['reason']}" if each.get("reason") else ""
        yield f"- {shortened(str(each.get('uri')), MAX_LINE // 2)} {each.get('status')}{reason}"
    counted = _numbers(found.get("refused_statuses") or found.get("statuses"))
    more = sum(number for state, number in counted.items() if state not in _GONE_ON) - len(worst[:MAX_NAMED])
    if worst and more > 0:
        yield f"- and {humanize.count(more)} more"


def _sample(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sample = found.get("sample") or found.get("refused_sample") or []
    return [each for each in sample if isinstance(each, Mapping)]


def _numbers(counts: Any) -> dict[str, int]:
    """Return the counts of a value by state; those of a report are mappings, and are told by its limits instead."""
    if not isinstance(counts, Mapping):
        return {}
    return {str(state): number for state, number in counts.items() if isinstance(number, int)}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{humanize.count(number)} {state}" for state, number in counts.items())


def _several(number: int, what: str) -> str:
    return f"{humanize.count(number)} {what}{'' if number == 1 else 's'}"


def _reason(error: BaseException | None) -> str:
    """Return what an error says in its first line, or in those that the first one announces."""
    if error is None:
        return ""
    first, *others = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return "; ".join(others) if others and first.endswith(":") else first


def _reported(found: Mapping[str, Any]) -> str:
    failed = found["statuses"].get("FAILED") if isinstance(found.get("statuses"), Mapping) else None
    return f"the report has {humanize.count(int(failed['objects']))} FAILED" if isinstance(failed, Mapping) else ""
