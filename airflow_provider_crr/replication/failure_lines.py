"""
Why a gate stays shut, in lines that people see: logs do not wrap them.

The objects come first, each on its own line. What is true of several objects is said once, below them: why, by which
rule, and what to do. No line but that of a long URI is longer than :data:`~airflow_provider_crr.text.lines.WIDTH`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_crr.text import humanize
from airflow_provider_crr.text.documentation import documented
from airflow_provider_crr.text.legible import legible
from airflow_provider_crr.text.lines import INDENT, wrapped

#: Page and section of the documentation that say what to do.
PAGE, SECTION = "troubleshooting", "gate-shut"
#: States in which it matters who has asked.
_REFUSED = frozenset({"FORBIDDEN", "UNREADABLE"})
#: Where the first sentence of a reason ends. The others say what to do.
_STOP = re.compile(r"(?<=\S)\. (?=[A-Z])")


@dataclass(slots=True)
class _Group:
    """Objects that decide for the same reason."""

    status: str
    reason: str
    uris: list[str] = field(default_factory=list)
    rules: dict[str, None] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)


def failure_lines(
    named: Sequence[Mapping[str, str]],
    *,
    deciding: Mapping[str, int],
    progress: str,
    waiting: str = "",
    asker: str = "",
    remarks: Sequence[str] = (),
) -> list[str]:
    """
    Return the message of a failed gate.

    :param named: the objects that are named: ``uri``, ``status`` and ``reason``, and perhaps ``rule``, the rule by
        which S3 tried to replicate it, and ``said``, what S3 said, which may stand in brackets at the reason's end.
    :param deciding: state -> how many objects decide, also those that are not named.
    :param progress: how much is replicated, for the first line.
    :param waiting: what else is not done, such as ``3 PENDING``; empty for nothing.
    :param asker: who has asked; shown where S3 refused.
    :param remarks: what else people should know, a line each.
    """
    counts = ", ".join(f"{humanize.count(count)} {state}" for state, count in deciding.items())
    lines = [f"the gate stays shut: {counts}; {progress}"]
    groups = _groups(named)
    for state in dict.fromkeys([*deciding, *(group.status for group in groups)]):
        shown = [group for group in groups if group.status == state]
        for group in shown:
            lines += _of_group(group, asker if state in _REFUSED else "")
        more = deciding.get(state, 0) - sum(len(group.uris) for group in shown)
        if more > 0:
            lines.append(f"and {humanize.count(more)} more {state}")
    lines += [f"still waiting: {waiting}"] if waiting else []
    for remark in remarks:
        lines += wrapped(remark, "")
    return [*lines, f"more: {documented(PAGE, SECTION)}"]


def _groups(named: Sequence[Mapping[str, str]]) -> list[_Group]:
    groups: dict[tuple[str, str], _Group] = {}
    for entry in named:
        status, said = entry["status"], entry.get("said", "")
        reason = entry.get("reason", "").removesuffix(f" ({said})")
        group = groups.setdefault((status, reason), _Group(status, reason))
        group.uris.append(entry["uri"])
        if rule := entry.get("rule"):
            group.rules[rule] = None
        if said:
            group.said[said] = None
    return list(groups.values())


def _of_group(group: _Group, asker: str) -> Iterator[str]:
    yield from (f"{legible(uri)} {group.status}" for uri in group.uris)
    why, *todo = _STOP.split(group.reason)
    yield from wrapped(why, INDENT)
    for said in group.said:
        yield from wrapped(said, INDENT)
    if asker:
        yield from wrapped(f"asked {asker}", INDENT)
    for rule in group.rules:
        yield from wrapped(rule, INDENT)
    if todo:
        yield from wrapped(f"To do: {'. '.join(todo)}", INDENT)
